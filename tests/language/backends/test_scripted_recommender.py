"""The stand-in that recommends: what it goes by, and what it writes."""

import pytest

from recsim_llm.language.backends.scripted_recommender import TAKE_ALL, TAKE_NONE, recommender
from recsim_llm.language.base.questions import Part, Prompt, choice, score, yes_no
from recsim_llm.language.calls.writing import Writing
from recsim_llm.language.providers import open_model

TOOK = '<history>\n- "Old (1999)" (2001) | A, B | 4 stars\n- "Older" | C | a caption | 2 stars\n</history>\n'
SHOWN = '<candidates>\n1. "One" | C\n2. "Two" (2000) | A, B | a caption\n3. "Three" | D\n</candidates>'
SAID = '<said>\n- "I love D. I seldom choose A."\n</said>\n'
TEXT = TOOK + SHOWN


def test_candidates_are_taken_and_rated_by_the_genres_that_they_share_with_the_history():
    shares = (2 / 6, 4 / 6, 0)
    for number, share in enumerate(shares, 1):
        chance = recommender(TEXT, yes_no(f"take_{number}", "?"))[0]
        assert chance == pytest.approx(TAKE_NONE + (TAKE_ALL - TAKE_NONE) * share)
    levels = [max(range(5), key=recommender(TEXT, score(f"stars_{number}", "?")).__getitem__) + 1 for number in (1, 2, 3)]
    assert levels == [2, 4, 1]


def test_places_of_a_list_are_named_in_the_order_of_worth():
    options = ("1", "2", "3")
    named = [recommender(TEXT, choice(f"place_{place}", "?", options)) for place in (1, 2, 3)]
    assert [options[max(range(3), key=weights.__getitem__)] for weights in named] == ["2", "1", "3"]


def test_what_the_visitor_says_weighs_more_than_what_was_taken_and_refusals_most():
    chances = [recommender(TOOK + SAID + SHOWN, yes_no(f"take_{number}", "?"))[0] for number in (1, 2, 3)]
    assert chances[2] > chances[0] > chances[1] == TAKE_NONE


@pytest.mark.parametrize(
    ("order", "written"),
    [
        ("Write the numbers of the 2 best candidates, best first, with commas between them, and nothing else.", "2, 1"),
        ("Write the number of the best candidate, best first, with commas between them, and nothing else.", "2"),
        (
            "Name 3 titles, one a line as Title (year), the best first, and write nothing else.",
            "Older II\nOld (1999) II (2002)\nOlder III",
        ),
        (
            "Write one line for each of the 3 titles, as NUMBER. REASON.",
            "1. It has something of what you like.\n2. It has much of what you like.\n3. It is new to you.",
        ),
    ],
)
def test_it_writes_what_the_last_line_asks_for(order, written):
    prompt = Prompt((Part("rules", "You help."), Part("recent", TOOK.strip()), Part("page", SHOWN), Part("order", order)))
    with open_model("scripted/recommender") as model:
        assert model.write([Writing(prompt, 200)]) == [written]


def test_other_scripts_write_a_sentence_as_before():
    prompt = Prompt((Part("rules", "You help."), Part("order", "Name 3 titles, one a line.")))
    with open_model("scripted/history") as model:
        (text,) = model.write([Writing(prompt, 200)])
    assert text.endswith(").")
    assert "\n" not in text
