"""What each browsing user was shown and what of it they consumed, and a fast way to find it on a page."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.pages import Rows

__all__ = ["Encounters", "Met"]

_PAGES = 8  # room at the start, doubled whenever it is used up
_FLAGS = 1 << 22
"""About how many flags there are over all rows: more would not stay near the processor."""
_UNTOLD = 32  # pages that are put off at most
_FEWEST, _MOST = 1 << 10, 1 << 17  # flags of a row
_NOTHING = -1
# One-element array: NumPy converts a Python number on every call.
_ONE = np.array([1])


class Met(NamedTuple):
    """Items that their users have met before."""

    place: IntArray
    """int64 [f], ascending: where they stand, in a page or catalog of every row."""
    exposures: IntArray
    """int64 [f]: pages on which the item was shown and not consumed."""
    since_exposure: IntArray
    """int64 [f]: pages seen since the last of them; means nothing where there is none."""
    consumed: BoolArray
    """bool [f]: whether the item was consumed before."""
    since_consumed: IntArray
    """int64 [f]: pages seen since it was last; means nothing where it was not."""


class Encounters:
    """Every page that each row was shown since it was last told to forget: nothing drops out.

    A flag for each residue of the item index rules out most slots of a page in a few operations, and only the slots that are
    left are looked up. For few users or items there are as many residues as items, so that nothing is looked up in vain.

    Args:
        rows: users that browse at the same time.
        slots: of a page.
        items: in the catalog.
    """

    def __init__(self, rows: int, slots: int, items: int) -> None:
        self._items, self._slots = items, slots
        residues = min(_power_above(items), max(min(_power_above(_FLAGS // max(rows, 1)), _MOST), _FEWEST))
        self._exact = residues >= items
        self._low_bits = np.array([residues - 1])
        self._row = np.arange(rows)
        self._first_flag = self._row[:, None] * residues
        self._flag = np.zeros((rows, residues), np.bool_)
        self._make_room(_PAGES)
        self._next = self._row * _PAGES  # where each row's next page goes
        self._at_most = 0  # pages of any row
        self._untold: list[tuple[Rows, IntArray, IntArray]] = []

    def _make_room(self, pages: int) -> None:
        rows = len(self._row)
        self._pages = pages
        self._item = np.full((rows * pages, self._slots), _NOTHING, np.int32)
        self._consumed = np.zeros((rows * pages, self._slots), np.bool_)

    def forget(self, rows: Rows) -> None:
        """Forget everything about the given rows."""
        if isinstance(rows, slice):
            self._untold.clear()
            self._at_most = 0
        self._tell()
        whole = (len(self._row), self._pages, self._slots)
        self._item.reshape(whole)[rows] = _NOTHING
        self._consumed.reshape(whole)[rows] = False
        self._flag[rows] = False
        self._next[rows] = self._row[rows] * self._pages

    def find(self, rows: Rows, item_index: IntArray) -> Met | None:
        """Return which slots of a page hold items that their row has met, None if none does.

        Args:
            rows: of the pages, [m] or all.
            item_index: int64 [m, k]; -1 marks an empty slot.
        """
        flags = item_index if self._exact else item_index & self._low_bits
        if len(self._row) > 1:
            flags = flags + self._first_flag[rows]
        self._last_flags = flags
        slot = self._flag.take(flags).reshape(-1).nonzero()[0]
        return self._look_up(rows, item_index, slot) if slot.size else None

    def _look_up(self, rows: Rows, item_index: IntArray, slot: IntArray) -> Met | None:
        self._tell()
        item = item_index.reshape(-1).take(slot)
        filled = item >= 0
        slot, item = slot[filled], item[filled]
        row = self._row[rows].take(slot // self._slots)
        same = self._by_row(self._item)[row] == item[:, None]
        if not same.any():
            return None
        found, column = np.nonzero(same)
        consumed = self._by_row(self._consumed)[row[found], column]
        return self._met(slot[found], row[found], page=column // self._slots, consumed=consumed)

    def every(self, rows: Rows) -> Met:
        """Return all that the given rows [m] have met; places are those of a table [m, items], row by row."""
        self._tell()
        own = self._by_row(self._item)[rows]
        at, column = np.nonzero(own >= 0)
        place = at * self._items + own[at, column]
        order = np.argsort(place, kind="stable")
        at, column = at[order], column[order]
        row = self._row[rows][at]
        consumed = self._by_row(self._consumed)[row, column]
        return self._met(place[order], row, page=column // self._slots, consumed=consumed)

    def _by_row(self, told: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view [r, pages * k] of what the rows were told, oldest page first, without what was never used."""
        return told.reshape(len(self._row), -1)[:, : self._at_most * self._slots]

    def _met(self, place: IntArray, row: IntArray, *, page: IntArray, consumed: BoolArray) -> Met:
        """Sum up encounters that come in the order of their places: int64 [e] each, bool [e]."""
        if not place.size:
            return Met(place, place, place, consumed, place)
        start = np.flatnonzero(np.diff(place, prepend=-1))
        row = row[start]
        last = self._next[row] - row * self._pages - _ONE
        last_exposed = np.maximum.reduceat(np.where(consumed, -1, page), start)
        last_consumed = np.maximum.reduceat(np.where(consumed, page, -1), start)
        return Met(
            place=place[start],
            exposures=np.add.reduceat(~consumed, start, dtype=np.int64),
            since_exposure=last - last_exposed,
            consumed=last_consumed >= 0,
            since_consumed=last - last_consumed,
        )

    def add(self, rows: Rows, item_index: IntArray, slot: IntArray) -> None:
        """Remember the page that was last looked at; writing it down is put off until somebody asks what it was.

        Args:
            rows: of the pages, [m] or all.
            item_index: int64 [m, k]: the page that ``find`` was last asked about.
            slot: int64 [c]: flat slots of what was consumed.
        """
        self._flag.reshape(-1)[self._last_flags] = True
        self._untold.append((rows, item_index, slot))
        if len(self._untold) == _UNTOLD:
            self._tell()

    def _tell(self) -> None:
        """Write down the pages that were put off."""
        for rows, item_index, slot in self._untold:
            page = self._next[rows]
            self._item[page] = item_index
            if slot.size:
                at, position = np.divmod(slot, self._slots)
                self._consumed[page[at], position] = True
            self._next[rows] = page + _ONE
            self._at_most += 1
            if self._at_most == self._pages:
                self._grow()
        self._untold.clear()

    def _grow(self) -> None:
        """Make room for twice the pages, unless rows have forgotten enough meanwhile."""
        seen = self._next - self._row * self._pages
        self._at_most = int(seen.max())
        if self._at_most < self._pages:
            return
        item, consumed, pages = self._item, self._consumed, self._pages
        self._make_room(2 * pages)
        for new, old in ((self._item, item), (self._consumed, consumed)):
            new.reshape(len(seen), -1, self._slots)[:, :pages] = old.reshape(len(seen), -1, self._slots)
        self._next = self._row * self._pages + seen


def _power_above(number: int) -> int:
    """Return the least power of two that is at least so large."""
    return 1 << int(max(number - 1, 0)).bit_length()
