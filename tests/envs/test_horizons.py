"""Horizons: an episode is one visit, several visits with return and churn, or a whole life."""

from __future__ import annotations

import numpy as np
import pyarrow.dataset as arrow
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

from recsim_llm.envs import arguments

ALWAYS, NEVER = {"return_base": 60.0}, {"return_base": -60.0}
PARTS = ["page", "summary", "history", "visit"]


def play(env, steps, seed=3):
    """Yield what random steps return."""
    env.action_space.seed(seed)
    env.reset(seed=seed)
    for _ in range(steps):
        yield env.step(env.action_space.sample())


def episode(env, **reset):
    """Return what the steps of one episode return, of pages that are all different."""
    env.reset(**reset)
    steps = []
    for page in range(200):
        steps.append(env.step((np.arange(4) + 4 * page) % 60))
        if steps[-1][2] or steps[-1][3]:
            return steps
    raise AssertionError("the episode does not end")


@pytest.mark.parametrize(("returning", "end"), [(ALWAYS, (False, True)), (NEVER, (True, False))])
def test_an_episode_of_visits_ends_by_churn_or_by_their_number(make_world, make_env, returning, end):
    steps = episode(make_env(make_world(**returning), visits=3), seed=1)
    ended = [info["visit_ended"] for *_, info in steps]
    assert ended.count(True) == (3 if returning is ALWAYS else 1)
    assert steps[-1][2:4] == end
    assert [info["returned"] for *_, info in steps] == [over and step < len(steps) - 1 for step, over in enumerate(ended)]
    assert [step[2:4] for step in steps[:-1]] == [(False, False)] * (len(steps) - 1)


def test_who_would_not_come_back_after_the_last_visit_terminates_the_episode(make_world, make_env):
    """Else the value of what would have followed would be made up where nothing follows."""
    env = make_env(make_world(return_base=0.0, return_slope=0.0), visits=2)
    ends = {steps[-1][2:4] for steps in (episode(env, seed=seed) for seed in range(40)) if steps[-1][4]["visit"] == 1}
    assert ends == {(True, False), (False, True)}


def test_the_step_that_ends_a_visit_shows_the_first_page_of_the_next(make_world, make_env):
    env = make_env(make_world(**ALWAYS, click_bias=2.0), visits=3, observation=PARTS, history_pages=2)
    steps = episode(env, seed=1)
    ended = next(step for step, (*_, info) in enumerate(steps) if info["visit_ended"])
    observation, _, terminated, truncated, info = steps[ended]
    assert not terminated
    assert not truncated
    assert (observation["page"], info["visit"]) == (0, 1)
    assert observation["visit"] == np.float32(0.5)
    # What was shown and clicked before stays known, as it does for the recommenders of a run.
    assert observation["history_item"][4:].tolist() == ((np.arange(4) + 4 * ended) % 60).tolist()
    assert observation["summary"].any()
    assert env.observation_space.contains(observation)
    assert steps[ended + 1][0]["history_item"][:4].tolist() == observation["history_item"][4:].tolist()


def test_visits_of_one_end_with_the_user_or_the_pages(make_world, make_env):
    left = episode(make_env(make_world(leave_start=50.0)), seed=1)
    assert (len(left), left[0][2:4]) == (1, (True, False))
    cut = episode(make_env(make_world(leave_start=-50.0, leave_tired=-50.0), max_pages=2), seed=1)
    assert (len(cut), cut[-1][2:4], cut[-1][4]["visit_ended"]) == (2, (False, True), True)


def test_a_life_lasts_until_the_user_does_not_come_back_and_is_never_endless(make_world, make_env, monkeypatch):
    lives = [episode(make_env(make_world(return_base=1.5, return_slope=0.0), visits="life"), seed=seed) for seed in range(12)]
    visits = [sum(info["visit_ended"] for *_, info in steps) for steps in lives]
    assert all(steps[-1][2:4] == (True, False) for steps in lives)
    assert max(visits) > 3
    monkeypatch.setattr(arguments, "LONGEST_LIFE", 7)
    endless = episode(make_env(make_world(**ALWAYS, leave_start=50.0), visits="life"), seed=1)
    assert (len(endless), endless[-1][2:4]) == (7, (False, True))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_rows_equal_single_environments_over_several_visits(make_world, make_rows, mode):
    settings = {"visits": 3, "history_pages": 2, "observation": PARTS, "action": "candidates", "candidates": 8, "max_pages": 3}
    own = make_rows(make_world(return_base=1.0), 5, autoreset_mode=mode, **settings)
    vectoriser = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode}}
    sync = make_rows(make_world(return_base=1.0), 5, **settings, **vectoriser)
    returned = 0
    for (*mine, info), (*theirs, their_info) in zip(play(own, 120), play(sync, 120), strict=True):
        assert data_equivalence(mine, theirs, exact=True)
        assert data_equivalence(_columns(info), _columns(their_info), exact=True)
        returned += info["returned"].sum()
    assert returned > 20


