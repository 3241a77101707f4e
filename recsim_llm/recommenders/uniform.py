"""Uniformly random pages, with exact propensities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm import keyed
from recsim_llm.pages import BoolArray, FloatArray, IntArray, Requests, Slates
from recsim_llm.recommenders.scoring import HistoryRecommender, chunks

__all__ = ["RandomRecommender"]

DoubleArray = npt.NDArray[np.float64]

_PURPOSE = "recommend at random"
_CELLS = 8_000_000
_SPARE = 8


class RandomRecommender(HistoryRecommender):
    """Draws every page uniformly without replacement from the items that the user may get.

    Draws are keyed by (seed, user, visit, page). With ``E`` items to choose from, an item stands at a given position with
    probability ``1 / E``, given the ``j`` positions before it with ``1 / (E - j)``, and the propensity of the whole slate is
    the product of the latter. Where fewer than ``k`` items are left, the page is filled from the seen ones by the
    same kind of draw.
    """

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return a random page of ``k`` different items for each request.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        item = np.empty((len(requests.user_id), k), np.int64)
        left = np.empty(len(item), np.int64)
        for rows, part in chunks(requests, len(self._known.catalog), _CELLS):
            item[rows], left[rows] = self._draw(part, k)
        propensity, prefix, slate = _propensities(left, int(np.count_nonzero(self._known.on_sale)), k)
        return Slates(self._known.catalog.item_id[item], propensity, prefix, slate)

    def _draw(self, requests: Requests, k: int) -> tuple[IntArray, IntArray]:
        """Return catalog positions int64 [u, k], and int64 [u]: how many items there were to choose from."""
        eligible = ~self._known.seen(requests)
        eligible &= self._known.on_sale
        left = np.count_nonzero(eligible, axis=1)
        items = eligible.shape[1]
        word = keyed.words(self._seed, _PURPOSE, requests.user_id, requests.visit, requests.page)
        drawn = keyed.sample(word, items, min(items, 2 * k + _SPARE))
        fits = np.take_along_axis(eligible, drawn, axis=1)
        first = np.argsort(~fits, axis=1, kind="stable")[:, :k]
        chosen = np.take_along_axis(drawn, first, axis=1)
        lacking = np.flatnonzero(np.count_nonzero(fits, axis=1) < k)
        # Whether the sample sufficed says nothing about which of the eligible items it held, so a page drawn anew where it
        # did not is as uniform as the others.
        if lacking.size:
            chosen[lacking] = self._shuffle(word[lacking], eligible[lacking], k)
        return chosen, left

    def _shuffle(self, word: keyed.Words, eligible: BoolArray, k: int) -> IntArray:
        """Put all items in random order, those that may be shown first, the retired last; return the first ``k``."""
        items = eligible.shape[1]
        chosen = np.empty((len(word), k), np.int64)
        for row, own in enumerate(word):
            dice = keyed.words(self._seed, _PURPOSE, own, np.arange(items))
            chosen[row] = np.lexsort((dice, ~eligible[row], ~self._known.on_sale))[:k]
        return chosen


def _propensities(left: IntArray, on_sale: int, k: int) -> tuple[FloatArray, FloatArray, DoubleArray]:
    """Return slot marginals float32 [u, k], prefix propensities float32 [u, k] and slate propensities float64 [u]."""
    slot = np.arange(k)
    fresh = slot < left[:, None]
    pool = np.where(fresh, left[:, None], on_sale - left[:, None])
    before = np.where(fresh, slot, slot - left[:, None])
    prefix = 1.0 / (pool - before)
    slate = prefix.prod(axis=1)
    slate[slate < np.finfo(np.float64).tiny] = np.nan  # too small to be told: unknown, never zero
    return (1.0 / pool).astype(np.float32), prefix.astype(np.float32), slate
