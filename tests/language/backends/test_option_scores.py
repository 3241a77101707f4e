"""Which tokens stand for an option: those that spell it whole before those that begin it."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")

from recsim_llm.language.backends.option_scores import option_tokens
from recsim_llm.language.base.questions import yes_no


def tokens_of(words):
    """Return the tokens that count for yes and for no, where a tokenizer knows these words and otherwise single signs."""
    pieces = sorted(words, key=len, reverse=True)
    pattern = re.compile("|".join([*map(re.escape, pieces), "."]))
    numbers, names = {}, []

    def encode(text):
        for piece in pattern.findall(text):
            if piece not in numbers:
                numbers[piece] = len(names)
                names.append(piece)
        return [numbers[piece] for piece in pattern.findall(text)]

    found = option_tokens(yes_no("click", "Click?", lead="take it?"), encode)
    return [{names[token] for token in tokens} for tokens in found.first]


def test_what_begins_a_label_does_not_count_where_a_token_spells_it_whole():
    assert tokens_of([" yes", " Yes", " Y", " no", " No", " N", "ES", "O"]) == [{" yes", " Yes"}, {" no", " No"}]


def test_what_begins_a_label_counts_where_no_token_spells_it():
    assert tokens_of([" y", " Y", " no"]) == [{" y", " Y", "y", "Y"}, {" no"}]
