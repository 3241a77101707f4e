"""Segments: pieces of a log that are written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsim_llm.core.files import write_atomically
from recsim_llm.errors import LogError

__all__ = ["Segments"]

_COMPRESSION = "zstd"
_DICTIONARY = {
    "impressions": ["arm", "user_id", "visit", "page", "position", "examine_prob", "propensity", "prefix_propensity"],
    "pages": ["arm", "visit", "page", "next_action", "stop_reason"],
    "visits": ["arm", "stop_reason"],
}


class Segments:
    """The segments of a run folder: which are finished, and how one is added.

    Args:
        folder: the run folder; made if missing.

    Raises:
        LogError: a finished segment's file is missing or does not have its recorded checksum.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _DICTIONARY:
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
                    f"{self.folder}: segment {number} of arm {arm!r} came out different from the one on disk, expected the "
                    "same bytes; resume with the versions in manifest.json, or start a new run"
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
            try:
                line = json.loads(text)
            except ValueError as error:
                raise LogError(
                    f"{self._index}: got a line that is no JSON, expected the index of a run; start a new run"
                ) from error
            for path, digest in line["sha256"].items():
                file = self.folder / path
                if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                    raise LogError(
                        f"{file}: missing or damaged, expected SHA-256 {digest}; restore the file or start a new run"
                    )
            lines[(line["arm"], line["segment"])] = line
        return lines


def _encode(name: str, table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=_COMPRESSION, use_dictionary=_DICTIONARY[name])
    content: bytes = sink.getvalue().to_pybytes()
    return content
