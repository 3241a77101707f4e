"""Calibrating on real ratings: pages with known outcomes, none of which is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scripted_users import FakeModel

from recsim_llm.agents.language.calibrating import calibrate, calibration_asks, calibration_pages
from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.cli.main import main
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError, DataError

SETTINGS = {"seed": 3, "users": 40, "taken": 2, "page_size": 10}


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


def asks_of(dataset, **settings):
    pages = calibration_pages(dataset, **(SETTINGS | settings))
    return calibration_asks(dataset, pages, LanguageParameters(), elicitation="decision", seed=3)


def later_rows(dataset):
    _, later = dataset.ratings.split_by_time(0.8)
    keys = set(zip(later.user_id.tolist(), later.item_id.tolist(), strict=True))
    rows = zip(dataset.ratings.user_id.tolist(), dataset.ratings.item_id.tolist(), strict=True)
    return np.array([row in keys for row in rows])


def test_taken_items_are_later_ratings_and_the_others_were_never_rated(dataset):
    pages = calibration_pages(dataset, **SETTINGS)
    assert pages.item_index.shape == (40, 10)
    assert (pages.taken.sum(axis=1) == 2).all()
    assert all(len(set(items)) == 10 for items in pages.item_index.tolist())
    ratings, later = dataset.ratings, later_rows(dataset)
    item = dataset.catalog.index_of(ratings.item_id)
    for user, items, taken, stars in zip(*pages, strict=True):
        own = ratings.user_index == user
        rated = dict(zip(item[own].tolist(), ratings.rating[own].tolist(), strict=True))
        held = set(item[own & later].tolist())
        for place, is_taken, given in zip(items.tolist(), taken, stars, strict=True):
            assert (place in held) if is_taken else (place not in rated)
            assert given == rated[place] if is_taken else np.isnan(given)


def test_personas_do_not_know_what_became_popular_later(dataset):
    pages = calibration_pages(dataset, **SETTINGS)
    ratings, later = dataset.ratings, later_rows(dataset)
    rare = dataset.catalog.item_id[np.argsort(dataset.catalog.popularity)]
    moved = replace(ratings, item_id=np.where(later, rare[np.arange(len(ratings)) % 20], ratings.item_id))
    counts = np.bincount(dataset.catalog.index_of(moved.item_id), minlength=len(dataset.catalog))
    other = replace(dataset, ratings=moved, catalog=dataset.catalog.with_popularity(counts))
    told = (calibration_asks(data, pages, LanguageParameters(), elicitation="decision", seed=3) for data in (dataset, other))
    assert len({tuple(ask.prompt.parts[1].text for ask in asks) for asks in told}) == 1


def test_the_other_items_are_about_as_popular(dataset):
    pages = calibration_pages(dataset, **SETTINGS)
    known, _ = dataset.ratings.split_by_time(0.8)
    count = np.bincount(dataset.catalog.index_of(known.item_id), minlength=len(dataset.catalog))
    rank = np.argsort(np.argsort(count, kind="stable"))[pages.item_index]
    matched, anything = rank[pages.taken].mean() - rank[~pages.taken].mean(), rank[pages.taken].mean() - len(count) / 2
    assert abs(matched) < 0.05 * len(count) < anything


def test_taken_items_stand_anywhere(dataset):
    share = calibration_pages(dataset, **SETTINGS).taken.mean(axis=0)
    assert (share > 0).all()


def test_changing_a_label_changes_no_byte_of_any_prompt(dataset):
    ratings = dataset.ratings
    changed = np.where(later_rows(dataset), 6 - ratings.rating, ratings.rating).astype(np.float32)
    other = replace(dataset, ratings=replace(ratings, rating=changed))
    assert not np.array_equal(
        calibration_pages(dataset, **SETTINGS).stars, calibration_pages(other, **SETTINGS).stars, equal_nan=True
    )
    assert asks_of(dataset) == asks_of(other)


def test_changing_an_earlier_rating_changes_the_personas(dataset):
    ratings = dataset.ratings
    changed = np.where(later_rows(dataset), ratings.rating, 6 - ratings.rating).astype(np.float32)
    assert asks_of(dataset) != asks_of(replace(dataset, ratings=replace(ratings, rating=changed)))


def test_the_same_seed_lays_out_the_same_pages(dataset):
    first, again, other = (calibration_pages(dataset, **(SETTINGS | {"seed": seed})) for seed in (3, 3, 4))
    assert np.array_equal(first.item_index, again.item_index)
    assert not np.array_equal(first.user_index, other.user_index) or not np.array_equal(first.item_index, other.item_index)


def test_a_model_that_knows_nothing_is_brought_to_the_share_taken(dataset):
    found = calibrate(FakeModel("uniform"), dataset, **SETTINGS)
    assert found.click_bias == pytest.approx(np.log(0.2 / 0.8), abs=0.05)
    assert (found.leave_slope, found.leave_bias) == (1, 0)


def test_a_click_rate_shifts_the_bias_by_the_difference_of_the_log_odds(dataset):
    plain, rare = (calibrate(FakeModel(), dataset, click_rate=rate, **SETTINGS) for rate in (None, 0.02))
    assert rare.click_bias == pytest.approx(plain.click_bias + np.log(0.02 / 0.98) - np.log(0.2 / 0.8))
    assert replace(rare, click_bias=0) == replace(plain, click_bias=0)


def test_a_model_that_sees_the_outcome_is_trusted_more(dataset):
    pages = calibration_pages(dataset, **SETTINGS)
    titles = [
        {f'"{dataset.catalog.title[item]}"' for item in items[taken]}
        for items, taken in zip(pages.item_index, pages.taken, strict=True)
    ]
    number = iter(range(10**6))
    place = {}

    def knowing(text, question):
        user = place.setdefault(text, next(number) if text not in place else 0)
        if question.key.startswith("click"):
            line = text.split("<page>\n")[1].split("\n")[int(question.key.split("_")[1]) - 1]
            chance = 0.6 if any(title in line for title in titles[user]) else 0.4
            return chance, 1 - chance
        return (1.0,) * len(question.options)

    assert calibrate(FakeModel(knowing), dataset, **SETTINGS).click_slope > 2


def test_the_result_is_a_calibration_that_users_can_take(dataset):
    assert isinstance(calibrate(FakeModel(), dataset, **SETTINGS), Calibration)


@pytest.mark.parametrize(
    "settings", [{"users": 0}, {"taken": 0}, {"taken": 10}, {"page_size": 10**6}, {"taken": 5000, "page_size": 5001}]
)
def test_impossible_pages_are_refused(dataset, settings):
    with pytest.raises((ConfigError, DataError), match=r"calibrate(, \w+)?: got .*expected"):
        calibration_pages(dataset, **(SETTINGS | settings))


@pytest.mark.parametrize("rate", [0, 1, -0.5])
def test_an_impossible_click_rate_is_refused(dataset, rate):
    with pytest.raises(ConfigError, match="calibrate: got click_rate"):
        calibrate(FakeModel(), dataset, click_rate=rate, **SETTINGS)


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(tmp_path, capsys):
    out = tmp_path / "missing" / "calibration.json"
    assert main(["calibrate", "fictional", str(out), "--model", "scripted/unknown", "--seed", "1"]) == 2
    assert "make the folder first" in capsys.readouterr().err
