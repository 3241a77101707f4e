"""Sessions in the JSON schema of SimEval-IR, version ``v1``: a line a session, which holds its events in order.

An event with ``ranked_items`` (``serp_view``, ``recommendation``) is a page; ``rank`` counts from 1. The ``clicked_items`` of
the events after it, up to the next page, are clicks on it. Where this package writes such files
(``recsim_llm.exports.simeval``), the ``meta`` of an item holds its propensity, and that of a click its rating.

Source: SimEval-IR, arXiv:2604.27878, section 3.2; ``core/session.py`` of https://github.com/searchsim-org/simeval-ir.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from recsim_llm.core.exposures import Exposures
from recsim_llm.data.bad_rows import SKIP_REMEDY, RowCheck
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.impression_tables import assemble_impressions
from recsim_llm.data.exposure_logs.log_assembly import LogWords
from recsim_llm.data.exposure_logs.published import first_line
from recsim_llm.data.table_files import RawTable
from recsim_llm.data.text_encoding import open_bytes
from recsim_llm.errors import DataError

__all__ = ["SCHEMA_VERSION", "SESSIONS_FILE", "find", "read"]

SCHEMA_VERSION = "v1"
"""Version of the schema that is read and written."""
SESSIONS_FILE = "sessions.jsonl"
"""Name of the file in a folder."""

_LAST_RANK = 1_000_000
_SUFFIXES = (".jsonl", ".jsonl.gz")
_FIELDS = {
    "user_id": pa.string(),
    "session": pa.int64(),
    "page": pa.int64(),
    "position": pa.int64(),
    "item_id": pa.string(),
    "clicked": pa.bool_(),
    "dwell": pa.float64(),
    "rating": pa.float64(),
    "propensity": pa.float64(),
}
_ALWAYS = ("session", "page", "position", "item_id", "clicked")
_LEFT_OUT = "queries, times (which count from the start of a session), scores and judged relevance are left out"


class _FaultError(ValueError):
    """A session that can be read, and cannot be; its text says what was got and expected."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _SessionTable(RawTable):
    """Impressions by row, which know the line that they are from."""

    lines: list[int] = field(default_factory=list)

    def place(self, row: int) -> str:
        """Return file and line of a row."""
        return f"{self.name} line {self.lines[row]}"


def find(path: Path) -> dict[str, tuple[Path, ...]]:
    """Return the sessions in a file or folder; in a folder of an export, the arms are its parts."""
    if path.is_file():
        return {"": (path,)} if path.name.endswith(_SUFFIXES) and _is_session(first_line(path)) else {}
    if (path / SESSIONS_FILE).is_file():
        return {"": (path / SESSIONS_FILE,)}
    return {folder.name: (folder / SESSIONS_FILE,) for folder in sorted(path.iterdir()) if (folder / SESSIONS_FILE).is_file()}


def read(parts: Mapping[str, tuple[Path, ...]], settings: ExposureSettings, name: str) -> Exposures:
    """Read a file of sessions, which are numbered in its order.

    Raises:
        DataError: the file cannot be read, a line is no session of this version, or a click is on what its page does not show.
    """
    (path,) = next(iter(parts.values()))
    rows: dict[str, list[Any]] = {column: [] for column in _FIELDS}
    lines: list[int] = []
    sessions = 0
    skipped: Counter[str] = Counter()
    with open_bytes(path) as file:
        for number, text in enumerate(file, start=1):
            try:
                found = list(_impressions(text)) if text.strip() else []
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                if not settings.skip_bad_rows:
                    raise DataError(f"{path.name} line {number}: got {_reason(error)}; {SKIP_REMEDY}") from error
                skipped[f"{path.name}: line that is no session"] += 1
                continue
            if not found and text.strip():
                skipped[f"{path.name}: session without a page"] += 1
            for row in found:
                for column, values in rows.items():
                    values.append(sessions if column == "session" else row.get(column))
            lines += [number] * len(found)
            sessions += bool(found)
    check = RowCheck(_table(path, rows, lines), skip=settings.skip_bad_rows)
    check.skipped.update(skipped)
    return assemble_impressions(check, settings, LogWords(name=name, notes=(_LEFT_OUT,), copies="leave out"))


def _table(path: Path, rows: Mapping[str, list[Any]], lines: list[int]) -> RawTable:
    if not lines:
        raise DataError(f"{path.name}: got no page, expected sessions with ranked_items; check the file")
    kept = [column for column, values in rows.items() if column in _ALWAYS or any(value is not None for value in values)]
    columns = {column: pa.chunked_array([pa.array(rows[column], _FIELDS[column])]) for column in kept}
    return _SessionTable(path=path, columns=columns, row_count=len(lines), lines=lines)


def _is_session(line: bytes) -> bool:
    # The line may be cut off, so that it cannot be parsed: its keys tell.
    return line.lstrip().startswith(b"{") and all(key in line for key in (b'"session_id"', b'"events"'))


def _impressions(text: bytes) -> Iterator[dict[str, Any]]:
    """Yield what a session's pages showed."""
    session = json.loads(text)
    version = session.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise _FaultError(f"schema_version {version!r}, expected {SCHEMA_VERSION!r}")
    user = session.get("user_id")
    page: list[dict[str, Any]] = []
    number = 0
    for event in session["events"]:
        if event.get("ranked_items"):
            yield from page
            where = {"user_id": None if user is None else str(user), "page": number, "clicked": False}
            page = [where | _item(item) for item in event["ranked_items"]]
            number += 1
        for click in event.get("clicked_items") or ():
            _mark(page, click)
    yield from page


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    rank, propensity = item["rank"], (item.get("meta") or {}).get("propensity")
    if not isinstance(rank, int) or not 1 <= rank <= _LAST_RANK:
        raise _FaultError(f"rank {rank!r}, expected a whole number of 1 or more")
    return {
        "position": rank - 1,
        "item_id": str(item["doc_id"]),
        "propensity": None if propensity is None else float(propensity),
    }


def _mark(page: list[dict[str, Any]], click: Mapping[str, Any]) -> None:
    """Mark the item that was clicked; of one that stands on the page twice, the one at the rank of the click."""
    found = [row for row in page if row["item_id"] == str(click["doc_id"])]
    if not found:
        raise _FaultError(f"a click on {click['doc_id']!r}, expected clicks on what the page before shows")
    row = next((row for row in found if row["position"] == click.get("rank", 0) - 1), found[0])
    row["clicked"] = True
    if click.get("dwell_time") is not None:
        row["dwell"] = (row.get("dwell") or 0.0) + float(click["dwell_time"])
    rating = (click.get("meta") or {}).get("rating")
    row["rating"] = row.get("rating") if rating is None else float(rating)


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split())[:120]
    return words if isinstance(error, _FaultError) else f"what is no session ({words}), expected the schema of SimEval-IR"
