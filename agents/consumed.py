"""What each browsing user consumed lately, and a fast way to find it on a page."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.pages import IntArray, Rows

__all__ = ["CAPACITY", "ConsumedItems"]

CAPACITY = 32
"""How many items a user remembers having consumed."""

_NOTHING = -2  # not -1, which stands for an empty slot of a page
_LOW_BITS = np.array([63])
_BIT = np.array([1], np.uint64)


class ConsumedItems:
    """The last ``CAPACITY`` items that each row consumed.

    A 64-bit mask a row, one bit for each residue of the item index, rules out most slots of a page in three operations; only
    the slots that are left are looked up.

    Args:
        rows: users that browse at the same time.
    """

    def __init__(self, rows: int) -> None:
        self._item = np.full((rows, CAPACITY), _NOTHING, np.int64)
        self._count = np.zeros(rows, np.int64)
        self._mask = np.zeros(rows, np.uint64)
        self._any = False

    def forget(self, rows: Rows) -> None:
        """Forget everything about the given rows."""
        self._item[rows] = _NOTHING
        self._count[rows] = 0
        self._mask[rows] = 0
        if isinstance(rows, slice):
            self._any = False

    def add(self, row: IntArray, item: IntArray) -> None:
        """Remember consumed items.

        Args:
            row: int64 [c]: row numbers, equal ones next to each other.
            item: int64 [c]: catalog positions.
        """
        start = np.flatnonzero(np.concatenate([_BIT.astype(np.bool_), row[1:] != row[:-1]]))
        length = np.diff(np.append(start, len(row)))
        place = np.arange(len(row)) - np.repeat(start, length) + self._count[row]
        self._item[row, place % CAPACITY] = item
        self._count[row[start]] += length
        np.bitwise_or.at(self._mask, row, _BIT << (item & _LOW_BITS).view(np.uint64))
        self._any = True

    def find(self, rows: Rows, item_index: IntArray) -> IntArray | None:
        """Return the flat slots that hold an item which their row consumed, None if surely none does.

        Args:
            rows: of the pages, [m] or all.
            item_index: int64 [m, k].
        """
        if not self._any:
            return None
        maybe = (self._mask[rows][:, None] >> (item_index & _LOW_BITS).view(np.uint64)) & _BIT
        slot = maybe.reshape(-1).nonzero()[0]
        if not slot.size:
            return None
        own = self._item[rows][slot // item_index.shape[1]]
        again: IntArray = slot[(own == item_index.reshape(-1).take(slot)[:, None]).any(axis=1)]
        return again

    def pairs(self, rows: Rows) -> tuple[npt.NDArray[np.intp], IntArray]:
        """Return positions among the given rows and the items that these rows consumed, [p] each."""
        own = self._item[rows]
        place, column = np.nonzero(own >= 0)
        return place, own[place, column]
