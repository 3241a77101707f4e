"""Where the pages of many rows stand in columns that hold them all, so that a row takes the room of its own pages alone."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import IntArray

__all__ = ["PageNumbers", "with_room"]

_PAGES = 8  # room at the start, doubled whenever it is used up
_Scalar = TypeVar("_Scalar", bound=np.generic)


class PageNumbers:
    """Gives each page of each row a number, in the order in which they come; number 0 is nobody's.

    Page 3 of a row has the same number in each of the row's lives: what a row forgets is written over.

    Args:
        rows: how many there are.
    """

    def __init__(self, rows: int) -> None:
        self._number = np.zeros((rows, _PAGES), np.int32)
        self.count = 1
        """Numbers in use, 0 among them."""

    @classmethod
    def of_all(cls, rows: int, pages: int) -> PageNumbers:
        """Return numbers of so many pages of each row, row by row from 1."""
        numbers = cls(rows)
        numbers.count += rows * pages
        numbers._number = np.zeros((rows, max(pages, _PAGES)), np.int32)
        numbers._number[:, :pages] = np.arange(1, numbers.count).reshape(rows, pages)
        return numbers

    def number(self, rows: IntArray, page: IntArray) -> IntArray:
        """Return int64 [m]: the numbers of one page of each row, new ones where there were none.

        Args:
            rows: int64 [m], each at most once.
            page: int64 [m]: which page of the row's life, from 0.
        """
        missing, width = int(page.max(initial=-1)) + 1 - self._number.shape[1], self._number.shape[1]
        if missing > 0:
            self._number = np.pad(self._number, ((0, 0), (0, max(missing, width))))
        number = self._number[rows, page].astype(np.int64)
        new = np.flatnonzero(number == 0)
        if new.size:
            number[new] = np.arange(self.count, self.count + new.size)
            self._number[rows[new], page[new]] = number[new]
            self.count += new.size
        return number

    def first(self, rows: IntArray, pages: IntArray) -> IntArray:
        """Return int64 [m, most]: the numbers of each row's first pages, then 0.

        Args:
            rows: int64 [m].
            pages: int64 [m]: how many pages of each; all of them have a number.
        """
        most = int(pages.max(initial=0))
        return np.where(np.arange(most) < pages[:, None], self._number[rows, :most], 0)


def with_room(column: npt.NDArray[_Scalar], count: int) -> npt.NDArray[_Scalar]:
    """Return a column with room for so many entries along the first axis; what is added is zero, and costs no memory yet."""
    if len(column) >= count:
        return column
    longer = np.zeros((max(count, len(column) * 3 // 2), *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    return longer
