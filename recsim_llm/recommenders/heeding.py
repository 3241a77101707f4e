"""A re-ranker that heeds what users ask to see less of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.recommenders.reranking import Reranker

__all__ = ["Heeding"]


class Heeding(Reranker):
    """Moves items down that resemble one of which the user asked for less, in runs whose users may ask.

    The gain of a candidate is minus the largest cosine of its genres with those of an item that the user refused so; 0 where
    there is none. With a ``strength`` of 0.5 what has the same genres comes after all that has others.
    """

    class Settings(Reranker.Settings):
        """Settings of ``Heeding``."""

    def _learn(self) -> None:
        genres = self._known.catalog.genres
        self._directions = genres / np.sqrt(np.maximum(genres.sum(axis=1, keepdims=True), 1))

    def _gains(self, requests: Requests, item: IntArray) -> Callable[[IntArray], DoubleArray]:
        unwanted = np.zeros(item.shape)
        refused = requests.did("less_like_this")
        for row in np.flatnonzero(refused.any(axis=1)).tolist():
            index = self._known.catalog.index_of(requests.history_item[row, refused[row]])
            alike = self._directions[item[row]] @ self._directions[index[index >= 0]].T
            unwanted[row] = alike.max(axis=1, initial=0.0)
        return lambda _: -unwanted
