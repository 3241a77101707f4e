"""Dialogues as the log has them: in order, whole, and with the words that users and recommenders would have heard."""

import numpy as np
import pytest
from talking_runs import make_talks

from recsim_llm.conversation import transcripts
from recsim_llm.conversation.attributes import find_attributes
from recsim_llm.conversation.transcripts import put_into_words, read_transcripts
from recsim_llm.data import open_dataset
from recsim_llm.errors import LogError
from recsim_llm.log import open_run


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return open_run(make_talks(tmp_path_factory.mktemp("talks") / "run", conversation__words=True))


def test_words_that_are_made_afterwards_are_those_of_the_run(spoken):
    catalog = open_dataset("fictional-100").catalog
    attributes = find_attributes(catalog)
    acts = [act for arm in spoken.arms for talk in read_transcripts(spoken, arm) for act in talk.acts]
    assert len({act.act for act in acts}) > 6
    assert put_into_words(acts, catalog, attributes) == [act.text or "" for act in acts]


def test_dialogues_come_in_the_order_asked_for_whatever_is_in_memory(spoken, monkeypatch):
    whole = list(read_transcripts(spoken, "asking"))
    users = np.array([talk.user_id for talk in whole][::-1])
    monkeypatch.setattr(transcripts, "PORTION_USERS", 7)
    assert list(read_transcripts(spoken, "asking", users)) == whole[::-1]


def test_turns_are_in_order_and_the_policy_speaks_first(spoken):
    for talk in read_transcripts(spoken, "popularity"):
        places = [(act.turn, act.who == "user") for act in talk.acts]
        assert places == sorted(set(places))
        assert places[0] == (0, True)
        assert len(talk.turn_satisfaction) == talk.acts[-1].turn


def test_an_act_about_what_the_catalog_does_not_have_is_refused(spoken):
    catalog = open_dataset("fictional-100").catalog
    act = next(act for talk in read_transcripts(spoken, "asking") for act in talk.acts if act.act == "answer")
    with pytest.raises(LogError, match="'Nonesuch'"):
        put_into_words([act._replace(attribute="genre", value="Nonesuch")], catalog, find_attributes(catalog))
