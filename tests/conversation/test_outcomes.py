"""What comes of dialogues: obedience, regret, and whose fault it was."""

import numpy as np
import talks

from recsim_llm.conversation.acts import ASK, CRITIQUE, LESS, MORE, NOT_THIS, SAY
from recsim_llm.conversation.dialogue_outcomes import BLAMES
from recsim_llm.conversation.taste_users import TasteUsers


class Contrary(TasteUsers):
    """Refuses what it looks for."""

    def decide(self, heard):
        chances = super().decide(heard)
        return chances._replace(take=np.where(heard.wanted, 0.02, chances.take))


class Hasty(TasteUsers):
    """Leaves although it has patience left."""

    def decide(self, heard):
        return super().decide(heard)._replace(leave=np.where(heard.turn > 0, 0.5, 0.0))


def planted(world, kind, **settings):
    plain = talks.converse(world, **settings)
    return talks.converse(world, users=kind(plain.attributes, plain.settings), **settings)


def outcomes_of(conversations, policy):
    _, outcomes = talks.play(conversations, policy)
    return outcomes.of(np.arange(len(conversations.state.stop)), conversations)


def critics(world, kind):
    """Conversations whose every refusal is a critique, of one kind."""

    class Critical(TasteUsers):
        def _critiques(self, heard):
            less, more, _ = super()._critiques(heard)
            parts = [np.where(less > 0, 1.0, 0.0), np.where(more > 0, 1.0, 0.0), 1.0 * (heard.item_index[:, 0] >= 0)]
            for place, part in enumerate(parts[:2]):
                parts[place] = part / np.maximum(part.sum(axis=1, keepdims=True), 1)
            return tuple(part * (place == kind) for place, part in enumerate(parts))

    return planted(world, Critical, mode="chat", critiques=1.0, patience=50.0)


def obedience(world, kind, policy):
    conversations = critics(world, kind)
    turns, _ = talks.play(conversations, policy)
    judged = np.concatenate([turn.prepared.obeyed for turn in turns])
    assert any((turn.user.act == CRITIQUE).any() for turn in turns)
    return judged[judged >= 0]


def obedient(dialogues, own, rows):
    """Heeds the last critique, whatever it is, and else shows the first items."""
    last = -1
    kind, value, item = (getattr(dialogues.said, name)[:, last] for name in ("critique", "value", "item"))
    members, ids = own.attributes.members, own.catalog.item_id
    shown = np.zeros((len(rows), 1), np.int64)
    for row in range(len(rows)):
        fits = np.ones(len(ids), np.bool_)
        if kind[row] in (LESS, MORE):
            fits = members[:, value[row]] == (kind[row] == MORE)
        elif kind[row] == NOT_THIS:
            fits = ids != item[row]
        shown[row, 0] = fits.argmax()
    return talks.recommend(shown, own)


def deaf(dialogues, own, rows):
    """Shows the first item in every turn."""
    return talks.recommend(np.zeros((len(rows), 1), np.int64), own)


def test_a_planted_obedient_policy_heeds_every_critique_and_a_deaf_one_none(world):
    for kind in (LESS, MORE, NOT_THIS):
        assert obedience(world, kind, obedient).mean() == 1.0
        assert obedience(world, kind, deaf).mean() == 0.0


def test_what_users_say_unasked_is_nothing_that_questions_told(world):
    def says(dialogues, own, rows):
        acts = talks.ask(0, len(rows), own)
        return acts._replace(act=np.where(dialogues.turn == 1, ASK, SAY))

    conversations = talks.converse(world, mode="chat", patience=100.0)
    turns, outcomes = talks.play(conversations, says)
    told = outcomes.of(np.arange(len(conversations.state.stop)), conversations)["bits"]
    np.testing.assert_allclose(told, np.nan_to_num(turns[1].bits))
    assert np.nansum(turns[0].bits) > 0


def test_users_who_refuse_what_they_look_for_are_to_blame(world):
    found = outcomes_of(planted(world, Contrary), talks.informed)
    failed = found["item_id"] < 0
    assert failed.mean() > 0.5
    assert (found["blame"][failed] == BLAMES.index("refused what it wanted")).mean() > 0.95
    assert found["blame_again"][failed].min() > 0.9


def test_users_who_leave_against_their_patience_are_to_blame(world):
    found = outcomes_of(planted(world, Hasty), talks.by_popularity)
    assert (found["blame"] == BLAMES.index("left too early")).mean() > 0.5


def test_users_who_answer_falsely_are_to_blame(world):
    def asks(dialogues, own, rows):
        return talks.ask(0, len(rows), own)

    found = outcomes_of(talks.converse(world, noise=1.0), asks)
    assert set(found["blame"]) == {BLAMES.index("answered falsely")}


def test_ordinary_users_are_to_blame_for_hardly_any_failure(make_world):
    world = make_world(items=60, users=200)
    blamed, failed = 0, 0
    for seed in range(5):
        conversations = talks.converse(world)
        _, outcomes = talks.play(conversations, talks.by_popularity, seed=seed)
        found = outcomes.of(np.arange(200), conversations)
        failed += int((found["item_id"] < 0).sum())
        blamed += int((found["blame"] >= 0).sum())
    assert failed > 100
    assert blamed <= 0.02 * failed


def test_the_best_of_the_pool_costs_no_regret_and_others_some(world):
    conversations = talks.converse(world, goal="none")
    talks.begin(conversations)
    rows = np.arange(len(world.population))
    pool = conversations._tastes.pool
    assert conversations.regret(rows, pool[:, 0]).max() == 0.0
    assert conversations.regret(rows, pool[:, 5]).min() > 0.0


def test_interruptions_and_welcome_acts_are_counted(world):
    found = outcomes_of(talks.converse(world, browse=1.0, patience=50.0), deaf)
    assert found["interruptions"].min() >= 1
    acts = found["interruptions"] + found["welcome"]
    assert acts.tolist() == found["turns"].tolist()
