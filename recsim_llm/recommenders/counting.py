"""What recommenders count while they serve, by user, so that what is told of it carries an interval."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from recsim_llm.recommenders.hooks import Count

__all__ = ["CountBook"]


class CountBook:
    """Adds up what is counted, by user; a user's own order of pages is the order of sums."""

    def __init__(self) -> None:
        self._cases: dict[str, dict[int, float]] = {}
        self._amounts: dict[tuple[str, str, bool], dict[int, float]] = {}

    def meet(self, of: str, user_id: int, cases: int = 1) -> None:
        """Note so many cases, which something is told of: titles written, pages served."""
        if cases:
            met = self._cases.setdefault(of, defaultdict(float))
            met[user_id] += cases

    def add(self, what: str, of: str, user_id: int, amount: float, *, share: bool = False) -> None:
        """Count something in cases that were or will be met; 0 says that it could have been there and was not.

        Args:
            what: what is counted.
            of: what it is told of, or for each of.
            user_id: whose page.
            amount: how much.
            share: whether every case counts for 0 or 1.
        """
        amounts = self._amounts.setdefault((what, of, share), defaultdict(float))
        amounts[user_id] += amount

    def counts(self) -> tuple[Count, ...]:
        """Return what was counted so far, in the order of its names; without cases nothing is told."""
        return tuple(self._count(*key) for key in sorted(self._amounts) if key[1] in self._cases)

    def _count(self, what: str, of: str, share: bool) -> Count:
        met, amounts = sorted(self._cases[of].items()), self._amounts[what, of, share]
        users, cases = (np.array(column) for column in zip(*met, strict=True))
        amount = np.array([amounts.get(user_id, 0.0) for user_id, _ in met], np.float64)
        return Count(what, of, share, users.astype(np.int64), amount, cases.astype(np.float64))
