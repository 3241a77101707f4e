"""Recommenders that put another one's best items into another order, for the sake of the page as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.recommenders.scoring import chunks
from recsim_llm.recommenders.wrapping import Candidates, Wrapper

__all__ = ["Calibrated", "MaximalMarginalRelevance", "PopularityDiscounted", "Reranker"]

_LAST_RESORT = 1e6
_MIXED_IN = 0.01


class Reranker(Wrapper):
    """Fills a page from another recommender's candidates, slot by slot, by their relevance and something else.

    The relevance of the candidate at rank r of c is ``1 - r / c``, so that any recommender will do, whatever its scores are
    or mean. Slot by slot the candidate with the largest ``(1 - strength) * relevance + strength * gain`` is taken, and equal
    ones in the base's order; what the gain is, and how it changes with the items above, subclasses say. Items that the user has
    seen fill a page only where there are not enough others among the candidates. Slates are certain, unless the base draws;
    then propensities are unknown (NaN).

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    class Settings(FrozenSettings):
        """Settings of ``Reranker``."""

        base: str = "mf"
        """Name of the recommender whose candidates are taken, or ``module:class``."""
        strength: float = Field(default=0.5, ge=0, le=1)
        """Weight of the gain; 0 leaves the base's order as it is, 1 forgets it."""
        candidates: int = Field(default=100, ge=1)
        """How many are taken; at least the size of a page, and at most what is on sale."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._base = self._open(f"{type(self).__name__}, base", self.settings.base, self.settings.base_settings)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return ``k`` candidates of each request, in the order in which slots are filled.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        candidates = self._retrieve(self._base, requests, max(k, self.settings.candidates))
        place = np.empty((len(requests.user_id), k), np.int64)
        for rows, part in chunks(requests, len(self._known.catalog)):
            place[rows] = self._fill_slots(part, take_columns(candidates, rows), k)
        return self._slates(candidates, place)

    def _gains(self, requests: Requests, item: IntArray) -> Callable[[IntArray], DoubleArray]:
        """Return what tells the gain of each candidate, float64 [u, c], from the places of those above it, int64 [u, j].

        Args:
            requests: of ``u`` users.
            item: int64 [u, c]: catalog positions of the candidates.
        """
        raise NotImplementedError

    def _fill_slots(self, requests: Requests, candidates: Candidates, k: int) -> IntArray:
        item, strength = candidates.item_index, self.settings.strength
        relevance = (1 - strength) * (1 - np.arange(item.shape[1]) / item.shape[1]) - _LAST_RESORT * candidates.seen
        gains = self._gains(requests, item)
        place = np.empty((len(item), k), np.int64)
        for slot in range(k):
            place[:, slot] = (relevance + strength * gains(place[:, :slot])).argmax(axis=1)
            np.put_along_axis(relevance, place[:, slot, None], -np.inf, axis=1)
        return place


def _of(columns: DoubleArray, place: IntArray) -> DoubleArray:
    """Return float64 [u, j, g]: the columns of candidates at some places, int64 [u, j]."""
    taken: DoubleArray = np.take_along_axis(columns, place[:, :, None], axis=1)
    return taken


class MaximalMarginalRelevance(Reranker):
    """Fills pages with items of other genres than those above them: MMR (Carbonell & Goldstein 1998).

    The gain of a candidate is minus its largest similarity with an item above it on the page; similarity is the cosine of
    genres, and 0 where an item has none. ``strength`` is ``1 - lambda`` of the paper.
    """

    class Settings(Reranker.Settings):
        """Settings of ``MaximalMarginalRelevance``."""

    def _learn(self) -> None:
        genres = self._known.catalog.genres
        self._directions = genres / np.sqrt(np.maximum(genres.sum(axis=1, keepdims=True), 1))

    def _gains(self, requests: Requests, item: IntArray) -> Callable[[IntArray], DoubleArray]:
        del requests
        directions, closest = self._directions[item], np.zeros(item.shape)

        def gains(above: IntArray) -> DoubleArray:
            if above.shape[1]:
                last = _of(directions, above[:, -1:])
                np.maximum(closest, np.matmul(directions, last.transpose(0, 2, 1))[:, :, 0], out=closest)
            return -closest

        return gains


class Calibrated(Reranker):
    """Fills pages with the mix of genres that the user's own consumption has: calibrated recommendations (Steck 2018).

    With p the genres of what the user consumed, in the training part or by a click in the run, and q those of the page with the
    candidate on it, an item's genres evenly divided, the gain is ``-KL(p, 0.99 q + 0.01 p)`` (eq. 3 to 6, greedily as in
    section 4.2). For a user of whom nothing is known the base's order stays.
    """

    class Settings(Reranker.Settings):
        """Settings of ``Calibrated``."""

    def _learn(self) -> None:
        genres = self._known.catalog.genres
        self._shares = genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)

    def _gains(self, requests: Requests, item: IntArray) -> Callable[[IntArray], DoubleArray]:
        history = self._known.profiles(requests) @ self._shares
        wanted = (history / np.maximum(history.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny))[:, None, :]
        shares = self._shares[item]

        def gains(above: IntArray) -> DoubleArray:
            page = (_of(shares, above).sum(axis=1)[:, None, :] + shares) / (above.shape[1] + 1)
            mixed = (1 - _MIXED_IN) * page + _MIXED_IN * wanted
            ratio = np.divide(wanted, mixed, out=np.ones_like(mixed), where=wanted > 0)
            far: DoubleArray = (wanted * np.log(ratio)).sum(axis=2)
            return -far

        return gains


class PopularityDiscounted(Reranker):
    """Moves items down that many have consumed already (Abdollahpouri, Burke & Mobasher 2019 compare such re-rankers).

    The gain of a candidate is minus the logarithm of 1 + its users in the training part, over that of the item with the most.
    """

    class Settings(Reranker.Settings):
        """Settings of ``PopularityDiscounted``."""

    def _learn(self) -> None:
        level = np.log1p(self._known.counts)
        self._discount = -level / max(level.max(), 1.0)

    def _gains(self, requests: Requests, item: IntArray) -> Callable[[IntArray], DoubleArray]:
        del requests
        discount: DoubleArray = self._discount[item]
        return lambda _: discount
