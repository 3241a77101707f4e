"""What both of RecSim's worlds keep to."""

from __future__ import annotations

import gymnasium
import numpy as np
import pyarrow.dataset as arrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recsim_kernels import begin_visits, build_world

import recsim_llm  # noqa: F401 (registers the environment)
from recsim_llm.agents.noise import with_noise
from recsim_llm.agents.replay import ReplayUsers
from recsim_llm.comparison import summarise
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language.providers import Roles
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.building import build_scenario_world, load_dataset
from recsim_llm.scenarios.schema import change_scenario, scenario_from
from recsim_llm.testing import check_user_model

NAMES = ("recsim-lts", "recsim-interest-evolution")
EXTREME = {
    "recsim-lts": {"sensitivity": 1.0, "memory_discount": 0.99, "innovation_stddev": 1.0},
    "recsim-interest-evolution": {"alpha_y_intercept": 1.0, "time_budget": 20.0, "no_click_mass": 0.0},
}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def test_users_keep_the_contract(make_world, name):
    world = make_world(name)
    check_user_model(world.users, world.catalog, world.population)


def test_a_user_decides_the_same_in_any_company(make_world, browse, name):
    page = np.array([[5, 9, 70]])
    alone, together = make_world(name), make_world(name)
    one, many = browse(alone, 1, slots=3), browse(together, 50, slots=3)
    for _ in range(5):
        got, expected = many.step(np.repeat(page, 50, axis=0)), one.step(page)
        assert got.clicked[0].tolist() == expected.clicked[0].tolist()
        assert got.engagement[got.row == 0].tobytes() == expected.engagement.tobytes()
        assert got.decisions.click_log_odds[0].tobytes() == expected.decisions.click_log_odds[0].tobytes()
        assert got.mood.satisfaction[0] == expected.mood.satisfaction[0]


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from(NAMES),
    extreme=st.booleans(),
    seed=st.integers(0, 10_000),
    style=st.sampled_from(["one", "any", "best"]),
)
def test_no_sequence_of_pages_drives_users_past_their_bounds(kind, extreme, seed, style):
    world = build_world(kind, **(EXTREME[kind] if extreme else {}))
    kernel, bounds, random = begin_visits(world, 8, slots=3, seed=seed), world.users.bounds(), np.random.default_rng(seed)
    for _ in range(60):
        page = np.tile(np.arange(3), (8, 1))
        if style == "any":
            page = np.stack([random.choice(100, 3, replace=False) for _ in range(8)])
        elif style == "best":
            page = np.argsort(-world.users.appeal(ALL_ROWS), axis=1, kind="stable")[:, :3]
        feedback = kernel.step(page)
        odds, mood = feedback.decisions.click_log_odds, feedback.mood
        assert bounds.click_log_odds.holds(odds.min(), odds.max())
        assert bounds.satisfaction.holds(mood.satisfaction.min(), mood.satisfaction.max())
        assert bounds.leave_log_odds.holds(mood.leave_log_odds.min(), mood.leave_log_odds.max())
        back = world.users.return_log_odds(ALL_ROWS)
        assert bounds.return_log_odds.holds(back.min(), back.max())


def test_the_environment_plays_what_the_run_plays(tmp_path, name):
    small = {"users.count": 12, "max_pages": 5, "recommenders": ["random"], "seed": 3}
    scenario = load_scenario(name, small)
    folder = run(scenario, tmp_path / "run")
    pages = arrow.dataset(folder / "pages").to_table().to_pylist()
    shown = arrow.dataset(folder / "impressions").to_table().to_pylist()
    env = gymnasium.make("RecSimLLM/Browse-v0", scenario=scenario)
    index = env.unwrapped.catalog.index_of if hasattr(env.unwrapped, "catalog") else None
    paid = 0.0
    for user in sorted({page["user_id"] for page in pages}):
        env.reset(seed=3, options={"user_id": user})
        for page in sorted((page for page in pages if page["user_id"] == user), key=lambda page: page["page"]):
            slots = sorted(
                (slot for slot in shown if (slot["user_id"], slot["page"]) == (user, page["page"])),
                key=lambda slot: slot["position"],
            )
            items = np.array([slot["item_id"] for slot in slots])
            _, reward, terminated, truncated, _ = env.step(items if index is None else index(items))
            assert reward == page["reward"]
            assert env.unwrapped.feedback.clicked[0].tolist() == [slot["clicked"] for slot in slots]
            assert (terminated, truncated) == (page["stop_reason"] == "left", page["stop_reason"] == "max_pages")
            paid += reward
    assert paid > 0


