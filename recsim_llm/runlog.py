"""The run log: every impression, page and visit as Parquet, written in checksummed segments.

A run folder holds::

    manifest.json               the resolved settings, versions, seed and data fingerprints
    segments.jsonl              one line a finished segment: arm, number, rows, SHA-256 of its files
    impressions/*.parquet       one row a slot shown
    pages/*.parquet             one row a page
    visits/*.parquet            one row a visit
    timings.parquet             clock times, apart from the log so that the log compares byte for byte

A segment's files are written under a temporary name, flushed to disk and renamed; its line in ``segments.jsonl`` comes last.
A line without its line break is a torn write and does not count. Replaying a run meets its own segments again: bytes
that agree are kept, so a killed run ends like one that was never killed; bytes that differ raise ``LogError``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recsim_llm.errors import LogError
from recsim_llm.files import write_atomically
from recsim_llm.pages import Feedback, FloatArray, IntArray, Slates, probability

__all__ = ["IMPRESSIONS", "LIKE_THRESHOLD", "PAGES", "VISITS", "RunLog", "Segments"]

LIKE_THRESHOLD = 4.0
"""Stars from which a rating counts as a like."""

_ARM = pa.dictionary(pa.int8(), pa.string())
IMPRESSIONS = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("page", pa.int32()),
        ("position", pa.int16()),
        ("item_id", pa.int64()),
        ("propensity", pa.float32()),
        ("prefix_propensity", pa.float32()),
        ("examine_prob", pa.float32()),
        ("click_prob", pa.float32()),
        ("examined", pa.bool_()),
        ("clicked", pa.bool_()),
        ("watched", pa.float32()),
        ("rating", pa.float32()),
        ("liked", pa.bool_()),
        ("text", pa.string()),
    ]
)
"""One row a slot. ``click_prob`` is the probability of a click before anything is drawn (examination included); propensities are
null where unknown; ``item_id`` is -1 for a blanked slot; ``watched``, ``rating`` and ``liked`` are null where not clicked."""
PAGES = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("page", pa.int32()),
        ("slate_propensity", pa.float64()),
        ("clicks", pa.int16()),
        ("invalid_slots", pa.int16()),
        ("reward", pa.float64()),
        ("satisfaction", pa.float32()),
        ("leave_prob", pa.float32()),
        ("next_action", pa.dictionary(pa.int8(), pa.string())),
        ("stop_reason", pa.dictionary(pa.int8(), pa.string())),
    ]
)
"""One row a page. ``satisfaction`` is 0 to 1; ``next_action`` is ``next`` or ``leave``; ``stop_reason`` is null within a visit,
``left`` when the user ended it, ``max_pages`` when the page budget did."""
VISITS = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("pages", pa.int32()),
        ("clicks", pa.int32()),
        ("reward", pa.float64()),
        ("satisfaction", pa.float32()),
        ("stop_reason", pa.dictionary(pa.int8(), pa.string())),
        ("return_prob", pa.float32()),
        ("returned", pa.bool_()),
    ]
)
"""One row a finished visit. ``satisfaction`` is that after the last page; ``return_prob`` and ``returned`` tell about the next."""

_COMPRESSION = "zstd"
_DICTIONARY = {
    "impressions": ["arm", "user_id", "visit", "page", "position", "examine_prob", "propensity", "prefix_propensity"],
    "pages": ["arm", "visit", "page", "next_action", "stop_reason"],
    "visits": ["arm", "stop_reason"],
}
_SCHEMAS = {"impressions": IMPRESSIONS, "pages": PAGES, "visits": VISITS}
_NEXT_ACTIONS = pa.array(["next", "leave"])
_STOP_REASONS = pa.array(["left", "max_pages"])


class Segments:
    """The segments of a run folder: which are finished, and how one is added.

    Args:
        folder: the run folder; made if missing.

    Raises:
        LogError: a finished segment's file is missing or does not have its recorded checksum.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _SCHEMAS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._index = folder / "segments.jsonl"
        self._lines = self._read()
        for path in folder.glob("*/*.part"):
            path.unlink()

    def finished(self, arm: str) -> bool:
        """Return whether the arm's last segment is there."""
        return any(line["arm"] == arm and line["last"] for line in self._lines.values())

    def count(self, arm: str) -> int:
        """Return the number of finished segments of an arm."""
        return sum(line["arm"] == arm for line in self._lines.values())

    def add(self, arm: str, place: int, number: int, tables: Mapping[str, pa.Table], last: bool) -> None:
        """Write a segment, or check that the one on disk has the same bytes.

        Args:
            arm: name of the arm.
            place: position of the arm in the scenario; with ``number`` it names the files.
            number: of the segment within the arm, from 0.
            tables: by folder name.
            last: the arm is finished with this segment.

        Raises:
            LogError: the segment is there with other bytes.
        """
        stem = f"{place:02d}-{number:05d}"
        contents = {f"{name}/{stem}.parquet": _encode(name, table) for name, table in tables.items()}
        line = {
            "arm": arm,
            "segment": number,
            "rows": {name: table.num_rows for name, table in tables.items()},
            "sha256": {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()},
            "last": last,
        }
        known = self._lines.get((arm, number))
        if known is not None:
            if known != line:
                raise LogError(
                    f"{self.folder}: segment {number} of arm {arm!r} came out different from the one on disk, expected the same "
                    "bytes; resume with the versions in manifest.json, or start a new run"
                )
            return
        for path, content in contents.items():
            write_atomically(self.folder / path, content)
        with self._index.open("ab") as stream:
            stream.write(json.dumps(line, sort_keys=True).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._lines[(arm, number)] = line

    def _read(self) -> dict[tuple[str, int], dict[str, Any]]:
        if not self._index.exists():
            return {}
        content = self._index.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            write_atomically(self._index, whole)
        lines = {}
        for text in whole.splitlines():
            line = json.loads(text)
            for path, digest in line["sha256"].items():
                file = self.folder / path
                if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                    raise LogError(f"{file}: missing or damaged, expected SHA-256 {digest}; restore the file or start a new run")
            lines[(line["arm"], line["segment"])] = line
        return lines


class RunLog:
    """Collects what one arm produces and hands it over in segments.

    Args:
        segments: of the run folder.
        arm: name of the arm.
        place: position of the arm in the scenario.
        segment_rows: impressions after which a segment is written, at the next page boundary.
    """

    def __init__(self, segments: Segments, arm: str, place: int, segment_rows: int = 500_000) -> None:
        self._segments, self.arm, self._place, self._segment_rows = segments, arm, place, segment_rows
        self._number = 0
        self._buffered = 0
        self._impressions: list[dict[str, npt.NDArray[Any]]] = []
        self._pages: list[dict[str, npt.NDArray[Any]]] = []
        self._visits: list[dict[str, npt.NDArray[Any]]] = []

    def page(
        self,
        *,
        user_id: IntArray,
        item_id: IntArray,
        slates: Slates | None,
        feedback: Feedback,
        reward: npt.NDArray[np.float64],
        invalid: IntArray,
        out_of_pages: npt.NDArray[np.bool_],
    ) -> None:
        """Record one page of a batch of users.

        Args:
            user_id: int64 [u].
            item_id: int64 [u, k]: as shown, -1 where blank.
            slates: what the recommender answered, for its propensities; None means that they are unknown.
            feedback: what was drawn.
            reward: float64 [u].
            invalid: int64 [u]: blanked slots.
            out_of_pages: bool [u]: the page budget ended the visit, if the user did not.
        """
        pages, decisions = feedback.pages, feedback.decisions
        users, slots = item_id.shape
        examine = feedback.users.examination(pages.user_index)
        watched, ratings = feedback.by_slot(feedback.watched), feedback.by_slot(feedback.rating)
        known = slates or Slates(item_id)
        self._impressions.append(
            {
                "user_id": np.repeat(user_id, slots),
                "visit": np.repeat(pages.visit, slots),
                "page": np.repeat(pages.page, slots),
                "position": np.tile(np.arange(slots), users),
                "item_id": item_id.reshape(-1),
                "propensity": _flat(known.propensity, item_id.size),
                "prefix_propensity": _flat(known.prefix_propensity, item_id.size),
                "examine_prob": np.where(item_id < 0, np.float32(0), examine).reshape(-1),
                "click_prob": np.where(item_id < 0, np.float32(0), examine * probability(decisions.click_log_odds)).reshape(-1),
                "examined": feedback.examined.reshape(-1),
                "clicked": feedback.clicked.reshape(-1),
                "watched": watched.reshape(-1),
                "rating": ratings.reshape(-1),
            }
        )
        self._pages.append(
            {
                "user_id": user_id,
                "visit": pages.visit,
                "page": pages.page,
                "slate_propensity": _flat(known.slate_propensity, users),
                "clicks": np.bincount(feedback.row, minlength=users),
                "invalid_slots": invalid,
                "reward": reward,
                "satisfaction": probability(feedback.mood.satisfaction),
                "leave_prob": probability(feedback.mood.leave_log_odds),
                "left": feedback.left,
                "out_of_pages": out_of_pages & ~feedback.left,
            }
        )
        self._buffered += item_id.size

    def visits(
        self,
        *,
        user_id: IntArray,
        visit: IntArray,
        pages: IntArray,
        clicks: IntArray,
        reward: npt.NDArray[np.float64],
        satisfaction: FloatArray,
        left: npt.NDArray[np.bool_],
        return_prob: FloatArray,
        returned: npt.NDArray[np.bool_],
    ) -> None:
        """Record visits that ended; all columns have one entry a visit, ``left`` tells the user's end from the budget's."""
        self._visits.append(
            {
                "user_id": user_id,
                "visit": visit,
                "pages": pages,
                "clicks": clicks,
                "reward": reward,
                "satisfaction": satisfaction,
                "left": left,
                "return_prob": return_prob,
                "returned": returned,
            }
        )

    def turn(self) -> None:
        """Write a segment if enough has come together; to be called between pages."""
        if self._buffered >= self._segment_rows:
            self._write(last=False)

    def close(self) -> None:
        """Write what is left and mark the arm as finished."""
        self._write(last=True)

    def _write(self, last: bool) -> None:
        tables = {
            "impressions": _impressions_table(self.arm, self._impressions),
            "pages": _pages_table(self.arm, self._pages),
            "visits": _visits_table(self.arm, self._visits),
        }
        self._segments.add(self.arm, self._place, self._number, tables, last)
        self._number += 1
        self._buffered = 0
        self._impressions, self._pages, self._visits = [], [], []


def _flat(values: npt.NDArray[np.floating] | None, size: int) -> npt.NDArray[np.floating]:
    return np.full(size, np.nan, np.float32) if values is None else np.asarray(values).reshape(-1)


def _encode(name: str, table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=_COMPRESSION, use_dictionary=_DICTIONARY[name])
    return sink.getvalue().to_pybytes()


def _impressions_table(arm: str, parts: list[dict[str, npt.NDArray[Any]]]) -> pa.Table:
    columns = _joined(parts)
    rating = columns.get("rating", np.empty(0, np.float32))
    columns["liked"] = pa.array(rating >= LIKE_THRESHOLD, mask=np.isnan(rating))
    columns["text"] = pa.nulls(len(rating), pa.string())
    return _table(arm, columns, IMPRESSIONS)


def _pages_table(arm: str, parts: list[dict[str, npt.NDArray[Any]]]) -> pa.Table:
    columns = _joined(parts)
    left = columns.get("left", np.empty(0, np.bool_))
    ended = left | columns.get("out_of_pages", np.empty(0, np.bool_))
    columns["next_action"] = pa.DictionaryArray.from_arrays(pa.array(ended.astype(np.int8)), _NEXT_ACTIONS)
    columns["stop_reason"] = _stop_reason(left, ~ended)
    return _table(arm, columns, PAGES)


def _visits_table(arm: str, parts: list[dict[str, npt.NDArray[Any]]]) -> pa.Table:
    columns = _joined(parts)
    columns["stop_reason"] = _stop_reason(columns.get("left", np.empty(0, np.bool_)), None)
    return _table(arm, columns, VISITS)


def _stop_reason(left: npt.NDArray[np.bool_], within: npt.NDArray[np.bool_] | None) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array((~left).astype(np.int8), mask=within), _STOP_REASONS)


def _joined(parts: list[dict[str, npt.NDArray[Any]]]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _table(arm: str, columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    rows = max((len(column) for column in columns.values()), default=0)
    arrays = [pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([arm]))]
    for field in list(schema)[1:]:
        column = columns.get(field.name, np.empty(0))
        if isinstance(column, np.ndarray):
            floating = pa.types.is_floating(field.type)
            column = pa.array(column.astype(field.type.to_pandas_dtype(), copy=False), from_pandas=floating)
        arrays.append(column)
    return pa.Table.from_arrays(arrays, schema=schema)
