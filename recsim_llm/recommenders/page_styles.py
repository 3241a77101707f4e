"""Styles of filling pages for users whose minds are known, and what becomes of users whom one of them serves on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.rollouts import Rollouts
from recsim_llm.numerics.ranking import top_k

__all__ = ["BARRED", "GREEDY", "Foresight", "Shortlist", "Style"]

BARRED = np.float32(1e4)
"""Log-odds that stand between any item that may be shown and the best that may not."""
_USED = np.float32(1e6)
_NEAR = 4  # times the page: among so many of the best does a style look for genres
_COPIES = 1500  # at a time: their shortlists then stay near the processor


class Style(NamedTuple):
    """What counts besides the log-odds of a click."""

    stars: float = 0.0
    """Log-odds for each star that the user would give the item; what is well liked satisfies, and the satisfied stay."""
    focus: float = 0.0
    """Log-odds for each item of the same genre before it on the page: above 0 a page keeps to few genres, so that boredom with
    them comes after it, below 0 it holds many."""


GREEDY = Style()
"""Nothing else counts."""


class Shortlist(NamedTuple):
    """Items that the pages of each user are made of."""

    item: IntArray
    """int64 [u, p]: catalog positions."""
    barred: FloatArray
    """float32 [u, p]: 0 for what may be shown; ``BARRED`` and more for what fills a page only when nothing else is left."""
    stars: FloatArray
    """float32 [u, p]: the rating that a click would lead to, on average."""


class Foresight:
    """Serves copies of users in a style, page after page, and adds up what that pays.

    Args:
        catalog: the items.
        slate_size: slots a page.
        forbid: whether nobody may be shown an item again.
        horizon: pages that are foreseen at most.
    """

    def __init__(self, catalog: Catalog, *, slate_size: int, forbid: bool, horizon: int) -> None:
        self.slate_size, self._forbid, self._horizon = slate_size, forbid, horizon
        self._shares = (catalog.genres / np.maximum(catalog.genres.sum(axis=1, keepdims=True), 1)).astype(np.float32)

    def serve(self, copies: Rollouts, shortlist: Shortlist, who: IntArray, style: Style) -> DoubleArray:
        """Return float64 [m]: what each copy's pages pay until it is gone, or the horizon is reached.

        Args:
            copies: of ``m`` users.
            shortlist: of ``u`` users, all of whose pages are made of it.
            who: int64 [m]: row of each copy in the shortlist.
            style: of all pages.
        """
        total = np.zeros(len(who))
        shown = np.zeros((len(who), shortlist.item.shape[1]), np.bool_)
        for _ in range(self._horizon):
            rows = copies.rows
            if not rows.size:
                break
            slate = np.empty((len(rows), self.slate_size), np.int64)
            for start in range(0, len(rows), _COPIES):
                part = rows[start : start + _COPIES]
                offered: Shortlist = take_columns(shortlist, who[part])
                used = shown[part]
                # Nobody needs to know what users think of what is used up.
                log_odds = copies.click_log_odds(np.where(used, -1, offered.item), part)
                pick = self.pick(log_odds, offered, style, used)
                if self._forbid:
                    shown[part[:, None], pick] = True
                slate[start : start + _COPIES] = np.take_along_axis(offered.item, pick, axis=1)
            total[rows] += copies.show(slate)
        return total

    def pick(self, log_odds: FloatArray, shortlist: Shortlist, style: Style, used: BoolArray | None = None) -> IntArray:
        """Return int64 [m, k]: places on the shortlist of what comes on the page, in order.

        Args:
            log_odds: float32 [m, p]: of a click on what stands there.
            shortlist: of ``m`` users.
            style: of the pages.
            used: bool [m, p]: what was shown meanwhile; None for nothing.
        """
        score = log_odds + np.float32(style.stars) * shortlist.stars - shortlist.barred
        if used is not None:
            score -= BARRED * used
        if style.focus == 0:
            return top_k(score, self.slate_size)
        near = top_k(score, min(_NEAR * self.slate_size, score.shape[1]))
        shares = self._shares[np.take_along_axis(shortlist.item, near, axis=1)]
        picked = self._focus(np.take_along_axis(score, near, axis=1), shares, np.float32(style.focus))
        return np.take_along_axis(near, picked, axis=1)

    def _focus(self, score: FloatArray, shares: FloatArray, focus: np.float32) -> IntArray:
        """Fill pages slot by slot, with an eye on the genres of the slots before."""
        row = np.arange(len(score))
        page = np.zeros((len(score), shares.shape[2]), np.float32)
        pick = np.empty((len(score), self.slate_size), np.int64)
        for slot in range(self.slate_size):
            best = (score + focus * np.matvec(shares, page)).argmax(axis=1)
            pick[:, slot] = best
            score[row, best] -= _USED
            page += shares[row, best]
        return pick
