"""What recommenders count while they serve, by user, so that what is told of it carries an interval."""

from __future__ import annotations

import numpy as np

from recsim_llm.recommenders.hooks import Count

__all__ = ["CountBook"]


class CountBook:
    """Adds up what is counted, by user; a user's own order of pages is the order of sums."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, bool], dict[int, list[float]]] = {}

    def add(self, what: str, of: str, user_id: int, amount: float, *, cases: float = 1.0, share: bool = False) -> None:
        """Count something of a page.

        Args:
            what: what is counted.
            of: what it is told of, or for each of.
            user_id: whose page.
            amount: how much.
            cases: how many of ``of``; 0 counts nothing.
            share: whether every case counts for 0 or 1.
        """
        if cases:
            sums = self._kept.setdefault((what, of, share), {}).setdefault(user_id, [0.0, 0.0])
            sums[0] += amount
            sums[1] += cases

    def counts(self) -> tuple[Count, ...]:
        """Return what was counted so far, in the order of its names."""
        return tuple(self._count(*key) for key in sorted(self._kept))

    def _count(self, what: str, of: str, share: bool) -> Count:
        kept = sorted(self._kept[what, of, share].items())
        sums = np.array([pair for _, pair in kept], np.float64)
        return Count(what, of, share, np.array([user for user, _ in kept], np.int64), sums[:, 0], sums[:, 1])
