"""What each browsing user was shown and what of it they consumed, what they rated before, and a fast way to find it."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np

from recsim_llm.agents.choice.met_pages import NEVER, NOBODY, MetPages
from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.pages import Rows
from recsim_llm.core.repetition import RatedItems

__all__ = ["Encounters", "Met"]

_UNTOLD = 64  # pages that are put off at most
_FLAGS = 1 << 24
"""About how many flags there are over all rows, a byte each: more are too far from the processor."""
_FEWEST, _MOST = 1 << 10, 1 << 17  # flags of a row
_FEW_ITEMS = 1 << 12
"""Items that all have a flag, for however many rows: in long lives most residues of fewer flags would be taken."""
_LIVES = 255  # that flags of 8 bits can tell apart
_BEFORE = -1  # the page right before a row's first
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


class _Untold(NamedTuple):
    """A page that is not written down yet."""

    rows: IntArray
    """int64 [m]: whose it is."""
    page: IntArray
    """int64 [m]: which page of the row's life."""
    item_index: IntArray
    """int64 [m, k]: what was shown."""
    slot: IntArray
    """int64 [c]: flat slots of what was consumed."""


class Encounters:
    """Every page that each row was shown in its life, and what its user rated before: nothing drops out.

    A flag for each residue of the item index rules out most slots of a page in a few operations, and only the slots that are
    left are looked up. Where there is room, there are as many residues as items, so that nothing is looked up in vain. A flag
    holds the number of the life that set it, so that forgetting costs next to nothing; and pages are written down only when
    somebody asks what was on them, which under a rule against repetition nobody does. What a user rated before counts as
    consumed on a page right before the first: the data do not say how many pages ago it was.

    How long a question takes does not depend on how long lives are; see ``MetPages``.

    Args:
        rows: users that browse at the same time.
        slots: of a page.
        items: in the catalog.
        rated: what users rated before their first page; None: nothing that is known.
    """

    def __init__(self, rows: int, slots: int, items: int, rated: RatedItems | None = None) -> None:
        self._items, self._slots, self._rated = items, slots, rated
        self._user = np.zeros(rows, np.int64)
        room = max(min(_power_above(_FLAGS // max(rows, 1)), _MOST), _FEWEST)
        residues = _power_above(items) if items <= _FEW_ITEMS else min(_power_above(items), room)
        self._exact = residues >= items
        self._low_bits = np.array([residues - 1])
        self._row = np.arange(rows)
        self._first_flag = self._row[:, None] * residues
        self._flag = np.zeros((rows, residues), np.uint8)
        self._life = np.ones((rows, 1), np.uint8)
        self._untold: list[_Untold] = []
        self._begun = np.zeros(rows, np.int64)  # which page, of all that were added, was the first of each row's life
        self._added = 0
        self._seen = np.zeros(rows, np.int64)  # pages of each row's life
        self._pages = MetPages(rows, slots, residues)

    def copy_rows(self, rows: IntArray) -> Encounters:
        """Return what the users of int64 [m] rows have met, as rows of its own."""
        self._tell()
        other = copy(self)
        other._pages, other._untold = self._pages.copy_rows(rows, self._seen[rows]), []
        other._row = np.arange(len(rows))
        other._first_flag = other._row[:, None] * self._flag.shape[1]
        other._flag, other._life, other._begun = self._flag[rows], self._life[rows], self._begun[rows]
        other._user, other._seen = self._user[rows], self._seen[rows]
        return other

    def begin(self, rows: Rows, user_index: IntArray) -> None:
        """Let the lives of users, int64 [m], begin in the given rows; these know nothing but what they rated."""
        if isinstance(rows, slice):
            self._untold.clear()
        if self._life[rows].max(initial=0) == _LIVES:
            worn = self._row[rows][self._life[rows, 0] == _LIVES]
            self._flag[worn], self._life[worn] = 0, 0
        self._life[rows] += np.uint8(1)
        self._seen[rows] = 0
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
        self._get_ready()
        row = self._row[rows].take(slot // item_index.shape[1])
        met = self._met(slot, row, item, self._pages.last(row, item, self._seen[row]))
        return met if met.place.size else None

    def every(self, rows: Rows) -> Met:
        """Return all that the given rows [m] have met; places are those of a table [m, items], row by row."""
        self._get_ready()
        row = self._row[rows]
        at, item, slot = self._pages.every(row, self._seen[row])
        if self._rated is not None:
            before, rated = self._rated.items(self._user[row])
            at, item = np.concatenate([before, at]), np.concatenate([rated, item])
            slot = np.concatenate([np.full(len(rated), NOBODY), slot])
        place = at * self._items + item
        order = np.argsort(place, kind="stable")
        ordered = place[order]
        # Of each item the last meeting, which knows of the others.
        last = order[np.append(ordered[1:] != ordered[:-1], True)[: len(order)]]
        return self._met(place[last], row[at[last]], item[last], slot[last])

    def _met(self, place: IntArray, row: IntArray, item: IntArray, slot: IntArray) -> Met:
        """Return what came of items, from the slots of their last meetings; those that nobody met are left out."""
        exposures, exposed, consumed = self._pages.sums(slot)
        met = slot != NOBODY
        if self._rated is not None:
            before = self._rated.holds(self._user[row], item)
            consumed, met = np.where(before, np.maximum(consumed, _BEFORE), consumed), met | before
        last = self._seen[row] - _ONE
        columns = (place, exposures, last - exposed, consumed > NEVER, last - consumed)
        return Met(*(column[met] for column in columns))

    def add(self, rows: Rows, item_index: IntArray, slot: IntArray) -> None:
        """Remember the page that was last looked at; writing it down is put off until somebody asks what it was.

        Args:
            rows: of the pages, [m] or all.
            item_index: int64 [m, k]: the page that ``find`` was last asked about.
            slot: int64 [c]: flat slots of what was consumed.
        """
        self._flag.reshape(-1)[self._last_flags] = self._life[rows]
        page = self._seen[rows]
        self._untold.append(_Untold(self._row[rows], page, item_index, slot))
        if isinstance(rows, slice):
            self._seen = page + _ONE  # not in place: the old one is kept
        else:
            self._seen[rows] = page + _ONE
        self._added += 1
        if len(self._untold) == _UNTOLD:
            self._tidy()

    def _tidy(self) -> None:
        """Drop what all have forgotten, and write down the rest where there is much of it."""
        alive = self._added - int(self._begun.min())
        del self._untold[: max(len(self._untold) - alive, 0)]
        if len(self._untold) > _UNTOLD // 2:
            self._tell()

    def _tell(self) -> None:
        """Write down the pages that were put off."""
        for page in self._untold:
            self._pages.write(*page)
        self._untold.clear()

    def _get_ready(self) -> None:
        """Prepare for questions."""
        self._tell()
        self._pages.be_asked(self._seen)


def _power_above(number: int) -> int:
    """Return the least power of two that is at least so large."""
    return 1 << int(max(number - 1, 0)).bit_length()
