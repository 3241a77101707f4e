"""A large log a few users at a time: for metrics that need all pages of a user together, and no page of anybody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.log.reader import RunReader
from recsim_llm.metrics.item_tables import RunTables

__all__ = ["PART_ROWS", "Among", "UserSums", "split_users"]

PART_ROWS = 4_000_000
"""Impressions of a part, about: some hundred megabytes of columns."""
Among = Mapping[str, IntArray] | None
"""Which rows ``RunReader.columns`` is asked for."""


def split_users(log: RunReader, tables: RunTables, arm: str, part_rows: int = PART_ROWS) -> Iterator[Among]:
    """Yield which rows make up each part of an arm's log.

    The log is read once for each part, all of it in one where it is small. Parts follow each other by user id, so that what
    is made of them is the same, to the last bit, as if there were one.

    Args:
        log: of the run.
        tables: beside it.
        arm: name of the arm.
        part_rows: impressions of a part, if all users have equally many.
    """
    count = -(-log.count_rows("impressions", arm) // part_rows)
    if count <= 1:
        yield None
        return
    for users in np.array_split(tables.user_id, min(count, len(tables.user_id))):
        yield {"user_id": users}


class UserSums(dict[str, DoubleArray]):
    """Sums by user, float64 [u] each, by name; what nothing was added to is 0 for everybody.

    Args:
        users: how many there are.
    """

    def __init__(self, users: int) -> None:
        super().__init__()
        self._users = users

    def __missing__(self, name: str) -> DoubleArray:
        return self.setdefault(name, np.zeros(self._users))

    def add(self, part: Mapping[str, DoubleArray]) -> None:
        """Add the sums of some users, float64 [u] each, 0 for everybody else: so nothing is rounded."""
        for name, values in part.items():
            self[name] += values
