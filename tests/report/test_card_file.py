"""A damaged realism card is refused in one line, whatever is wrong with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_json import spoil

from recsim_llm.errors import LogError
from recsim_llm.report import drawing
from recsim_llm.report.card_file import read_card
from recsim_llm.report.trust import CARD_FIGURE, trust_section


def row(name, role, value, difference=None):
    return {"name": name, "role": role, "value": value, "low": 0.4, "high": 0.9, "users": 9, "difference": difference}


CARD = {
    "name": "choice users",
    "data": "films",
    "fingerprint": "abc",
    "lines": [
        {
            "number": number,
            "name": name,
            "measures": [
                {
                    "name": "AUC",
                    "unit": "share",
                    "better": "higher",
                    "verdict": ["not distinguishable from ALS"],
                    "rows": [
                        row("choice users", "candidate", 0.7),
                        row("ALS", "cheap", 0.7, {"value": 0.0, "low": -0.1, "high": 0.1, "users": 9}),
                    ],
                }
            ],
        }
        for number, name in enumerate(("taste", "clicks"), start=1)
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("card")


@given(data=st.data())
def test_whatever_is_odd_about_it_it_is_shown_or_refused(folder, data):
    (folder / "realism.json").write_text(json.dumps(spoil(CARD, data)))
    refusal = ""
    try:
        card = read_card(folder)
        trust_section({"user_model": "choice"}, card, "")
        CARD_FIGURE.title(card)
        list(CARD_FIGURE.rows(card))
        CARD_FIGURE.able(card)
    except LogError as error:
        refusal = str(error)
    assert not refusal or (refusal.endswith("make it anew") and "\n" not in refusal)


def test_a_whole_card_is_read_and_drawn(folder):
    (folder / "realism.json").write_text(json.dumps(CARD))
    assert read_card(folder / "realism.json") == CARD
    assert CARD_FIGURE.able(CARD)
    with drawing.style():
        CARD_FIGURE.draw(CARD)
