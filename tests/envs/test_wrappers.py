"""Flat observations, single-item actions, action masks."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

from recsim_llm.envs import ActionMask, FlatObservation, FlatVectorObservation
from recsim_llm.errors import ConfigError

PARTS = ["page", "summary", "history", "profile"]


def test_flat_observation_shows_features_in_place_of_items(world, make_env):
    plain, flat = make_env(world, observation=["history"]), FlatObservation(make_env(world, observation=["history"]))
    assert (flat.reset(seed=0)[0] == 0).all()
    plain.reset(seed=0)
    page = np.array([7, 3, 3, 9])
    seen, expected = flat.step(page)[0], plain.step(page)[0]
    features = world.catalog.features[page]
    features[2] = 0  # the repeated item's slot is blank
    np.testing.assert_array_equal(seen[:4], expected["history_clicked"])  # the parts of a Dict are in alphabetical order
    np.testing.assert_array_equal(seen[4:32], features.reshape(-1))
    np.testing.assert_array_equal(seen[32:], expected["history_rating"])


@pytest.mark.parametrize("action", ["slate", "candidates", "embedding"])
@pytest.mark.parametrize("history_pages", [1, 2])
def test_flat_observations_lie_in_their_space(world, make_env, action, history_pages):
    env = FlatObservation(make_env(world, action=action, candidates=8, observation=PARTS, history_pages=history_pages))
    env.action_space.seed(0)
    seen, _ = env.reset(seed=0)
    for _ in range(100):
        assert seen.dtype == np.float32
        assert env.observation_space.contains(seen)
        seen, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            seen, _ = env.reset()


def test_flat_width_does_not_grow_with_the_catalog(make_world, make_env):
    small, large = (FlatObservation(make_env(make_world(items=items))) for items in (30, 3000))
    assert small.observation_space.shape == large.observation_space.shape


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_flat_vector_rows_equal_flat_single_observations(make_world, make_rows, mode):
    own = FlatVectorObservation(make_rows(make_world(), 3, autoreset_mode=mode, observation=PARTS))
    vectoriser = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode}, "wrappers": [FlatObservation]}
    sync = make_rows(make_world(), 3, observation=PARTS, **vectoriser)
    assert own.observation_space == sync.observation_space
    assert own.single_observation_space == sync.single_observation_space
    own.action_space.seed(0)
    assert data_equivalence(own.reset(seed=0)[0], sync.reset(seed=0)[0], exact=True)
    finals = 0
    for _ in range(60):
        action = own.action_space.sample()
        (*mine, info), (*theirs, their_info) = own.step(action), sync.step(action)
        assert data_equivalence(mine, theirs, exact=True)
        assert own.observation_space.contains(mine[0])
        for final, expected in zip(info.get("final_obs", ()), their_info.get("final_obs", ()), strict=True):
            finals += final is not None
            assert (final is None and expected is None) or np.array_equal(final, expected)
    assert (finals > 0) == (mode is AutoresetMode.SAME_STEP)


@pytest.mark.parametrize("wrapper", [FlatObservation, ActionMask])
def test_wrappers_refuse_other_environments(wrapper):
    with pytest.raises(ConfigError, match="expected RecSimLLM/Browse-v0"):
        wrapper(gymnasium.make("CartPole-v1"))


def test_flat_vector_observation_refuses_other_environments(world, make_rows):
    with pytest.raises(ConfigError, match="expected the vector form"):
        FlatVectorObservation(make_rows(world, vectorization_mode="sync"))


def test_flat_observation_twice_is_refused(world, make_env):
    with pytest.raises(ConfigError, match="flat observation: got space Box"):
        FlatObservation(FlatObservation(make_env(world)))
