"""One distribution over all that a user may do."""

import numpy as np
import talks
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.conversation.acts import ACCEPT, ANSWER, ASK, CHANGE_MIND, EXPLAIN, LEAVE, NOTHING, RECOMMEND, REFUSE, SILENT
from recsim_llm.conversation.deciding import draw, options_of, spread
from recsim_llm.conversation.dialogue_loop import Conversations

MODES = ("questions", "chat")
GOALS = ("item", "attributes", "none")


def chances_of(world, act, *, mode="questions", goal="item", attribute=0, **settings):
    """Return probabilities by act [d, acts] of users who hear one act."""
    conversations = talks.converse(world, mode=mode, goal=goal, **settings)
    talks.begin(conversations)
    rows = np.arange(len(world.population))
    acts = talks.recommend(conversations.goal_item(rows)[:, None], conversations)
    if act == EXPLAIN:
        talks.settle(conversations, conversations.hear(rows, acts))
    acts = acts._replace(act=np.full(len(rows), act), attribute=np.full(len(rows), attribute))
    heard = conversations.hear(rows, acts).heard
    probability = spread(conversations.users.decide(heard), heard)
    options = options_of(conversations.slots, len(conversations.attributes.value_names))
    return np.stack([probability[:, options.act == kind].sum(axis=1) for kind in range(7)], axis=1)


@given(
    act=st.integers(0, 5),
    mode=st.sampled_from(MODES),
    goal=st.sampled_from(GOALS),
    noise=st.sampled_from((0.0, 0.3, 1.0)),
    browse=st.sampled_from((0.0, 0.5)),
    change=st.sampled_from((0.0, 0.2)),
)
def test_whatever_is_heard_probabilities_sum_to_one(make_world, act, mode, goal, noise, browse, change):
    world = make_world(items=30, users=12)
    settings = {"noise": noise, "browse": browse, "change_of_mind": change}
    found = chances_of(world, act, mode=mode, goal=goal, **settings)
    assert np.all(found >= 0)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)


def test_what_is_looked_for_is_taken(world):
    assert chances_of(world, RECOMMEND)[:, ACCEPT].min() > 0.99


def test_a_question_gets_an_answer_and_no_acceptance(world):
    found = chances_of(world, ASK)
    assert found[:, ANSWER].min() > 0.99
    assert not found[:, ACCEPT].any()


def test_in_a_chat_a_user_adds_something_where_the_policy_is_silent(world):
    assert not chances_of(world, SILENT)[:, ANSWER].any()
    assert chances_of(world, SILENT, mode="chat")[:, ANSWER].max() == 0.5


def test_who_would_rather_be_left_alone_answers_nothing(world):
    found = chances_of(world, ASK, browse=1.0)
    assert found[:, NOTHING].min() == 1.0


def test_a_refusal_is_all_that_is_left_of_an_unwanted_item(world):
    conversations = talks.converse(world)
    talks.begin(conversations)
    rows = np.arange(len(world.population))
    other = (conversations.goal_item(rows) + 1) % len(world.catalog)
    turn = talks.settle(conversations, conversations.hear(rows, talks.recommend(other[:, None], conversations)))
    assert (turn.user.act == REFUSE).mean() > 0.9


def test_change_of_mind_comes_with_its_chance(world):
    assert chances_of(world, RECOMMEND, change_of_mind=0.25)[:, CHANGE_MIND].tolist() == [0.25] * len(world.population)


def test_nobody_leaves_before_patience_is_used_up(world):
    assert not chances_of(world, RECOMMEND)[:, LEAVE].any()


def test_a_draw_falls_on_options_as_often_as_they_are_probable():
    probability = np.tile([0.2, 0.0, 0.5, 0.3], (10_000, 1))
    drawn = draw(probability, (np.arange(10_000) + 0.5) / 10_000)
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 10_000, [0.2, 0, 0.5, 0.3], atol=1e-3)


def test_a_draw_never_falls_on_what_is_impossible():
    assert draw(np.array([[0.0, 1.0, 0.0]]), np.array([1.0])).tolist() == [1]


def test_conversations_draw_with_the_dice_of_user_visit_and_turn(world):
    one, other = talks.converse(world, mode="chat"), talks.converse(world, mode="chat")
    whole, _ = talks.play(one, talks.by_popularity)
    part, _ = talks.play(other, talks.by_popularity, rows=[3, 17])
    assert isinstance(one, Conversations)
    for turn, both in zip(part, whole, strict=False):
        at = np.isin(both.prepared.rows, turn.prepared.rows)
        assert both.user.act[at].tolist() == turn.user.act.tolist()
        assert both.probability[at].tolist() == turn.probability.tolist()
