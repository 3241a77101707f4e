"""Single-item actions and action masks, for the single environment and the vector form."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from recsim_llm.envs import (
    ActionMask,
    FlatObservation,
    FlatVectorObservation,
    SingleItemAction,
    VectorActionMask,
    VectorSingleItemAction,
)
from recsim_llm.errors import ConfigError, SlateError


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


def test_single_item_action_refuses_slates_and_embeddings(world, make_env):
    for env in (make_env(world), make_env(world, slate_size=1, action="embedding")):
        with pytest.raises(ConfigError, match=r"SingleItemAction: got action space .* expected slate_size=1"):
            SingleItemAction(env)


def test_mask_refuses_embeddings(world, make_env):
    with pytest.raises(ConfigError, match=r"ActionMask: got action space .* expected slates"):
        ActionMask(make_env(world, action="embedding"))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("action", ["slate", "candidates"])
def test_vector_masks_and_single_items_are_those_of_single_environments(make_world, make_rows, action, mode):
    settings = {"slate_size": 1, "action": action, "candidates": 9, "visits": 2, "repeats": "forbid"}
    own = VectorActionMask(VectorSingleItemAction(make_rows(make_world(retired=2), 3, autoreset_mode=mode, **settings)))
    vectoriser = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode}}
    wrap = {"wrappers": [SingleItemAction, ActionMask]}
    sync = make_rows(make_world(retired=2), 3, **settings, **vectoriser, **wrap)
    assert own.single_action_space == sync.single_action_space
    random = np.random.default_rng(0)
    mine, theirs = own.reset(seed=1)[1], sync.reset(seed=1)[1]
    for _ in range(50):
        np.testing.assert_array_equal(mine["action_mask"], theirs["action_mask"])
        np.testing.assert_array_equal(own.action_masks(), mine["action_mask"].astype(bool))
        actions = np.array([random.choice(np.flatnonzero(mask)) for mask in mine["action_mask"]])
        *_, mine = own.step(actions)
        *_, theirs = sync.step(actions)
        assert not mine["invalid_slots"].any()


def test_masks_stand_once_for_each_slot(world, make_rows):
    rows = FlatVectorObservation(VectorActionMask(make_rows(world, 3)))
    rows.reset(seed=0)
    rows.step(np.arange(12).reshape(3, 4))
    masks = rows.env.action_masks()
    assert masks.shape == (3, 4 * 60)
    for row, mask in enumerate(masks.reshape(3, 4, 60)):
        assert (mask == mask[0]).all()
        assert np.flatnonzero(~mask[0]).tolist() == list(range(4 * row, 4 * row + 4))


def test_masks_follow_the_rule_on_repetition(world, make_env):
    for repeats, barred in (("forbid", [10, 11, 12, 13]), ("allow", [])):
        env = ActionMask(make_env(world, repeats=repeats, max_pages=50))
        env.reset(seed=0)
        *_, info = env.step(np.arange(10, 14))
        assert np.flatnonzero(info["action_mask"] == 0).tolist() == barred
        assert np.flatnonzero(~env.unwrapped.allowed()).tolist() == barred


def test_vector_forms_refuse_other_environments(world, make_rows):
    for wrapper in (VectorActionMask, FlatVectorObservation):
        with pytest.raises(ConfigError, match=f"{wrapper.__name__}: got .*, expected the vector form"):
            wrapper(make_rows(world, vectorization_mode="sync"))
    with pytest.raises(ConfigError, match="SingleItemAction: got action space"):
        VectorSingleItemAction(make_rows(world))
    with pytest.raises(ConfigError, match="VectorActionMask: got action space Box"):
        VectorActionMask(make_rows(world, action="embedding"))
