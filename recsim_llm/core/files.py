"""Writing files so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO

__all__ = ["TORN", "parse_json", "read_json", "replacing", "unique_keys", "write_atomically"]

_DIGITS = 20
TORN = ".part"
"""End of the name of a file that is being written; one that a kill leaves behind holds nothing of worth."""


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it into place.

    Raises:
        OSError: it cannot be written, for instance on a full disk; the old file is as it was, and nothing is left beside it.
    """
    with _replaced(path) as temporary, temporary.open("wb") as stream:
        stream.write(content)
        _settle(stream)


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """Open a text file to be written piece by piece; it comes into its place at the end, whole, as by ``write_atomically``.

    Raises:
        OSError: it cannot be written; the old file is as it was, and nothing is left beside it.
    """
    with _replaced(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        yield stream
        _settle(stream)


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    if path.exists() and not path.is_file():
        # A terminal or a pipe, as /dev/stdout: what it is must not be replaced by a file.
        yield path
        return
    place = path.resolve() if path.is_symlink() else path
    temporary = place.with_name(place.name + TORN)
    try:
        yield temporary
        temporary.replace(place)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise


def _settle(stream: IO[Any]) -> None:
    stream.flush()
    if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        os.fsync(stream.fileno())


def read_json(path: Path) -> Any:
    """Read JSON that this package or its user wrote: numbers are finite and fit 64 bits, and no key stands twice.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such JSON.
    """
    return parse_json(path.read_bytes().decode("utf-8"))


def parse_json(text: str) -> Any:
    """Read JSON as ``read_json`` does, from a text.

    Raises:
        ValueError: it is no such JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole, object_pairs_hook=unique_keys)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; ``json`` alone takes the last of two equal keys without a word.

    Raises:
        ValueError: a key stands twice.
    """
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"key {key[:40]!r} twice in one object")
        made[key] = value
    return made


def _refuse(word: str) -> float:
    raise ValueError(f"{word}, which is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text[:20])


def _whole(text: str) -> int:
    if len(text) > _DIGITS or not -(2**63) <= int(text) < 2**64:
        _refuse(f"{text[:20]}…")
    return int(text)
