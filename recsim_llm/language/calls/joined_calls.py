"""Calls files of several processes made one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from recsim_llm.language.calls.calls_file import FILE_NAME, damaged, open_writer

__all__ = ["join_calls", "join_shards", "shard_files", "shard_name"]

_PREFIX = "calls-shard-"
_COLUMNS = (
    "key, role, model, realisation, form, parts, questions, nonce, subject, attempt, status, cause, reply, prompt_tokens, "
    "cached_tokens, completion_tokens, seconds, cost, cache_hit, started"
)
_JOINED = "joined"


def shard_name(number: int, token: str) -> str:
    """Return the name of a shard's calls file; the token tells files of different tries apart."""
    return f"{_PREFIX}{number:03d}-{token}.sqlite"


def shard_files(folder: Path) -> list[Path]:
    """Return the calls files that shards left in a run folder."""
    return sorted(folder.glob(f"{_PREFIX}*.sqlite"))


def join_calls(whole: Path, parts: Sequence[Path]) -> None:
    """Add the calls of files that nobody writes any more to a file, and remove them. Killed halfway, it can be done again.

    Args:
        whole: made where there is none.
        parts: files of calls.

    Raises:
        LogError: a file is damaged.
    """
    with closing(open_writer(whole)) as connection:
        for part in parts:
            try:
                _add(connection, part)
            except sqlite3.Error as error:
                raise damaged(part, error) from error
            for path in (part, part.with_name(part.name + "-wal"), part.with_name(part.name + "-shm")):
                path.unlink(missing_ok=True)


def join_shards(folder: Path) -> None:
    """Make the calls files that shards left in a run folder, and write no more, part of its own.

    Raises:
        LogError: a file is damaged.
    """
    files = shard_files(folder)
    if files:
        join_calls(folder / FILE_NAME, files)


def _add(connection: sqlite3.Connection, part: Path) -> None:
    # A killed writer leaves a write-ahead log, which whoever opens the file takes in.
    connection.execute("ATTACH ? AS part", (str(part),))
    try:
        known = connection.execute("SELECT count(*) FROM notes WHERE model = ? AND name = ?", (_JOINED, part.name)).fetchone()
        tables = connection.execute("SELECT count(*) FROM part.sqlite_schema WHERE name = 'calls'").fetchone()
        if known[0] or not tables[0]:
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT OR IGNORE INTO parts SELECT * FROM part.parts")
        connection.execute(f"INSERT INTO calls ({_COLUMNS}) SELECT {_COLUMNS} FROM part.calls ORDER BY id")
        connection.execute("INSERT OR IGNORE INTO notes SELECT * FROM part.notes")
        connection.execute("INSERT OR IGNORE INTO notes VALUES (?, ?, '')", (_JOINED, part.name))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.rollback()
        connection.execute("DETACH part")
