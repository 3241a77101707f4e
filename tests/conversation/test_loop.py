"""The loop of a conversation: what acts cost, how dialogues end, what is told, and what policies may know."""

import dataclasses

import numpy as np
import pytest
import talks

from recsim_llm.conversation.acts import (
    ACCEPT,
    ANSWER,
    CHANGE_MIND,
    END,
    EXPLAIN,
    LESS,
    NOTHING,
    SILENT,
    STOPS,
    USER_ACTS,
    Dialogues,
    UserActs,
    silent_acts,
)
from recsim_llm.conversation.dialogue_turns import Prepared
from recsim_llm.conversation.dialogue_words import policy_words, user_words
from recsim_llm.errors import SlateError


@pytest.fixture
def conversations(world):
    return talks.converse(world)


def rows_of(conversations):
    return np.arange(len(conversations.state.stop))


def silent(dialogues, own, rows):
    return silent_acts(len(rows), own.slots)


def test_who_is_shown_what_it_looks_for_accepts_and_the_dialogue_ends(conversations):
    turns, outcomes = talks.play(conversations, talks.informed)
    found = outcomes.of(rows_of(conversations), conversations)
    assert (found["stop_reason"] == STOPS.index("accepted")).mean() > 0.95
    assert found["on_goal"].mean() > 0.95
    assert turns[1].user.item_id[turns[1].user.act == ACCEPT].min() >= 0


def test_a_policy_that_never_speaks_to_who_waits_is_left(world):
    conversations = talks.converse(world, patience=1.0)
    _, outcomes = talks.play(conversations, silent)
    assert (outcomes.of(rows_of(conversations), conversations)["stop_reason"] == STOPS.index("left")).mean() > 0.9


def test_dialogues_end_with_the_last_turn(world):
    conversations = talks.converse(world, patience=100.0, max_turns=4)
    turns, outcomes = talks.play(conversations, silent)
    assert len(turns) == 5
    assert set(outcomes.of(rows_of(conversations), conversations)["stop_reason"]) == {STOPS.index("max_turns")}


def test_a_policy_may_end_the_dialogue(conversations):
    def ends(dialogues, own, rows):
        return silent_acts(len(rows), own.slots)._replace(act=np.full(len(rows), END))

    _, outcomes = talks.play(conversations, ends)
    assert set(outcomes.of(rows_of(conversations), conversations)["stop_reason"]) == {STOPS.index("policy_ended")}


def test_whom_an_act_interrupts_loses_patience_and_whom_silence_leaves_alone_none(world):
    spoken, quiet = (talks.converse(world, browse=1.0) for _ in range(2))
    for own, policy in ((spoken, talks.by_popularity), (quiet, silent)):
        talks.begin(own)
        rows = rows_of(own)
        prepared = own.hear(rows, policy(own.dialogues(rows), own, rows))
        assert set(prepared.welcome) == ({0} if own is spoken else {-1})
    assert (spoken.state.spent[0], quiet.state.spent[0]) == (1.0, 0.0)


def test_a_question_that_was_answered_costs_as_much_as_an_interruption(conversations):
    talks.begin(conversations)
    rows = rows_of(conversations)
    costs = []
    for _ in range(2):
        before = conversations.state.spent.copy()
        talks.settle(conversations, conversations.hear(rows, talks.ask(0, len(rows), conversations)))
        costs.append((conversations.state.spent - before).tolist())
    assert set(costs[0]) == {0.25}
    assert set(costs[1]) == {1.0}


def test_an_answer_tells_as_many_bits_as_it_takes_from_the_candidates(conversations, world):
    talks.begin(conversations)
    rows = rows_of(conversations)
    turn = talks.settle(conversations, conversations.hear(rows, talks.ask(0, len(rows), conversations)))
    assert set(turn.user.act) == {ANSWER}
    has = conversations.attributes.members[:, turn.user.value].sum(axis=0)
    np.testing.assert_allclose(turn.bits, np.log2(len(world.catalog) / has))


