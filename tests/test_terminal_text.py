"""Text from outside in a terminal: nothing is obeyed, everything else stays."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.terminal_text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("\x1bcreset", "reset"),
        ("\x1b]0;never ended, the rest stays", "0;never ended, the rest stays"),
        ("bell\x07 back\x08 null\x00 delete\x7f", "bell back null delete"),
        ("first\rover", "firstover"),
        ("abc\u202eevil\u202c \u2066x\u2069", "abcevil x"),
        ("half \ud83d", "half ?"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Amélie 千と千尋 🎬 [bold]", "Amélie 千と千尋 🎬 [bold]"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_left(text, shown):
    assert printable(text) == shown


@given(st.text(st.characters() | st.sampled_from("\x1b\x9b\x9d\x07\\[]mJ;0\u202e\ud83d")))
def test_any_text_is_harmless_and_stays_so(text):
    shown = printable(text)
    assert printable(shown) == shown
    assert not [letter for letter in shown if unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t"]
    shown.encode()


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])))
def test_other_text_is_untouched(text):
    assert printable(text) == text