def test_log_rows_of_pages_long_past_hold_what_was_watched_then(tmp_path):
    scenario = load_scenario("recsim-lts", {"users.count": 5, "max_pages": 6, "recommenders": ["random"], "seed": 3})
    folder = run(scenario, tmp_path / "run")
    pages = arrow.dataset(folder / "pages").to_table().to_pylist()
    watched = arrow.dataset(folder / "impressions").to_table().to_pylist()
    reward = {(page["user_id"], page["page"]): page["reward"] for page in pages}
    assert len(watched) == 30
    for slot in watched:
        assert slot["watched"] == pytest.approx(min(reward[slot["user_id"], slot["page"]] / 100, 1.0), rel=1e-6)


def test_noise_is_refused(make_world, name):
    with pytest.raises(ConfigError, match=r"whose clicks and engagement come from one draw, .*; leave users.noise out"):
        with_noise(make_world(name), {"random_clicks": 0.1}, seed=1)


def test_engagement_pays_nobody_who_does_not_tell_it(tmp_path):
    scenario = scenario_from({"name": "x", "recommenders": ["random"], "reward": "engagement", "data": "fictional-100"}, "x")
    with pytest.raises(ConfigError, match=r"got 'engagement' for users who do not tell it, .* --reward watch") as caught:
        run(scenario, tmp_path / "run")
    assert "\n" not in str(caught.value)
    watched = change_scenario(scenario, {"reward": "watch", "users.count": 3, "max_pages": 1, "seed": 1})
    assert run(watched, tmp_path / "run").is_dir()


def test_a_choice_of_one_item_is_not_replayed_slot_by_slot(tmp_path):
    small = {"users.count": 3, "max_pages": 2, "recommenders": ["random"], "seed": 3}
    world = build_world("recsim-interest-evolution")
    folder = run(load_scenario("recsim-interest-evolution", small), tmp_path / "run")
    with pytest.raises(LogError, match="whose users choose one item of a page"):
        ReplayUsers(folder, None, world.catalog, world.population)


def test_fitted_users_are_refused():
    scenario = load_scenario("recsim-lts", {"users.fitted": "somewhere"})
    with Roles({}) as roles, pytest.raises(ConfigError, match=r"expected none; leave users.fitted out"):
        build_scenario_world(scenario, load_dataset(scenario), roles)


def test_copies_browse_on_by_themselves(make_world, browse, name):
    kernel = browse(make_world(name), 4, slots=3)
    page = np.array([[5, 9, 70]] * 4)
    kernel.step(page)
    before = kernel.users.appeal(ALL_ROWS)
    rows = np.array([2, 2, 0])
    copies = kernel.copy_rows(rows, seed_words([1, 2, 3]))
    assert np.array_equal(copies.users.appeal(ALL_ROWS), before[rows])
    for _ in range(5):
        feedback = copies.step(page[:3])
    assert len(feedback.engagement) == feedback.slot.size
    assert np.array_equal(kernel.users.appeal(ALL_ROWS), before)
    after = copies.users.appeal(ALL_ROWS)
    assert not np.array_equal(after[0], before[2])
    assert not np.array_equal(after[0], after[1])
    assert kernel.step(page).engagement.size


def test_whoever_plans_ahead_serves_what_satisfies_once_that_pays(tmp_path):
    small = {"users.count": 30, "max_pages": 15, "recommenders": ["oracle", "planner"], "seed": 3, "discount": 0.97}
    small |= {"users.parameters": {"sensitivity": 0.5}}
    greedy, planner = summarise(run(load_scenario("recsim-lts", small), tmp_path / "run")).arms
    gain = planner.metrics["discounted_return"].low - greedy.metrics["discounted_return"].high
    assert gain > 0
    assert greedy.reward_by_page[0].value > planner.reward_by_page[0].value
    assert greedy.metrics["mean_satisfaction"].high < 0.5 < planner.metrics["mean_satisfaction"].low
