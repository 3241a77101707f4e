"""Questions in SQL to one or many runs, answered by DuckDB; needs the extra ``sql``.

DuckDB is given the tables as Arrow datasets and nothing else: it may open no file and no connection, load no extension, and
its configuration is locked before the first question. A question is one ``SELECT``; nothing can be written, since there is no
table that is its own. So a question that takes more than memory is refused: nothing is put on disk meanwhile.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from recsim_llm.errors import ConfigError
from recsim_llm.exports.sql_tables import CALL_TABLES, RunTablesOnDisk, open_run_tables
from recsim_llm.recommenders.optional_packages import import_for

__all__ = ["Answer", "RunDatabase", "TableOutline", "open_database"]

_LOCKED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
}
_ROWS = 4_096
_ANSWERED = ("SELECT", "EXPLAIN")
_SHORTEST = "SELECT arm, avg(clicks) FROM pages GROUP BY arm"


@dataclass(frozen=True, kw_only=True)
class TableOutline:
    """What there is to ask of."""

    name: str
    """Of the table."""
    rows: int
    """In all runs together."""
    columns: tuple[str, ...]
    """Their names."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a question brought."""

    columns: tuple[tuple[str, str], ...]
    """Name and type of each column."""
    rows: Iterator[tuple[Any, ...]]
    """Rows of plain values, as they come; None for null and for what is no number."""


