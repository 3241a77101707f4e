"""Stars of randomly shown items: nothing of them reaches the fit, and who is near to them scores well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chosen_ratings import exposures, plant

from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import DataError
from recsim_llm.realism.random_exposure import MEAN_ERROR, STAR_DISTANCE, TRIVIAL, UPPER, score_on_random_exposure


class SameStars:
    """Everybody rates everything alike."""

    levels = np.arange(1, 6, dtype=np.float32)

    def __init__(self, chance):
        self._chance = np.asarray(chance, np.float64)

    def taste(self, user_index, item_index):
        return np.zeros(item_index.shape)

    def stars(self, user_index, item_index):
        return np.broadcast_to(self._chance, (*item_index.shape, 5))


@pytest.fixture(scope="module")
def planted():
    return plant()


def score(planted, build, shown=None):
    return score_on_random_exposure(planted.chosen, planted.shown if shown is None else shown, build, seed=1, resamples=100)


def test_the_right_stars_miss_by_little_and_those_of_chosen_items_by_more(planted):
    right = np.bincount(planted.shown.rating.astype(int), minlength=6)[1:] / len(planted.shown)
    found = score(planted, lambda training: {"right": SameStars(right)})
    error = found.measures[0]
    assert error.name == MEAN_ERROR
    assert error.row("right").estimate.value < 1e-6
    assert error.row(TRIVIAL).estimate.value > 0.2
    assert error.row(UPPER).estimate.value < error.row(TRIVIAL).estimate.value
    assert error.row(TRIVIAL).difference.excludes(0.0)
    assert f"{len(planted.shown):,} ratings by 120 users" in found.protocol


def test_the_mean_alone_is_not_the_distribution(planted):
    stars = planted.shown.rating
    low = (5 - stars.mean()) / 4
    found = score(planted, lambda training: {"ends": SameStars([low, 0, 0, 0, 1 - low])})
    by_name = {measure.name: measure.row("ends").estimate.value for measure in found.measures}
    assert by_name[MEAN_ERROR] < 0.01
    assert by_name[STAR_DISTANCE] > 0.5


def test_ratings_of_what_was_shown_at_random_are_left_out_of_the_fit(planted):
    seen: list[Dataset] = []
    score(planted, lambda training: seen.append(training) or {"one": SameStars([0, 0, 1, 0, 0])})
    pairs = set(zip(planted.shown.user_id.tolist(), planted.shown.item_id.tolist(), strict=True))
    ratings = seen[0].ratings
    assert not pairs & set(zip(ratings.user_id.tolist(), ratings.item_id.tolist(), strict=True))
    both = sum(
        pair in pairs
        for pair in zip(*(getattr(planted.chosen.ratings, n).tolist() for n in ("user_id", "item_id")), strict=True)
    )
    assert both > 0
    assert len(ratings) == len(planted.chosen.ratings) - both


def test_strangers_and_rows_without_stars_are_left_out_and_counted(planted):
    shown = planted.shown
    rating = shown.rating.copy()
    rating[:10] = np.nan
    odd = replace(shown, rating=rating, user_id=np.where(shown.user_id == 119, 9999, shown.user_id))
    found = score(planted, lambda training: {"one": SameStars([0, 0, 1, 0, 0])}, odd)
    assert "; 20 rows without stars or of other users or items are left out" in found.protocol


@pytest.mark.parametrize("stars", [None, np.nan])
def test_a_log_without_stars_is_refused_in_one_line(planted, stars):
    rating = None if stars is None else np.full(len(planted.shown), stars)
    with pytest.raises(DataError, match="got no stars of users and items of chosen"):
        score(planted, lambda training: {}, replace(planted.shown, rating=rating))


def test_data_that_hold_the_random_ratings_alone_are_refused(planted):
    ratings = planted.chosen.ratings
    all_of_it = exposures("all", ratings.user_id, ratings.item_id, ratings.rating.astype(float))
    with pytest.raises(DataError, match="got ratings of items shown at random alone"):
        score(planted, lambda training: {}, all_of_it)
