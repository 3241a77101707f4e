"""The log page by page: batches of impressions as grids of pages and positions, whatever the size of files and batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray
from recsim_llm.errors import LogError
from recsim_llm.log.columns import Columns, integers, numbers, words
from recsim_llm.log.reader import RunReader
from recsim_llm.metrics.item_tables import RunTables, find_rows

__all__ = ["EventRows", "PageBatch", "PageReader", "PageRows", "VisitRows"]


_KEY = ("arm", "user", "visit", "page")
_OPINIONS = ("examined", "examine_prob", "clicked", "watched", "rating", "liked")


class PageRows(NamedTuple):
    """Rows of the table of pages."""

    cell: IntArray
    """int64 [p]: arm and user, ``arm * users + row of the user``."""
    visit: IntArray
    """int64 [p]."""
    page: IntArray
    """int64 [p]: number of the page within its visit."""
    clicks: IntArray
    """int64 [p]."""
    invalid: IntArray
    """int64 [p]: invalid slots."""
    reward: DoubleArray
    """float64 [p]."""
    satisfaction: DoubleArray
    """float64 [p], NaN where unknown."""
    trust: DoubleArray
    """float64 [p]: how much the user trusts words on pages, NaN in runs where nobody reads any."""


class VisitRows(NamedTuple):
    """Rows of the table of visits."""

    cell: IntArray
    """int64 [v]: as in ``PageRows``."""
    visit: IntArray
    """int64 [v]."""
    day: IntArray | None
    """int64 [v]: day on which it was; None in runs without a clock."""
    pages: IntArray
    """int64 [v]."""
    returned: DoubleArray
    """float64 [v]: 1 where another visit followed, 0 where none did, NaN where none could."""


class EventRows(NamedTuple):
    """Rows of the table of events."""

    cell: IntArray
    """int64 [e]: as in ``PageRows``."""
    visit: IntArray
    """int64 [e]: -1 where it was in none."""
    day: IntArray
    """int64 [e]."""
    event: TextArray
    """str [e]: its name."""


class PageBatch(NamedTuple):
    """Pages with their slots; every page is whole."""

    arm: IntArray
    """int64 [p]: number of the arm in the manifest."""
    cell: IntArray
    """int64 [p]: as in ``PageRows``."""
    visit: IntArray
    """int64 [p]."""
    page: IntArray
    """int64 [p]: number of the page within its visit."""
    first: BoolArray
    """bool [p]: first page of the user's first visit."""
    item: IntArray
    """int64 [p, k]: row in the table of items, -1 where the slot is blank."""
    examined: DoubleArray
    """float64 [p, k], 0 or 1, NaN where unknown."""
    examine_prob: DoubleArray
    """float64 [p, k], NaN where unknown."""
    clicked: BoolArray
    """bool [p, k]."""
    watched: DoubleArray
    """float64 [p, k], 0 to 1, NaN where unknown."""
    rating: DoubleArray
    """float64 [p, k], stars, NaN where there is none."""
    liked: DoubleArray
    """float64 [p, k], 0 or 1, NaN where unknown."""


