"""Segments: pieces of a log that are written whole or not at all.

A segment's files are written under a temporary name, flushed to disk and renamed; its line in ``segments.jsonl`` comes last.
A line without its line break is a torn write and does not count, nor do files that no line names. Writing a run again meets
its own segments: bytes that agree are kept, so a killed run ends like one that was never killed; bytes that differ raise
``LogError``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from recsim_llm.core.files import parse_json, write_atomically
from recsim_llm.errors import LogError
from recsim_llm.log.folders import INDEX, SOMETIMES, TABLES
from recsim_llm.log.work_beside import WorkBeside

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Segment", "SegmentWriter", "check_segments", "encode_segments", "open_segments", "read_segments", "segment_name"]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A finished piece of one arm's log."""

    arm: str | None
    """Name of the arm; None in a log without an index, where only the rows tell."""
    number: int
    """Within the arm, from 0."""
    rows: Mapping[str, int]
    """Rows by table."""
    files: Mapping[str, str]
    """Path below the run folder by table."""
    sha256: Mapping[str, str]
    """Checksum of its file by table; empty in a log without an index."""
    last: bool
    """Whether the arm is finished with it."""
    partial: bool = False
    """Whether it is what there was when the run was interrupted: it is read like any other, and goes when the run goes on."""

    def line(self) -> bytes:
        """Return its line of the index."""
        content = {
            "arm": self.arm,
            "segment": self.number,
            "rows": dict(self.rows),
            "sha256": {self.files[table]: digest for table, digest in self.sha256.items()},
            "last": self.last,
        } | ({"partial": True} if self.partial else {})
        return json.dumps(content, sort_keys=True).encode() + b"\n"


def segment_name(place: int, number: int) -> str:
    """Return the name of a segment's files: place of the arm in the run, number of the segment."""
    return f"{place:02d}-{number:05d}.parquet"


def encode_segments(segments: Sequence[Segment]) -> bytes:
    """Return the bytes of an index."""
    return b"".join(segment.line() for segment in segments)


