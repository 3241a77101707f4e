"""Reading a run folder: what its index of segments names, and nothing else; nothing on disk is changed.

A run that was killed between two files of a segment leaves files that no line of the index names. They are no part of the log:
every number about a run comes from here, so that all of them are about the same rows. A log without an index, as tools write,
is taken for whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.errors import LogError
from recsim_llm.log.columns import Columns, plain
from recsim_llm.log.folders import TABLES
from recsim_llm.log.manifest import read_manifest
from recsim_llm.log.segments import Segment, check_segments, read_segments

if TYPE_CHECKING:
    import pyarrow as pa

    from recsim_llm.log.own_ids import KeyTable

__all__ = ["BATCH_ROWS", "RunReader", "open_run"]


BATCH_ROWS = 1 << 17
"""Rows read at a time; no result depends on it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunReader:
    """The log of a run as it was when it was opened; ``open_run`` makes one."""

    folder: Path
    """The run folder."""
    manifest: Mapping[str, Any]
    """Content of ``manifest.json``."""
    segments: tuple[Segment, ...]
    """Finished segments, by arm and number."""
    indexed: bool
    """Whether there is an index of segments; without one every file counts and every arm is finished."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms, in the order of the manifest."""
        return tuple(str(name) for name in self.manifest["arms"])

    @property
    def slate_size(self) -> int:
        """Slots a page."""
        return int(self.manifest["slate_size"])

    @property
    def max_pages(self) -> int:
        """Page budget of a visit."""
        return int(self.manifest["max_pages"])

    @property
    def discount(self) -> float:
        """What a reward one page later is worth; 1 where the manifest says nothing."""
        return float((self.manifest.get("settings") or {}).get("discount", 1.0))

    @property
    def begun_arms(self) -> tuple[str, ...]:
        """Arms with at least one finished segment."""
        return tuple(arm for arm in self.arms if any(segment.arm in (arm, None) for segment in self.segments))

    @property
    def finished_arms(self) -> tuple[str, ...]:
        """Arms whose last segment is there."""
        last = {segment.arm for segment in self.segments if segment.last}
        return tuple(arm for arm in self.arms if arm in last or not self.indexed)

    def split(self, arm: str) -> Iterator[RunReader]:
        """Yield a reader for each segment of an arm."""
        for segment in self.segments:
            if segment.arm in (arm, None):
                yield replace(self, segments=(segment,))

    def count_rows(self, table: str, arm: str) -> int:
        """Return how many rows of a table an arm has; where there is no index, how many all arms have together."""
        return sum(self._rows_of(segment, table) for segment in self.segments if segment.arm in (arm, None))

    def _rows_of(self, segment: Segment, table: str) -> int:
        if table in segment.rows or table not in segment.files:
            return segment.rows.get(table, 0)
        # Heavy, and rooms that read logs must load without it.
        import pyarrow.parquet as pq

        rows: int = pq.read_metadata(self.folder / segment.files[table]).num_rows
        return rows

    @cached_property
    def own_ids(self) -> Mapping[str, KeyTable | None]:
        """Tables of the data's own ids, ``item_key`` and ``user_key``; None where the folder has none.

        Raises:
            LogError: one cannot be read.
        """
        # Heavy, and rooms that read logs must load without it.
        from recsim_llm.log.own_ids import OWN_IDS, read_keys

        return {name: read_keys(self.folder, name) for name in OWN_IDS}

    def batches(
        self,
        table: str,
        names: Sequence[str],
        *,
        arm: str | None = None,
        among: Mapping[str, IntArray] | None = None,
        rows: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table in the order in which they were written; one batch is in memory.

        Args:
            table: ``impressions``, ``pages`` or ``visits``.
            names: columns wanted; ``item_key`` and ``user_key`` are the data's own ids, as texts, from the tables beside the
                log, null for a blank slot.
            arm: the only arm wanted; None takes all.
            among: column to the values wanted in it, int64 each; None takes every row.
            rows: rows read at a time; None takes ``BATCH_ROWS``.

        Raises:
            LogError: a file cannot be read, or lacks a column, or an id is in no table.
        """
        # Heavy, and rooms that read logs must load without it.
        from recsim_llm.log.own_ids import OWN_IDS, add_keys

        keys = {name: self.own_ids[name] for name in names if name in OWN_IDS}
        stored = [*(name for name in names if name not in keys), *(OWN_IDS[name][1] for name in keys)]
        for segment in self.segments:
            if arm is not None and segment.arm not in (arm, None):
                continue
            where: dict[str, Any] = dict(among or {})
            if arm is not None and segment.arm is None:
                where["arm"] = [arm]
            if table in segment.files:
                for batch in _batches(self.folder / segment.files[table], table, stored, [*where], rows=rows or BATCH_ROWS):
                    yield add_keys(_filtered(batch, where), keys).select([*names])

    def columns(
        self, table: str, names: Sequence[str], *, arm: str | None = None, among: Mapping[str, IntArray] | None = None
    ) -> Columns:
        """Return whole columns of a table, [n] each, with the types of ``recsim_llm.log.columns.plain``.

        Args:
            table: as in ``batches``.
            names: as in ``batches``.
            arm: as in ``batches``.
            among: as in ``batches``.

        Raises:
            LogError: as in ``batches``.
        """
        import pyarrow as pa

        from recsim_llm.log.own_ids import OWN_IDS
        from recsim_llm.log.schema import SCHEMAS

        batches = list(self.batches(table, names, arm=arm, among=among))
        empty = pa.schema([pa.field(n, pa.string()) if n in OWN_IDS else SCHEMAS[table].field(n) for n in names])
        whole = pa.Table.from_batches(batches) if batches else empty.empty_table()
        return {name: plain(whole.column(name)) for name in names}

    def arm_numbers(self, batch: pa.RecordBatch) -> IntArray:
        """Return int64 [n]: the number in ``arms`` of each row's arm.

        Raises:
            LogError: a row is of none of them.
        """
        import pyarrow as pa

        column = batch.column("arm")
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        arms, names = self.arms, column.dictionary.to_pylist()
        code = column.indices.to_numpy(zero_copy_only=False)
        unknown = {names[i] for i in np.unique(code).astype(int)} - set(arms) if column.null_count == 0 else {None}
        if unknown:
            expected = ", ".join(arms)
            raise LogError(
                f"{self.folder}: got rows of arm {unknown.pop()!r}, expected one of manifest.json: {expected}; restore the "
                "folder"
            )
        number = [arms.index(name) if name in arms else -1 for name in names]
        numbers: IntArray = np.asarray(number, dtype=np.int64)[code]
        return numbers


def open_run(run: str | PathLike[str]) -> RunReader:
    """Open a run folder for reading, finished or not, and see to it that what its index names is whole.

    Raises:
        LogError: the folder is no run, its index cannot be read, or a file is missing or damaged.
    """
    folder = Path(run)
    manifest, segments = read_manifest(folder), read_segments(folder)
    if segments is None:
        return RunReader(folder=folder, manifest=manifest, segments=_found(folder), indexed=False)
    check_segments(folder, segments)
    return RunReader(folder=folder, manifest=manifest, segments=segments, indexed=True)


def _found(run: Path) -> tuple[Segment, ...]:
    """Return the files of a log without an index, those of one name together."""
    names = sorted({path.name for table in TABLES for path in (run / table).glob("*.parquet")})
    found = []
    for number, name in enumerate(names):
        files = {table: f"{table}/{name}" for table in TABLES if (run / table / name).is_file()}
        found.append(Segment(arm=None, number=number, rows={}, files=files, sha256={}, last=True))
    return tuple(found)


def _batches(path: Path, table: str, names: list[str], more: list[str], *, rows: int) -> Iterator[pa.RecordBatch]:
    # Heavy, and rooms that read logs must load without it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    from recsim_llm.log.column_types import ids_of, refuse_nulls, refuse_other_types
    from recsim_llm.log.schema import SCHEMAS

    try:
        with pq.ParquetFile(path) as file:
            missing = set(names + more) - set(file.schema_arrow.names)
            if missing:
                raise LogError(f"{path}: got no column {min(missing)!r}, expected {', '.join(names)}")
            refuse_other_types(path, file.schema_arrow, SCHEMAS[table], names + more)
            for batch in file.iter_batches(batch_size=rows, columns=[*dict.fromkeys(names + more)]):
                refuse_nulls(path, batch, ids_of(SCHEMAS[table]))
                yield batch
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{path}: cannot be read as Parquet ({error}); restore the file or start a new run") from error


def _filtered(batch: pa.RecordBatch, where: Mapping[str, Any]) -> pa.RecordBatch:
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, values in where.items():
        column = batch.column(name)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        batch = batch.filter(pc.is_in(column.cast(kind), value_set=pa.array(values, kind)))
    return batch