class PageReader:
    """Reads a run's log in order, page by page.

    Args:
        run: the run.
        tables: its tables.
        batch_rows: rows read at a time; None takes the log's own number.
    """

    def __init__(self, run: RunReader, tables: RunTables, *, batch_rows: int | None = None) -> None:
        self._run, self._tables, self._slots = run, tables, run.slate_size
        self._batch_rows = batch_rows

    def pages(self) -> Iterator[PageRows]:
        """Yield the table of pages.

        Raises:
            LogError: it cannot be read or does not fit the manifest and the tables.
        """
        worded = (self._run.manifest.get("settings") or {}).get("presentation") is not None
        names = ["arm", "user_id", "visit", "page", "clicks", "invalid_slots", "reward", "satisfaction"]
        names += ["trust"] if worded else []
        for batch in self._run.batches("pages", names, rows=self._batch_rows):
            clicks, invalid = (np.nan_to_num(numbers(batch, name)).astype(np.int64) for name in ("clicks", "invalid_slots"))
            yield PageRows(
                cell=self._cell(batch),
                visit=integers(batch, "visit"),
                page=integers(batch, "page"),
                clicks=clicks,
                invalid=invalid,
                reward=numbers(batch, "reward"),
                satisfaction=numbers(batch, "satisfaction"),
                trust=numbers(batch, "trust") if worded else np.full(len(clicks), np.nan),
            )

    def visits(self, *, days: bool) -> Iterator[VisitRows]:
        """Yield the table of visits.

        Args:
            days: whether the run has a clock, so that it says on which day each visit was.

        Raises:
            LogError: it cannot be read or does not fit the manifest and the tables.
        """
        names = ["arm", "user_id", "visit", "pages", "returned", *(["day"] if days else [])]
        for batch in self._run.batches("visits", names, rows=self._batch_rows):
            yield VisitRows(
                cell=self._cell(batch),
                visit=integers(batch, "visit"),
                day=integers(batch, "day") if days else None,
                pages=integers(batch, "pages"),
                returned=numbers(batch, "returned"),
            )

    def events(self, events: Collection[str]) -> Iterator[EventRows]:
        """Yield the rows of the table of events that are of some events and of a user; none in runs without a clock.

        Raises:
            LogError: it cannot be read or does not fit the manifest and the tables.
        """
        for batch in self._run.batches("events", ["arm", "user_id", "visit", "day", "event"], rows=self._batch_rows):
            event = words(batch, "event")
            mine = np.isin(event, list(events)) & (integers(batch, "user_id") >= 0)
            kept = batch.filter(pa.array(mine))
            yield EventRows(self._cell(kept), integers(kept, "visit"), integers(kept, "day"), event[mine])

    def impressions(self) -> Iterator[PageBatch]:
        """Yield the table of impressions by pages; what a batch cuts is kept for the next one, so memory holds one batch.

        Raises:
            LogError: it cannot be read or does not fit the manifest and the tables.
        """
        waiting: Columns | None = None
        names = ["arm", "user_id", "visit", "page", "position", "item_id", *_OPINIONS]
        for batch in self._run.batches("impressions", names, rows=self._batch_rows):
            columns = self._columns(batch)
            if waiting is not None:
                columns = {name: np.concatenate([waiting[name], column]) for name, column in columns.items()}
            cut = int(_starts(columns)[-1]) if len(columns["arm"]) else 0
            waiting = {name: column[cut:] for name, column in columns.items()}
            if cut:
                yield self._grid({name: column[:cut] for name, column in columns.items()})
        if waiting is not None and len(waiting["arm"]):
            yield self._grid(waiting)

    def _columns(self, batch: pa.RecordBatch) -> Columns:
        columns: Columns = {"arm": self._run.arm_numbers(batch), "user": self._user(batch), "item": self._item(batch)}
        for name in ("visit", "page", "position"):
            columns[name] = integers(batch, name)
        position = columns["position"]
        if len(position) and not 0 <= position.min() <= position.max() < self._slots:
            wrong = position.min() if position.min() < 0 else position.max()
            raise LogError(
                f"{self._run.folder}: got position {wrong}, expected 0 to {self._slots - 1} by the manifest; restore the "
                "manifest that this log was written with, or start a new run"
            )
        return columns | {name: numbers(batch, name) for name in _OPINIONS}

    def _grid(self, columns: Columns) -> PageBatch:
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
            visit=columns["visit"][start],
            page=columns["page"][start],
            first=(columns["visit"][start] == 0) & (columns["page"][start] == 0),
            item=spread("item", -1),
            **opinions | {"clicked": opinions["clicked"] == 1.0},
        )

    def _cell(self, batch: pa.RecordBatch) -> IntArray:
        cell: IntArray = self._run.arm_numbers(batch) * len(self._tables.user_id) + self._user(batch)
        return cell

    def _user(self, batch: pa.RecordBatch) -> IntArray:
        return find_rows(integers(batch, "user_id"), self._tables.user_id, f"{self._run.folder}: user")

    def _item(self, batch: pa.RecordBatch) -> IntArray:
        item = integers(batch, "item_id")
        row = np.full(len(item), -1, np.int64)
        row[item >= 0] = find_rows(item[item >= 0], self._tables.item_id, f"{self._run.folder}: item")
        return row


def _starts(columns: Columns) -> IntArray:
    """Return the first row of each page."""
    changed = np.ones(len(columns["arm"]), np.bool_)
    for number, name in enumerate(_KEY):
        differs = columns[name][1:] != columns[name][:-1]
        changed[1:] = differs if number == 0 else changed[1:] | differs
    return np.flatnonzero(changed)
