"""A re-ranker that does what users ask for in words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.dynamics.remarks import VIOLENT, Asking, read_requests, unwanted_items
from recsim_llm.recommenders.reranking import Reranker

__all__ = ["Obliging"]

_NEVER = 1e3


class Obliging(Reranker):
    """Keeps off the page what the user asked for less of, and moves up a genre of which the user wants more, for the visit.

    It reads ``Requests.text`` by ``recsim_llm.dynamics.remarks.read_requests`` and heeds nothing else in it. What is unwanted
    comes after every other candidate, and fills a page only where there is nothing else. The gain of a candidate is the number
    of its genres of which more is wanted, so that ``strength`` is about these alone.
    """

    reads_text = True

    class Settings(Reranker.Settings):
        """Settings of ``Obliging``."""

    def _learn(self) -> None:
        catalog = self._known.catalog
        self._violent = np.isin(np.array(catalog.genre_names, object), VIOLENT)
        self._asked: dict[int, tuple[Asking, ...]] = {}
        self._unwanted: dict[Asking, BoolArray] = {}

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return ``k`` candidates of each request, those that are unwanted last.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        names = self._known.catalog.genre_names
        said = np.full(len(requests.user_id), "", object) if requests.text is None else requests.text
        for user, page, text in zip(requests.user_id.tolist(), requests.page.tolist(), said.tolist(), strict=True):
            before = self._asked.get(user, ()) if page else ()
            self._asked[user] = tuple(dict.fromkeys([*before, *(read_requests(text, names) if text else ())]))
        return super().recommend(requests, k)

    def _gains(self, requests: Requests, item: IntArray) -> Callable[[IntArray], DoubleArray]:
        gain = np.zeros(item.shape)
        for row, user in enumerate(requests.user_id.tolist()):
            for asking in self._asked.get(user, ()):
                if asking.kind == "more":
                    gain[row] += self._known.catalog.genres[item[row], asking.subject]
                else:
                    gain[row] -= _NEVER * self._unwanted_of(asking)[item[row]]
        return lambda _: gain

    def _unwanted_of(self, asking: Asking) -> BoolArray:
        if asking not in self._unwanted:
            catalog = self._known.catalog
            self._unwanted[asking] = unwanted_items(asking, genres=catalog.genres, year=catalog.year, violent=self._violent)
        return self._unwanted[asking]
