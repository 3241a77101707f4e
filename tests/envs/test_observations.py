"""What a policy may see, and nothing beyond."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from recsim_llm.envs.observations import feature_bounds


def play(env, steps=80, seed=2):
    env.action_space.seed(seed)
    observation, _ = env.reset(seed=seed)
    for _ in range(steps):
        yield observation
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            observation, _ = env.reset()


def test_parts_asked_for_are_the_parts_shown(world, make_env):
    env = make_env(world, observation=["profile", "page"])
    assert set(env.reset(seed=0)[0]) == set(env.observation_space) == {"profile", "page"}


def test_page_share_counts_up_to_one(make_world, make_env):
    env = make_env(make_world(leave_start=-50.0, leave_tired=-50.0), observation=["page"], max_pages=4)
    shares = [env.reset(seed=0)[0]["page"].item(), *(env.step(np.arange(4))[0]["page"].item() for _ in range(4))]
    assert shares == [0, 0.25, 0.5, 0.75, 1]


def test_summary_is_the_mean_of_the_visits_clicked_items(make_world, make_env):
    world = make_world(leave_start=-50.0, leave_tired=-50.0)
    env = make_env(world, observation=["summary"], max_pages=20)
    for seed in range(5):
        clicked = []
        assert not env.reset(seed=seed)[0]["summary"].any()
        for page in range(12):
            observation, *_ = env.step((np.arange(4) + 5 * page) % 60)
            feedback = env.unwrapped.feedback
            clicked += feedback.pages.item_index[feedback.clicked].tolist()
            expected = world.catalog.features[clicked].mean(axis=0) if clicked else np.zeros(7)
            np.testing.assert_allclose(observation["summary"], expected, atol=1e-5)
        assert clicked


def test_summary_of_rows_is_that_of_single_environments(make_world, make_rows):
    rows = make_rows(make_world(leave_start=-50.0, leave_tired=-50.0), 6, observation=["summary"], max_pages=9)
    rows.reset(seed=1)
    features, clicked = rows.unwrapped.session.world.catalog.features, [[] for _ in range(6)]
    for page in range(8):
        observation, *_ = rows.step((np.arange(24).reshape(6, 4) * 2 + page) % 60)
        feedback = rows.unwrapped.feedback
        for row in range(6):
            clicked[row] += feedback.pages.item_index[row][feedback.clicked[row]].tolist()
            expected = features[clicked[row]].mean(axis=0) if clicked[row] else np.zeros(7)
            np.testing.assert_allclose(observation["summary"][row], expected, atol=1e-5)


def test_history_starts_empty_and_fills_from_the_end(make_world, make_env):
    env = make_env(make_world(leave_start=-50.0), observation=["history"], history_pages=3)
    assert (env.reset(seed=0)[0]["history_item"] == -1).all()
    observation, *_ = env.step(np.arange(4))
    np.testing.assert_array_equal(observation["history_item"], [-1] * 8 + [0, 1, 2, 3])


def test_profile_is_one_hot_and_blank_where_unknown(world, make_env):
    env = make_env(world, observation=["profile"])
    profiles = [env.reset(options={"user_id": user})[0]["profile"].tolist() for user in (100, 103, 106)]
    assert profiles == [[1, 0], [0, 1], [0, 0]]


def test_policies_see_no_hidden_truth(make_world, make_env):
    # The users behave as before: only what the environment itself could read of them is gone.
    def seen(world):
        return list(play(make_env(world, observation=["page", "summary", "history", "profile"])))

    world = make_world()
    known = world.population
    blank = replace(known, traits=known.traits * np.nan, taste=known.taste * np.nan, vectors={})
    assert data_equivalence(seen(world), seen(world._replace(population=blank)), exact=True)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 37.5])
def test_feature_bounds_hold_rounded_means_and_zero(world, scale):
    catalog = world.catalog.with_features(world.catalog.features * np.float32(scale))
    low, high = feature_bounds(catalog)
    assert (low <= 0).all()
    assert (high >= 0).all()
    assert (low < high).all()
    random = np.random.default_rng(0)
    assert (np.floor(low) == low).all()
    assert (np.ceil(high) == high).all()
    for count in (1, 3, 7, 49):
        for values in (random.integers(0, 60, count), catalog.features.argmax(axis=0), catalog.features.argmin(axis=0)):
            for item in values:
                mean = np.tile(catalog.features[item], (count, 1)).sum(axis=0) / np.float32(count)
                assert (mean <= high).all()
                assert (mean >= low).all()
