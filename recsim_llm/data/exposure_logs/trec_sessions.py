"""Sessions of web search, a result page a line, as the click models that followed NCM exchange them.

A line of ``train_per_query.txt``, ``valid_per_query.txt`` or ``test_per_query.txt`` is, separated by tabs: session, query,
``[documents]`` in the order shown, ``[vertical types]``, ``[clicks]``; ``human_label_per_query.txt`` has ``[relevance]``
besides. Lines of a session follow each other in time.

Source: J. Lin et al. (2021), A Graph-Enhanced Click Model for Web Search, SIGIR, whose repository publishes the TREC 2014
session track in this layout; the track itself: B. Carterette et al. (2014), Overview of the TREC 2014 Session Track.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recsim_llm.core.exposures import Exposures
from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.column_values import parse_flags
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.item_lists import read_lists
from recsim_llm.data.exposure_logs.log_assembly import LogWords, assemble_log
from recsim_llm.data.exposure_logs.log_rows import LogRows
from recsim_llm.data.exposure_logs.placing import number_pages
from recsim_llm.data.exposure_logs.published import entry_ids, first_line, mark_rows, refuse_empty
from recsim_llm.data.joined_tables import join_tables
from recsim_llm.data.table_files import RawTable, read_text
from recsim_llm.data.text_layout import TextLayout

__all__ = ["JUDGED", "find", "read"]

JUDGED = "human_label"
"""The part whose documents were judged; it repeats sessions of the others."""

_PARTS = ("train", "valid", "test", JUDGED)
_SUFFIX = "_per_query.txt"
_COLUMNS = ("session", "query", "items", "verticals", "clicks")
_LINE = re.compile(rb"^[^\t\r\n]+\t[^\t\r\n]*\t\[[^\t]*\]\t\[[^\t]*\]\t\[[^\t]*\](\t\[[^\t]*\])?$")
_REMEDY = "restore the file"
_LICENCE = (
    "TREC Session Track: for research, under the terms of NIST; figures derived from it should say where they come from. It is "
    "never shipped with this package."
)


def find(path: Path) -> dict[str, tuple[Path, ...]]:
    """Return the parts in a file or folder: splits, which together are the log, and ``human_label``."""
    if path.is_file():
        return {path.name.removesuffix(_SUFFIX): (path,)} if _is_session_file(path) else {}
    files = {part: path / (part + _SUFFIX) for part in _PARTS}
    return {part: (file,) for part, file in files.items() if file.is_file() and _is_session_file(file)}


def read(parts: Mapping[str, tuple[Path, ...]], settings: ExposureSettings, name: str) -> Exposures:
    """Read the result pages of one or several files; a session is a user of its own.

    Position 0 is the top. A document that stands on a page a second time is left out there and counted: a page holds an item
    once. Queries, vertical types and judged relevance have no place in a log and are left out.

    Args:
        parts: name of each part to its files.
        settings: whether bad rows may be skipped, and ids are texts.
        name: the log's name.

    Raises:
        DataError: a file cannot be read, or a line holds no page.
    """
    check = RowCheck(join_tables([_read_file(path) for files in parts.values() for path in files]), skip=settings.skip_bad_rows)
    session, _ = check.ids("session", labels=settings.string_ids)
    shown, clicks = (read_lists(check.table.columns[column]) for column in ("items", "clicks"))
    refuse_empty(check, "items", shown)
    (item_id,), items = entry_ids(check, {"items": shown}, settings)
    other = clicks.bad | (clicks.lengths != shown.lengths)
    expected = "as many of 1 and 0 as there are documents, in brackets"
    check.refuse(other, column="clicks", expected=expected, reason="clicks that do not fit the documents")
    flags, bad = parse_flags(clicks.values)
    check.refuse(mark_rows(clicks, bad), column="clicks", expected="a list of 1 and 0", reason="bad clicks")
    clicked = np.zeros(len(item_id), np.bool_)
    clicked[check.keep[shown.row]] = flags[check.keep[clicks.row]]
    rows = LogRows(
        row=shown.row,
        item_id=item_id,
        clicked=clicked,
        session=session[shown.row],
        page=number_pages(session, np.arange(len(session)))[shown.row],
        position=shown.place,
    )
    notes = ("queries, vertical types and relevance are left out",)
    words = LogWords(name=name, licence=_LICENCE, notes=notes, items=items, copies="leave out")
    return assemble_log(check, rows, settings, words)


def _is_session_file(path: Path) -> bool:
    return _LINE.match(first_line(path)) is not None


def _read_file(path: Path) -> RawTable:
    fields = first_line(path).count(b"\t") + 1
    header = (*_COLUMNS, "relevance")[:fields]
    layout = TextLayout(delimiter="\t", quoted=False, header=header)
    return read_text(path, {column: column for column in _COLUMNS}, layout, remedy=_REMEDY)