def test_an_answer_that_leaves_nothing_tells_no_bits(world):
    conversations = talks.converse(world, noise=0.5, patience=100.0)
    turns = [talks.begin(conversations)]
    rows = rows_of(conversations)
    for _ in range(8):
        turns.append(talks.settle(conversations, conversations.hear(rows, talks.ask(0, len(rows), conversations))))
    lost = conversations.state.candidates.sum(axis=1) == 0
    assert lost.any()
    # All bits of a dialogue together are no more than naming one item tells.
    assert np.nansum([turn.bits for turn in turns], axis=0).max() <= np.log2(len(world.catalog)) + 1e-9
    assert np.nansum([turn.bits for turn in turns], axis=0)[lost].max() < np.log2(len(world.catalog))


def test_without_noise_every_answer_is_true_and_with_noise_some_are_false(world):
    for noise, false in ((0.0, 0.0), (1.0, 1.0)):
        conversations = talks.converse(world, noise=noise)
        talks.begin(conversations)
        rows = rows_of(conversations)
        turn = talks.settle(conversations, conversations.hear(rows, talks.ask(0, len(rows), conversations)))
        assert turn.false.mean() == false


def test_who_changes_its_mind_looks_for_something_of_its_pool_again(world):
    conversations = talks.converse(world, change_of_mind=1.0)
    talks.begin(conversations)
    rows, before = rows_of(conversations), conversations.goal_item(rows_of(conversations))
    turn = talks.settle(conversations, conversations.hear(rows, talks.ask(0, len(rows), conversations)))
    assert set(turn.user.act) == {CHANGE_MIND}
    after = conversations.goal_item(rows)
    assert (after != before).mean() > 0.8
    assert np.all((conversations._tastes.pool == after[:, None]).any(axis=1))


def test_goals_are_new_to_their_users_and_liked_most(make_world):
    world = make_world(items=60, users=20)
    conversations = talks.converse(world, pool=6)
    talks.begin(conversations)
    appeal = conversations._tastes.appeal
    rank = (appeal > appeal[rows_of(conversations), conversations.goal_item(rows_of(conversations))][:, None]).sum(axis=1)
    assert rank.max() < 6


def test_a_goal_is_a_function_of_the_seed_and_the_user_alone(world):
    one, other = talks.converse(world), talks.converse(world)
    talks.begin(one, seed=5)
    talks.begin(other, seed=5, rows=[7])
    assert one.goal_item(np.array([7])) == other.goal_item(np.array([7]))


def test_policies_are_told_neither_goal_nor_taste_nor_patience(conversations):
    talks.begin(conversations)
    dialogues = conversations.dialogues(rows_of(conversations))
    assert set(Dialogues._fields) == {"requests", "turn", "said", "attributes"}
    goals = conversations.goal_item(rows_of(conversations))
    assert not np.isin(dialogues.requests.history_item, conversations.catalog.item_id[goals]).any()
    assert {field.name for field in dataclasses.fields(dialogues.attributes)} == {
        "names",
        "value_names",
        "attribute",
        "members",
    }


def test_an_unknown_item_is_refused_with_the_name_of_the_policy(conversations):
    talks.begin(conversations)
    acts = talks.recommend(np.zeros((len(rows_of(conversations)), 1), np.int64), conversations)
    acts.item_id[:, 1] = 999_999
    with pytest.raises(SlateError, match="policy, row 0, position 1: got item 999999, expected different items"):
        conversations.hear(rows_of(conversations), acts)


def test_an_unknown_item_is_blanked_and_counted_where_that_is_wanted(world):
    conversations = talks.converse(world, name=None)
    talks.begin(conversations)
    acts = talks.recommend(np.zeros((len(rows_of(conversations)), 1), np.int64), conversations)
    acts.item_id[:, 1:] = [999_999, world.catalog.item_id[0]]
    prepared = conversations.hear(rows_of(conversations), acts)
    assert set(prepared.invalid) == {2}
    assert set(prepared.heard.item_index[:, 0]) == {0}


def test_what_was_recommended_may_not_be_again_where_repeats_are_forbidden_but_explained(world):
    conversations = talks.converse(world, repeats="forbid", name=None)
    talks.begin(conversations)
    rows, acts = rows_of(conversations), talks.recommend(np.zeros((len(world.population), 1), np.int64), conversations)
    invalid = []
    for act in (acts, acts, acts._replace(act=np.full(len(rows), EXPLAIN))):
        prepared = conversations.hear(rows, act)
        invalid.append(int(prepared.invalid[0]))
        talks.settle(conversations, prepared)
    assert invalid == [0, 1, 0]


