"""Which act an utterance is: the rule for words, the labels of published files, and what neither can tell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.conversation.acts import USER_ACTS, UserActs
from recsim_llm.conversation.attributes import find_attributes
from recsim_llm.conversation.dialogue_words import user_words
from recsim_llm.realism.dialogues.act_rules import ACTS, LABELS, read_act, read_label


def acts_of(text):
    return {ACTS[act] for act in read_act(text)}


@pytest.mark.parametrize(
    ("text", "acts"),
    [
        ("Hi! I'm looking for a good comedy", {"answer"}),
        ("can you help me find something to watch", {"answer"}),
        ("I really like @123 and war films", {"answer"}),
        ("I loved it", set()),
        ("That's a bit too scary for me.", {"critique"}),
        ("Something more recent, maybe?", {"critique"}),
        ("Less Drama, please.", {"critique"}),
        ("I didn’t like that one.", {"refuse"}),
        ("No thank you", {"refuse"}),
        ("not interested, sorry", {"refuse"}),
        ("I'll definitely check it out!", {"accept"}),
        ("Sounds great, have a good night", {"accept", "leave"}),
        ("I don't think I'll watch it", set()),
        ("Sounds good but I don't like it", set()),
        ("Actually I changed my mind, I'm looking for horror", {"change_mind"}),
        ("Goodbye", {"leave"}),
        ("Who is in it?", {"other"}),
        ("hello, how are you", {"other"}),
        ("Thank you so much!", {"other"}),
        ("It was filmed in my home town", set()),
        ("Yes, I take 'Goodbye, I am leaving'.", {"accept"}),
        ('I\'ll watch "Have a Good Day (1999)"', {"accept"}),
        ("我在找一部喜剧", set()),
        ("", set()),
    ],
)
def test_words_tell_an_act_or_nothing(text, acts):
    assert acts_of(text) == acts


def test_what_users_say_by_templates_is_read_as_what_they_did(make_world):
    catalog = make_world().catalog
    attributes = find_attributes(catalog)
    values, item = len(attributes.value_names), int(catalog.item_id[3])
    rows = [(1, value, -1, -1) for value in range(values)]
    rows += [(2, value, critique, -1) for value in range(values) for critique in (0, 1)]
    rows += [(2, -1, 2, item), (3, -1, -1, item), (4, -1, -1, -1), (5, -1, -1, -1), (6, -1, -1, -1)]
    said = user_words(UserActs(*np.array(rows).T), catalog, attributes)
    assert [acts_of(text) for text in said] == [{USER_ACTS[row[0]]} for row in rows]


@given(st.text(max_size=300))
def test_any_text_is_read(text):
    assert set(read_act(text)) <= set(range(len(ACTS)))


def test_a_long_text_is_read_as_fast_as_a_short_one():
    assert read_act("ok " * 1_000_000 + "bye") == read_act("ok " * 600)


@pytest.mark.parametrize(
    ("labels", "acts"),
    [
        (["INFORM_INTENT"], {"answer"}),
        (["Hotel-Inform"], {"answer"}),
        (["general-bye", "general-thank"], {"leave", "other"}),
        (["CRI-F", "REJ"], {"critique", "refuse"}),
        (["nonesuch"], set()),
        (["nonesuch", "ACC"], {"accept"}),
    ],
)
def test_labels_tell_acts_and_unknown_ones_none(labels, acts):
    assert {ACTS[act] for act in read_label(labels)} == acts


def test_no_label_stands_for_two_acts():
    labels = [label for known in LABELS.values() for label in known]
    assert len(set(labels)) == len(labels)
    assert set(LABELS) == set(ACTS)
