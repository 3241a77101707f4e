"""Flat observations, single-item actions, action masks."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

from recsim_llm.envs import ActionMask, FlatObservation, FlatVectorObservation, SingleItemAction
from recsim_llm.errors import ConfigError, SlateError

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


def test_single_item_action_shows_the_item(world, make_env):
    env = SingleItemAction(make_env(world, slate_size=1))
    assert env.action_space == gymnasium.spaces.Discrete(60)
    env.reset(seed=0)
    assert env.step(17)[0]["history_item"] == [17]


def test_single_item_action_chooses_among_candidates(world, make_env):
    env = SingleItemAction(make_env(world, slate_size=1, action="candidates", candidates=9, max_pages=50))
    assert env.action_space == gymnasium.spaces.Discrete(9)
    offered = env.reset(seed=0)[0]["candidate_item"]
    assert env.step(np.int64(4))[0]["history_item"] == offered[4]


@pytest.mark.parametrize("action", [0.0, 60, np.array([1])])
def test_bad_single_item_is_refused(world, make_env, action):
    env = SingleItemAction(make_env(world, slate_size=1))
    env.reset(seed=0)
    with pytest.raises(SlateError):
        env.step(action)


def test_mask_excludes_retired_and_shown_items_until_the_next_visit(make_world, make_env):
    env = ActionMask(make_env(make_world(retired=5, leave_start=-50.0)))
    _, info = env.reset(seed=0)
    fresh = np.arange(60) >= 5
    np.testing.assert_array_equal(info["action_mask"], fresh)
    *_, info = env.step(np.array([10, 11, 10, 12]))
    np.testing.assert_array_equal(np.flatnonzero(fresh & (info["action_mask"] == 0)), [10, 11, 12])
    np.testing.assert_array_equal(env.action_masks(), np.tile(info["action_mask"], 4).astype(bool))
    np.testing.assert_array_equal(env.reset()[1]["action_mask"], fresh)


def test_mask_of_candidates_is_by_place_among_them(world, make_env):
    env = ActionMask(SingleItemAction(make_env(world, slate_size=1, action="candidates", candidates=40, max_pages=50)))
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    shown = set()
    for _ in range(8):
        observation, _, terminated, _, info = env.step(env.action_space.sample(info["action_mask"]))
        if terminated:
            break
        assert observation["history_item"][0] not in shown
        shown.add(observation["history_item"][0])
        np.testing.assert_array_equal(info["action_mask"] == 0, np.isin(observation["candidate_item"], list(shown)))
        assert env.action_masks().shape == (40,)


def test_masked_play_of_single_items_never_repeats_one(make_world, make_env):
    env = ActionMask(SingleItemAction(make_env(make_world(leave_start=-50.0, leave_tired=-50.0), slate_size=1, max_pages=60)))
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    shown = []
    for _ in range(60):
        observation, *_, info = env.step(env.action_space.sample(info["action_mask"]))
        shown.append(int(observation["history_item"][0]))
    assert sorted(shown) == list(range(60))


def test_mask_starts_again_when_the_catalog_is_used_up(make_world, make_env):
    env = ActionMask(make_env(make_world(items=9, retired=2, leave_start=-50.0)))
    env.reset(seed=0)
    *_, info = env.step(np.array([2, 3, 4, 5]))
    assert info["action_mask"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1]


def test_masks_are_reached_through_other_wrappers(world, make_env):
    env = FlatObservation(ActionMask(make_env(world)))
    env.reset(seed=0)
    assert env.get_wrapper_attr("action_masks")().shape == (240,)


def test_masks_returned_earlier_do_not_change(world, make_env):
    env = ActionMask(make_env(world, max_pages=50))
    _, info = env.reset(seed=0)
    before = env.action_masks()
    env.step(np.arange(4))
    assert info["action_mask"].all()
    assert before.all()


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


def test_single_item_action_refuses_slates_and_embeddings(world, make_env):
    for env in (make_env(world), make_env(world, slate_size=1, action="embedding")):
        with pytest.raises(ConfigError, match=r"SingleItemAction: got action space .* expected slate_size=1"):
            SingleItemAction(env)


def test_mask_refuses_embeddings(world, make_env):
    with pytest.raises(ConfigError, match=r"ActionMask: got action space .* expected slates"):
        ActionMask(make_env(world, action="embedding"))
