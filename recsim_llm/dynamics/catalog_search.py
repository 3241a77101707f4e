"""The shop's own search: a catalog's items ranked for queries by their words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.numerics.ranking import top_k
from recsim_llm.numerics.word_index import WordIndex

__all__ = ["CatalogSearch"]

_CELLS = 1_000_000
_TIES = 1e-9
_LAST = 1e6


class CatalogSearch:
    """Full-text search over titles, genres, descriptions and captions.

    Args:
        catalog: the items; which of them are on sale does not matter here.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._index = WordIndex([_words(catalog, item) for item in range(len(catalog))])
        order = np.argsort(-catalog.popularity, kind="stable")
        self._after = np.empty(len(catalog))
        self._after[order] = np.arange(len(catalog)) / len(catalog)

    def matches(self, queries: Sequence[str], on_sale: BoolArray) -> IntArray:
        """Return int64 [m]: how many items on sale hold a word of each query; ``on_sale`` is bool [n]."""
        found = np.zeros(len(queries), np.int64)
        for rows in self._chunks(len(queries)):
            found[rows] = np.count_nonzero((self._index.scores(queries[rows]) > 0) & on_sale, axis=1)
        return found

    def answer(self, queries: Sequence[str], k: int, *, on_sale: BoolArray, fresh: BoolArray | None) -> IntArray:
        """Return the page that each query is answered with: what matches best, then what is popular.

        Args:
            queries: [m].
            k: slots a page, at most as many as there are items on sale.
            on_sale: bool [n]: what may be shown at all.
            fresh: bool [m, n]: what of it is new to the user; other items stand behind all of these. None: everything is.

        Returns:
            int64 [m, k]: catalog positions.
        """
        page = np.empty((len(queries), k), np.int64)
        for rows in self._chunks(len(queries)):
            scores: DoubleArray = self._index.scores(queries[rows]) - _TIES * self._after
            if fresh is not None:
                scores[~fresh[rows]] -= _LAST
            scores[:, ~on_sale] = -np.inf
            page[rows] = top_k(scores, k)
        return page

    def best(self, queries: Sequence[str], count: int, *, allowed: BoolArray) -> BoolArray:
        """Return bool [m, n]: the items that match each query best, at most ``count`` each; fewer where fewer match.

        Args:
            queries: [m].
            count: 1 or more.
            allowed: bool [m, n]: among which items.
        """
        scores = self._index.scores(queries)
        scores[~allowed] = 0.0
        matching = scores > 0
        many = np.flatnonzero(np.count_nonzero(matching, axis=1) > count)
        if many.size:
            kept = np.zeros((len(many), matching.shape[1]), np.bool_)
            np.put_along_axis(kept, top_k(scores[many] - _TIES * self._after, count), True, axis=1)
            matching[many] = kept
        return matching

    def _chunks(self, queries: int) -> list[slice]:
        size = max(1, _CELLS // len(self._after))
        return [slice(start, start + size) for start in range(0, queries, size)]


def _words(catalog: Catalog, item: int) -> str:
    described = "" if catalog.description is None else catalog.description[item] or ""
    words = [str(catalog.title[item]), *catalog.genres_of(item), str(described)]
    return " ".join(words if catalog.caption is None else [*words, str(catalog.caption[item] or "")])
