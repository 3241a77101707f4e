"""The leak meter: who knows the goal is caught, and who learns it from what is said is not."""

import numpy as np
import pytest
import talks

from recsim_llm.conversation.asking import Asking
from recsim_llm.conversation.leak import LEVEL, LeakMeter, judge_leak
from recsim_llm.core.ratings import Ratings

SEEDS = range(1, 41)


def verdict(conversations):
    return judge_leak(*conversations.leak.sums.T)


@pytest.fixture
def conversations(world):
    return talks.converse(world)


def test_a_policy_that_shows_what_is_popular_is_not_caught(conversations):
    talks.play(conversations, talks.by_popularity)
    assert not verdict(conversations).caught


@pytest.mark.parametrize("mode", ["questions", "chat"])
@pytest.mark.parametrize("goal", ["item", "attributes"])
def test_a_policy_that_is_told_the_goal_is_caught(world, mode, goal):
    conversations = talks.converse(world, mode=mode, goal=goal)
    talks.play(conversations, talks.informed)
    assert verdict(conversations).caught


def test_a_policy_that_asks_first_and_then_shows_what_it_was_told_all_along_is_caught(world):
    conversations = talks.converse(world)

    def sly(dialogues, own, rows):
        return talks.ask(0, len(rows), own) if dialogues.turn[0] == 1 else talks.informed(dialogues, own, rows)

    talks.play(conversations, sly)
    assert verdict(conversations).caught


def test_a_policy_that_names_the_title_of_the_goal_is_caught(world):
    conversations = talks.converse(world)

    def says(dialogues, own, rows):
        acts = talks.ask(0, len(rows), own)
        titles = world.catalog.title[own.goal_item(rows)]
        return acts._replace(text=np.array([f"Do you mean {title}?" for title in titles], object))

    talks.play(conversations, says)
    assert verdict(conversations).caught


def asking(world, seed):
    policy = Asking()
    one = np.array([world.catalog.item_id[0]])
    ratings = Ratings(user_id=np.array([1]), item_id=one, rating=np.ones(1, np.float32), timestamp=np.zeros(1, np.int64))
    policy.fit(world.catalog, ratings, seed)
    return lambda dialogues, own, rows: policy.respond(dialogues, own.slots)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["questions", "chat"])
def test_honest_policies_are_caught_no_more_often_than_is_said(make_world, mode):
    world = make_world(items=60, users=60)
    caught = 0
    for seed in SEEDS:
        for policy in (talks.by_popularity, asking(world, seed)):
            conversations = talks.converse(world, mode=mode, noise=0.1, change_of_mind=0.05)
            talks.play(conversations, policy, seed=seed)
            caught += verdict(conversations).caught
    # With 80 policies and a rate of 1%, five or more would be found in 1 of 700 cases.
    assert caught / (2 * len(SEEDS)) < 5 * LEVEL


def test_what_was_refused_is_no_longer_believed(conversations, world):
    talks.begin(conversations)
    rows = np.arange(len(world.population))
    pool = conversations._tastes.pool
    shown = np.where(conversations.state.goal[:, None] == 0, pool[:, 1:2], pool[:, :1])
    talks.settle(conversations, conversations.hear(rows, talks.recommend(shown, conversations)))
    place = np.where(conversations.state.goal == 0, 1, 0)
    assert conversations.leak.belief[rows, place].max() < 1e-2
    np.testing.assert_allclose(conversations.leak.belief.sum(axis=1), 1)


def test_hits_less_what_was_expected_of_a_uniform_belief():
    meter = LeakMeter(1, 4)
    meter.note(np.array([0]), np.array([[True, True, False, False]]), np.array([0]))
    assert meter.sums[0].tolist() == [1.0, 0.5, 0.25]


def test_a_single_improbable_hit_is_no_proof():
    assert not judge_leak(np.array([1.0]), np.array([0.02]), np.array([0.0196])).caught


def test_nothing_to_hit_is_no_proof():
    found = judge_leak(np.zeros(3), np.zeros(3), np.zeros(3))
    assert (found.statistic, found.p_value, found.caught) == (None, 1.0, False)
