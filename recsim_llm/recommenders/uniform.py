"""Uniformly random pages, with exact propensities."""

from __future__ import annotations

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.numerics.ranking import repeated_slots
from recsim_llm.recommenders.propensities import NextItems, Propensities
from recsim_llm.recommenders.scoring import HistoryRecommender, chunks

__all__ = ["RandomRecommender"]


_PURPOSE = "recommend at random"
_SAMPLE = "sample at random"
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
            word = keyed.words(self._seed, _PURPOSE, part.user_id, part.visit, part.page)
            item[rows], left[rows] = self._draw(part, k, word)
        propensity, prefix, slate = _propensities(left, int(np.count_nonzero(self._known.on_sale)), k)
        return Slates(self._known.catalog.item_id[item], propensity, prefix, slate)

    def propensities(self, requests: Requests, item_id: IntArray) -> Propensities:
        """Return how likely the slates ``item_id``, int64 [u, k], are as answers to the requests; exact."""
        slots = item_id.shape[1]
        prefix = np.empty(item_id.shape)
        for rows, part in chunks(requests, len(self._known.catalog), _CELLS):
            fits, left = self._fits(part, item_id[rows])
            _, chance, _ = _propensities(left, int(np.count_nonzero(self._known.on_sale)), slots)
            prefix[rows] = np.where(np.einsum("njj->nj", fits), chance, 0.0)
        repeated = repeated_slots(self._known.catalog.index_of(item_id))
        if repeated is not None:
            prefix[repeated] = 0.0
        return Propensities(prefix, prefix.prod(axis=1))

    def placements(self, requests: Requests, item_id: IntArray) -> DoubleArray:
        """Return float64 [u, k, k]: how likely item j of a slate is to stand at position l; exact."""
        placed = np.empty((*item_id.shape, item_id.shape[1]))
        for rows, part in chunks(requests, len(self._known.catalog), _CELLS):
            fits, left = self._fits(part, item_id[rows])
            pool, _ = _pool(left, int(np.count_nonzero(self._known.on_sale)), item_id.shape[1])
            placed[rows] = fits / pool[:, None, :]
        return placed

    def sample(self, requests: Requests, k: int, draws: int, seed: int) -> IntArray:
        """Return int64 [draws, u, k]: item ids of further pages, drawn apart from those of ``recommend``.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        item = np.empty((draws, len(requests.user_id), k), np.int64)
        for rows, part in chunks(requests, len(self._known.catalog), _CELLS):
            for draw in range(draws):
                word = keyed.words(seed, _SAMPLE, part.user_id, part.visit, part.page, draw)
                item[draw, rows], _ = self._draw(part, k, word)
        return self._known.catalog.item_id[item]

    def next_items(self, requests: Requests, item_id: IntArray) -> NextItems:
        """Return the distribution at each position of the slates ``item_id``, given the items before it; exact."""
        index = self._known.catalog.index_of(item_id)
        seen = self._known.seen(requests)
        fresh, again = self._known.on_sale & ~seen, self._known.on_sale & seen
        left = np.count_nonzero(fresh, axis=1)
        chance = np.zeros((*index.shape, fresh.shape[1]))
        for position in range(index.shape[1]):
            pool = np.where((position < left)[:, None], fresh, again)
            chance[:, position] = pool / np.maximum(np.count_nonzero(pool, axis=1), 1)[:, None]
            known = np.flatnonzero(index[:, position] >= 0)
            fresh[known, index[known, position]] = again[known, index[known, position]] = False
        return NextItems(self._known.catalog.item_id, chance)

    def _fits(self, requests: Requests, item_id: IntArray) -> tuple[BoolArray, IntArray]:
        """Return bool [u, k, k]: which items of the slates can stand at which position; and how many unseen ones there are."""
        index = self._known.catalog.index_of(item_id)
        seen, on_sale = self._known.seen(requests), self._known.on_sale
        left = np.count_nonzero(on_sale & ~seen, axis=1)
        sold = (index >= 0) & on_sale[index]
        again = np.take_along_axis(seen, np.maximum(index, 0), axis=1)
        late = np.arange(index.shape[1]) >= left[:, None]
        return sold[:, :, None] & (again[:, :, None] == late[:, None, :]), left

    def _draw(self, requests: Requests, k: int, word: keyed.Words) -> tuple[IntArray, IntArray]:
        """Return catalog positions int64 [u, k], and int64 [u]: how many items there were to choose from."""
        eligible = ~self._known.seen(requests)
        eligible &= self._known.on_sale
        left = np.count_nonzero(eligible, axis=1)
        items = eligible.shape[1]
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
    pool, before = _pool(left, on_sale, k)
    prefix = 1.0 / (pool - before)
    slate = prefix.prod(axis=1)
    slate[slate < np.finfo(np.float64).tiny] = np.nan  # too small to be told: unknown, never zero
    return (1.0 / pool).astype(np.float32), prefix.astype(np.float32), slate


def _pool(left: IntArray, on_sale: int, k: int) -> tuple[IntArray, IntArray]:
    """Return for each slot how many items it is drawn from, and how many of them stand before it; int64 [u, k] each."""
    slot = np.arange(k)
    fresh = slot < left[:, None]
    return np.where(fresh, left[:, None], on_sale - left[:, None]), np.where(fresh, slot, slot - left[:, None])
