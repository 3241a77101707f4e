"""What Gymnasium's users pass: it works, or one line says what is expected, before anything is built or written."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines
from stable_baselines3.common.monitor import Monitor

from recsim_llm.envs import BrowseEnv, BrowseVectorEnv
from recsim_llm.errors import ConfigError, ContractError, PlugInError, RecSimError, SlateError

ID = "RecSimLLM/Browse-v0"


def play(env, steps=12):
    env.reset(seed=1)
    env.action_space.seed(1)
    ends = []
    for _ in range(steps):
        *_, terminated, truncated, _info = env.step(env.action_space.sample())
        ends.append(np.any(terminated | truncated))
        if isinstance(env, gymnasium.Env) and ends[-1]:
            env.reset()
    return ends


@pytest.mark.parametrize("options", [{"max_episode_steps": 3}, {"max_episode_steps": -1}, {"disable_env_checker": True}])
def test_arguments_of_make_work(world, make_env, options):
    ends = play(make_env(world, **options))
    assert not options.get("max_episode_steps", 0) > 0 or any(ends[:3])


@pytest.mark.parametrize("mode", ["sync", "vector_entry_point", None])
@pytest.mark.parametrize("rows", [1, 3])
def test_every_way_to_many_environments_works(world, make_rows, mode, rows):
    play(make_rows(world, rows, vectorization_mode=mode))


def test_arguments_of_make_vec_work(world, make_rows):
    play(make_rows(world, 2, vectorization_mode="async", vector_kwargs={"daemon": True}, max_episode_steps=3))
    rows = make_rows(world, 2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP})
    play(rows)
    rows = make_rows(world, 2, vectorization_mode="sync", wrappers=[wrappers.FlattenObservation])
    assert rows.reset(seed=1)[0].shape == (2, *rows.single_observation_space.shape)
    play(make_rows(world, 2, disable_env_checker=True, max_episode_steps=None))


@pytest.mark.parametrize("wrapper", [wrappers.RecordEpisodeStatistics, wrappers.FlattenObservation, wrappers.NormalizeReward])
def test_wrappers_of_gymnasium_work(world, make_env, make_rows, wrapper):
    assert any(play(wrapper(make_env(world))))
    play(getattr(wrappers.vector, wrapper.__name__)(make_rows(world, 3)))


@pytest.mark.parametrize("action", ["slate", "candidates", "embedding"])
def test_checkers_are_content(world, make_env, action):
    options = {"action": action, "candidates": 8, "observation": ["page", "summary"]}
    check_env(make_env(world, **options).unwrapped)
    check_for_stable_baselines(make_env(world, **options))
    play(Monitor(make_env(world, **options)))


ARGUMENTS = [
    ({"slat_size": 5}, "slat_size: got 5 for the environment, expected one of .*; did you mean 'slate_size'"),
    ({"seed": 4}, r"seed: got 4 for the environment, expected it in reset\(seed"),
    ({"user_id": 4}, r"user_id: got 4 .* expected it in reset\(options"),
    ({"slate_size": 10**9}, "slate_size 1000000000, candidates 50, items on sale"),
    ({"slate_size": 1.5}, "slate_size: got 1.5, expected 1 or more"),
    ({"slate_size": "4"}, "slate_size: got '4'"),
    ({"slate_size": True}, "slate_size: got True"),
    ({"max_pages": 10**30}, "max_pages: got 1000000000000000000000000000000, expected .* up to 1,000,000,000"),
    ({"history_pages": 10**9}, "history_pages 1,000,000,000, .* numbers to keep, expected at most"),
    ({"candidates": 10**9, "action": "candidates"}, "candidates 1000000000, items on sale"),
    ({"visits": 0}, "visits: got 0, expected 1 or more .*, or 'life'"),
    ({"visits": "lives"}, "visits: got 'lives', expected 1 or more .*, or 'life'"),
    ({"population": 10**12}, "number of users: got 1000000000000, expected 1 or more, up to 100,000,000"),
    ({"population": 1.5}, "population: got 1.5, expected a number of users, a file, or a Population"),
    ({"observation": 5}, "observation: got 5, expected a list of names"),
    ({"observation": ["page", 1]}, "observation: got .*, expected a list of names"),
    ({"action": ["slate"]}, "action: got .*expected one of slate"),
    ({"log": 5}, "log: got 5, expected the path of a new folder"),
    ({"model": 5}, "model: got 5, expected the name of a language model"),
    ({"catalog": "nowhere"}, "data: got 'nowhere'"),
]


@pytest.mark.parametrize(("options", "message"), ARGUMENTS)
@pytest.mark.parametrize("make", [gymnasium.make, gymnasium.make_vec])
def test_an_argument_that_cannot_work_is_refused_in_one_line(make, options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make(ID, **options)
    assert "\n" not in str(caught.value)


ELSEWHERE = [
    (lambda: gymnasium.make(ID, num_envs=3), r"num_envs: got 3 .*expected gymnasium.make_vec"),
    (lambda: gymnasium.make_vec(ID, 2, max_episode_steps=3), "max_episode_steps: got 3 .*expected max_pages, the page budget"),
    (lambda: BrowseEnv(max_episode_steps=3), "max_episode_steps: got 3 .*expected max_pages"),
    (lambda: gymnasium.make(ID, autoreset_mode="same_step"), "autoreset_mode: .*vectorization_mode='vector_entry_point'"),
    (lambda: gymnasium.make_vec(ID, 2, autoreset_mode="x"), "autoreset_mode: got 'x', expected NEXT_STEP, SAME_STEP, DISABLED"),
]


@pytest.mark.parametrize(("make", "message"), ELSEWHERE)
def test_an_argument_in_the_wrong_place_is_told_where_it_belongs(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("rows", [0, -1, 10**12, 10**8, 1.5, "3", True])
def test_a_number_of_rows_that_cannot_be_is_refused_before_anything_is_allocated(world, rows):
    with pytest.raises(ConfigError, match=r"num_envs:? "):
        BrowseVectorEnv(rows, **world._asdict())


def test_a_page_budget_may_be_as_large_as_none(world, make_env):
    env = make_env(world, max_pages=10**9)
    env.reset(seed=1)
    assert env.step(np.arange(4))[0]["page"] == np.float32(1e-9)


SEEDS = [(np.int64(5), [5, 6, 7]), ([1, 2, 3], [1, 2, 3]), ((1, 2, 3), [1, 2, 3]), (np.array([1, 2, 3]), [1, 2, 3])]


@pytest.mark.parametrize(("seed", "expected"), SEEDS)
def test_seeds_come_in_every_form(world, make_env, make_rows, seed, expected):
    _, info = make_rows(world, 3).reset(seed=seed)
    assert info["user_id"].tolist() == [make_env(world).reset(seed=one)[1]["user_id"] for one in expected]


def test_a_row_whose_seed_is_none_goes_on_with_its_own(world, make_env, make_rows):
    rows = make_rows(world, 2)
    rows.reset(seed=[1, 2])
    _, info = rows.reset(seed=[1, None])
    own = make_env(world)
    own.reset(seed=2)
    assert info["user_id"].tolist() == [make_env(world).reset(seed=1)[1]["user_id"], own.reset()[1]["user_id"]]
    rows = make_rows(world, 2)
    _, first = rows.reset(seed=[1, None])
    assert first["user_id"][0] == make_rows(world, 1).reset(seed=1)[1]["user_id"][0]


@pytest.mark.parametrize("seed", [1.5, "abc", [1], [1, 2, 2.5], [1, 2, "3"], True, -1])
def test_what_is_no_seed_is_refused(world, make_env, make_rows, seed):
    for env in (make_env(world), make_rows(world, 3)):
        with pytest.raises(ConfigError, match="seed: got"):
            env.reset(seed=seed)


@pytest.mark.parametrize("options", [None, {}, {"user_id": None}])
def test_reset_without_wishes_works(world, make_env, make_rows, options):
    for env in (make_env(world), make_rows(world, 3)):
        env.reset(seed=1, options=options)


def test_users_of_data_with_texts_for_ids_come_by_these(world, make_env, make_rows):
    first, second = world.population.user_id[:2].tolist()
    keys = np.array(["0007", "ann", *[""] * (len(world.population) - 2)], object)
    keyed = world._replace(population=replace(world.population, user_key=keys))
    _, info = make_env(keyed).reset(seed=1, options={"user_id": "0007"})
    assert info["user_id"] == first
    _, info = make_rows(keyed, 2).reset(seed=1, options={"user_id": ["ann", "0007"]})
    assert info["user_id"].tolist() == [second, first]
    for unknown in ("007", ""):
        with pytest.raises(ConfigError, match=f"got user_id {unknown}, expected ids of the population"):
            make_env(keyed).reset(seed=1, options={"user_id": unknown})


@pytest.mark.parametrize(
    "options",
    [5, [], "x", {"a": 1}, {1: 2}, {"user_id": "x"}, {"user_id": [[1], [2, 3]]}, {"user_id": 10**30}, {"user_id": 1.5}],
)
def test_reset_options_that_are_none_are_refused_in_one_line(world, make_env, make_rows, options):
    for env in (make_env(world), make_rows(world, 3)):
        with pytest.raises(ConfigError, match=r"^reset options: got .*expected") as caught:
            env.reset(seed=1, options=options)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_reset_mask_restarts_its_rows_and_leaves_the_others(world, make_rows, mode):
    """As Gymnasium's own vector environments do it."""
    rows, whole = (make_rows(world, 4, autoreset_mode=mode, history_pages=pages) for pages in (1, 1))
    pages = np.arange(16).reshape(4, 4)
    for env in (rows, whole):
        env.reset(seed=1)
        before = env.step(pages)[0]
    shown = before["history_item"].copy()
    options = {"reset_mask": np.array([True, False, True, False])}
    observation, info = rows.reset(options=options)
    assert list(options) == ["reset_mask"]
    assert (before["history_item"] == shown).all()
    assert info["_user_id"].tolist() == [True, False, True, False]
    assert (observation["history_item"][[0, 2]] == -1).all()
    assert observation["history_item"][[1, 3]].tolist() == shown[[1, 3]].tolist()
    both = [env.step(pages + 20)[0]["history_clicked"][[1, 3]].tolist() for env in (rows, whole)]
    assert both[0] == both[1]


