"""The single environment."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.utils.passive_env_checker import data_shares_objects

ACTIONS = ("slate", "candidates", "embedding")
PARTS = (None, ["page"], ["summary", "profile"], ["history", "page", "profile", "summary"])
TESTS = Path(__file__).parents[1]


def play(env, steps, seed=3):
    """Yield (observation, reward, terminated, truncated, info) of random play, resets included."""
    env.action_space.seed(seed)
    observation, info = env.reset(seed=seed)
    yield observation, 0.0, False, False, info
    for _ in range(steps):
        result = env.step(env.action_space.sample())
        yield result
        if result[2] or result[3]:
            observation, info = env.reset()
            yield observation, 0.0, False, False, info


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("observation", PARTS)
def test_gymnasiums_checker_accepts_the_environment(world, make_env, action, observation):
    env = make_env(world, action=action, observation=observation, candidates=8, render_mode="ansi", max_pages=20)
    check_env(env.unwrapped)


@pytest.mark.parametrize("history_pages", [1, 3])
@pytest.mark.parametrize("action", ACTIONS)
def test_spaces_contain_all_that_is_observed(make_world, make_env, action, history_pages):
    env = make_env(
        make_world(retired=5),
        action=action,
        observation=["page", "summary", "history", "profile"],
        history_pages=history_pages,
        candidates=8,
    )
    for observation, reward, terminated, truncated, _ in play(env, 400):
        assert env.observation_space.contains(observation)
        assert type(reward) is float
        assert type(terminated) is bool
        assert type(truncated) is bool
        assert observation["history_item"].dtype == np.int64


@pytest.mark.parametrize("history_pages", [1, 3])
def test_what_was_returned_is_never_touched_again(world, make_env, history_pages):
    env = make_env(world, action="candidates", candidates=8, history_pages=history_pages)
    returned = [(observation, info) for observation, _, _, _, info in play(env, 60)]
    env.reset(seed=3)
    again = [(observation, info) for observation, _, _, _, info in play(env, 60)]
    assert data_equivalence(returned, again, exact=True)
    assert not any(data_shares_objects(one, other) for one, other in zip(returned, returned[1:], strict=False))


@pytest.mark.parametrize("history_pages", [1, 3])
def test_overwriting_an_observation_does_not_change_later_ones(world, make_env, history_pages):
    def trajectory(spoil):
        env = make_env(world, action="candidates", candidates=8, history_pages=history_pages)
        kept = []
        for observation, *_ in play(env, 60):
            kept.append({name: column.copy() for name, column in observation.items()})
            if spoil:
                for column in observation.values():
                    column[...] = 1
        return kept

    assert data_equivalence(trajectory(spoil=True), trajectory(spoil=False), exact=True)


def test_history_shows_what_was_shown_clicked_and_rated(world, make_env):
    env = make_env(world, history_pages=2, max_pages=50)
    env.reset(seed=1)
    pages = [np.array([0, 1, 2, 3]), np.array([4, 5, 5, 6])]
    for page in pages:
        observation, *_ = env.step(page)
        feedback = env.unwrapped.feedback
    np.testing.assert_array_equal(observation["history_item"], [0, 1, 2, 3, 4, 5, -1, 6])
    np.testing.assert_array_equal(observation["history_clicked"][4:], feedback.clicked[0])
    np.testing.assert_array_equal(observation["history_rating"][4:], np.nan_to_num(feedback.ratings()[0]))


def test_same_seed_gives_the_same_trajectory(world, make_env):
    one, other = (list(play(make_env(world, reward="satisfaction"), 100, seed=5)) for _ in range(2))
    assert data_equivalence(one, other, exact=True)
    assert not data_equivalence(one, list(play(make_env(world, reward="satisfaction"), 100, seed=6)), exact=True)


def test_another_seed_forgets_the_visits_that_the_last_one_prepared(world, make_env):
    env = make_env(world, reward="satisfaction")
    list(play(env, 30, seed=6))
    assert data_equivalence(list(play(env, 100, seed=5)), list(play(make_env(world, reward="satisfaction"), 100, seed=5)))


def test_two_environments_with_the_same_users_do_not_disturb_each_other(world, make_env):
    alone = list(play(make_env(world, reward="satisfaction"), 60))
    first = make_env(world, reward="satisfaction")
    together = [result for result, _ in zip(play(first, 60), play(make_env(world), 60, seed=9), strict=False)]
    assert data_equivalence(alone[: len(together)], together, exact=True)


def test_user_who_leaves_terminates_the_visit_even_on_the_last_page(make_world, make_env):
    env = make_env(make_world(leave_start=50.0), max_pages=1)
    env.reset(seed=0)
    assert env.step(np.arange(4))[2:4] == (True, False)


def test_page_budget_truncates_the_visit(make_world, make_env):
    env = make_env(make_world(leave_start=-50.0, leave_tired=-50.0), max_pages=3)
    env.reset(seed=0)
    assert [env.step(np.arange(4))[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]


def test_options_bring_a_certain_user(world, make_env):
    env = make_env(world)
    assert env.reset(seed=0, options={"user_id": 112})[1]["user_id"] == 112
    assert env.reset(options={"user_id": [100]})[1]["user_id"] == 100


def test_embedding_shows_the_best_items_on_sale(make_world, make_env):
    world = make_world(retired=30)
    env = make_env(world, action="embedding")
    point = np.linspace(-1, 1, world.catalog.features.shape[1], dtype=np.float32)
    env.reset(seed=0)
    observation, *_, info = env.step(point)
    score = world.catalog.features @ point
    score[world.catalog.retired] = -np.inf
    np.testing.assert_array_equal(observation["history_item"], np.argsort(-score, kind="stable")[:4])
    assert info["invalid_slots"] == 0


def test_candidates_are_different_items_on_sale(make_world, make_env):
    env = make_env(make_world(retired=40), action="candidates", candidates=20)
    for observation, *_ in play(env, 60):
        assert sorted(observation["candidate_item"].tolist()) == list(range(40, 60))
        np.testing.assert_array_equal(
            observation["candidate_features"], env.unwrapped.catalog.features[observation["candidate_item"]]
        )


def test_candidates_change_from_page_to_page_and_from_visit_to_visit(make_world, make_env):
    env = make_env(make_world(leave_start=-50.0), action="candidates", candidates=20)
    offered = [env.reset(seed=0)[0], *(env.step(np.arange(4))[0] for _ in range(3)), env.reset()[0]]
    assert len({tuple(observation["candidate_item"]) for observation in offered}) == 5


def test_candidate_action_shows_the_candidates_offered_before(world, make_env):
    env = make_env(world, action="candidates", candidates=20)
    observation, _ = env.reset(seed=0)
    after, *_ = env.step(np.array([3, 0, 19, 7]))
    np.testing.assert_array_equal(after["history_item"], observation["candidate_item"][[3, 0, 19, 7]])


def test_repeated_and_retired_items_are_blanked_and_counted(make_world, make_env):
    env = make_env(make_world(retired=5), max_pages=50)
    env.reset(seed=0)
    observation, *_, info = env.step(np.array([2, 10, 10, 11]))
    assert info["invalid_slots"] == 2
    np.testing.assert_array_equal(observation["history_item"], [-1, 10, -1, 11])


@pytest.mark.parametrize("seed", [0, 2**31, 2**64 + 3, 10**30])
def test_any_seed_that_gymnasium_takes_is_taken(world, make_env, seed):
    env = make_env(world)
    first = env.reset(seed=seed)
    assert data_equivalence(first, env.reset(seed=seed), exact=True)


def test_spec_of_plain_settings_survives_json():
    settings = {"catalog": "fictional", "users": "choice", "slate_size": 5, "reward": "watch", "observation": ["page"]}
    spec = replace(gymnasium.spec("RecSimLLM/Browse-v0"), kwargs=settings)
    assert EnvSpec.from_json(spec.to_json()) == spec


FRESH = """
import sys, types, gymnasium, numpy

def build_world(catalog, population, *, seed):
    import conftest
    return conftest.build_world()

sys.path.insert(0, sys.argv[1])
sys.modules["fabricated"] = types.SimpleNamespace(build_world=build_world)
env = gymnasium.make("recsim_llm:RecSimLLM/Browse-v0", users="fabricated:build_world", slate_size=3)
print(env.reset(seed=0)[1]["user_id"], *env.step(numpy.arange(3))[2:4])
rows = gymnasium.make_vec("RecSimLLM/Browse-v0", 3, users="fabricated:build_world", slate_size=3)
print(type(rows).__name__, rows.reset(seed=0)[1]["user_id"][0], "torch" in sys.modules)
"""


def test_string_alone_makes_the_environment_in_a_fresh_interpreter():
    command = [sys.executable, "-W", "error", "-c", FRESH, str(TESTS)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (user, *ends), made = (line.split() for line in result.stdout.splitlines())
    assert made == ["BrowseVectorEnv", user, "False"]
    assert set(ends) <= {"True", "False"}
