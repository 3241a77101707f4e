"""The recommender that asks before it recommends."""

import math

import numpy as np
import talks
from talks import ATTRIBUTES, one_rating, said

from recsim_llm.conversation.acts import ANSWER, ASK, CHANGE_MIND, CRITIQUE, LESS, MORE, RECOMMEND, SILENT
from recsim_llm.conversation.asking import Asking, fit_counts, fitting_items, information_gain
from recsim_llm.conversation.attributes import Attributes
from recsim_llm.conversation.conversational import Conversational, Recommending, conversational
from recsim_llm.recommenders import Popularity


def fitted(world, **settings):
    policy = Asking(Asking.Settings(**settings))
    policy.play_by("allow")
    policy.fit(world.catalog, one_rating(world), 1)
    return policy


def acts_of(policy):
    return lambda dialogues, own, rows: policy.respond(dialogues, own.slots)


def test_an_answer_that_halves_what_is_left_tells_one_bit():
    gain = information_gain(np.ones((1, 4), np.bool_), ATTRIBUTES)[0]
    third = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    np.testing.assert_allclose(gain, [1.0, third])


def test_an_item_with_two_values_tells_less_since_either_may_be_named():
    two = Attributes(
        names=("genre",),
        value_names=("Drama", "War"),
        attribute=np.array([0, 0]),
        members=np.array([[1, 1], [1, 1]], np.bool_),
    )
    np.testing.assert_allclose(information_gain(np.ones((1, 2), np.bool_), two), [[0.0]], atol=1e-12)


def test_what_is_left_has_all_that_was_answered_and_nothing_wanted_less_of():
    left = fitting_items(said((ASK, 0, ANSWER, 1, -1), (RECOMMEND, -1, CRITIQUE, 3, LESS)), ATTRIBUTES)
    assert left.tolist() == [[False, False, True, True]]


def test_after_a_change_of_mind_only_what_came_later_counts():
    turns = said((ASK, 0, ANSWER, 1, -1), (ASK, 1, CHANGE_MIND, -1, -1), (ASK, 1, ANSWER, 3, -1))
    assert fitting_items(turns, ATTRIBUTES).tolist() == [[False, True, False, False]]
    assert fit_counts(turns, ATTRIBUTES).tolist() == [[0, 1, 0, 0]]


def test_a_critique_counts_more_than_all_answers():
    turns = said((ASK, 0, ANSWER, 0, -1), (ASK, 1, ANSWER, 2, -1), (RECOMMEND, -1, CRITIQUE, 3, MORE))
    assert fit_counts(turns, ATTRIBUTES)[0].argmax() == 1


def test_it_asks_each_attribute_once_and_then_recommends(world):
    conversations = talks.converse(world)
    policy = fitted(world)
    turns, _ = talks.play(conversations, acts_of(policy))
    asked = [turn.prepared.acts.act[0] for turn in turns[1:]]
    first = turns[1].prepared.acts
    assert set(first.act) == {ASK}
    assert asked.count(ASK) <= 2
    assert asked[-1] == RECOMMEND
    pairs = [(row, attribute) for turn in turns[1:] for row, attribute in asked_about(turn)]
    assert len(pairs) == len(set(pairs))


def asked_about(turn):
    asks = turn.prepared.acts.act == ASK
    return zip(turn.prepared.rows[asks].tolist(), turn.prepared.acts.attribute[asks].tolist(), strict=True)


def test_it_finds_more_than_what_is_popular(world):
    found = {}
    for name, policy in (("asking", acts_of(fitted(world))), ("popular", talks.by_popularity)):
        conversations = talks.converse(world, max_turns=6)
        _, outcomes = talks.play(conversations, policy)
        found[name] = outcomes.of(np.arange(len(world.population)), conversations)["on_goal"].mean()
    assert found["asking"] > found["popular"] + 0.1


def test_it_waits_for_who_says_nothing_as_long_as_it_is_told(world):
    conversations = talks.converse(world)
    turns, _ = talks.play(conversations, acts_of(fitted(world, waits=2)))
    assert [set(turn.prepared.acts.act) for turn in turns[1:4]] == [{SILENT}, {SILENT}, {ASK}]


def test_what_it_recommends_hangs_on_nobody_else_in_the_batch(world):
    policy, conversations = fitted(world), talks.converse(world, mode="chat")
    talks.begin(conversations)
    whole = policy.respond(conversations.dialogues(np.arange(10)), 3)
    alone = policy.respond(conversations.dialogues(np.array([4])), 3)
    assert [column[4].tolist() for column in whole[:3]] == [column[0].tolist() for column in alone[:3]]


def test_any_recommender_plays_along_by_recommending_in_every_turn(world):
    policy = Popularity()
    assert not isinstance(policy, Conversational)
    talking = conversational(policy)
    assert isinstance(talking, Recommending)
    talking.fit(world.catalog, one_rating(world), 1)
    conversations = talks.converse(world, repeats="forbid")
    turns, _ = talks.play(conversations, acts_of(talking))
    assert {act for turn in turns[1:] for act in turn.prepared.acts.act} == {RECOMMEND}
    assert sum(int(turn.prepared.invalid.sum()) for turn in turns) == 0


def test_one_that_talks_is_left_as_it_is():
    policy = Asking()
    assert conversational(policy) is policy
