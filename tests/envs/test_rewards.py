"""Rewards, computed again from what was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.core.pages import probability
from recsim_llm.envs.rewards import COMMON_REWARDS, DiverseClicks, Rating, resolve_reward
from recsim_llm.errors import ConfigError, ContractError


@pytest.fixture
def pages(world, make_rows):
    """Feedback of many pages, with the reward that the environment paid for it under each name."""

    def collect(reward, steps=30):
        rows = make_rows(world, 8, reward=reward, max_pages=60)
        rows.reset(seed=0)
        random = np.random.default_rng(0)
        for _ in range(steps):
            ended = rows.unwrapped._ended.copy()
            paid = rows.step(random.integers(0, 60, (8, 4)))[1]
            yield rows.unwrapped.feedback, paid, ~ended

    return collect


def by_hand(name, feedback, user, catalog):
    stars = feedback.ratings()[user]
    clicked = np.flatnonzero(feedback.clicked[user])
    if name == "clicks":
        return len(clicked)
    if name == "watch":
        return sum(feedback.watched[feedback.row == user].tolist())
    if name == "rating":
        return sum(float(stars[slot]) - 3.0 for slot in clicked)
    if name == "satisfaction":
        return float(probability(feedback.mood.satisfaction)[user])
    if name == "session_length":
        return float(not feedback.left[user])
    genres = {genre for slot in clicked for genre in catalog.genres_of(feedback.pages.item_index[user, slot])}
    return len(clicked) + 0.25 * len(genres)


@pytest.mark.parametrize("name", COMMON_REWARDS)
def test_reward_is_what_its_name_says(world, pages, name):
    varied = set()
    for feedback, paid, counts in pages(name):
        assert paid.dtype == np.float64
        for user in np.flatnonzero(counts):
            assert paid[user] == pytest.approx(by_hand(name, feedback, user, world.catalog), abs=1e-5)
            varied.add(round(float(paid[user]), 3))
    assert len(varied) > 1


@pytest.mark.parametrize("name", COMMON_REWARDS)
def test_page_without_clicks_is_paid_in_floats(make_world, make_rows, name):
    rows = make_rows(make_world(click_bias=-60.0), 2, reward=name)
    rows.reset(seed=0)
    paid = rows.step(np.tile(np.arange(4), (2, 1)))[1]
    assert paid.dtype == np.float64
    assert paid.shape == (2,)


def test_settings_of_a_reward_count(pages):
    for (one, paid, _), (_, less, _) in zip(pages(Rating(neutral=2.0)), pages("rating"), strict=True):
        np.testing.assert_allclose(paid - less, [np.sum(one.row == user) for user in range(8)] * (paid != less), atol=1e-5)
    for (_, paid, _), (_, clicks, _) in zip(pages(DiverseClicks(bonus=0.0)), pages("clicks"), strict=True):
        np.testing.assert_array_equal(paid, clicks)


def test_function_of_feedback_and_catalog_is_a_reward(pages):
    for feedback, paid, counts in pages(lambda feedback, catalog: feedback.clicked[:, 0] * len(catalog)):
        np.testing.assert_array_equal(paid, feedback.clicked[:, 0] * 60.0 * counts)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda feedback, catalog: 1.0, r"got shape \(\), expected \(8,\), one number a user"),
        (lambda feedback, catalog: feedback.clicked, r"got shape \(8, 4\), expected \(8,\)"),
        (lambda feedback, catalog: np.full(8, np.nan), "got nan, expected finite numbers"),
    ],
)
def test_reward_that_breaks_its_contract_is_refused(pages, answer, message):
    with pytest.raises(ContractError, match=message):
        list(pages(answer))


def test_environment_does_not_write_into_a_rewards_own_array(make_world, make_rows):
    constant = np.ones(2)
    rows = make_rows(make_world(leave_start=50.0), 2, reward=lambda feedback, catalog: constant)
    rows.reset(seed=0)
    for _ in range(2):
        rows.step(np.tile(np.arange(4), (2, 1)))
    assert constant.tolist() == [1, 1]


def test_unknown_reward_is_refused():
    with pytest.raises(ConfigError, match="reward: got 'likes', expected a callable or one of clicks, watch"):
        resolve_reward("likes")
