"""Worlds of language users, by data and number."""

from __future__ import annotations

import numpy as np
import pytest
from contrast_scripts import pulled
from scripted_users import FakeModel, page_of, pages

from recsim_llm.agents import worlds as worlds_module
from recsim_llm.agents.choice.choice_fit import FittedUsers
from recsim_llm.agents.language.calibration_answers import uncalibrated_users
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.worlds import choice_world, language_world
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.scripted import Scripted
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.population_files import write_population
from recsim_llm.registry import resolve


class Models:
    """A model for the role ``user`` and no other."""

    def __init__(self):
        self.model = FakeModel()

    def role(self, name):
        return {"user": self.model}[name]


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


@pytest.fixture(scope="module")
def known(dataset):
    return population_from_ratings(dataset.ratings, dataset.catalog, dataset.demographics)


@pytest.fixture(autouse=True)
def no_fit(monkeypatch):
    """Let every attempt to fit fail: language users need none."""
    for name in ("fitted_for", "load_fitted"):
        monkeypatch.delattr(worlds_module, name)


def test_language_is_a_shipped_name():
    assert resolve("users", "language") is language_world


def test_without_a_model_the_option_is_named(dataset):
    with pytest.raises(ConfigError, match=r"got no models, expected some, for instance Roles"):
        language_world(dataset, seed=1)


def test_all_users_of_the_data_by_default(dataset, known):
    models = Models()
    world = language_world(dataset, models=models, parameters={"rotate": False}, seed=1)
    assert isinstance(world.users, LanguageUsers)
    assert world.users.model is models.model
    assert world.users.parameters.rotate is False
    assert np.array_equal(world.population.user_id, known.user_id)
    assert np.array_equal(world.population.traits, known.traits)


def test_policies_see_the_same_catalog_as_with_choice_users(dataset, monkeypatch, known):
    world = language_world(dataset, models=Models(), seed=1)
    assert world.catalog.quality is None
    train, _ = dataset.ratings.split_by_time(0.8)
    counts = np.bincount(dataset.catalog.index_of(train.item_id), minlength=len(dataset.catalog))
    assert np.array_equal(world.catalog.popularity, counts)


def test_neutral_histories_are_those_of_calibration_and_know_nothing_of_later_ratings(dataset):
    asked = {"contrast": "titles", "templates": "en_compact"}
    with LanguageModel(Scripted(pulled), elicitation="forced") as model:
        models = Models()
        models.model = model
        of_run = language_world(dataset, models=models, parameters=asked, seed=1).users
        calibrated = uncalibrated_users(model, dataset, LanguageParameters.from_settings(asked), seed=1)
        assert of_run._contrast._popular == calibrated._contrast._popular


@pytest.mark.parametrize("count", [1, 20, np.int64(60)])
def test_a_few_users_are_those_that_choice_users_would_draw(dataset, known, count, monkeypatch):
    drawn = language_world(dataset, count, seed=5, models=Models()).population
    assert len(drawn) == count
    same = known.take(np.searchsorted(known.user_id, drawn.user_id))
    assert np.array_equal(drawn.traits, same.traits)
    monkeypatch.setattr(worlds_module, "fitted_for", lambda _: FittedUsers(StubModel(), known, None), raising=False)
    monkeypatch.setattr(worlds_module, "ChoiceUsers", lambda *_: None)
    assert np.array_equal(choice_world(dataset, count, seed=5).population.user_id, drawn.user_id)


class StubModel:
    """Stands for a fitted model of which nothing but the parameters is read."""

    parameters = worlds_module.ChoiceParameters()


def test_more_users_than_the_data_have_are_synthetic_with_new_ids(dataset, known):
    users = language_world(dataset, 90, seed=5, models=Models()).population
    assert len(users) == 90
    assert users.user_id.min() > known.user_id.max()
    assert np.array_equal(users.traits, language_world(dataset, 90, seed=5, models=Models()).population.traits)
    assert (users.traits != language_world(dataset, 90, seed=6, models=Models()).population.traits).any()


def test_users_may_come_from_a_file_or_be_given(dataset, known, tmp_path):
    some = known.take(np.array([4, 2]))
    write_population(some, tmp_path / "users.jsonl")
    read = language_world(dataset, tmp_path / "users.jsonl", models=Models(), seed=1).population
    assert np.array_equal(read.user_id, some.user_id)
    assert language_world(dataset, some, models=Models(), seed=1).population is some


def test_the_users_of_a_fit_may_be_taken(dataset, known, monkeypatch):
    fit = FittedUsers(None, known.take(np.array([3, 9])), None)
    monkeypatch.setattr(worlds_module, "load_fitted", lambda folder: {"some fit": fit}[str(folder)], raising=False)
    assert language_world(dataset, fitted="some fit", models=Models(), seed=1).population is fit.population


@pytest.mark.parametrize("count", [0, -3, True])
def test_a_number_of_users_below_one_is_refused(dataset, count):
    with pytest.raises(ConfigError, match="number of users: got"):
        language_world(dataset, count, models=Models(), seed=1)


def test_an_unknown_parameter_is_refused(dataset):
    with pytest.raises(ConfigError, match="language parameter: got 'boredom'"):
        language_world(dataset, parameters={"boredom": 1}, models=Models(), seed=1)


def test_the_seed_reaches_the_order_of_presentation(dataset):
    orders = []
    for seed in (1, 1, 2):
        models = Models()
        world = language_world(dataset, seed=seed, models=models)
        world.users.allocate(60, 10)
        world.users.begin(slice(None), np.arange(60), False)
        world.users.decide(pages(np.tile(np.arange(10), (60, 1))))
        orders.append([page_of(ask)[0] for ask in models.model.asks])
    assert orders[0] == orders[1] != orders[2]