def test_a_masked_row_takes_its_own_seed_and_user(world, make_env, make_rows):
    rows = make_rows(world, 3)
    rows.reset(seed=1)
    _, info = rows.reset(seed=[None, 9, None], options={"reset_mask": [False, True, False]})
    assert info["user_id"][1] == make_env(world).reset(seed=9)[1]["user_id"]
    wanted = world.population.user_id[[4, 5, 6]]
    _, info = rows.reset(options={"reset_mask": [True, False, False], "user_id": wanted})
    assert info["user_id"].tolist() == [wanted[0], 0, 0]


@pytest.mark.parametrize("mask", [[False] * 3, [True], True, "yes", np.array([1, 0, 1]), [True, None, False]])
def test_a_reset_mask_that_is_none_is_refused(world, make_rows, mask):
    rows = make_rows(world, 3)
    rows.reset(seed=1)
    with pytest.raises(ConfigError, match=r"reset options: got (a )?reset_mask"):
        rows.reset(options={"reset_mask": mask})


def test_some_rows_cannot_be_reset_before_all_were(world, make_rows):
    with pytest.raises(ContractError, match=r"before the first reset\(\)"):
        make_rows(world, 2).reset(options={"reset_mask": [True, False]})


def test_without_autoreset_rows_wait_for_their_mask(make_world, make_rows):
    rows = make_rows(make_world(leave_start=50.0), 2, autoreset_mode="disabled")
    rows.reset(seed=1)
    pages = np.arange(8).reshape(2, 4)
    assert rows.step(pages)[2].all()
    with pytest.raises(ContractError, match=r"row 0, whose episode is over, expected reset\(options=\{'reset_mask': ended\}\)"):
        rows.step(pages)
    rows.reset(options={"reset_mask": np.array([True, True])})
    rows.step(pages)


