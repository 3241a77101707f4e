"""Columns for the memories of all rows: each row's memories lie side by side, oldest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.pages import Rows

__all__ = ["Cells", "Stream", "run_places"]

_LEAST_ROOM = 16


class Cells(NamedTuple):
    """Memories of some rows as a table: a row each, oldest first."""

    columns: Mapping[str, npt.NDArray[Any]]
    place: IntArray | slice
    inside: BoolArray | None
    """bool [m, n]: where there is a memory; None: everywhere."""

    def of(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return entries [m, n] of an array over all places; read only."""
        return values[self.place][None] if isinstance(self.place, slice) else values.take(self.place)

    def __call__(self, name: str) -> npt.NDArray[Any]:
        """Return entries [m, n] of a column; read only."""
        return self.of(self.columns[name])


class Stream:
    """Growing columns in which every row owns one stretch of places.

    A row that outgrows its stretch moves to a new one of twice the length, so that adding stays cheap on average and what is
    searched stays contiguous.

    Args:
        rows: how many rows there are.
        columns: data type of each column, and the shape of one entry where it is not a single number.
    """

    def __init__(self, rows: int, columns: Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]]) -> None:
        self.count = np.zeros(rows, np.int64)
        self._start = np.zeros(rows, np.int64)
        self._room = np.zeros(rows, np.int64)
        self._used = 0
        self._columns: dict[str, npt.NDArray[Any]] = {
            name: np.zeros((0, *shape), kind) for name, (kind, shape) in columns.items()
        }

    def __len__(self) -> int:
        return len(self.count)

    @property
    def capacity(self) -> int:
        """How many places there are, used or not."""
        return len(next(iter(self._columns.values())))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._columns)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column by place; valid until memories are added."""
        return self._columns[name]

    def first(self, row: IntArray) -> IntArray:
        """Return the place of the oldest memory of each row."""
        return self._start.take(row)

    def stretch(self, row: int) -> slice:
        """Return the places of one row."""
        return slice(int(self._start[row]), int(self._start[row] + self.count[row]))

    def places(self, row: IntArray) -> IntArray:
        """Return the places of several rows, one row after the other."""
        return run_places(self._start.take(row), self.count.take(row))

    def cells(self, row: IntArray, width: int) -> Cells:
        """Return where the memories of different rows lie, oldest first, ``width`` columns for the longest of them."""
        if len(row) == 1:
            # Views instead of copies: what a long memory costs is mostly being read.
            return Cells(self._columns, self.stretch(int(row[0])), None)
        column = np.arange(width)
        inside = column < self.count.take(row)[:, None]
        return Cells(self._columns, np.where(inside, self._start.take(row)[:, None] + column, 0), inside)

    def append(self, row: IntArray, values: Mapping[str, npt.ArrayLike]) -> IntArray:
        """Add memories and return their places.

        Args:
            row: int64 [n]: whose they are; a row may come several times.
            values: for every column [n, …] or one value for all.
        """
        added = np.bincount(row, minlength=len(self))
        self._make_room(added)
        order = np.argsort(row, kind="stable")
        rank = np.empty(len(row), np.int64)
        rank[order] = _ranks(added[added > 0])
        place: IntArray = self._start.take(row) + self.count.take(row) + rank
        for name, column in self._columns.items():
            column[place] = values[name]
        self.count += added
        return place

    def clear(self, rows: Rows) -> None:
        """Drop all memories of the given rows."""
        self.count[rows] = 0

    def keep(self, row: IntArray, kept: npt.NDArray[np.bool_]) -> None:
        """Drop memories of different rows; those that stay move together.

        Args:
            row: int64 [m].
            kept: bool, one for each place that ``places(row)`` returns.
        """
        places = self.places(row)
        owner = np.repeat(np.arange(len(row)), self.count.take(row))[kept]
        left = np.bincount(owner, minlength=len(row))
        target = run_places(self._start.take(row), left)
        for column in self._columns.values():
            column[target] = column[places[kept]]
        self.count[row] = left

    def _make_room(self, added: IntArray) -> None:
        needed = self.count + added
        row = np.flatnonzero(needed > self._room)
        if not row.size:
            return
        room = np.maximum(2 * needed.take(row), _LEAST_ROOM)
        end = self._used + int(room.sum())
        if end > self.capacity:
            self._extend(max(end, 2 * self.capacity))
        old, start = self.places(row), self._used + np.cumsum(room) - room
        new = run_places(start, self.count.take(row))
        for column in self._columns.values():
            column[new] = column[old]
        self._start[row], self._room[row], self._used = start, room, end

    def _extend(self, capacity: int) -> None:
        for name, column in self._columns.items():
            longer = np.zeros((capacity, *column.shape[1:]), column.dtype)
            longer[: len(column)] = column
            self._columns[name] = longer


def run_places(first: IntArray, count: IntArray) -> IntArray:
    """Return the places of runs of neighbours, one run after the other: ``count`` places from ``first`` each."""
    return np.repeat(first, count) + _ranks(count)


def _ranks(counts: IntArray) -> IntArray:
    """Return 0, 1, … for each count, one run after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) - np.repeat(ends - counts, counts)
