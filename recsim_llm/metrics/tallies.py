"""One pass over a run's log: sums by recommender and user, in memory that grows with users and items, never with rows.

The Parquet files are read batch by batch and only the columns needed; a log larger than memory works. What is kept:
the sums below an arm and user, clicks by position an arm and user, satisfaction by page an arm and user (first
``PAGE_LIMIT`` pages), and exposure counts an arm and item.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recsim_llm.errors import LogError

__all__ = ["PAGE_LIMIT", "Tally", "tally_log"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
_Columns = dict[str, npt.NDArray[Any]]

PAGE_LIMIT = 20
"""Pages of a visit, from the first, for which satisfaction is kept page by page."""
STAR_STEPS = 11
"""Bins of the rating histogram: 0, 0.5, ... 5 stars."""
SUMS = (
    *("visits", "visit_pages", "pages", "clicks", "reward", "satisfaction", "satisfaction_pages", "invalid_slots"),
    *("impressions", "impression_clicks", "stars", "rated", "liked", "judged", "watched", "watch_rows"),
    *("accounted_pages", "language_pages", "audited_pages", "disagreement", "compared_pages", "memories_dropped"),
)
"""Names of the sums an arm and user.

``impressions`` are slots that showed an item; ``satisfaction_pages``, ``rated``, ``judged`` and ``watch_rows`` count the rows
that hold a value behind ``satisfaction``, ``stars``, ``liked`` and ``watched``. ``accounted_pages`` are those of which the log
says who decided them, ``language_pages`` those that a language model did, ``audited_pages`` those that it was asked about
without deciding; ``disagreement`` is summed over ``compared_pages``, where two models were asked.
"""
_OPINIONS = (("rating", "stars", "rated"), ("liked", "liked", "judged"), ("watched", "watched", "watch_rows"))
_BATCH_ROWS = 1 << 17
_MERGE_ROWS = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """What the log amounts to; axes are arms in the manifest's order, then users by ascending id."""

    arms: tuple[str, ...]
    """Names of the recommenders."""
    user_id: IntArray
    """int64 [u]: users seen in any arm, ascending."""
    sums: dict[str, FloatArray]
    """float64 [arms, u] by the names in ``SUMS``."""
    shown_at: npt.NDArray[np.int32]
    """int32 [arms, u, k]: items shown at each position."""
    clicked_at: npt.NDArray[np.int32]
    """int32 [arms, u, k]: of them clicked."""
    satisfaction_at: FloatArray
    """float64 [arms, u, min(max_pages, PAGE_LIMIT)]: satisfaction after each page of a visit, summed over visits."""
    rows_at: npt.NDArray[np.int32]
    """int32, same shape: pages with a satisfaction."""
    visit_pages: IntArray
    """int64 [arms, max_pages + 1]: visits by their number of pages."""
    capped_visits: IntArray
    """int64 [arms]: visits that the page budget ended."""
    stars: IntArray
    """int64 [arms, STAR_STEPS]: ratings by half star."""
    exposures: tuple[IntArray, ...]
    """By arm, int64 [items shown]: exposures of each item that was shown at all."""


def tally_log(run: Path, *, arms: Sequence[str], slate_size: int, max_pages: int) -> Tally:
    """Add up a run's log.

    Args:
        run: run folder.
        arms: names of the recommenders, as in the manifest.
        slate_size: slots a page.
        max_pages: page budget of a visit.

    Raises:
        LogError: the log is empty, cannot be read, or does not fit these settings.
    """
    users = _Counts()
    for batch in _batches(run, "pages", ["user_id"]):
        users.add(batch.column("user_id").to_numpy(zero_copy_only=False))
    user_id, _ = users.merged()
    if len(user_id) == 0:
        raise LogError(f"{run}: got a log without pages, expected at least one; start or resume the run first")
    adder = _Adder(run, tuple(arms), user_id, slate_size, max_pages)
    adder.add_pages()
    adder.add_visits()
    adder.add_impressions()
    return adder.tally()


