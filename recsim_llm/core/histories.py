"""What users were shown so far, and what they made of it: the history in a recommender's requests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.pages import Rows

__all__ = ["Histories"]


class Histories:
    """The history of each row's user, as ``Requests`` hold it.

    Args:
        rows: users that browse at the same time.
        slots: impressions to make room for; it grows where they do not suffice.
        actions: whether users may do more than click and rate.
    """

    def __init__(self, rows: int, slots: int, *, actions: bool = False) -> None:
        self._item = np.full((rows, slots), -1, np.int64)
        self._clicked = np.zeros((rows, slots), np.bool_)
        self._rating = np.full((rows, slots), np.nan, np.float32)
        self._length = np.zeros(rows, np.int64)
        self._actions = np.zeros((rows, slots), np.uint8) if actions else None

    def of(self, rows: IntArray) -> tuple[IntArray, BoolArray, FloatArray]:
        """Return items, clicks and ratings of the rows, [m, longest history]."""
        width = int(self._length[rows].max())
        return self._item[rows, :width], self._clicked[rows, :width], self._rating[rows, :width]

    def actions(self, rows: IntArray) -> npt.NDArray[np.uint8] | None:
        """Return uint8 [m, longest history], as in ``Requests``; None where users may do no more than click and rate."""
        return None if self._actions is None else self._actions[rows, : int(self._length[rows].max())]

    def note(self, rows: IntArray, actions: npt.NDArray[np.uint8]) -> None:
        """Note what users did with the page of each row that was added last, uint8 [m, k]."""
        if self._actions is not None:
            slots = actions.shape[1]
            self._actions[rows[:, None], (self._length[rows] - slots)[:, None] + np.arange(slots)] = actions

    def length(self, rows: IntArray) -> IntArray:
        """Return int64 [m]: items in each row's history."""
        return self._length[rows]

    def add(self, rows: IntArray, item: IntArray, clicked: BoolArray, rating: FloatArray) -> None:
        """Append one page of each row; arrays are [m, k], and item ids -1 where a slot was blank."""
        slots = item.shape[1]
        missing = int(self._length[rows].max(initial=0)) + slots - self._item.shape[1]
        if missing > 0:
            self._widen(max(missing, self._item.shape[1]))
        place = (rows[:, None], self._length[rows][:, None] + np.arange(slots))
        self._item[place], self._clicked[place], self._rating[place] = item, clicked, rating
        self._length[rows] += slots

    def forget(self, rows: Rows) -> None:
        """Let other users sit down in these rows."""
        self._item[rows], self._clicked[rows], self._rating[rows] = -1, False, np.nan
        self._length[rows] = 0
        if self._actions is not None:
            self._actions[rows] = 0

    def _widen(self, more: int) -> None:
        room = ((0, 0), (0, more))
        self._item = np.pad(self._item, room, constant_values=-1)
        self._clicked = np.pad(self._clicked, room, constant_values=False)
        self._rating = np.pad(self._rating, room, constant_values=np.nan)
        if self._actions is not None:
            self._actions = np.pad(self._actions, room)
