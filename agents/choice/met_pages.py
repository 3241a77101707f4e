"""The pages that users were shown, written down row by row, and what came of each item up to its last meeting with its user."""

from __future__ import annotations

from copy import copy

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.page_numbers import PageNumbers, with_room

__all__ = ["NEVER", "NOBODY", "MetPages"]

NEVER = -2
"""Page of what did not happen; -1 is right before a row's first page."""
NOBODY = 0
"""Slot that no page has: where an item stands that nobody met."""
_BEFORE, _EXPOSURES, _EXPOSED, _CONSUMED = range(4)


class MetPages:
    """Every page of each row's life, as slots: slot ``s`` of the page with number ``p`` is ``p * slots + s``.

    From the first question on, each slot knows how often its item was shown to its user and when it was last shown and
    consumed, up to there; and of each residue of the item index it is known which slot was the last, and of each slot which
    one was before it. So the last meeting with an item is found in a few operations, however many pages there are. Lives that
    are over leave slots behind: they are known by their pages, which are not over yet, or by other items that stand there.

    Args:
        rows: users that browse at the same time.
        slots: of a page.
        residues: a power of two; the fewer, the more items a question must step over.
    """

    def __init__(self, rows: int, slots: int, residues: int) -> None:
        self._rows, self._slots, self._residues, self._low = rows, slots, residues, residues - 1
        self._numbers = PageNumbers(rows)
        self._item = np.full((1, slots), -1, np.int32)
        self._consumed = np.zeros((1, slots), np.bool_)
        self._asked = False

    def write(self, rows: IntArray, page: IntArray, item_index: IntArray, slot: IntArray) -> None:
        """Write down one page of each row.

        Args:
            rows: int64 [m], each once.
            page: int64 [m]: which page of the row's life; those before it are written down.
            item_index: int64 [m, k]: what was shown, -1 for nothing; no item twice.
            slot: int64 [c]: flat places of what was consumed.
        """
        number = self._numbers.number(rows, page)
        count = self._numbers.count
        self._item, self._consumed = with_room(self._item, count), with_room(self._consumed, count)
        self._item[number], self._consumed[number] = item_index, False
        at, position = np.divmod(slot, self._slots)
        self._consumed[number[at], position] = True
        if self._asked:
            self._sum_up(rows, page, number)

    def copy_rows(self, rows: IntArray, seen: IntArray) -> MetPages:
        """Return the first int64 [m] ``seen`` pages of these rows, as rows of its own."""
        number = self._numbers.first(rows, seen)
        other, told = copy(self), np.append(0, number)
        other._rows, other._numbers, other._asked = len(rows), PageNumbers.of_all(*number.shape), False
        other._item, other._consumed = self._item.take(told, axis=0), self._consumed.take(told, axis=0)
        return other

    def every(self, rows: IntArray, seen: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return all that rows met on so many pages each: int64 [e] places in ``rows``, items, and slots, older ones first."""
        number = self._numbers.first(rows, seen)
        item = self._item.take(number, axis=0).reshape(len(rows), number.shape[1] * self._slots)
        at, column = np.nonzero(item >= 0)
        page, position = np.divmod(column, self._slots)
        return at, item[at, column].astype(np.int64), number[at, page] * self._slots + position

    def last(self, row: IntArray, item: IntArray, seen: IntArray) -> IntArray:
        """Return int64 [f]: in which slot each row met an item last, ``NOBODY`` where it did not.

        Args:
            row: int64 [f], in any order.
            item: int64 [f]: item indices.
            seen: int64 [f]: pages of the row's life.
        """
        return self._same(self._latest_slot(row, item, seen), item)

    def sums(self, slot: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return what came of slots' items up to there, for ``NOBODY`` nothing: three columns of int64 [f].

        These are the pages on which the item was shown and not consumed, the last of them, and the last on which it was
        consumed; ``NEVER`` where there is none.
        """
        exposures, exposed, consumed = self._sums.take(slot, axis=0)[:, _EXPOSURES:].T.astype(np.int64)
        return exposures, exposed, consumed

    def be_asked(self, seen: IntArray) -> None:
        """Get ready for ``last`` and ``sums``, with so many pages of each row, int64 [r]; to be called before the first."""
        if self._asked:
            return
        self._asked = True
        self._latest = np.zeros(self._rows * self._residues, np.int32)
        self._page = np.zeros(1, np.int32)
        self._sums = np.array([[NOBODY, 0, NEVER, NEVER]] * self._slots, np.int32)
        for page in range(int(seen.max(initial=0))):
            rows = np.flatnonzero(seen > page)
            at = np.full(len(rows), page)
            self._sum_up(rows, at, self._numbers.number(rows, at))

    def _sum_up(self, rows: IntArray, page: IntArray, number: IntArray) -> None:
        """Note what came of the items of pages that were just written down."""
        self._page = with_room(self._page, len(self._item))
        self._sums = with_room(self._sums, len(self._item) * self._slots)
        self._page[number] = page
        shown = self._item[number].reshape(-1)
        filled = np.flatnonzero(shown >= 0)
        at, position = np.divmod(filled, self._slots)
        item, slot = shown[filled].astype(np.int64), number[at] * self._slots + position
        key = rows[at] * self._residues + (item & self._low)
        before = self._latest_slot(rows[at], item, page[at])
        earlier = self._sums.take(self._same(before, item), axis=0)
        consumed = self._consumed.reshape(-1)[slot]
        earlier[:, _EXPOSURES] += ~consumed
        earlier[np.arange(len(slot)), np.where(consumed, _CONSUMED, _EXPOSED)] = page[at]
        earlier[:, _BEFORE] = before
        self._sums[slot] = earlier
        self._latest[key] = slot
        # Items of one page may have a residue in common: one after the other they come before those that are the latest.
        behind = np.flatnonzero(self._latest[key] != slot)
        while behind.size:
            self._sums[slot[behind], _BEFORE] = self._latest[key[behind]]
            self._latest[key[behind]] = slot[behind]
            behind = behind[self._latest[key[behind]] != slot[behind]]

    def _latest_slot(self, row: IntArray, item: IntArray, seen: IntArray) -> IntArray:
        """Return int64 [f]: the last slot of the residues of items, ``NOBODY`` where these lives have none."""
        slot = self._latest.take(row * self._residues + (item & self._low)).astype(np.int64)
        own = self._page.take(slot // self._slots) < seen
        own &= (self._item.reshape(-1).take(slot) ^ item) & self._low == 0
        return np.where(own, slot, NOBODY)

    def _same(self, slot: IntArray, item: IntArray) -> IntArray:
        """Return int64 [f]: the first slots that hold these items, from given slots backwards."""
        found = slot.copy()
        items = self._item.reshape(-1)
        other = np.flatnonzero((found != NOBODY) & (items.take(found) != item))
        while other.size:
            found[other] = self._sums[found[other], _BEFORE]
            other = other[(found[other] != NOBODY) & (items.take(found[other]) != item[other])]
        return found
