"""The tables of a run folder as Arrow datasets, for whoever asks questions of them: the log's, those beside it, and the calls.

Of the log exactly the files count that its index names. Nothing is read here but the columns' names and types; the calls of
language models, which are in SQLite, are written out as Parquet into a folder of the asker's when they are wanted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from recsim_llm.language.calls.calls_file import FILE_NAME, damaged, open_calls
from recsim_llm.log.folder_tables import Dataset, open_folder_tables, write_dataset

__all__ = ["CALL_TABLES", "RunTablesOnDisk", "open_run_tables"]

_BATCH = 5_000
_CALLS = pa.schema(
    [
        ("id", pa.int64()),
        ("key", pa.string()),
        ("role", pa.string()),
        ("model", pa.string()),
        ("elicitation", pa.string()),
        ("form", pa.string()),
        ("parts", pa.list_(pa.string())),
        ("questions", pa.string()),
        ("nonce", pa.string()),
        ("subject", pa.string()),
        ("attempt", pa.int64()),
        ("status", pa.string()),
        ("cause", pa.string()),
        ("reply", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("seconds", pa.float64()),
        ("cost", pa.float64()),
        ("cache_hit", pa.bool_()),
        ("started", pa.string()),
    ]
)
_PARTS = pa.schema([("hash", pa.string()), ("name", pa.string()), ("text", pa.string())])
CALL_TABLES = {"calls": _CALLS, "parts": _PARTS}
"""The tables of ``calls.sqlite`` and their columns: calls, and the parts of prompts, by hashes that ``calls.parts`` holds."""
_SELECT = {
    "calls": "SELECT id, lower(hex(key)), role, model, realisation, form, parts, questions, nonce, subject, attempt, status, "
    "cause, reply, prompt_tokens, cached_tokens, completion_tokens, seconds, cost, cache_hit, started FROM calls ORDER BY id",
    "parts": "SELECT hash, name, text FROM parts ORDER BY hash",
}
_COUNT = {"calls": "SELECT count(*) FROM calls", "parts": "SELECT count(*) FROM parts"}


@dataclass(frozen=True, kw_only=True, eq=False)
class RunTablesOnDisk:
    """The tables of one run."""

    folder: Path
    """The run folder."""
    datasets: dict[str, Dataset]
    """By name, those that are Parquet."""
    has_calls: bool
    """Whether there are calls of language models besides."""
    notes: tuple[str, ...]
    """What of the run was read, where that is not all of a finished run."""

    def count_calls(self, table: str) -> int:
        """Return how many rows a table of ``CALL_TABLES`` has.

        Raises:
            LogError: the file is damaged.
        """
        with closing(open_calls(self.folder)) as connection:
            try:
                return int(connection.execute(_COUNT[table]).fetchone()[0])
            except sqlite3.Error as error:
                raise damaged(self.folder / FILE_NAME, error) from error

    def write_calls(self, table: str, path: Path) -> Dataset:
        """Write a table of ``CALL_TABLES`` as Parquet, a few thousand rows in memory at a time.

        Raises:
            LogError: the file is damaged.
        """
        schema = CALL_TABLES[table]
        with closing(open_calls(self.folder)) as connection:
            try:
                return write_dataset(path, schema, _parts(connection, table, schema))
            except (sqlite3.Error, pa.ArrowException, ValueError) as error:
                raise damaged(self.folder / FILE_NAME, error) from error


def open_run_tables(run: Path) -> RunTablesOnDisk:
    """Open the tables of a run folder, finished or not.

    Raises:
        LogError: the folder is no run, or a file of it is missing or damaged.
    """
    datasets, notes = open_folder_tables(run)
    return RunTablesOnDisk(folder=run, datasets=datasets, has_calls=(run / FILE_NAME).is_file(), notes=notes)


def _parts(connection: sqlite3.Connection, table: str, schema: pa.Schema) -> Iterator[pa.Table]:
    found = connection.execute(_SELECT[table])
    while rows := found.fetchmany(_BATCH):
        columns = dict(zip(schema.names, map(list, zip(*rows, strict=True)), strict=True))
        if table == "calls":
            columns["parts"] = [json.loads(hashes) for hashes in columns["parts"]]
            columns["cache_hit"] = [bool(hit) for hit in columns["cache_hit"]]
        yield pa.table(columns, schema=schema)
