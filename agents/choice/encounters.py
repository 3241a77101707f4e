"""What each browsing user was shown and what of it they consumed, what they rated before, and a fast way to find it."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.pages import Rows
from recsim_llm.core.repetition import RatedItems

__all__ = ["Encounters", "Met"]

_PAGES = 8  # room at the start, doubled whenever it is used up
_UNTOLD = 64  # pages that are put off at most
_FLAGS = 1 << 24
"""About how many flags there are over all rows, a byte each: more are too far from the processor."""
_FEWEST, _MOST = 1 << 10, 1 << 17  # flags of a row
_LIVES = 255  # that flags of 8 bits can tell apart
_BEFORE, _NEVER = -1, -2  # pages before a row's first
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


class _Meetings(NamedTuple):
    """Meetings of users and items, one by one."""

    place: IntArray
    """int64 [e]: as in ``Met``, though not each once."""
    row: IntArray
    """int64 [e]: of the user."""
    page: IntArray
    """int64 [e]: of the row's life."""
    consumed: BoolArray
    """bool [e]: whether the user consumed the item there."""


class _Untold(NamedTuple):
    """A page that is not written down yet."""

    place: IntArray
    """int64 [m]: where it goes."""
    item_index: IntArray
    """int64 [m, k]: what was shown."""
    slot: IntArray
    """int64 [c]: flat slots of what was consumed."""