RAGGED = [[[1], [2, 3]], [[[1], [2, 3]], 4], [0, 1, 2], None, "abcd", {"a": 1}, 5, [True] * 4, [10**30, 1, 2, 3], [np.nan] * 4]


@pytest.mark.parametrize("action", RAGGED)
def test_an_action_that_is_none_is_refused_in_one_line_and_changes_nothing(world, make_env, make_rows, action):
    for env, given, good in (
        (make_env(world), action, np.arange(4)),
        (make_rows(world, 2), [action] * 2, np.ones((2, 4), int)),
    ):
        env = env.unwrapped
        env.reset(seed=1)
        with pytest.raises(SlateError, match=r"^action: got") as caught:
            env.step(given)
        assert "\n" not in str(caught.value)
        assert np.all(env.step(good)[0]["page"] == np.float32(1 / 6))


REWARDS = {
    "raises": (lambda feedback, catalog: 1 / 0, PlugInError, "ZeroDivisionError: division by zero .*test_arguments.py line"),
    "takes too little": (lambda feedback: 1, PlugInError, "TypeError"),
    "is text": (lambda feedback, catalog: "much", ContractError, "got 'much', expected numbers, one a user"),
    "is nothing": (lambda feedback, catalog: None, ContractError, "got None, expected numbers"),
    "is complex": (lambda feedback, catalog: np.array([1j]), ContractError, "expected numbers"),
    "is ragged": (lambda feedback, catalog: [[1], [2, 3]], ContractError, "expected numbers"),
    "is long": (lambda feedback, catalog: np.ones(7), ContractError, r"got shape \(7,\), expected \(1,\)"),
    "is not finite": (lambda feedback, catalog: np.array([np.nan]), ContractError, "got nan, expected finite"),
}


@pytest.mark.parametrize("name", REWARDS)
def test_a_reward_that_fails_is_named_and_its_page_is_nobodys(world, make_env, tmp_path, name):
    reward, error, message = REWARDS[name]
    env = make_env(world, reward=reward, log=tmp_path / "log")
    env.reset(seed=1)
    with pytest.raises(error, match=message) as caught:
        env.step(np.arange(4))
    assert "\n" not in str(caught.value)
    with pytest.raises(ContractError, match=r"after a page that failed halfway, expected reset\(\) first"):
        env.step(np.arange(4))
    env.reset()
    env.close()
    assert not (tmp_path / "log").exists()


def test_visits_after_a_failed_page_are_those_without_one(world, make_env):
    bad = [False]

    def reward(feedback, catalog):
        return np.full(len(feedback.clicked), np.nan if bad[0] else feedback.clicked.sum())

    env, whole = make_env(world, reward=reward), make_env(world, reward=reward)
    for one in (env, whole):
        one.reset(seed=1)
    bad[0] = True
    with pytest.raises(RecSimError):
        env.step(np.arange(4))
    bad[0] = False
    seen = []
    for one in (env, whole):
        one.reset()
        seen.append([one.step(np.arange(4) + 4 * page)[1:3] for page in range(2)])
    assert seen[0] == seen[1]
