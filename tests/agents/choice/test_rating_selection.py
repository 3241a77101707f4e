"""People rate what they expect to like; fits that allow for it are right about the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsim_llm.agents.choice.choice_candidate import ChoiceCandidate
from recsim_llm.agents.choice.choice_fit import fit_choice
from recsim_llm.agents.choice.little_known import little_known
from recsim_llm.agents.choice.rating_selection import RatingSelection, match_propensities
from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.realism import random_exposure_error
from tests.support.chosen_ratings import exposures, plant


@pytest.fixture(scope="module")
def planted():
    return plant()


@pytest.fixture(scope="module")
def fits(planted):
    ways = {
        "doubly robust": RatingSelection(method="doubly robust"),
        "weighted": RatingSelection(method="weighted", propensity=planted.propensity),
        "naive": None,
    }
    return {name: fit_choice(planted.chosen, 3, selection=way) for name, way in ways.items()}


@pytest.fixture(scope="module")
def measures(planted, fits):
    candidates = {name: ChoiceCandidate(fit) for name, fit in fits.items()}
    return random_exposure_error(planted.shown, candidates, planted.chosen, seed=1, resamples=200)


def test_naive_users_are_too_pleased_with_what_is_shown_at_random(measures):
    naive = measures[0].row("naive").estimate
    assert naive.value > 0.35
    assert naive.low > 0.25


@pytest.mark.parametrize("method", ["weighted", "doubly robust"])
def test_users_fitted_with_propensities_are_right_on_average_and_in_distribution(measures, method):
    mean, distance, _ = (measure.row(method).estimate for measure in measures)
    assert mean.low < 0.06
    assert mean.value < 0.15
    assert distance.value < 0.15


def test_better_stars_at_random_are_better_one_by_one_too(measures):
    squared = measures[2]
    assert squared.row("doubly robust").estimate.value < squared.row("naive").estimate.value - 0.05


def test_fitted_users_say_how_self_selection_was_treated(planted, fits):
    assert any("doubly robust" in note for note in little_known(planted.chosen, fits["doubly robust"].model))
    assert fits["naive"].model.selection == ""


def test_what_was_clicked_does_not_hang_on_how_stars_were_fitted(fits):
    assert np.array_equal(fits["naive"].model.click_items, fits["doubly robust"].model.click_items)


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="got 'robust', expected"):
        RatingSelection(method="robust")


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.5, np.nan])
def test_a_propensity_that_is_no_chance_is_refused(planted, bad):
    chances = planted.propensity.copy()
    chances[3] = bad
    with pytest.raises(DataError, match="selection, propensity"):
        fit_choice(planted.chosen, 3, selection=RatingSelection(method="weighted", propensity=chances))


def test_propensities_of_a_log_find_their_ratings_in_any_order(planted):
    ratings = planted.chosen.ratings
    order = np.random.default_rng(2).permutation(len(ratings))
    log = exposures("log", ratings.user_id[order], ratings.item_id[order], propensity=planted.propensity[order])
    assert np.allclose(match_propensities(planted.chosen, log), planted.propensity)


def test_propensities_go_by_the_own_ids_of_users_and_items(planted):
    catalog, ratings = planted.chosen.catalog, planted.chosen.ratings
    keyed = replace(planted.chosen, catalog=_keyed(catalog), user_keys={user: f"u{user}" for user in ratings.users.tolist()})
    log = exposures("log", ratings.user_id, ratings.item_id, propensity=planted.propensity)
    with pytest.raises(DataError, match="got no propensity for"):
        match_propensities(keyed, log)
    named = replace(log, user_keys=keyed.user_keys, item_keys={item: f"i{item}" for item in catalog.item_id.tolist()})
    assert len(match_propensities(keyed, named)) == len(ratings)


def _keyed(catalog):
    return Catalog.from_columns(
        item_id=catalog.item_id,
        title=list(catalog.title),
        genres=[[] for _ in catalog.item_id],
        item_key=[f"i{item}" for item in catalog.item_id.tolist()],
    )


def test_a_log_without_propensities_or_without_some_is_refused(planted):
    ratings = planted.chosen.ratings
    with pytest.raises(DataError, match="without propensities"):
        match_propensities(planted.chosen, exposures("log", ratings.user_id, ratings.item_id))
    fewer = exposures("log", ratings.user_id[1:], ratings.item_id[1:], propensity=planted.propensity[1:])
    with pytest.raises(DataError, match="got no propensity for 1 of"):
        match_propensities(planted.chosen, fewer)


def test_random_ratings_of_strangers_are_refused(planted, fits):
    candidates = {"naive": ChoiceCandidate(fits["naive"])}
    stranger = exposures("shown", np.array([999]), np.array([0]), np.array([3.0]))
    with pytest.raises(DataError, match="got user 999"):
        random_exposure_error(stranger, candidates, planted.chosen, seed=1)
    with pytest.raises(DataError, match="got no stars"):
        random_exposure_error(exposures("shown", np.array([0]), np.array([0])), candidates, planted.chosen, seed=1)