def test_what_was_not_recommended_cannot_be_explained_which_would_be_a_recommendation_without_rules(world):
    acts, refused = {}, talks.converse(world)
    for own in (counted := talks.converse(world, name=None), refused):
        talks.begin(own)
        acts[own] = talks.recommend(np.zeros((len(world.population), 1), np.int64), own)._replace(
            act=np.full(len(world.population), EXPLAIN)
        )
    prepared = counted.hear(rows_of(counted), acts[counted])
    assert set(prepared.invalid) == {1}
    assert (prepared.heard.item_index == -1).all()
    with pytest.raises(SlateError, match="explained, expected one that was recommended in this dialogue"):
        refused.hear(rows_of(refused), acts[refused])


def test_a_silent_policy_has_no_words_to_be_silent_with(conversations):
    talks.begin(conversations)
    rows = rows_of(conversations)
    acts = silent_acts(len(rows), conversations.slots)._replace(text=np.full(len(rows), "Take it!", object))
    assert set(conversations.hear(rows, acts).acts.text) == {""}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"act": np.array([9])}, "got act 9, expected 0 to 5"),
        ({"attribute": np.array([50])}, "got attribute 50, expected -1 to"),
        ({"act": np.array([0.5])}, "got act float64"),
        ({"item_id": np.zeros((1, 9), np.int64)}, "got item_id int64 of shape"),
        ({"text": np.array(["x" * 501], object)}, "text: got a text of 501 characters, expected at most 500"),
        ({"text": np.array(["\ud800"], object)}, "text: got half of a character (U+D800)"),
        ({"text": np.array([None], object)}, "expected texts of shape (1,)"),
    ],
)
def test_malformed_acts_are_refused(conversations, change, said):
    talks.begin(conversations, rows=[0])
    acts = silent_acts(1, conversations.slots)._replace(**change)
    with pytest.raises(SlateError) as error:
        conversations.hear(np.array([0]), acts)
    assert said in str(error.value)


def test_every_act_but_silence_has_words(conversations, world):
    catalog, attributes = world.catalog, conversations.attributes
    none, first = np.full(7, -1), np.full(7, catalog.item_id[0])
    acts = UserActs(np.arange(7), np.where(np.arange(7) == ANSWER, 0, none), np.where(np.arange(7) == 2, LESS, none), first)
    spoken = user_words(acts._replace(value=np.array([-1, 0, 0, -1, -1, -1, -1])), catalog, attributes)
    assert [bool(text) for text in spoken] == [USER_ACTS[act] != "nothing" for act in range(7)]
    assert spoken[ANSWER] == "I am looking for genre Comedy."
    quiet = policy_words(silent_acts(1, 3), catalog, attributes)
    assert quiet.tolist() == [""]
    assert (SILENT, NOTHING) == (0, 0)


def test_dice_tell_beforehand_who_will_talk_for_long(world):
    conversations = talks.converse(world, patience=1.0)
    talks.begin(conversations)
    rows = rows_of(conversations)
    ahead = conversations.turns_ahead(rows)
    assert ahead.shape == (len(rows), conversations.settings.max_turns + 1)
    assert np.array_equal(ahead[:, 0], 1 + ahead[:, 1])
    assert set(ahead[:, -1]) == {1.0}
    talks.play(conversations, silent)
    # From the time when patience is used up, one in two leaves in each turn.
    last = conversations.state.turn[rows] - 1
    first = last.min()
    assert ahead[last > first, first].mean() > ahead[last == first, first].mean() + 0.5


def test_acts_of_different_times_are_one_batch_but_for_words(conversations):
    talks.begin(conversations)
    rows = rows_of(conversations)
    whole = conversations.hear(rows, talks.by_popularity(conversations.dialogues(rows), conversations, rows))
    (again,) = Prepared.join([whole.take(rows[:3]), whole.take(rows[3:])])
    for before, after in ((whole, again), (whole.heard, again.heard), (whole.acts, again.acts)):
        for name, column in before._asdict().items():
            if isinstance(column, np.ndarray):
                assert np.array_equal(column, getattr(after, name)), name
    assert again.heard.has_goal is whole.heard.has_goal
    own = whole.acts._replace(text=np.full(len(rows), "Look at this.", object))
    worded, plain = Prepared.join([whole, whole._replace(acts=own)])
    assert (worded.acts.text is None, plain.acts.text is None) == (False, True)
