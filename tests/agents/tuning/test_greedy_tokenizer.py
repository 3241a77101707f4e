"""Text as the longest phrases that there are, and as bytes where there are none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsim_llm.agents.tuning.greedy_tokenizer import build_tokenizer, find_phrases, phrase_tokens, token_bytes

PHRASES = ['"Heat"', '"Heat of the Night"', " (Crime)", ", take it?", " yes", " no", ": loved\n"]


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(PHRASES, "")


def told(tokenizer, text):
    return tokenizer.convert_ids_to_tokens(tokenizer.encode(text, add_special_tokens=False))


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(blacklist_categories=("Cs",)), max_size=60))
def test_any_text_comes_back_from_its_tokens(tokenizer, text):
    tokens = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    assert b"".join(token_bytes(piece) for piece in tokenizer.convert_ids_to_tokens(tokens)).decode() == text


def test_the_longest_phrase_that_fits_is_one_token(tokenizer):
    assert len(told(tokenizer, '"Heat of the Night" (Crime), take it? yes')) == 4
    assert len(told(tokenizer, '"Heat" (Crime): loved\n')) == 3


def test_a_phrase_names_its_own_token(tokenizer):
    (token,) = phrase_tokens(tokenizer, [" yes"])
    assert tokenizer.decode([token]) == " yes"


def test_turns_are_what_recurs_between_known_phrases():
    texts = [f'{number}. "Heat", take it?\n' for number in range(9)]
    assert find_phrases(texts, ['"Heat"'], most=1) == [", take it?\n"]
