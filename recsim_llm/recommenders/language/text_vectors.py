"""Texts as vectors of weighted words, and which of them lie next to another text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse as sp

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.numerics.word_index import words_of

__all__ = ["TextVectors", "item_texts"]

_RUN = 3


class TextVectors:
    """A store of texts that can be searched by likeness.

    A text is a vector of its different terms, weighted by inverse document frequency, ``log((1 + n) / (1 + d)) + 1`` for a term
    that ``d`` of ``n`` texts hold, and scaled to unit length (Salton & Buckley 1988); likeness is the cosine. Terms that no
    stored text holds count for nothing, but to the length of their text.

    Args:
        texts: one an entry, at least one; an empty one is like nothing.
        letters: beside words, take their runs of three letters for terms, so that a misspelt word is like the right one.
    """

    def __init__(self, texts: Sequence[str], *, letters: bool = False) -> None:
        self._letters = letters
        rows = [self._terms(text) for text in texts]
        self._place = {term: place for place, term in enumerate(sorted(set().union(*rows)))}
        held = np.bincount([self._place[term] for row in rows for term in row], minlength=len(self._place))
        self._unheld = float(np.log1p(len(rows)) + 1)
        self._weight = self._unheld - np.log1p(held)
        self._stored = self._vectors(rows).T.tocsr()

    def likeness(self, texts: Sequence[str]) -> DoubleArray:
        """Return float64 [m, n] from 0 to 1: how like each text is to every stored one; a row hangs on its text alone."""
        found: DoubleArray = (self._vectors([self._terms(text) for text in texts]) @ self._stored).toarray()
        return np.minimum(found, 1.0)

    def _terms(self, text: str) -> set[str]:
        words = words_of(text)
        terms = set(words)
        if self._letters:
            # A space tells a run of letters from a word.
            padded = [f" {word} " for word in words]
            terms |= {f" {word[at : at + _RUN]}" for word in padded for at in range(len(word) - _RUN + 1)}
        return terms

    def _vectors(self, rows: Iterable[set[str]]) -> sp.csr_array:
        known: list[list[int]] = []
        length: list[float] = []
        for row in rows:
            places = sorted(self._place[term] for term in row if term in self._place)
            known.append(places)
            length.append(np.sqrt((self._weight[places] ** 2).sum() + (len(row) - len(places)) * self._unheld**2))
        entry = np.repeat(np.arange(len(known)), [len(places) for places in known])
        column = np.array([place for places in known for place in places], np.int64)
        value = self._weight[column] / np.array(length, np.float64)[entry]
        return sp.csr_array((value, (entry, column)), shape=(len(known), len(self._place)))


def item_texts(catalog: Catalog) -> list[str]:
    """Return all that is said of each item: title, genres, provider, description and caption."""
    columns = (catalog.title, catalog.provider, catalog.description, catalog.caption)
    told = [column for column in columns if column is not None]
    return [" ".join([*catalog.genres_of(item), *(str(column[item] or "") for column in told)]) for item in range(len(catalog))]
