"""Requests carry the observable profile, and nothing of what only the simulator knows about users."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from recsim_llm.agents.worlds import choice_world
from recsim_llm.recommenders import RandomRecommender
from recsim_llm.scenarios import load_scenario, run

HIDDEN = [False]
SEEN = []


class Watching(RandomRecommender):
    def recommend(self, requests, k):
        SEEN.append(requests)
        return super().recommend(requests, k)


def groups(population):
    """Ages and homes that have nothing to do with who the users are."""
    age = np.array([("young", "old", "")[user % 3] for user in population.user_id.tolist()], object)
    return {"home": np.array([f"town {user % 2}" for user in population.user_id.tolist()], object), "age": age}


def world(data, population=None, *, seed, parameters=None, fitted=None):
    """Choice users with demographics; where HIDDEN says so, with each other's persona, tastes and fitted vectors."""
    built = choice_world(data, population, seed=seed, parameters=parameters, fitted=fitted)
    people = replace(built.population, demographics=groups(built.population))
    if HIDDEN[0]:
        other = people.take(np.arange(len(people))[::-1])
        people = replace(people, traits=other.traits, taste=other.taste, vectors=other.vectors)
    return choice_world(data, people, seed=seed, parameters=parameters, fitted=fitted)


@pytest.fixture
def scenario(monkeypatch):
    monkeypatch.setitem(sys.modules, "profiled", sys.modules[__name__])
    SEEN.clear()
    settings = {"users.count": 20, "users.model": "profiled:world", "max_pages": 2, "slate_size": 4, "seed": 5, "visits": 2}
    return load_scenario("demo", settings | {"recommenders": ["profiled:Watching"]})


@pytest.mark.parametrize("barrier", ["page", "visit"])
def test_requests_carry_the_demographics_of_their_users(scenario, tmp_path, barrier):
    run(scenario.model_copy(update={"barrier": barrier}), tmp_path / "run")
    assert len({len(requests.user_id) for requests in SEEN}) > 1
    for requests in SEEN:
        expected = [("young", "old", "")[user % 3] for user in requests.user_id.tolist()]
        assert requests.profile.values("age").tolist() == expected
        assert requests.profile.names == ("age=old", "age=young", "home=town 0", "home=town 1")
        assert requests.profile.columns[:, 1].tolist() == [value == "young" for value in expected]


def test_the_environment_observes_the_same_columns(scenario, tmp_path):
    run(scenario, tmp_path / "run")
    requests = SEEN[0]
    columns = dict(zip(requests.user_id.tolist(), requests.profile.columns.tolist(), strict=True))
    env = gymnasium.make("RecSimLLM/Browse-v0", scenario=scenario, observation=["profile"])
    for _ in range(8):
        observation, info = env.reset(seed=None)
        assert observation["profile"].tolist() == columns[info["user_id"]]


def test_requests_say_nothing_that_only_the_simulator_knows(scenario, tmp_path):
    """Whoever the users are, with equal demographics and ids everything told before the first page is the same."""
    told = []
    for hidden in (False, True):
        SEEN.clear()
        HIDDEN[0] = hidden
        run(scenario, tmp_path / f"run{hidden}")
        told.append([pickle.dumps(requests) for requests in SEEN])
    HIDDEN[0] = False
    assert told[0][0] == told[1][0]
    assert told[0] != told[1]  # They do behave as others.
