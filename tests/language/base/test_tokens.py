"""The estimate of tokens: steady, monotone, never less for the parts than for the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.language.base.tokens import estimate_tokens

texts = st.text(st.characters(codec="utf-8"), max_size=60) | st.text("ab 1.,é漢\n-", max_size=60)


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("You love Comedy, Drama and Romance. You also like War. You seldom choose Horror or Western.", 20),
        ("Watched the film and gave it 4 stars, although the ending was far too long.", 19),
    ],
)
def test_the_estimate_of_a_sentence_is_near_what_cl100k_counts(text, true):
    assert 0.9 * true <= estimate_tokens(text) <= 1.35 * true


@given(texts, texts)
def test_joined_texts_cost_no_more_than_their_estimates_together(first, second):
    assert estimate_tokens(first + second) <= estimate_tokens(first) + estimate_tokens(second)


@given(texts, texts)
def test_a_whole_costs_no_less_than_its_part(first, second):
    assert estimate_tokens(first + second) >= max(estimate_tokens(first), estimate_tokens(second))


def test_nothing_costs_nothing():
    assert estimate_tokens("") == 0


def test_half_a_character_is_counted():
    assert estimate_tokens("\ud800") > 0
