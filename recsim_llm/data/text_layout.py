"""How the rows of a text file are written: fields, header and lines, looked at without reading the whole file."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from recsim_llm.data.text_encoding import detect_encoding, open_bytes
from recsim_llm.errors import DataError

__all__ = ["TextLayout", "body", "header_names", "records", "settle"]

_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, kw_only=True)
class TextLayout:
    """How the rows of a text file are written."""

    delimiter: str = ","
    """What stands between fields; more than one character is allowed where ``quoted`` is false."""
    quoted: bool = True
    """Whether fields may be wrapped in double quotes."""
    encoding: str | None = None
    """Encoding of the file; None is told by the file."""
    header: tuple[str, ...] | None = None
    """Column names of a file that has none in it; None means that the first line names them."""
    newlines_in_fields: bool = True
    """Whether quoted fields may hold line breaks; False lets a file of many million rows be cut up faster."""


def settle(path: Path, layout: TextLayout, names: Collection[str] | None = None) -> TextLayout:
    """Return the layout with the file's encoding and, where names are given, the delimiter that its header is written with.

    Args:
        path: the file.
        layout: what is known so far; its delimiter stays where the header then holds the names.
        names: columns that must be there; comma, semicolon, tab and bar are tried. Where none gives these names, the one that
            gives most columns is taken.

    Raises:
        DataError: the file is no text.
    """
    layout = replace(layout, encoding=layout.encoding or detect_encoding(path))
    if names is None:
        return layout
    ways = [replace(layout, delimiter=other) for other in dict.fromkeys((layout.delimiter, *_DELIMITERS))]
    headers = {way: header_names(path, way) for way in ways}
    fitting = [way for way in ways if set(names) <= {name.strip() for name in headers[way]}]
    return fitting[0] if fitting else max(ways, key=lambda way: len(headers[way]))


def header_names(path: Path, layout: TextLayout) -> tuple[str, ...]:
    """Return the column names as they stand in the file.

    Raises:
        DataError: the file is empty, or its names cannot be read.
    """
    first = next(records(path, layout), None)
    if first is None:
        raise DataError(f"{path.name}: the file is empty, expected rows; restore the file")
    names = layout.header or tuple(first[1])
    if any("\ufffd" in name for name in names):
        raise DataError(f"{path.name} line {first[0]}: got names that are not UTF-8, expected text; save the file as UTF-8")
    return names


def body(path: Path, layout: TextLayout) -> Iterator[tuple[int, int, int]]:
    """Yield line number, number of fields and expected number of fields of every record after the header."""
    found = records(path, layout)
    expected = len(layout.header or next(found)[1])
    for line, fields in found:
        yield line, len(fields), expected


def records(path: Path, layout: TextLayout) -> Iterator[tuple[int, list[str]]]:
    """Yield first line number and fields of every record that is not blank, a header among them.

    Raises:
        DataError: a field never ends.
    """
    encoding = "utf-8-sig" if layout.encoding in (None, "utf-8") else layout.encoding
    line_breaks = "" if layout.quoted else None
    with io.TextIOWrapper(open_bytes(path), encoding, errors="replace", newline=line_breaks) as lines:
        if not layout.quoted:
            for line, text in enumerate(lines, start=1):
                if text.strip("\n"):
                    yield line, text.rstrip("\n").split(layout.delimiter)
            return
        reader = csv.reader(lines, delimiter=layout.delimiter)
        start = 1
        try:
            for fields in reader:
                if fields:
                    yield start, fields
                start = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path.name} line {start}: got {error}, expected fields that end; look for a quote that is never closed"
            ) from error
