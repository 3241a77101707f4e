"""Full-text search: documents ranked for a query by Okapi BM25.

A document's score is the sum over the query's words of ``idf * f * (k1 + 1) / (f + k1 * (1 - b + b * length / mean length))``,
where ``f`` is how often the word stands in the document (Robertson & Zaragoza 2009, *Foundations and Trends in Information
Retrieval* 3, eq. 3.15), with ``idf = log(1 + (n - d + 0.5) / (d + 0.5))`` for a word that ``d`` of ``n`` documents hold, which
is never negative.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LENGTH_WEIGHT", "SATURATION", "WordIndex", "words_of"]

SATURATION = 1.2
"""``k1``: how fast further mentions of a word count less; Robertson & Zaragoza find 1.2 to 2 good."""
LENGTH_WEIGHT = 0.75
"""``b``: how much long documents are held back, 0 to 1; they find 0.5 to 0.8 good."""
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """Return the words of a text, in small letters and in order; punctuation separates them."""
    return _WORD.findall(text.casefold())


class WordIndex:
    """Documents that can be searched.

    Args:
        documents: one text each, at least one; those without a word match nothing.
    """

    def __init__(self, documents: Sequence[str]) -> None:
        from scipy import sparse  # heavy

        self._documents = len(documents)
        counts = [Counter(words_of(document)) for document in documents]
        self._place = {word: place for place, word in enumerate(sorted(set().union(*counts)))}
        size = [len(count) for count in counts]
        document = np.repeat(np.arange(self._documents), size)
        word = np.array([self._place[word] for count in counts for word in count], np.int64)
        often = np.array([number for count in counts for number in count.values()], np.float64)
        length = np.bincount(document, weights=often, minlength=self._documents)
        holders = np.bincount(word, minlength=len(self._place))
        rarity = np.log1p((self._documents - holders + 0.5) / (holders + 0.5))
        discount = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / max(length.mean(), 1e-300)
        value = rarity[word] * often * (SATURATION + 1) / (often + SATURATION * discount[document])
        shape = (len(self._place), self._documents)
        self._weight: Any = sparse.csr_array((value, (word, document)), shape=shape)

    def scores(self, queries: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return float64 [q, n]: each document's score, 0 where no word of the query stands in it.

        A row depends on nothing but its own query.
        """
        from scipy import sparse  # heavy

        known = [[self._place[word] for word in words_of(query) if word in self._place] for query in queries]
        row = np.repeat(np.arange(len(known)), [len(places) for places in known])
        word = np.array([place for places in known for place in places], np.int64)
        asked = sparse.csr_array((np.ones(len(word)), (row, word)), shape=(len(known), len(self._place)))
        found: npt.NDArray[np.float64] = (asked @ self._weight).toarray()
        return found
