"""RecSim's interest evolution, against its equations written down once more, one user at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recsim_llm.agents.recsim.recsim_worlds import interest_evolution_world
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError

USERS, SLOTS = 16, 3


class User:
    """The published equations for one-hot videos of one length, where utility is quality."""

    def __init__(self, interests, budget=200.0):
        self.interests, self.budget = list(interests), budget

    def chances(self, topics):
        """Return the chance of each video of a page, nothing last."""
        weights = [self.interests[topic] + 1 for topic in topics] + [2.0]
        return [weight / sum(weights) for weight in weights]

    def steps(self, topic):
        """Return where the interest in a topic may move, and with what chance to the first."""
        now = self.interests[topic]
        move = 0.3 * (1 - abs(now)) * (1 - now)
        return (min(now + move, 1.0), max(now - move, -1.0)), (now + 1) / 2

    def watch(self, quality):
        minutes = min(self.budget, 4.0)
        self.budget += minutes * (0.9 / 3.4 * quality - 1)
        return minutes

    def skip(self):
        self.budget -= 0.5


@pytest.fixture
def world(make_world):
    return make_world("recsim-interest-evolution")


@pytest.fixture
def quality():
    return (open_dataset("recsim-interest-evolution").catalog.quality.astype(float) * 2 - 1) * 3.4


def topics(world):
    return world.catalog.features.argmax(axis=1)


def pages(count, seed=3):
    random = np.random.default_rng(seed)
    return [np.stack([random.choice(200, SLOTS, replace=False) for _ in range(USERS)]) for _ in range(count)]


def test_a_visit_follows_the_equations(world, quality, browse):
    kernel, topic = browse(world, USERS, slots=SLOTS), topics(world)
    users = [User(interests) for interests in world.users._interests]
    on, towards, expected, lengths = np.ones(USERS, bool), [], [], []
    for number, page in enumerate(pages(400)):
        feedback = kernel.step(page)
        chosen = {row: place % SLOTS for row, place in zip(feedback.row.tolist(), feedback.slot.tolist(), strict=True)}
        minutes = dict(zip(feedback.row.tolist(), feedback.engagement.tolist(), strict=True))
        for row in np.flatnonzero(on):
            user, item = users[row], page[row, chosen.get(row, 0)]
            chances = user.chances(topic[page[row]])[:-1]
            odds = [math.log(chance / (1 - chance)) if chance else -29.9 for chance in chances]
            np.testing.assert_allclose(feedback.decisions.click_log_odds[row], odds, atol=0.05 if min(chances) < 1e-3 else 1e-4)
            if row in chosen:
                assert minutes[row] == pytest.approx(user.watch(quality[item]), abs=1e-4)
                moves, chance = user.steps(topic[item])
                now = world.users._interests[row, topic[item]]
                place = int(np.argmin([abs(now - move) for move in moves]))
                assert now == pytest.approx(moves[place], abs=1e-9)
                user.interests[topic[item]] = now
                towards.append(place == 0)
                expected.append(chance)
            else:
                user.skip()
            np.testing.assert_allclose(world.users._interests[row], user.interests, atol=1e-9)
            assert world.users._budget[row] == pytest.approx(user.budget, abs=1e-3)
            assert feedback.left[row] == (user.budget <= 0)
        lengths.extend([number + 1] * np.count_nonzero(on & feedback.left))
        on &= ~feedback.left
        if not on.any():
            break
    assert len(lengths) == USERS
    assert len(towards) > 300
    # As often towards the video as the interests said, within four standard errors.
    spread = math.sqrt(sum(chance * (1 - chance) for chance in expected))
    assert abs(sum(towards) - sum(expected)) < 4 * spread


def test_one_video_of_a_page_is_chosen_as_often_as_its_weight_says(world, browse):
    users = 1000
    kernel, topic = browse(world, users, slots=SLOTS), topics(world)
    page = np.tile([3, 50, 120], (users, 1))
    chances = np.array([User(row).chances(topic[page[0]]) for row in world.users._interests])
    clicked = kernel.step(page).clicked
    assert clicked.sum(axis=1).max() == 1
    counts = np.append(clicked.sum(axis=0), (~clicked.any(axis=1)).sum())
    spread = np.sqrt((chances * (1 - chances)).sum(axis=0))
    assert (np.abs(counts - chances.sum(axis=0)) < 4 * spread).all()


def test_interests_begin_evenly_from_dislike_to_liking(world, browse):
    browse(world, 1000, slots=SLOTS)
    interests = world.users._interests
    assert -1 < interests.min() < -0.99
    assert 0.99 < interests.max() < 1
    assert abs(interests.mean()) < 4 * 2 / math.sqrt(12 * interests.size)


def test_videos_of_the_last_topics_are_better_than_those_of_the_first(quality):
    topic = open_dataset("recsim-interest-evolution").catalog.features.argmax(axis=1)
    means = np.concatenate([np.linspace(-3, 0, 14), np.linspace(0, 3, 6)])
    away = (quality - means[topic]) / 0.1
    assert set(topic) == set(range(20))
    assert abs(away.mean()) < 4 / math.sqrt(200)
    assert abs(away.std() - 1) < 4 / math.sqrt(400)


def test_recommenders_are_not_told_the_quality(world):
    assert world.catalog.quality is None


@pytest.mark.parametrize(
    "setting", [{"time_budget": 0}, {"user_update_alpha": 0.3}, {"no_click_mass": -2}, {"step_penalty": True}]
)
def test_parameters_out_of_range_are_refused(make_world, setting):
    with pytest.raises(ConfigError, match=f"{next(iter(setting))!r}: got .*, expected a number from"):
        make_world("recsim-interest-evolution", **setting)


def test_items_of_unknown_quality_are_refused():
    with pytest.raises(ConfigError, match=r"expected a quality, .*; take the data recsim-interest-evolution"):
        interest_evolution_world("recsim-lts", seed=1)
