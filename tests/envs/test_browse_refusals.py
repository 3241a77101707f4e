"""What the single environment refuses, and how it says so."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from recsim_llm.envs import BrowseEnv
from recsim_llm.errors import ConfigError, ContractError, SlateError

BAD_ACTIONS = [
    ("slate", np.array([0.0, 1.0, 2.0, 3.0]), "got float64"),
    ("slate", np.array([0, 1, 2]), r"shape \(1, 3\), expected integers of shape \(1, 4\)"),
    ("slate", np.array([0, 1, 2, 60]), "got 60, expected 0 to 59"),
    ("slate", np.array([0, -1, 2, 3]), "got -1, expected 0 to 59"),
    ("candidates", np.array([0, 1, 2, 8]), "got 8, expected 0 to 7"),
    ("embedding", np.full(7, np.nan, np.float32), "got .*nan.* expected finite"),
    ("embedding", np.zeros(7, np.int64), "got int64 .* expected floats"),
    ("embedding", np.zeros(6, np.float32), r"shape \(1, 6\), expected floats of shape \(1, 7\)"),
]


@pytest.mark.parametrize(("kind", "action", "message"), BAD_ACTIONS)
def test_bad_action_is_refused_in_one_line_and_changes_nothing(world, make_env, kind, action, message):
    env, untouched = (make_env(world, action=kind, candidates=8).unwrapped for _ in range(2))
    good = np.zeros(7, np.float32) if kind == "embedding" else np.arange(4)
    env.reset(seed=0)
    untouched.reset(seed=0)
    with pytest.raises(SlateError, match=message) as caught:
        env.step(action)
    assert "\n" not in str(caught.value)
    assert data_equivalence(env.step(good), untouched.step(good), exact=True)


def test_invalid_error_refuses_repeated_and_retired_items(make_world, make_env):
    env = make_env(make_world(retired=5), invalid="error")
    env.reset(seed=0)
    with pytest.raises(SlateError, match="position 2: got item 10 again or retired, expected different items"):
        env.step(np.array([11, 10, 10, 12]))
    with pytest.raises(SlateError, match="position 0: got item 4"):
        env.step(np.array([4, 10, 11, 12]))


BAD_OPTIONS = [
    ({"action": "slates"}, "action: got 'slates', expected one of slate, candidates, embedding"),
    ({"invalid": "ignore"}, "invalid: got 'ignore', expected 'count'"),
    ({"observation": ["pages"]}, "observation: got .*pages.*, expected some of page, summary"),
    ({"observation": "page"}, "observation: got 'page', expected a list"),
    ({"observation": ["candidates"]}, "observation: got 'candidates' with another action"),
    ({"observation": []}, "observation: got "),
    ({"reward": "click"}, "reward: got 'click', expected a callable or one of clicks"),
    ({"reward": 3}, "reward: got 3, expected a callable.* or one of"),
    ({"render_mode": "human"}, "render_mode: got 'human', expected 'ansi'"),
    ({"slate_size": 61}, "slate_size 61, .* expected slate_size <= candidates <= items"),
    ({"action": "candidates", "candidates": 3}, "slate_size 4, candidates 3"),
    ({"slate_size": 0}, "slate_size: got 0, expected 1 or more"),
    ({"max_pages": 0}, "max_pages: got 0, expected 1 or more"),
    ({"history_pages": 0}, "history_pages: got 0, expected 1 or more"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_option_is_refused_in_one_line(world, options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        BrowseEnv(**world._asdict(), **({"slate_size": 4} | options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": 3}, "got 'user', expected nothing or one of user_id; did you mean 'user_id'"),
        ({"user_id": 101}, "got user_id 101, expected ids of the population"),
        ({"user_id": [100, 103]}, "expected an integer"),
        ({"user_id": 100.5}, "got user_id 100.5, expected an integer"),
    ],
)
def test_bad_reset_option_is_refused(world, make_env, options, message):
    with pytest.raises(ConfigError, match=message):
        make_env(world).reset(seed=0, options=options)


def test_mixing_objects_and_names_is_refused(world):
    with pytest.raises(ConfigError, match="got catalog Catalog, population NoneType, users NoneType"):
        gymnasium.make("RecSimLLM/Browse-v0", catalog=world.catalog)


def test_profile_needs_demographics(world, make_env):
    bare = world._replace(population=replace(world.population, demographics={}))
    with pytest.raises(ConfigError, match="got 'profile' for users without demographics"):
        make_env(bare, observation=["profile"])


def test_step_after_the_end_is_refused(make_world, make_env):
    env = make_env(make_world(leave_start=50.0)).unwrapped
    with pytest.raises(ContractError, match=r"expected reset\(\) first"):
        env.step(np.arange(4))
    env.reset(seed=0)
    assert env.step(np.arange(4))[2]
    with pytest.raises(ContractError, match=r"got an action after the episode ended, expected reset\(\) first"):
        env.step(np.arange(4))