class _Counts:
    """Counts by key for keys that are not known beforehand; merges are rare, so adding costs the batch, not the table."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.int64)
        self._counts = np.empty(0, np.int64)
        self._pending: list[tuple[IntArray, IntArray]] = []
        self._waiting = 0

    def add(self, keys: IntArray) -> None:
        unique, counts = np.unique(keys, return_counts=True)
        self._pending.append((unique, counts))
        self._waiting += len(unique)
        if self._waiting > max(len(self._keys), _MERGE_ROWS):
            self.merged()

    def merged(self) -> tuple[IntArray, IntArray]:
        keys = np.concatenate([self._keys, *(keys for keys, _ in self._pending)])
        counts = np.concatenate([self._counts, *(counts for _, counts in self._pending)])
        self._keys, place = np.unique(keys, return_inverse=True)
        # float64 weights are exact for counts below 2**53.
        self._counts = np.bincount(place, weights=counts, minlength=len(self._keys)).astype(np.int64)
        self._pending, self._waiting = [], 0
        return self._keys, self._counts


class _Adder:
    """Holds the tables while the log goes by."""

    def __init__(self, run: Path, arms: tuple[str, ...], user_id: IntArray, slots: int, max_pages: int) -> None:
        self._run, self._arms, self._user_id = run, arms, user_id
        self._slots, self._max_pages = slots, max_pages
        cells, self._page_limit = len(arms) * len(user_id), min(max_pages, PAGE_LIMIT)
        self._sums = {name: np.zeros(cells) for name in SUMS}
        self._shown_at, self._clicked_at = np.zeros(cells * slots, np.int32), np.zeros(cells * slots, np.int32)
        self._satisfaction_at = np.zeros(cells * self._page_limit)
        self._rows_at = np.zeros(cells * self._page_limit, np.int32)
        self._visit_pages = np.zeros(len(arms) * (max_pages + 1), np.int64)
        self._capped = np.zeros(len(arms), np.int64)
        self._stars = np.zeros(len(arms) * STAR_STEPS, np.int64)
        self._exposures = [_Counts() for _ in arms]

    def add_pages(self) -> None:
        columns = ["arm", "user_id", "page", "clicks", "invalid_slots", "reward", "satisfaction"]
        columns += ["decided_by", "disagreement", "memories_dropped"]
        for batch in _batches(self._run, "pages", columns):
            _, cell = self._rows(batch)
            satisfaction = _numbers(batch, "satisfaction")
            known, ones = ~np.isnan(satisfaction), np.ones(len(cell))
            sums: _Columns = {name: _numbers(batch, name) for name in ("clicks", "invalid_slots", "reward")}
            sums |= {"pages": ones, "satisfaction": np.nan_to_num(satisfaction), "satisfaction_pages": known}
            self._add(cell, sums | _account(batch))
            page = self._within(batch, "page", self._max_pages)
            early = known & (page < self._page_limit)
            place = cell[early] * self._page_limit + page[early]
            _scatter(place, [(self._satisfaction_at, satisfaction[early]), (self._rows_at, ones[early])])

    def add_visits(self) -> None:
        for batch in _batches(self._run, "visits", ["arm", "user_id", "pages", "stop_reason"]):
            arm, cell = self._rows(batch)
            pages = self._within(batch, "pages", self._max_pages + 1)
            self._add(cell, {"visits": np.ones(len(cell)), "visit_pages": pages.astype(np.float64)})
            self._visit_pages += np.bincount(arm * (self._max_pages + 1) + pages, minlength=len(self._visit_pages))
            reason = np.asarray(batch.column("stop_reason").to_pylist(), dtype=object)
            self._capped += np.bincount(arm[reason == "max_pages"], minlength=len(self._arms))

    def add_impressions(self) -> None:
        columns = ["arm", "user_id", "position", "item_id", "clicked", "watched", "rating", "liked"]
        for batch in _batches(self._run, "impressions", columns):
            arm, cell = self._rows(batch)
            item = batch.column("item_id").to_numpy(zero_copy_only=False)
            shown, clicked = item >= 0, _numbers(batch, "clicked")
            sums: _Columns = {"impressions": shown, "impression_clicks": clicked}
            for column, total, rows in _OPINIONS:
                values = _numbers(batch, column)
                sums |= {total: np.nan_to_num(values), rows: ~np.isnan(values)}
            self._add(cell, sums)
            place = cell * self._slots + self._within(batch, "position", self._slots)
            _scatter(place, [(self._shown_at, shown), (self._clicked_at, clicked)])
            self._add_ratings(arm, _numbers(batch, "rating"))
            for number, counts in enumerate(self._exposures):
                counts.add(item[shown & (arm == number)])

    def tally(self) -> Tally:
        arms, users = len(self._arms), len(self._user_id)
        return Tally(
            arms=self._arms,
            user_id=self._user_id,
            sums={name: table.reshape(arms, users) for name, table in self._sums.items()},
            shown_at=self._shown_at.reshape(arms, users, self._slots),
            clicked_at=self._clicked_at.reshape(arms, users, self._slots),
            satisfaction_at=self._satisfaction_at.reshape(arms, users, self._page_limit),
            rows_at=self._rows_at.reshape(arms, users, self._page_limit),
            visit_pages=self._visit_pages.reshape(arms, -1),
            capped_visits=self._capped,
            stars=self._stars.reshape(arms, STAR_STEPS),
            exposures=tuple(counts.merged()[1] for counts in self._exposures),
        )

    def _rows(self, batch: pa.RecordBatch) -> tuple[IntArray, IntArray]:
        """Return for each row the number of its arm and of its cell (arm, user) in the tables."""
        arm = self._arm(batch)
        user = batch.column("user_id").to_numpy(zero_copy_only=False)
        index = np.minimum(np.searchsorted(self._user_id, user), len(self._user_id) - 1)
        stranger = user[self._user_id[index] != user]
        if len(stranger):
            raise LogError(
                f"{self._run}: got rows of user {stranger[0]}, who has no row in pages; restore the file or start a new run"
            )
        return arm, arm * len(self._user_id) + index

    def _arm(self, batch: pa.RecordBatch) -> IntArray:
        column = batch.column("arm")
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        names = column.dictionary.to_pylist()
        code = column.indices.to_numpy(zero_copy_only=False)
        unknown = {names[i] for i in np.unique(code).astype(int)} - set(self._arms) if column.null_count == 0 else {None}
        if unknown:
            expected = ", ".join(self._arms)
            raise LogError(f"{self._run}: got rows of arm {unknown.pop()!r}, expected one of the manifest's: {expected}")
        number = [self._arms.index(name) if name in self._arms else -1 for name in names]
        arms: IntArray = np.asarray(number, dtype=np.int64)[code]
        return arms

    def _within(self, batch: pa.RecordBatch, name: str, limit: int) -> IntArray:
        values: IntArray = batch.column(name).to_numpy(zero_copy_only=False).astype(np.int64)
        if len(values) and not 0 <= values.min() <= values.max() < limit:
            wrong = values.min() if values.min() < 0 else values.max()
            raise LogError(f"{self._run}: got {name} {wrong}, expected 0 to {limit - 1} by the manifest; is it this run's?")
        return values

    def _add(self, cell: IntArray, sums: _Columns) -> None:
        _scatter(cell, [(self._sums[name], values) for name, values in sums.items()])

    def _add_ratings(self, arm: IntArray, rating: FloatArray) -> None:
        rated = ~np.isnan(rating)
        step = np.rint(rating[rated] * 2.0).astype(np.int64)
        if len(step) and not 0 <= step.min() <= step.max() < STAR_STEPS:
            raise LogError(f"{self._run}: got a rating outside 0 to 5 stars; the log is damaged")
        self._stars += np.bincount(arm[rated] * STAR_STEPS + step, minlength=len(self._stars))


def _account(batch: pa.RecordBatch) -> _Columns:
    """Return the sums that say how decisions came about."""
    decider = np.asarray(batch.column("decided_by").to_pylist(), dtype=object)
    disagreement = _numbers(batch, "disagreement")
    return {
        "accounted_pages": decider != None,  # noqa: E711 - element by element
        "language_pages": decider == "language",
        "audited_pages": (decider == "choice") & ~np.isnan(disagreement),
        "disagreement": np.nan_to_num(disagreement),
        "compared_pages": ~np.isnan(disagreement),
        "memories_dropped": np.nan_to_num(_numbers(batch, "memories_dropped")),
    }


def _batches(run: Path, table: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for path in sorted((run / table).glob("*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                missing = set(columns) - set(file.schema_arrow.names)
                if missing:
                    raise LogError(f"{path}: got no column {min(missing)!r}, expected {', '.join(columns)}")
                yield from file.iter_batches(batch_size=_BATCH_ROWS, columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise LogError(f"{path}: cannot be read as Parquet ({error}); restore the file or start a new run") from error


def _numbers(batch: pa.RecordBatch, name: str) -> FloatArray:
    """Return a column as float64 with NaN for null."""
    values: FloatArray = batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _scatter(place: IntArray, columns: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> None:
    """Add each column's values to its table at ``place``; places may repeat."""
    unique, inverse = np.unique(place, return_inverse=True)
    for table, values in columns:
        added = np.bincount(inverse, weights=values, minlength=len(unique))
        table[unique] += added.astype(table.dtype)
