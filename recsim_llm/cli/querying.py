"""The verb that answers questions in SQL: a table of bounded size for the terminal, whole answers as JSON or CSV."""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from recsim_llm.cli.output import make_console, print_lines
from recsim_llm.core.spreadsheet_text import defused
from recsim_llm.errors import ConfigError

__all__ = ["handle_sql"]

_WIDEST = 60
_GAP, _EDGES = 2, 2
Row = Sequence[Any]
Keep = Callable[[Row], None]


def handle_sql(options: argparse.Namespace) -> None:
    """Answer a question about runs, or list what there is to ask of."""
    from recsim_llm.exports.sql_query import open_database

    runs, question = _read_words(options.words)
    if options.csv is not None and not options.csv.parent.is_dir():
        raise ConfigError(f"--csv: got {options.csv}, expected a file in a folder that exists; make the folder first")
    if options.rows < 0:
        raise ConfigError(f"--rows: got {options.rows}, expected 0 or more")
    with open_database(runs) as database:
        if question is None:
            outlines = database.tables()
            columns: Sequence[tuple[str, str]] = (("table", "VARCHAR"), ("rows", "BIGINT"), ("columns", "VARCHAR"))
            rows: Iterator[Row] = ((one.name, one.rows, ", ".join(one.columns)) for one in outlines)
        else:
            answer = database.ask(question)
            columns, rows = answer.columns, answer.rows
        shown, count = _write(options, columns, rows, {"runs": [*map(str, runs)], "sql": question, "notes": database.notes})
        notes = database.notes
    if not options.quiet:
        if question is None:
            print_lines(f"{name} ({rows_of:,} rows): {named}" for name, rows_of, named in shown)
        else:
            _print(columns, shown)
        if count > len(shown):
            rest = f"{count - len(shown):,} of {count:,} rows are not shown"
            print_lines([f"{rest}; --rows N shows more" + _where_whole(options)])
        print_lines(notes)


def _read_words(words: Sequence[str]) -> tuple[list[Path], str | None]:
    """Return the run folders and the question, which comes last; a last word that is a folder is a run, and asks nothing."""
    *rest, last = words
    # A question may be longer than any path, of which this one does not complain.
    if not rest or os.path.isdir(last):
        return [Path(word) for word in words], None
    return [Path(word) for word in rest], last


def _where_whole(options: argparse.Namespace) -> str:
    files = [str(path) for path in (options.csv, options.json) if path is not None]
    return f", {' and '.join(files)} {'have' if len(files) > 1 else 'has'} all" if files else ", --csv FILE keeps all"


def _write(
    options: argparse.Namespace, columns: Sequence[tuple[str, str]], rows: Iterator[Row], about: dict[str, Any]
) -> tuple[list[Row], int]:
    """Write the rows where they are wanted, one after the other; return the first of them and how many there were."""
    shown: list[Row] = []
    count = 0
    with ExitStack() as opened:
        keep = [opened.enter_context(_csv(options.csv, columns))] if options.csv is not None else []
        keep += [opened.enter_context(_json(options.json, columns, about))] if options.json is not None else []
        for row in rows:
            count += 1
            if len(shown) < options.rows:
                shown.append(row)
            for one in keep:
                one(row)
    return shown, count


@contextmanager
def _csv(path: Path, columns: Sequence[tuple[str, str]]) -> Iterator[Keep]:
    from recsim_llm.core.files import replacing

    with replacing(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([defused(name) for name, _ in columns])
        yield lambda row: writer.writerow([_cell(value) for value in row])


@contextmanager
def _json(path: Path, columns: Sequence[tuple[str, str]], about: dict[str, Any]) -> Iterator[Keep]:
    from recsim_llm.core.files import replacing

    with replacing(path) as stream:
        named = [{"name": name, "type": kind} for name, kind in columns]
        head = json.dumps(about | {"columns": named}, indent=2, sort_keys=True, ensure_ascii=False)
        stream.write(head.removesuffix("\n}") + ',\n  "rows": [')
        before = "\n    "

        def keep(row: Row) -> None:
            nonlocal before
            stream.write(before + json.dumps(list(row), ensure_ascii=False, allow_nan=False))
            before = ",\n    "

        yield keep
        stream.write("\n  ]\n}\n")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return defused(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _print(columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    texts = [[_shown(value) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[place]) for row in texts), 1) for place, (name, _) in enumerate(columns)]
    screen = make_console()
    # A pipe is no screen: there a table is as wide as it wants.
    room = screen.width if screen.is_terminal else sum(widths) + _GAP * len(widths) + _EDGES
    fitting = _fitting(widths, room)
    table = Table(box=SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False)
    for name, kind in columns[:fitting]:
        number = kind.startswith(("DOUBLE", "FLOAT", "DECIMAL")) or kind.endswith(("INT", "INTEGER"))
        table.add_column(Text(name), justify="right" if number else "left", no_wrap=True, overflow="ellipsis")
    for row in texts:
        table.add_row(*map(Text, row[:fitting]))
    make_console(width=room).print(table)
    if fitting < len(columns):
        print_lines([f"columns that do not fit: {', '.join(name for name, _ in columns[fitting:])}"])


def _fitting(widths: Sequence[int], room: int) -> int:
    """Return how many columns fit, one at least."""
    used, count = _EDGES, 0
    for width in widths:
        used += width + _GAP
        if count and used > room:
            break
        count += 1
    return count


def _shown(value: Any) -> str:
    """Return a value as the table has it: one line of bounded length."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = " ".join((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
