"""The tables of a run folder as Arrow datasets: those of the log, by the files that its index names, and those beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from recsim_llm.errors import LogError
from recsim_llm.log.folders import TABLES
from recsim_llm.log.reader import RunReader, open_run

__all__ = ["Dataset", "open_folder_tables", "write_dataset"]

Dataset: TypeAlias = ds.Dataset
"""A table in files, of which nothing is read until it is asked for."""


def open_folder_tables(run: Path) -> tuple[dict[str, Dataset], tuple[str, ...]]:
    """Open the tables of a run folder, finished or not; nothing is read but the columns' names and types.

    Returns:
        The tables by name; and what of the run is in them, where that is not all of a finished run.

    Raises:
        LogError: the folder is no run, or a file of it is missing or damaged.
    """
    log = open_run(run)
    files = {table: [log.folder / one.files[table] for one in log.segments if table in one.files] for table in TABLES}
    beside = {path.stem: [path] for path in sorted(run.glob("*.parquet"))}
    return {name: _dataset(paths) for name, paths in {**beside, **files}.items() if paths}, tuple(_notes(log, files))


def write_dataset(path: Path, schema: pa.Schema, parts: Iterator[pa.Table]) -> Dataset:
    """Write a table into a file, part by part, and open it."""
    with pq.ParquetWriter(path, schema) as writer:
        for part in parts:
            writer.write_table(part)
    written: Dataset = ds.dataset(path)
    return written


def _notes(log: RunReader, files: dict[str, list[Path]]) -> list[str]:
    notes = []
    if not log.indexed:
        notes.append("no index of segments: every file of the log is read")
    if waiting := [arm for arm in log.arms if arm not in log.finished_arms]:
        rows = ", ".join(f"{arm} ({log.count_rows('pages', arm):,} pages so far)" for arm in waiting)
        notes.append(f"not finished: {rows}")
    named = {path for paths in files.values() for path in paths}
    strays = [path for table in TABLES for path in (log.folder / table).glob("*.parquet") if path not in named]
    if strays:
        notes.append(f"left out: {len(strays)} files that the index does not name, as a kill leaves them")
    return notes


def _dataset(paths: list[Path]) -> ds.Dataset:
    """Return files as one table, of all of their columns; words are plain texts, whatever they are encoded by."""
    schemas = []
    for path in paths:
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise LogError(f"{path}: cannot be read as Parquet ({error}); restore the file or start a new run") from error
        schemas.append(pa.schema([field.with_type(_plain(field.type)) for field in schema]))
    try:
        return ds.dataset([str(path) for path in paths], schema=pa.unify_schemas(schemas), format="parquet")
    except pa.ArrowException as error:
        raise LogError(
            f"{paths[0].parent}: got files of different columns ({error}), expected the same; restore them"
        ) from error


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