def _columns(info):
    return {name: _columns(value) if isinstance(value, dict) else np.asarray(value) for name, value in sorted(info.items())}


def test_who_is_cut_short_by_a_reset_is_forgotten(make_world, make_env):
    env, other = (make_env(make_world(**ALWAYS), visits=3) for _ in range(2))
    for one, pages in ((env, 1), (other, 0)):
        one.reset(seed=1)
        for page in range(pages):
            one.step(np.arange(4) + 4 * page)
        one.reset(options={"user_id": 103})
    assert data_equivalence(env.step(np.arange(4)), other.step(np.arange(4)), exact=True)


def test_later_episodes_of_a_row_have_dice_of_their_own(make_world, make_env):
    env = make_env(make_world(click_bias=1.0), visits=2)
    options = {"user_id": 103}
    lives = []
    for number in range(4):
        env.reset(seed=5 if number == 0 else None, options=options)
        lives.append(tuple(env.unwrapped.session.kernel._draws[0].reshape(-1).tolist()))
    assert len(set(lives)) == 4
    env.reset(seed=5, options=options)
    assert tuple(env.unwrapped.session.kernel._draws[0].reshape(-1).tolist()) == lives[0]


@pytest.mark.parametrize("mode", [None, "next_step", "same_step"])
def test_the_log_says_of_each_visit_whether_the_user_came_back(make_world, make_env, make_rows, tmp_path, mode):
    world, settings = make_world(return_base=1.0), {"visits": 3, "max_pages": 3, "log": tmp_path / "log"}
    env = make_env(world, **settings) if mode is None else make_rows(world, 4, autoreset_mode=mode, **settings)
    env.action_space.seed(0)
    env.reset(seed=2)
    seen = {"ended": 0, "returned": 0}
    for _ in range(80):
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        over = np.count_nonzero(terminated | truncated)
        seen["returned"] += np.count_nonzero(info["returned"])
        seen["ended"] += over + np.count_nonzero(info["returned"])
        if mode is None and over:
            env.reset()
    env.close()
    visits, pages = (arrow.dataset(tmp_path / "log" / kind).to_table().to_pylist() for kind in ("visits", "pages"))
    assert len(visits) == seen["ended"]
    assert sum(visit["returned"] is True for visit in visits) == seen["returned"] > 5
    assert {visit["returned"] for visit in visits} == {True, False, None}
    assert all(0 < visit["return_prob"] < 1 for visit in visits)
    assert len({(page["visit"], page["page"]) for page in pages}) == len(pages)


def test_stable_baselines_is_told_of_episodes_not_of_visits(make_world, make_rows):
    adapter = pytest.importorskip("recsim_llm.envs.stable_baselines")
    rows = make_rows(make_world(**ALWAYS), 3, visits=2, max_pages=2, autoreset_mode="same_step", observation=PARTS)
    env = adapter.StableBaselinesVecEnv(rows)
    env.seed(1)
    env.reset()
    random, ends = np.random.default_rng(0), []
    for _ in range(12):
        _, _, done, infos = env.step(random.integers(0, 60, (3, 4)))
        ends += [info for over, info in zip(done, infos, strict=True) if over]
        assert all(("terminal_observation" in info) == over for over, info in zip(done, infos, strict=True))
    assert ends
    for info in ends:
        assert info["visit"] == 1
        assert info["terminal_observation"]["visit"] == np.float32(0.5)
        assert info["TimeLimit.truncated"]


def test_the_last_page_of_a_visit_is_drawn_as_that_visits(make_world, make_env):
    env = make_env(make_world(**ALWAYS), max_pages=1, visits=2, render_mode="ansi")
    env.reset(seed=1)
    env.step(np.arange(4))
    assert "visit 0, page 0" in env.render()