class RunDatabase:
    """The tables of some runs; ``open_database`` makes one. A context that gives back what it holds.

    Args:
        runs: by what each run is called.
    """

    def __init__(self, runs: dict[str, RunTablesOnDisk]) -> None:
        self._runs, self._opened = runs, ExitStack()
        self._duckdb = import_for("sql", "duckdb", "sql")
        self._folder = Path(self._opened.enter_context(tempfile.TemporaryDirectory()))
        self._connection = self._opened.enter_context(self._duckdb.connect(":memory:", config=_LOCKED))
        self._views: dict[str, list[str]] = {}
        self._lacking: list[str] = []
        for place, (name, run) in enumerate(runs.items()):
            for table, dataset in run.datasets.items():
                self._add(place, name, table, dataset)
        self._lock()

    def __enter__(self) -> RunDatabase:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._opened.close()

    @property
    def notes(self) -> list[str]:
        """What of the runs was read, where that is not all of a finished run, and which tables some lack; a line each."""
        return [*(f"{name}: {note}" for name, run in self._runs.items() for note in run.notes), *self._lacking]

    def tables(self) -> list[TableOutline]:
        """Return what there is to ask of.

        Raises:
            LogError: a file is damaged.
        """
        found: dict[str, TableOutline] = {}
        more = ("run",) if len(self._runs) > 1 else ()
        for run in self._runs.values():
            here = {name: (data.count_rows(), data.schema.names) for name, data in run.datasets.items()}
            if run.has_calls:
                here |= {name: (run.count_calls(name), schema.names) for name, schema in CALL_TABLES.items()}
            for name, (rows, columns) in here.items():
                known = found.get(name, TableOutline(name=name, rows=0, columns=more))
                every = tuple(dict.fromkeys([*known.columns, *columns]))
                found[name] = TableOutline(name=name, rows=known.rows + rows, columns=every)
        return [found[name] for name in sorted(found)]

    def ask(self, question: str) -> Answer:
        """Answer a question.

        Args:
            question: one ``SELECT``, in DuckDB's SQL.

        Raises:
            ConfigError: it is something else, or cannot be answered.
            LogError: a file of calls is damaged.
        """
        self._check(question)
        self._add_calls(question)
        self._lacking = list(self._tables_of_some(question))
        with self._refusing():
            found = self._connection.execute(question)
            columns = tuple((str(name), str(kind)) for name, kind, *_ in found.description)
        return Answer(columns=columns, rows=self._rows(found))

    def _rows(self, found: Any) -> Iterator[tuple[Any, ...]]:
        while True:
            with self._refusing():
                rows = found.fetchmany(_ROWS)
            if not rows:
                return
            yield from (tuple(map(_plain, row)) for row in rows)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Have DuckDB's errors told as all are, and what Ctrl-C breaks off end as it does everywhere."""
        try:
            yield
        except self._duckdb.Error as error:
            raise self._refusal(error) from error
        except RuntimeError as error:
            stopped = error.__cause__ or error.__context__
            if isinstance(stopped, KeyboardInterrupt):
                # Its other threads too, which closing waits for.
                self._connection.interrupt()
                raise stopped from None
            raise

    def _check(self, question: str) -> None:
        with self._refusing():
            statements = self._connection.extract_statements(question)
        kinds = [statement.type.name for statement in statements]
        if len(kinds) != 1 or kinds[0] not in _ANSWERED:
            got = " and ".join(kinds) or "nothing"
            raise ConfigError(f"sql: got {got}, expected one SELECT: a run is read and never changed; for instance {_SHORTEST}")

    def _add_calls(self, question: str) -> None:
        """Make the tables of calls ready that a question may be of."""
        wanted = [
            name for name in CALL_TABLES if name not in self._views and re.search(rf"\b{name}\b", question, re.IGNORECASE)
        ]
        for table in wanted:
            for place, (name, run) in enumerate(self._runs.items()):
                if run.has_calls:
                    self._add(place, name, table, run.write_calls(table, self._folder / f"{place}-{table}.parquet"))
            self._show(table)

    def _tables_of_some(self, question: str) -> Iterator[str]:
        """Say of the tables in a question that some runs have and others lack which have them."""
        for table in sorted({*self._views, *CALL_TABLES}):
            having = [
                name for name, run in self._runs.items() if table in run.datasets or (run.has_calls and table in CALL_TABLES)
            ]
            if having and len(having) < len(self._runs) and re.search(rf"\b{re.escape(table)}\b", question, re.IGNORECASE):
                others = [name for name in self._runs if name not in having]
                yield f"{table}: of {', '.join(having)} alone; {', '.join(others)} {'has' if len(others) == 1 else 'have'} none"

    def _add(self, place: int, run: str, table: str, dataset: Any) -> None:
        self._connection.register(f"run {place} {table}", dataset)
        label = run.replace("'", "''")
        named = f"'{label}' AS run, " if len(self._runs) > 1 else ""
        self._views.setdefault(table, []).append(f'SELECT {named}* FROM "run {place} {table}"')

    def _show(self, table: str) -> None:
        if parts := self._views.get(table):
            self._connection.execute(f'CREATE TEMP VIEW "{table}" AS {" UNION ALL BY NAME ".join(parts)}')

    def _lock(self) -> None:
        for table in self._views:
            self._show(table)
        # Not even what it would write by itself: intermediate results beyond memory, and logs of questions.
        self._connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
        self._connection.execute("SET lock_configuration = true")

    def _refusal(self, error: Exception) -> ConfigError:
        if isinstance(error, self._duckdb.OutOfMemoryException):
            return ConfigError(
                "sql: got a question that takes more than four fifths of the memory here, expected less; ask for fewer columns "
                "or rows, or group them"
            )
        lines = [" ".join(line.split()) for line in str(error).split("\n\nLINE ")[0].splitlines() if line.strip()]
        # What it would rather be asked of is a table of its own as often as one of the run.
        said = "; ".join(line for line in lines if not line.startswith("Did you mean"))
        return ConfigError(f"sql: got {said[:600]}; `recsim-llm sql RUN` lists tables and columns")


def open_database(runs: Sequence[Path]) -> RunDatabase:
    """Open the tables of runs for questions.

    Every table of every run has its name; of several runs a column ``run`` says which a row is of: the folder's name, or its
    path where two bear one name.

    Args:
        runs: run folders, finished or not.

    Raises:
        ConfigError: DuckDB is not installed, or a run is named twice.
        LogError: a folder is no run, or a file is missing or damaged.
    """
    if len({run.resolve() for run in runs}) < len(runs):
        raise ConfigError(f"sql: got {', '.join(map(str, runs))}, expected each run once")
    names = [run.resolve().name for run in runs]
    called = [str(run) if names.count(name) > 1 else name for run, name in zip(runs, names, strict=True)]
    return RunDatabase({name: open_run_tables(run) for name, run in zip(called, runs, strict=True)})


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return str(value)
