"""Worlds of choice users, by data and number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsim_llm.agents import worlds as worlds_module
from recsim_llm.agents.choice.choice_fit import fit_choice
from recsim_llm.agents.choice.saved_fits import save_fitted
from recsim_llm.agents.worlds import choice_world
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.population.population_files import write_population
from recsim_llm.registry import resolve


@pytest.fixture(scope="module")
def dataset():
    """A few thousand ratings by sixty users."""
    return fictional.load(n_users=60)


@pytest.fixture(scope="module")
def fit(dataset):
    return fit_choice(dataset, seed=3)


@pytest.fixture(autouse=True)
def kept_fit(fit, monkeypatch):
    """Let the fit be at hand for any data."""
    monkeypatch.setattr(worlds_module, "fitted_for", lambda dataset: fit)


def same_users(left, right):
    np.testing.assert_array_equal(left.user_id, right.user_id)
    np.testing.assert_array_equal(left.traits, right.traits)
    for name, vector in left.vectors.items():
        np.testing.assert_array_equal(vector, right.vectors[name])


def test_choice_is_a_shipped_name():
    assert resolve("users", "choice") is choice_world


def test_all_users_of_the_data_by_default(dataset, fit):
    world = choice_world(dataset, seed=1)
    assert np.array_equal(world.catalog.item_id, dataset.catalog.item_id)
    same_users(world.population, fit.population)
    assert world.users.parameters == fit.model.parameters


def test_data_may_be_given_by_name(dataset, monkeypatch):
    monkeypatch.setattr(worlds_module, "open_dataset", {"fictional": dataset}.__getitem__)
    assert np.array_equal(choice_world("fictional", seed=1).catalog.item_id, dataset.catalog.item_id)


@pytest.mark.parametrize("count", [1, 20, 60, np.int64(20)])
def test_a_few_users_are_drawn_from_the_real_ones(dataset, fit, count):
    users = choice_world(dataset, count, seed=5).population
    assert len(users) == count
    assert (np.diff(users.user_id) > 0).all()
    same_users(users, fit.population.take(np.searchsorted(fit.population.user_id, users.user_id)))


def test_which_users_are_drawn_depends_on_the_seed_only(dataset):
    drawn = [choice_world(dataset, 20, seed=seed).population.user_id.tolist() for seed in (5, 5, 6)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_smaller_draw_is_part_of_a_larger(dataset):
    few, more = (set(choice_world(dataset, count, seed=5).population.user_id.tolist()) for count in (10, 30))
    assert few < more


def test_more_users_than_the_data_have_are_synthetic_with_new_ids(dataset, fit):
    users = choice_world(dataset, 90, seed=5).population
    assert len(users) == 90
    assert users.user_id.min() > fit.population.user_id.max()
    same_users(users, choice_world(dataset, 90, seed=5).population)
    assert (users.traits != choice_world(dataset, 90, seed=6).population.traits).any()


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_users_may_come_from_a_file(dataset, fit, tmp_path, suffix):
    some = fit.population.take(np.array([4, 2]))
    write_population(some, tmp_path / f"users.{suffix}")
    same_users(choice_world(dataset, tmp_path / f"users.{suffix}", seed=1).population, some)
    same_users(choice_world(dataset, str(tmp_path / f"users.{suffix}"), seed=1).population, some)


def test_users_may_be_given(dataset, fit):
    some = fit.population.take(np.array([4, 2]))
    assert choice_world(dataset, some, seed=1).population is some


def test_parameters_replace_those_of_the_fit(dataset, fit):
    users = choice_world(dataset, seed=1, parameters={"boredom": 2.0, "position_curve": [1.0, 0.5]}).users
    assert users.parameters == replace(fit.model.parameters, boredom=2.0, position_curve=(1.0, 0.5))


def test_another_click_rate_moves_every_log_odds_alike(dataset):
    appeal = []
    for rate in (0.01, 0.1):
        users = choice_world(dataset, 7, seed=1, parameters={"click_rate": rate}).users
        users.allocate(7, 1)
        users.begin(slice(None), np.arange(7), False)
        appeal.append(users.appeal(slice(None)))
    shift = appeal[1] - appeal[0]
    assert shift.min() > 1
    np.testing.assert_allclose(shift, shift[0, 0], atol=1e-4)


def test_a_fit_may_come_from_a_folder(dataset, fit, tmp_path, monkeypatch):
    save_fitted(fit, tmp_path / "fit")
    monkeypatch.delattr(worlds_module, "fitted_for")
    same_users(choice_world(dataset, seed=1, fitted=tmp_path / "fit").population, fit.population)
    same_users(choice_world(dataset, seed=1, fitted=str(tmp_path / "fit")).population, fit.population)


def test_a_folder_without_a_fit_is_refused(dataset, tmp_path):
    with pytest.raises(DataError, match=r"got no model\.npz"):
        choice_world(dataset, seed=1, fitted=tmp_path)


def test_a_fit_of_another_catalog_is_refused(dataset):
    catalog = replace(dataset.catalog, item_id=dataset.catalog.item_id + 1)
    other = replace(dataset, catalog=catalog, ratings=replace(dataset.ratings, item_id=dataset.ratings.item_id + 1))
    with pytest.raises(ConfigError, match="other items than the catalog"):
        choice_world(other, seed=1)


def test_users_without_fitted_vectors_are_refused(dataset, fit):
    with pytest.raises(ConfigError, match="got a population without click, cuts, noise, rating"):
        choice_world(dataset, replace(fit.population, vectors={}), seed=1)


@pytest.mark.parametrize("count", [0, -3, True])
def test_a_number_of_users_below_one_is_refused(dataset, count):
    with pytest.raises(ConfigError, match="number of users: got"):
        choice_world(dataset, count, seed=1)


@pytest.mark.parametrize("parameters", [{"boredum": 1}, {"boredom": "much"}, {"drift_memory": 2}])
def test_bad_parameters_are_refused(dataset, parameters):
    with pytest.raises(ConfigError, match="choice parameter"):
        choice_world(dataset, seed=1, parameters=parameters)


def test_policies_see_neither_quality_nor_the_popularity_of_later_ratings(dataset, kept_fit):
    seen = choice_world(dataset, seed=1).catalog
    train, _ = dataset.ratings.split_by_time(0.8)
    counts = np.bincount(dataset.catalog.index_of(train.item_id), minlength=len(dataset.catalog))
    assert seen.quality is None
    assert np.array_equal(seen.popularity, counts)
    assert not np.array_equal(seen.features, dataset.catalog.features)
