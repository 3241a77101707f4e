"""Full-text search: scores by the formula, whatever else is asked."""

import math
from collections import Counter

import numpy as np
import pytest

from recsim_llm.numerics.word_index import LENGTH_WEIGHT, SATURATION, WordIndex, words_of

DOCUMENTS = ["The Red Shoe; a shoe", "red", "", "a long tale of a blue shoe and of a red hat"]


def by_the_formula(query, document):
    texts = [words_of(text) for text in DOCUMENTS]
    mean = sum(map(len, texts)) / len(texts)
    here, score = Counter(texts[document]), 0.0
    for word in words_of(query):
        holders = sum(word in text for text in texts)
        rarity = math.log(1 + (len(texts) - holders + 0.5) / (holders + 0.5))
        often, length = here[word], len(texts[document])
        score += rarity * often * (SATURATION + 1) / (often + SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / mean))
    return score


@pytest.mark.parametrize("query", ["red shoe", "SHOE, a!", "blue blue", "nothing of it", ""])
def test_scores_are_okapi_bm25(query):
    expected = [by_the_formula(query, document) for document in range(len(DOCUMENTS))]
    assert WordIndex(DOCUMENTS).scores([query])[0] == pytest.approx(expected, rel=1e-12)


def test_a_query_scores_alike_whatever_else_is_asked():
    index, queries = WordIndex(DOCUMENTS), ["a red hat of", "shoe", "a shoe of a red"]
    together = index.scores(queries)
    assert np.array_equal(together, np.concatenate([index.scores([query]) for query in queries]))


def test_documents_without_words_can_be_indexed():
    assert WordIndex(["", "..."]).scores(["red", ""]).tolist() == [[0, 0], [0, 0]]
