"""In which encoding a text file is written, told by the whole file and never by its beginning."""

from __future__ import annotations

import codecs
import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from recsim_llm.core.arrays import BoolArray
from recsim_llm.errors import DataError

__all__ = ["decode", "detect_encoding", "open_bytes"]

_BLOCK_BYTES = 8 << 20
# The longer marks come first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LETTERS_OF_UTF8 = re.compile("[\u00a0-\u024f\u2010-\u20ff]")
_BY_CHANCE = 0.01
_FOREIGN_RUNS = 0.6
_FOREIGN_RUN = 3
_FEW_BYTES = 8
_REMEDY = "save the file as UTF-8"


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, unpacked where its name ends in ``.gz``."""
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def detect_encoding(path: Path) -> str:
    """Return the encoding of a text file: ``utf-8``, ``utf-16`` or ``utf-32`` (by its mark), ``cp1252`` or ``latin-1``.

    A file that decodes as UTF-8 from first to last byte is UTF-8. Any other is Western European: Windows-1252 where bytes from
    0x80 to 0x9F stand for letters or signs in it, else Latin-1; the two agree on all other bytes. Where most of what is not
    ASCII does form Western letters in UTF-8, the file is UTF-8 with broken places, since nothing else looks like that by
    chance: it stays ``utf-8``, and whoever reads a broken field finds it out.

    Raises:
        DataError: there are zero bytes and no mark, so that it is no text, or UTF-16 that does not say so; or the bytes are
            letters of another script in an encoding of their own, or of two encodings.
    """
    with open_bytes(path) as file:
        first = file.read(4)
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in _blocks(path):
            if b"\x00" in block:
                expected = "expected text; if it is UTF-16, " + _REMEDY
                raise DataError(f"{path.name}: got bytes of value zero, {expected}, otherwise restore it")
            if not block.isascii() or decoder.getstate()[0]:
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _not_utf8(path)
    return "utf-8"


def decode(path: Path, encoding: str) -> str:
    """Return the text of a whole file.

    Raises:
        DataError: it does not hold text of this encoding.
    """
    with open_bytes(path) as file:
        content = file.read()
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name}: got bytes that are no {encoding.upper()} at {error.start}, expected a whole file; {_REMEDY}"
        ) from error


def _blocks(path: Path) -> Iterator[bytes]:
    with open_bytes(path) as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _not_utf8(path: Path) -> str:
    with open_bytes(path) as file:
        content = file.read()
    if b"\x00" in content:
        raise DataError(f"{path.name}: got bytes of value zero, expected text; {_REMEDY}, or restore it")
    letters = content.decode("utf-8", "replace")
    broken = letters.count("\ufffd")
    whole = len(_LETTERS_OF_UTF8.findall(letters))
    if whole >= broken:
        return "utf-8"
    values = np.frombuffer(content, dtype=np.uint8)
    if _in_runs(values >= 0x80) > _FOREIGN_RUNS:
        raise DataError(f"{path.name}: got an encoding that is not known here, expected UTF-8 or Western European; {_REMEDY}")
    if whole > _BY_CHANCE * broken:
        raise DataError(f"{path.name}: got text in two encodings, expected one; {_REMEDY}")
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252" if ((values >= 0x80) & (values < 0xA0)).any() else "latin-1"


def _in_runs(high: BoolArray) -> float:
    """Return the share of bytes above ASCII that stand three or more in a row, 0 where such bytes are few.

    Western words hold such a letter here and there, or two (``Größe``, ``pääsy``), and a table may say the same word in every
    row; Cyrillic, Greek, Chinese or Japanese words consist of them.
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], high, [False]))))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= _FOREIGN_RUN].sum() / lengths.sum()) if lengths.sum() >= _FEW_BYTES else 0.0
