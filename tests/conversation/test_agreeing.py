"""The recommender that agrees: the last words count, and nothing else."""

import numpy as np
import talks
from talks import ATTRIBUTES, one_rating, said

from recsim_llm.conversation.acts import ANSWER, ASK, CRITIQUE, LESS, MORE, NOTHING, RECOMMEND
from recsim_llm.conversation.agreeing import Agreeing, fits_last_words
from recsim_llm.conversation.conversational import Conversational


def fits(*turns):
    return fits_last_words(said(*turns), ATTRIBUTES)[0].tolist()


def test_only_the_last_wish_counts():
    drama, war = (ASK, 0, ANSWER, 0, -1), (ASK, 0, ANSWER, 1, -1)
    assert fits(drama) == [True, True, False, False]
    assert fits(drama, war) == [False, False, True, True]
    assert fits(drama, (RECOMMEND, -1, CRITIQUE, 3, LESS)) == [True, False, True, True]
    assert fits((RECOMMEND, -1, CRITIQUE, 0, LESS), (RECOMMEND, -1, CRITIQUE, 0, MORE)) == [True, True, False, False]


def test_who_said_nothing_is_agreed_with_in_everything_and_silence_takes_nothing_back():
    assert fits((RECOMMEND, -1, NOTHING, -1, -1)) == [True] * 4
    assert fits((ASK, 0, ANSWER, 1, -1), (RECOMMEND, -1, NOTHING, -1, -1)) == [False, False, True, True]


def test_it_talks_and_recommends_in_every_turn_what_fits(world):
    policy = Agreeing()
    policy.play_by("allow")
    policy.fit(world.catalog, one_rating(world), 1)
    assert isinstance(policy, Conversational)
    talk = talks.converse(world, mode="chat", noise=0.5, max_turns=4)
    shown = []

    def respond(dialogues, own, rows):
        acts = policy.respond(dialogues, own.slots)
        allowed = fits_last_words(dialogues.said, dialogues.attributes)
        index = world.catalog.index_of(acts.item_id)
        best = np.minimum(allowed.sum(axis=1), own.slots)
        shown.append(np.take_along_axis(allowed, index, axis=1).sum(axis=1) == best)
        assert set(acts.act.tolist()) == {RECOMMEND}
        return acts

    talks.play(talk, respond)
    assert len(shown) > 1
    assert np.concatenate(shown).all()
