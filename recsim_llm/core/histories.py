"""What users were shown so far, and what they made of it: the history in a recommender's requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.page_numbers import PageNumbers, with_room
from recsim_llm.core.pages import Rows

__all__ = ["Histories"]


class Histories:
    """The history of each row's user, as ``Requests`` hold it. It takes the room of the pages that were shown.

    Args:
        rows: users that browse at the same time.
        slots: of a page.
        actions: whether users may do more than click and rate.
    """

    def __init__(self, rows: int, slots: int, *, actions: bool = False) -> None:
        self._slots, self._numbers, self._pages = slots, PageNumbers(rows), np.zeros(rows, np.int64)
        # By page number; number 0 stands for what is behind the end of a shorter history.
        self._item = np.full((1, slots), -1, np.int64)
        self._clicked = np.zeros((1, slots), np.bool_)
        self._rating = np.full((1, slots), np.nan, np.float32)
        self._actions = np.zeros((1, slots), np.uint8) if actions else None

    def of(self, rows: IntArray) -> tuple[IntArray, BoolArray, FloatArray]:
        """Return items, clicks and ratings of the rows, [m, longest history]."""
        number = self._numbers.first(rows, self._pages[rows])
        return _laid_out(self._item, number), _laid_out(self._clicked, number), _laid_out(self._rating, number)

    def actions(self, rows: IntArray) -> npt.NDArray[np.uint8] | None:
        """Return uint8 [m, longest history], as in ``Requests``; None where users may do no more than click and rate."""
        return None if self._actions is None else _laid_out(self._actions, self._numbers.first(rows, self._pages[rows]))

    def note(self, rows: IntArray, actions: npt.NDArray[np.uint8]) -> None:
        """Note what users did with the page of each row that was added last, uint8 [m, k]."""
        if self._actions is not None:
            self._actions[self._numbers.number(rows, self._pages[rows] - 1)] = actions

    def length(self, rows: IntArray) -> IntArray:
        """Return int64 [m]: items in each row's history."""
        return self._pages[rows] * self._slots

    def add(self, rows: IntArray, item: IntArray, clicked: BoolArray, rating: FloatArray) -> None:
        """Append one page of each row; arrays are [m, k], and item ids -1 where a slot was blank."""
        number = self._numbers.number(rows, self._pages[rows])
        count = self._numbers.count
        self._item, self._clicked = with_room(self._item, count), with_room(self._clicked, count)
        self._rating = with_room(self._rating, count)
        self._item[number], self._clicked[number], self._rating[number] = item, clicked, rating
        if self._actions is not None:
            self._actions = with_room(self._actions, count)
            self._actions[number] = 0
        self._pages[rows] += 1

    def forget(self, rows: Rows) -> None:
        """Let other users sit down in these rows."""
        self._pages[rows] = 0


def _laid_out(column: npt.NDArray[Any], number: IntArray) -> npt.NDArray[Any]:
    """Return [m, pages * k]: the pages of each row, one after the other."""
    return column.take(number, axis=0).reshape(len(number), number.shape[1] * column.shape[1])
