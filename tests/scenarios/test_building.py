"""A scenario, built."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.errors import ConfigError, LogError
from recsim_llm.scenarios.building import load_dataset, rebuild_world, stage
from recsim_llm.scenarios.schema import load_scenario

SMALL = {"users.count": 12, "slate_size": 4, "seed": 11, "recommenders": ["random", "popularity"]}


def scenario(**more):
    return load_scenario("demo", SMALL | more)


def test_a_stage_holds_what_the_scenario_names(tmp_path):
    with stage(scenario(), calls=tmp_path / "calls.sqlite") as built:
        assert built.dataset.fingerprint == load_dataset(scenario()).fingerprint
        assert len(built.world.population) == 12
        assert list(built.recommenders) == ["random", "popularity"]
    assert not list(tmp_path.iterdir())


def test_every_recommender_is_a_new_one(tmp_path):
    with stage(scenario(), calls=tmp_path / "calls.sqlite") as built:
        first, second = built.recommenders["random"](), built.recommenders["random"]()
    assert first is not second


def test_recommenders_may_learn_from_no_later_rating(tmp_path):
    with stage(scenario(train_share=0.5), calls=tmp_path / "calls.sqlite") as built:
        training, later = built.training_part()
    ratings = training.ratings
    assert len(ratings) + len(later) == len(built.dataset.ratings)
    assert max(ratings.timestamp[ratings.user_id == 1]) <= min(later.timestamp[later.user_id == 1])
    counts = np.bincount(training.catalog.index_of(ratings.item_id), minlength=len(training.catalog))
    np.testing.assert_array_equal(training.catalog.popularity, counts)
    assert training.catalog.quality is None


def test_an_oracle_of_users_who_cannot_tell_is_refused_before_anything_is_asked(tmp_path):
    asked = scenario(recommenders=["popularity", "oracle"], **{"users.model": "language", "models.user": "scripted/genres"})
    with (
        pytest.raises(ConfigError, match=r"expected choice users; leave it out: --recommenders popularity"),
        stage(asked, calls=tmp_path / "calls.sqlite"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_policy_without_its_language_model_is_refused_before_anybody_is_served(tmp_path):
    with (
        pytest.raises(ConfigError, match=r"role policy: got no language model, expected --set models.policy=provider/name"),
        stage(scenario(recommenders=["popularity", "language"]), calls=tmp_path / "calls.sqlite"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_the_world_of_a_run_is_built_again(tmp_path):
    with stage(scenario(), calls=tmp_path / "calls.sqlite") as built:
        known = {"data": built.dataset.fingerprint, "population": built.world.population.fingerprint}
    again = rebuild_world(scenario(), known, "a run")
    np.testing.assert_array_equal(again.population.user_id, built.world.population.user_id)
    with pytest.raises(LogError, match=r"a run: the population changed since the run, expected what its manifest\.json says"):
        rebuild_world(scenario(), known | {"population": "another"}, "a run")
