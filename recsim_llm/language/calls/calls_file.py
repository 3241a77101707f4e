"""The SQLite file of a run's calls: its tables, and how it is found, opened and told damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from recsim_llm.errors import ConfigError, LogError

__all__ = ["CALLS_FILES", "FILE_NAME", "damaged", "find_calls", "open_calls", "open_writer"]

FILE_NAME = "calls.sqlite"
"""Name of the file in a run folder."""
CALLS_FILES = (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm")
"""The same, and the files that SQLite keeps beside it while it is written."""

_VERSION = 1
_CHECKPOINT_PAGES = 10_000
_TABLES = """
CREATE TABLE IF NOT EXISTS parts (hash TEXT PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, role TEXT NOT NULL, model TEXT NOT NULL, realisation TEXT NOT NULL,
    form TEXT NOT NULL, parts TEXT NOT NULL, questions TEXT NOT NULL, nonce TEXT NOT NULL, subject TEXT NOT NULL,
    attempt INTEGER NOT NULL, status TEXT NOT NULL CHECK (status IN ('answered', 'failed')), cause TEXT NOT NULL, reply TEXT,
    prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER, seconds REAL, cost REAL,
    cache_hit INTEGER NOT NULL, started TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS notes (model TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (model, name));
CREATE INDEX IF NOT EXISTS answers ON calls (key) WHERE status = 'answered' AND reply IS NOT NULL;
"""


def open_calls(path: Path) -> sqlite3.Connection:
    """Open a calls file, or that of a run folder, for reading only.

    A file that nobody is writing is opened as it is, which also works in a folder that cannot be written and leaves nothing
    behind; one that has a write-ahead log beside it is read together with that.

    Raises:
        ConfigError: it does not exist.
        LogError: it is damaged or is no calls file.
    """
    place = find_calls(path)
    mode = "mode=ro" if place.with_name(place.name + "-wal").exists() else "mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(f"{place.as_uri()}?{mode}", uri=True, check_same_thread=False)
    except sqlite3.Error as error:
        raise damaged(place, error) from error
    try:
        _check_version(connection, place, allow_new=False)
    except sqlite3.Error as error:
        connection.close()
        raise damaged(place, error) from error
    except LogError:
        connection.close()
        raise
    return connection


def find_calls(path: Path) -> Path:
    """Return the calls file of a run folder, or the file itself.

    Raises:
        ConfigError: there is none.
    """
    place = (path / FILE_NAME if path.is_dir() else path).resolve()
    if not place.is_file():
        raise ConfigError(f"calls: got {path} without recorded calls, expected a run folder or a {FILE_NAME}")
    return place


def open_writer(path: Path | None) -> sqlite3.Connection:
    """Open a calls file to be written, made where there is none; without a path one in memory.

    Raises:
        LogError: it is damaged, is no calls file, or cannot be made.
    """
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    except (sqlite3.Error, OSError) as error:
        raise damaged(path, error) from error
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        _check_version(connection, path, allow_new=True)
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
    except sqlite3.Error as error:
        connection.close()
        raise damaged(path, error) from error
    except LogError:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, path: Path | None, *, allow_new: bool) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    new = allow_new and not version and not tables
    if version != _VERSION and not new:
        raise LogError(f"{path}: got calls of format {version}, expected {_VERSION}; use the version that wrote them")


def damaged(path: Path | None, error: Exception) -> LogError:
    """Return what is to be raised where a calls file cannot be read or written."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        expected = "expected a file that no other program holds; what is in it is kept: close the other program and go on"
        return LogError(f"{path}: got {error}, {expected}", passing=True)
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        expected = "expected a disk with room; what is in the file is kept: make room and go on"
        return LogError(f"{path}: got {error}, {expected}", passing=True)
    return LogError(f"{path}: got {error}, expected a calls file that can be read and written; restore it or move it away")
