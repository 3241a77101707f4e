"""The log page by page: batches of impressions as grids of pages and positions, whatever the size of files and batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recsim_llm.errors import LogError
from recsim_llm.metrics.item_tables import RunTables, rows_of

__all__ = ["BATCH_ROWS", "LogReader", "PageBatch", "PageRows"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
_Columns = dict[str, npt.NDArray[Any]]

BATCH_ROWS = 1 << 17
"""Rows read at a time; results do not depend on it."""
_KEY = ("arm", "user", "visit", "page")
_OPINIONS = ("examined", "examine_prob", "clicked", "watched", "rating", "liked")


class PageRows(NamedTuple):
    """Rows of the table of pages."""

    cell: IntArray
    """int64 [p]: arm and user, ``arm * users + row of the user``."""
    clicks: IntArray
    """int64 [p]."""
    invalid: IntArray
    """int64 [p]: invalid slots."""
    satisfaction: FloatArray
    """float64 [p], NaN where unknown."""


class PageBatch(NamedTuple):
    """Pages with their slots; every page is whole."""

    arm: IntArray
    """int64 [p]: number of the arm in the manifest."""
    cell: IntArray
    """int64 [p]: as in ``PageRows``."""
    first: BoolArray
    """bool [p]: first page of the user's first visit."""
    item: IntArray
    """int64 [p, k]: row in the table of items, -1 where the slot is blank."""
    examined: FloatArray
    """float64 [p, k], 0 or 1, NaN where unknown."""
    examine_prob: FloatArray
    """float64 [p, k], NaN where unknown."""
    clicked: BoolArray
    """bool [p, k]."""
    watched: FloatArray
    """float64 [p, k], 0 to 1, NaN where unknown."""
    rating: FloatArray
    """float64 [p, k], stars, NaN where there is none."""
    liked: FloatArray
    """float64 [p, k], 0 or 1, NaN where unknown."""


class LogReader:
    """Reads a run's log in order.

    Args:
        run: the run folder.
        tables: its tables.
        arms: names of the recommenders, as in the manifest.
        slots: slots a page.
        batch_rows: rows read at a time.
    """

    def __init__(self, run: Path, tables: RunTables, arms: Sequence[str], slots: int, *, batch_rows: int = BATCH_ROWS) -> None:
        self._run, self._tables, self._arms, self._slots = run, tables, list(arms), slots
        self._batch_rows = batch_rows

    def pages(self) -> Iterator[PageRows]:
        """Yield the table of pages.

        Raises:
            LogError: it cannot be read or does not fit the manifest and the tables.
        """
        for batch in self._batches("pages", ["arm", "user_id", "clicks", "invalid_slots", "satisfaction"]):
            cell = self._arm(batch) * len(self._tables.user_id) + self._user(batch)
            clicks, invalid = (np.nan_to_num(_numbers(batch, name)).astype(np.int64) for name in ("clicks", "invalid_slots"))
            yield PageRows(cell, clicks, invalid, _numbers(batch, "satisfaction"))

    def impressions(self) -> Iterator[PageBatch]:
        """Yield the table of impressions by pages; what a batch cuts is kept for the next one, so memory holds one batch.

        Raises:
            LogError: it cannot be read or does not fit the manifest and the tables.
        """
        waiting: _Columns | None = None
        for batch in self._batches("impressions", ["arm", "user_id", "visit", "page", "position", "item_id", *_OPINIONS]):
            columns = self._columns(batch)
            if waiting is not None:
                columns = {name: np.concatenate([waiting[name], column]) for name, column in columns.items()}
            cut = int(_starts(columns)[-1]) if len(columns["arm"]) else 0
            waiting = {name: column[cut:] for name, column in columns.items()}
            if cut:
                yield self._grid({name: column[:cut] for name, column in columns.items()})
        if waiting is not None and len(waiting["arm"]):
            yield self._grid(waiting)

    def _columns(self, batch: pa.RecordBatch) -> _Columns:
        columns: _Columns = {"arm": self._arm(batch), "user": self._user(batch), "item": self._item(batch)}
        for name in ("visit", "page", "position"):
            columns[name] = batch.column(name).to_numpy(zero_copy_only=False).astype(np.int64)
        position = columns["position"]
        if len(position) and not 0 <= position.min() <= position.max() < self._slots:
            raise LogError(f"{self._run}: got a position outside 0 to {self._slots - 1}; is the manifest this run's?")
        return columns | {name: _numbers(batch, name) for name in _OPINIONS}

    def _grid(self, columns: _Columns) -> PageBatch:
        start = _starts(columns)
        row = np.repeat(np.arange(len(start)), np.diff(np.append(start, len(columns["arm"]))))
        place = row * self._slots + columns["position"]
        shape = (len(start), self._slots)

        def spread(name: str, fill: float) -> npt.NDArray[Any]:
            grid = np.full(shape, fill, columns[name].dtype)
            grid.reshape(-1)[place] = columns[name]
            return grid

        arm, user = columns["arm"][start], columns["user"][start]
        opinions = {name: spread(name, np.nan) for name in _OPINIONS}
        return PageBatch(
            arm=arm,
            cell=arm * len(self._tables.user_id) + user,
            first=(columns["visit"][start] == 0) & (columns["page"][start] == 0),
            item=spread("item", -1),
            **opinions | {"clicked": opinions["clicked"] == 1.0},
        )

    def _arm(self, batch: pa.RecordBatch) -> IntArray:
        column = batch.column("arm")
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        names = column.dictionary.to_pylist()
        number = np.array([self._arms.index(name) if name in self._arms else -1 for name in names], np.int64)
        arm: IntArray = number[column.indices.to_numpy(zero_copy_only=False)]
        if len(arm) and arm.min() < 0:
            raise LogError(f"{self._run}: got rows of another arm than the manifest's, expected {', '.join(self._arms)}")
        return arm

    def _user(self, batch: pa.RecordBatch) -> IntArray:
        return rows_of(batch.column("user_id").to_numpy(zero_copy_only=False), self._tables.user_id, f"{self._run}: user")

    def _item(self, batch: pa.RecordBatch) -> IntArray:
        item = batch.column("item_id").to_numpy(zero_copy_only=False)
        row = np.full(len(item), -1, np.int64)
        row[item >= 0] = rows_of(item[item >= 0], self._tables.item_id, f"{self._run}: item")
        return row

    def _batches(self, table: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
        for path in sorted((self._run / table).glob("*.parquet")):
            try:
                with pq.ParquetFile(path) as file:
                    missing = set(columns) - set(file.schema_arrow.names)
                    if missing:
                        raise LogError(f"{path}: got no column {min(missing)!r}, expected {', '.join(columns)}")
                    yield from file.iter_batches(batch_size=self._batch_rows, columns=columns)
            except (pa.ArrowException, OSError) as error:
                raise LogError(f"{path}: cannot be read as Parquet ({error}); restore the file or start a new run") from error


def _starts(columns: _Columns) -> IntArray:
    """Return the first row of each page."""
    changed = np.ones(len(columns["arm"]), np.bool_)
    for number, name in enumerate(_KEY):
        differs = columns[name][1:] != columns[name][:-1]
        changed[1:] = differs if number == 0 else changed[1:] | differs
    return np.flatnonzero(changed)


def _numbers(batch: pa.RecordBatch, name: str) -> FloatArray:
    """Return a column as float64 with NaN for null."""
    values: FloatArray = batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values
