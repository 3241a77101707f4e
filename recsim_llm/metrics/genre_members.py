"""Items spread over their genres, as tables that fill row by row need it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.metrics.diversity import genre_shares

__all__ = ["GenreMembers"]


class GenreMembers:
    """All pairs of an item and one of its genres, in the order of the items.

    Args:
        genres: bool [n, g].
    """

    def __init__(self, genres: BoolArray) -> None:
        self.item, self.genre = np.nonzero(genres)
        self.share = genre_shares(genres)[self.item, self.genre]
        self._start = np.searchsorted(self.item, np.arange(len(genres) + 1))

    def add(self, table: npt.NDArray[Any], row: IntArray, item: IntArray) -> None:
        """Add items to the rows of a table [rows, g], each spread over its genres.

        Args:
            table: is changed.
            row: int64 [m].
            item: int64 [m].
        """
        start, count = self._start[item], np.diff(self._start)[item]
        member = np.repeat(start - np.concatenate([[0], count.cumsum()[:-1]]), count) + np.arange(count.sum())
        place = np.repeat(row, count) * table.shape[1] + self.genre[member]
        np.add.at(table.reshape(-1), place, self.share[member].astype(table.dtype))