class Encounters:
    """Every page that each row was shown in its life, and what its user rated before: nothing drops out.

    A flag for each residue of the item index rules out most slots of a page in a few operations, and only the slots that are
    left are looked up. For few users or items there are as many residues as items, so that nothing is looked up in vain. A flag
    holds the number of the life that set it, so that forgetting costs next to nothing; and pages are written down only when
    somebody asks what was on them, which under a rule against repetition nobody does. What a user rated before counts as
    consumed on a page right before the first: the data do not say how many pages ago it was.

    Args:
        rows: users that browse at the same time.
        slots: of a page.
        items: in the catalog.
        rated: what users rated before their first page; None: nothing that is known.
    """

    def __init__(self, rows: int, slots: int, items: int, rated: RatedItems | None = None) -> None:
        self._items, self._slots, self._rated = items, slots, rated
        self._user = np.zeros(rows, np.int64)
        residues = min(_power_above(items), max(min(_power_above(_FLAGS // max(rows, 1)), _MOST), _FEWEST))
        self._exact = residues >= items
        self._low_bits = np.array([residues - 1])
        self._row = np.arange(rows)
        self._first_flag = self._row[:, None] * residues
        self._flag = np.zeros((rows, residues), np.uint8)
        self._life = np.ones((rows, 1), np.uint8)
        self._untold: list[_Untold] = []
        self._begun = np.zeros(rows, np.int64)  # which page, of all that were added, was the first of each row's life
        self._added = 0
        self._make_room(_PAGES)
        self._next = self._first_page.copy()
        self._at_most = 0  # pages of any row

    def _make_room(self, pages: int) -> None:
        rows = len(self._row)
        self._pages = pages
        self._item = np.zeros((rows * pages, self._slots), np.int32)
        self._consumed = np.zeros((rows * pages, self._slots), np.bool_)
        self._first_page = self._row * pages

    def copy_rows(self, rows: IntArray) -> Encounters:
        """Return what the users of int64 [m] rows have met, as rows of its own."""
        self._tell()
        other, whole = copy(self), (len(self._row), self._pages, self._slots)
        other._row, other._untold = np.arange(len(rows)), []
        other._first_flag, other._first_page = other._row[:, None] * self._flag.shape[1], other._row * self._pages
        other._flag, other._life, other._begun = self._flag[rows], self._life[rows], self._begun[rows]
        other._user = self._user[rows]
        other._item = self._item.reshape(whole)[rows].reshape(-1, self._slots)
        other._consumed = self._consumed.reshape(whole)[rows].reshape(-1, self._slots)
        other._next = other._first_page + (self._next - self._first_page)[rows]
        return other

    def begin(self, rows: Rows, user_index: IntArray) -> None:
        """Let the lives of users, int64 [m], begin in the given rows; these know nothing but what they rated."""
        if isinstance(rows, slice):
            self._untold.clear()
            self._at_most = 0
        if self._life[rows].max(initial=0) == _LIVES:
            worn = self._row[rows][self._life[rows, 0] == _LIVES]
            self._flag[worn], self._life[worn] = 0, 0
        self._life[rows] += np.uint8(1)
        self._next[rows] = self._first_page[rows]
        self._begun[rows] = self._added
        self._user[rows] = user_index
        if self._rated is not None:
            at, item = self._rated.items(user_index)
            flag = item if self._exact else item & self._low_bits
            self._flag.reshape(-1)[flag + self._first_flag[rows, 0][at]] = self._life[rows, 0][at]

    def find(self, rows: Rows, item_index: IntArray) -> Met | None:
        """Return which slots of a page hold items that their row has met, None if none does.

        Args:
            rows: of the pages, [m] or all.
            item_index: int64 [m, k], of any width; -1 marks an empty slot.
        """
        flags = item_index if self._exact else item_index & self._low_bits
        if len(self._row) > 1:
            flags = flags + self._first_flag[rows]
        self._last_flags = flags
        slot = (self._flag.take(flags) == self._life[rows]).reshape(-1).nonzero()[0]
        return self._look_up(rows, item_index, slot) if slot.size else None

    def _look_up(self, rows: Rows, item_index: IntArray, slot: IntArray) -> Met | None:
        item = item_index.reshape(-1).take(slot)
        filled = item >= 0
        slot, item = slot[filled], item[filled]
        if not slot.size:
            return None  # Blank slots alone, which have a flag like items: nothing has to be written down for them.
        self._tell()
        row = self._row[rows].take(slot // item_index.shape[1])
        found, column = np.nonzero(self._by_row(self._item)[row] == item[:, None])
        page = column // self._slots
        # What stands behind a row's last page belongs to an earlier life.
        own = page < self._seen(row[found])
        found, column, page = found[own], column[own], page[own]
        seen = _Meetings(slot[found], row[found], page, self._by_row(self._consumed)[row[found], column])
        if self._rated is not None:
            before = self._rated.holds(self._user[row], item)
            seen = _with_rated(seen, slot[before], row[before])
        return self._met(seen) if seen.place.size else None

    def every(self, rows: Rows) -> Met:
        """Return all that the given rows [m] have met; places are those of a table [m, items], row by row."""
        self._tell()
        number, own = self._row[rows], self._by_row(self._item)[rows]
        page = np.arange(own.shape[1]) // self._slots
        at, column = np.nonzero((own >= 0) & (page < self._seen(number)[:, None]))
        row = number[at]
        seen = _Meetings(at * self._items + own[at, column], row, page[column], self._by_row(self._consumed)[row, column])
        if self._rated is None:
            return self._met(_in_order(seen))
        at, item = self._rated.items(self._user[rows])
        return self._met(_with_rated(seen, at * self._items + item, number[at]))

    def _by_row(self, told: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view [r, pages * k] of what the rows were told, oldest page first, without what was never used."""
        return told.reshape(len(self._row), -1)[:, : self._at_most * self._slots]

    def _seen(self, row: IntArray) -> IntArray:
        """Return how many pages rows have seen."""
        return self._next[row] - self._first_page[row]

    def _met(self, meetings: _Meetings) -> Met:
        """Sum up meetings that come in the order of their places."""
        place, row, page, consumed = meetings
        if not place.size:
            return Met(place, place, place, consumed, place)
        start = np.flatnonzero(np.diff(place, prepend=-1))
        last = self._seen(row[start]) - _ONE
        last_exposed = np.maximum.reduceat(np.where(consumed, _NEVER, page), start)
        last_consumed = np.maximum.reduceat(np.where(consumed, page, _NEVER), start)
        return Met(
            place=place[start],
            exposures=np.add.reduceat(~consumed, start, dtype=np.int64),
            since_exposure=last - last_exposed,
            consumed=last_consumed > _NEVER,
            since_consumed=last - last_consumed,
        )

    def add(self, rows: Rows, item_index: IntArray, slot: IntArray) -> None:
        """Remember the page that was last looked at; writing it down is put off until somebody asks what it was.

        Args:
            rows: of the pages, [m] or all.
            item_index: int64 [m, k]: the page that ``find`` was last asked about.
            slot: int64 [c]: flat slots of what was consumed.
        """
        self._flag.reshape(-1)[self._last_flags] = self._life[rows]
        place = self._next[rows]
        self._untold.append(_Untold(place, item_index, slot))
        if isinstance(rows, slice):
            self._next = place + _ONE  # not in place: the old one is kept
        else:
            self._next[rows] = place + _ONE
        self._added += 1
        self._at_most += 1
        if self._at_most == self._pages or len(self._untold) == _UNTOLD:
            self._tidy()

    def _tidy(self) -> None:
        """Drop what all have forgotten, and write down the rest or make room for it where there is too much."""
        alive = self._added - int(self._begun.min())
        del self._untold[: max(len(self._untold) - alive, 0)]
        self._at_most = int(self._seen(self._row).max())
        if len(self._untold) > _UNTOLD // 2 or self._at_most == self._pages:
            self._tell()
        if self._at_most == self._pages:
            seen, item, consumed, pages = self._seen(self._row), self._item, self._consumed, self._pages
            self._make_room(2 * pages)
            for new, old in ((self._item, item), (self._consumed, consumed)):
                new.reshape(len(seen), -1, self._slots)[:, :pages] = old.reshape(len(seen), -1, self._slots)
            self._next = self._first_page + seen

    def _tell(self) -> None:
        """Write down the pages that were put off."""
        for place, item_index, slot in self._untold:
            self._item[place] = item_index
            self._consumed[place] = False
            at, position = np.divmod(slot, self._slots)
            self._consumed[place[at], position] = True
        self._untold.clear()


def _with_rated(seen: _Meetings, place: IntArray, row: IntArray) -> _Meetings:
    """Return meetings in the order of their places, those before the first page among them: places and rows, int64 [b]."""
    count = len(place)
    joined = _Meetings(
        place=np.concatenate([place, seen.place]),
        row=np.concatenate([row, seen.row]),
        page=np.concatenate([np.full(count, _BEFORE), seen.page]),
        consumed=np.concatenate([np.ones(count, np.bool_), seen.consumed]),
    )
    return _in_order(joined)


def _in_order(meetings: _Meetings) -> _Meetings:
    order = np.argsort(meetings.place, kind="stable")
    return _Meetings(meetings.place[order], meetings.row[order], meetings.page[order], meetings.consumed[order])


def _power_above(number: int) -> int:
    """Return the least power of two that is at least so large."""
    return 1 << int(max(number - 1, 0)).bit_length()