def read_segments(run: Path) -> tuple[Segment, ...] | None:
    """Read the index of a run folder; nothing is changed, and the files are not looked at.

    Returns:
        The finished segments in the order of their files' names: by arm, then by number. None where there is no index.

    Raises:
        LogError: the index cannot be read.
    """
    path = run / INDEX
    try:
        if not path.exists():
            return None
        segments = [_segment(parse_json(line.decode())) for line in _whole_lines(path.read_bytes()).splitlines()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise LogError(f"{path}: got {error!r}, expected the index of a run; restore the file or start a new run") from error
    return tuple(sorted(segments, key=lambda segment: max(map(_file_name, segment.files.values()), default="")))


def check_segments(run: Path, segments: Sequence[Segment]) -> None:
    """See to it that every file of the segments is there and whole.

    Raises:
        LogError: a file is missing or does not have its recorded checksum.
    """
    for segment in segments:
        for table, digest in segment.sha256.items():
            path = run / segment.files[table]
            try:
                with path.open("rb") as file:
                    whole = hashlib.file_digest(file, "sha256").hexdigest() == digest
            except OSError:
                whole = False
            if not whole:
                raise LogError(f"{path}: missing or damaged, expected SHA-256 {digest}; restore the file or start a new run")


class SegmentWriter:
    """Adds segments to a run folder; ``open_segments`` makes one.

    Whoever plays does not wait for a segment to be encoded and written: that is done beside it, one at a time and in the order
    in which they were added.

    Args:
        folder: the run folder, with its tables' folders and its index.
        segments: those that are finished.
    """

    def __init__(self, folder: Path, segments: Sequence[Segment]) -> None:
        self.folder = folder
        self._segments = {(segment.arm, segment.number): segment for segment in segments}
        self._beside = WorkBeside()

    def finished(self, arm: str) -> bool:
        """Return whether the arm's last segment is there."""
        return any(segment.arm == arm and segment.last for segment in tuple(self._segments.values()))

    def add(
        self,
        arm: str,
        place: int,
        number: int,
        *,
        tables: Mapping[str, pa.Table],
        last: bool,
        partial: bool = False,
    ) -> None:
        """Write a segment, or check that the one on disk has the same bytes.

        Every earlier segment is on disk when this returns; this one is where it is an arm's last or partial. One that cannot
        be written is tried again with the next.

        Args:
            arm: name of the arm.
            place: position of the arm in the scenario; with ``number`` it names the files.
            number: of the segment within the arm, from 0.
            tables: by name.
            last: the arm is finished with this segment.
            partial: the run is interrupted; a segment that is on disk already is left as it is.

        Raises:
            LogError: a segment, this one or an earlier one, is there with other bytes.
            OSError: one cannot be written; this one is not added then.
        """
        segment = Segment(
            arm=arm,
            number=number,
            rows={name: table.num_rows for name, table in tables.items()},
            files={name: f"{name}/{segment_name(place, number)}" for name in tables},
            sha256={},
            last=last,
            partial=partial,
        )
        if last or partial:
            self._beside.finish()
            self._write(segment, tables)
        else:
            self._beside.begin(lambda: self._write(segment, tables))

    def settle(self) -> None:
        """Wait until nothing is being written any more; to be called by who breaks off a run before leaving its folder."""
        self._beside.settle()

    def _write(self, segment: Segment, tables: Mapping[str, pa.Table]) -> None:
        """Write a segment, whose checksums are not known yet."""
        # Reading an index is for rooms that must load without pyarrow too.
        from recsim_llm.log.table_encoding import encode_table

        known = self._segments.get((segment.arm, segment.number))
        if segment.partial and known is not None:
            return
        contents = {name: encode_table(name, table) for name, table in tables.items()}
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        segment = replace(segment, sha256=digests)
        if known is not None:
            if known != segment:
                raise LogError(
                    f"{self.folder}: segment {segment.number} of arm {segment.arm!r} came out different from the one on disk, "
                    "expected the same bytes; resume with the versions in manifest.json, or start a new run"
                )
            return
        for name, content in contents.items():
            (self.folder / name).mkdir(exist_ok=True)
            write_atomically(self.folder / segment.files[name], content)
        _append(self.folder / INDEX, segment.line())
        self._segments[(segment.arm, segment.number)] = segment


def open_segments(run: Path) -> SegmentWriter:
    """Make a run folder ready for more segments, and clear away what a kill left half-written.

    The index is made before the first file, so that files of a first segment that was never finished do not pass for a log
    without an index.

    Raises:
        LogError: a finished segment's file is missing or does not have its recorded checksum.
    """
    found = read_segments(run) or ()
    segments = tuple(segment for segment in found if not segment.partial)
    check_segments(run, segments)
    for name in TABLES:
        if name not in SOMETIMES:
            (run / name).mkdir(parents=True, exist_ok=True)
        for torn in (run / name).glob("*.part"):
            torn.unlink()
    index = run / INDEX
    content = index.read_bytes() if index.exists() else None
    if content is None or len(segments) < len(found) or len(_whole_lines(content)) < len(content):
        lines = _whole_lines(content or b"").splitlines(keepends=True)
        write_atomically(index, b"".join(line for line in lines if not json.loads(line).get("partial")))
    return SegmentWriter(run, segments)


def _append(index: Path, line: bytes) -> None:
    """Add a line to an index, or nothing: half of one would spoil the next."""
    size = index.stat().st_size
    try:
        with index.open("ab") as stream:
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        os.truncate(index, size)
        raise


def _whole_lines(content: bytes) -> bytes:
    """Return what stands before the last line break; what follows is a torn write."""
    return content[: content.rfind(b"\n") + 1]


def _segment(line: Any) -> Segment:
    files = {str(path).partition("/")[0]: str(path) for path in line["sha256"]}
    for table, path in files.items():
        # A file right in its table's folder, and nowhere else on the disk.
        if table not in TABLES or not re.fullmatch(r"[\w-]+\.parquet", path.removeprefix(f"{table}/")):
            raise ValueError(f"the file {path[:80]!r}")
    rows = dict(line["rows"])
    if not all(isinstance(count, int) and count >= 0 for count in rows.values()):
        raise ValueError(f"rows {rows}")
    return Segment(
        arm=str(line["arm"]),
        number=int(line["segment"]),
        rows=rows,
        files=files,
        sha256={table: str(line["sha256"][path]) for table, path in files.items()},
        last=bool(line["last"]),
        partial=bool(line.get("partial", False)),
    )


def _file_name(path: str) -> str:
    return PurePosixPath(path).name
