"""What each browsing user consumed lately, and a fast way to find it on a page."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.pages import Rows

__all__ = ["CAPACITY", "ConsumedItems"]

CAPACITY = 32
"""How many items a user remembers having consumed."""

_NOTHING = -2  # not -1, which stands for an empty slot of a page
_RESIDUES = 256
# One-element arrays: NumPy converts a Python number on every call.
_LOW_BITS = np.array([_RESIDUES - 1])
_PLACES = np.array([CAPACITY])
_ONE = np.array([1])


class ConsumedItems:
    """The last ``CAPACITY`` items that each row consumed.

    A flag for each residue of the item index rules out most slots of a page in a few operations; only the slots that are left
    are looked up.

    Args:
        rows: users that browse at the same time.
    """

    def __init__(self, rows: int) -> None:
        self._item = np.full((rows, CAPACITY), _NOTHING, np.int64)
        self._count = np.zeros(rows, np.int64)
        self._flag = np.zeros((rows, _RESIDUES), np.bool_)
        self._first_flag = np.arange(rows)[:, None] * _RESIDUES
        self._any = False

    def forget(self, rows: Rows) -> None:
        """Forget everything about the given rows."""
        self._item[rows] = _NOTHING
        self._count[rows] = 0
        self._flag[rows] = False
        if isinstance(rows, slice):
            self._any = False

    def add(self, row: IntArray, item: IntArray) -> None:
        """Remember consumed items.

        Args:
            row: int64 [c]: row numbers, ascending.
            item: int64 [c]: catalog positions.
        """
        count = self._count.take(row)
        if len(row) > 1:
            count += _rank_in_run(row)
        self._item[row, count % _PLACES] = item
        # Of a row that comes several times the last value stays, its highest.
        self._count[row] = count + _ONE
        self._flag[row, item & _LOW_BITS] = True
        self._any = True

    def find(self, rows: Rows, item_index: IntArray) -> IntArray | None:
        """Return the flat slots that hold an item which their row consumed, None if surely none does.

        Args:
            rows: of the pages, [m] or all.
            item_index: int64 [m, k].
        """
        if not self._any:
            return None
        place = item_index & _LOW_BITS
        place += self._first_flag[rows]
        slot = self._flag.take(place.reshape(-1)).nonzero()[0]
        if not slot.size:
            return None
        at = slot // item_index.shape[1]
        own = self._item.take(at if isinstance(rows, slice) else rows[at], axis=0)
        found: IntArray = slot[(own == item_index.reshape(-1).take(slot)[:, None]).any(axis=1)]
        return found

    def pairs(self, rows: Rows) -> tuple[npt.NDArray[np.intp], IntArray]:
        """Return positions among the given rows and the items that these rows consumed, [p] each."""
        own = self._item[rows]
        place, column = np.nonzero(own >= 0)
        return place, own[place, column]


def _rank_in_run(row: IntArray) -> IntArray:
    """Return int64 [c]: how many equal values stand right before each."""
    place = np.arange(len(row))
    starts = np.concatenate([[True], row[1:] != row[:-1]])
    return place - np.maximum.accumulate(place * starts)
