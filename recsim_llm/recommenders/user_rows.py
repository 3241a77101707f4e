"""Rows of state for users, by their outside ids."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import IntArray

__all__ = ["UserRows", "lengthen"]

_Scalar = TypeVar("_Scalar", bound=np.generic)


class UserRows:
    """Gives each user a row, in order of first appearance, from 1; row 0 stands for all whom nobody has met yet."""

    def __init__(self) -> None:
        self._row: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many rows are in use, row 0 included."""
        return len(self._row) + 1

    def find(self, user_id: IntArray) -> IntArray:
        """Return int64 [u]: the users' rows, 0 where a user has none."""
        return np.array([self._row.get(user, 0) for user in user_id.tolist()], np.int64)

    def add(self, user_id: IntArray) -> IntArray:
        """Return int64 [u]: the users' rows, new ones where there were none."""
        return np.array([self._row.setdefault(user, len(self._row) + 1) for user in user_id.tolist()], np.int64)


def lengthen(column: npt.NDArray[_Scalar], rows: int) -> npt.NDArray[_Scalar]:
    """Return an array with at least ``rows`` rows, new ones zero; it doubles, so that growing row by row stays cheap."""
    if len(column) >= rows:
        return column
    longer = np.zeros((max(rows, 2 * len(column)), *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    return longer
