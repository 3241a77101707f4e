"""Files into raw columns: every row is read at full speed, lines are counted only when one must be named."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from recsim_llm.data.text_encoding import decode, open_bytes
from recsim_llm.data.text_layout import TextLayout, body, header_names, records, settle
from recsim_llm.errors import DataError

__all__ = ["TABLE_SUFFIXES", "RawTable", "column_names", "nearest", "read_parquet", "read_table", "read_text"]

TABLE_SUFFIXES = (".csv", ".parquet", ".tsv", ".csv.gz", ".tsv.gz", ".txt", ".txt.gz")
"""What the name of a table may end in."""

_BLOCK_BYTES = 8 << 20
_UNIT_SEPARATOR = "\x1f"
_TEXT_SUFFIXES = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_UNREADABLE = (OSError, EOFError, zlib.error, pa.ArrowException)


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """Columns as they stand in the file, under this package's names."""

    path: Path
    """The file."""
    columns: Mapping[str, Any]
    """Our name to ``pyarrow.ChunkedArray``: binary for text files, any type for Parquet."""
    row_count: int
    """Rows with the right number of fields."""
    malformed: int = 0
    """Rows left out because their number of fields is wrong."""
    layout: TextLayout | None = None
    """How the text file is written; None means Parquet."""

    @property
    def name(self) -> str:
        """Name of the file without its folder."""
        return self.path.name

    def place(self, row: int) -> str:
        """Return ``file line n`` of a row (0 is the first well-formed one), ``file row n`` for Parquet."""
        if self.layout is None:
            return f"{self.name} row {row + 1}"
        for line, count, expected in body(self.path, self.layout):
            row -= count == expected
            if row < 0:
                return f"{self.name} line {line}"
        return self.name

    def malformed_place(self) -> tuple[str, int, int]:
        """Return place, number of fields and expected number of the first row whose number of fields is wrong."""
        for line, count, expected in body(self.path, self.layout or TextLayout()):
            if count != expected:
                return f"{self.name} line {line}", count, expected
        return self.name, 0, 0


def read_table(path: Path, wanted: Mapping[str, str], *, optional: Collection[str] = (), remedy: str) -> RawTable:
    """Read some columns of a text file with a header, or of a Parquet file; the suffix tells the two apart.

    ``.csv``, ``.tsv`` and ``.txt`` (each may end in ``.gz``) are text; which of comma, semicolon, tab and bar stands between
    fields is told by the header, where the columns that must be there have to be found.

    Args:
        path: the file.
        wanted: our column name to the file's column name.
        optional: our names of columns that may be absent; they are then left out of the result.
        remedy: what to do about a missing column, for the error text.

    Raises:
        DataError: the file is missing, empty, unreadable, of another kind, or lacks a column.
    """
    kind = _kind(path)
    if kind == ".parquet":
        return read_parquet(path, wanted, optional=optional, remedy=remedy)
    _require_file(path)
    names = {theirs for ours, theirs in wanted.items() if ours not in optional}
    layout = _settled(path, TextLayout(delimiter=_TEXT_SUFFIXES[kind]), names)
    return read_text(path, wanted, layout, optional=optional, remedy=remedy)


def column_names(path: Path, names: Collection[str]) -> tuple[str, ...]:
    """Return the names of a table's columns, blanks around them dropped.

    Args:
        path: the file.
        names: columns looked for; they tell how fields are separated, as for ``read_table``.

    Raises:
        DataError: as ``read_table``, but for missing columns.
    """
    kind = _kind(path)
    _require_file(path)
    if kind == ".parquet":
        return _parquet_names(path)
    layout = _settled(path, TextLayout(delimiter=_TEXT_SUFFIXES[kind]), names)
    return tuple(name.strip() for name in header_names(path, layout))


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    if kind in _TEXT_SUFFIXES or suffixes[-1:] == [".parquet"]:
        return kind
    known = ".csv, .tsv or .txt (each may end in .gz) or .parquet"
    raise DataError(f"{path.name}: got suffix {path.suffix!r}, expected {known}; convert it")


def _settled(path: Path, layout: TextLayout, names: Collection[str] | None = None) -> TextLayout:
    try:
        return settle(path, layout, names)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def read_text(
    path: Path, wanted: Mapping[str, str], layout: TextLayout, *, optional: Collection[str] = (), remedy: str
) -> RawTable:
    """Read some columns of a delimited text file as bytes; see ``read_table`` for the arguments.

    Raises:
        DataError: the file is missing, empty, unreadable or lacks a column.
    """
    _require_file(path)
    layout = _settled(path, layout)
    try:
        present = _present(wanted, header_names(path, layout), optional, remedy, place=f"{path.name} line 1")
        table, malformed, open_quote = _read_arrow(path, layout, list(present.values()))
        if open_quote:
            # Refused even where rows may be skipped: all the lines after the quote would count as one.
            expected = "expected fields that end; add the closing one"
            raise DataError(f"{_last_place(path, layout)}: got a quote that is never closed, {expected}")
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    if table.num_rows + malformed == 0:
        raise DataError(f"{path.name}: got no rows after the header, expected at least one; restore the file")
    columns = {ours: table.column(theirs) for ours, theirs in present.items()}
    return RawTable(path=path, columns=columns, row_count=table.num_rows, malformed=malformed, layout=layout)


def read_parquet(path: Path, wanted: Mapping[str, str], *, optional: Collection[str] = (), remedy: str) -> RawTable:
    """Read some columns of a Parquet file; see ``read_table`` for the arguments.

    Raises:
        DataError: the file is missing, empty, unreadable or lacks a column.
    """
    _require_file(path)
    try:
        with arrow_parquet.ParquetFile(path) as file:
            present = _present(wanted, tuple(file.schema_arrow.names), optional, remedy, place=path.name)
            table = file.read(columns=list(present.values()))
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    if table.num_rows == 0:
        raise DataError(f"{path.name}: got no rows, expected at least one; restore the file")
    columns = {ours: _plain(table.column(theirs)) for ours, theirs in present.items()}
    return RawTable(path=path, columns=columns, row_count=table.num_rows)


def _parquet_names(path: Path) -> tuple[str, ...]:
    try:
        with arrow_parquet.ParquetFile(path) as file:
            return tuple(file.schema_arrow.names)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def _plain(column: Any) -> Any:
    """Return a column without dictionary or view encoding, which not every operation on texts understands."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if pa.types.is_string_view(kind):
        return column.cast(pa.string())
    return column


def _require_file(path: Path) -> None:
    if not path.is_file():
        expected = "expected the file; check the path, or unpack the archive again"
        raise DataError(f"{path.name}: no such file in {path.parent}, {expected}")


def _unreadable(path: Path, error: BaseException) -> DataError:
    reason = " ".join(str(error).split())[:200]
    expected = f"expected a whole {path.suffix.lstrip('.') or 'table'} file; restore it or fetch it again"
    return DataError(f"{path.name}: could not be read ({reason}), {expected}")


def _present(
    wanted: Mapping[str, str], header: tuple[str, ...], optional: Collection[str], remedy: str, *, place: str
) -> dict[str, str]:
    """Return the file's own names, blanks around them included, of the columns that are there."""
    names = [name.strip() for name in header]
    for ours, theirs in wanted.items():
        if names.count(theirs) > 1:
            raise DataError(f"{place}: got column {theirs!r} {names.count(theirs)} times, expected once; rename one")
        if theirs not in names and ours not in optional:
            found = ", ".join(name[:40] for name in names[:12])
            near = nearest(theirs, names)
            hint = f"did you mean {near[:40]!r}? {remedy}" if near else remedy
            raise DataError(f"{place}: {ours}: got columns {found!r}, expected one named {theirs!r}; {hint}")
    return {ours: header[names.index(theirs)] for ours, theirs in wanted.items() if theirs in names}


def nearest(name: str, among: Collection[str]) -> str | None:
    """Return the name that a reader may have meant, whatever its capitals and dashes; None where none is near."""
    plain = {"".join(filter(str.isalnum, other.lower())): other for other in among}
    found = get_close_matches("".join(filter(str.isalnum, name.lower())), plain, n=1, cutoff=0.7)
    return plain[found[0]] if found else None


def _read_arrow(path: Path, layout: TextLayout, names: list[str]) -> tuple[Any, int, bool]:
    malformed, open_quote = 0, False

    def leave_out(row: Any) -> str:
        nonlocal malformed, open_quote
        malformed += 1
        text = row.text.strip("\r\n")
        open_quote = open_quote or (layout.quoted and "\n" in text and text.count('"') % 2 == 1)
        return "skip"

    source: Any = str(path)
    delimiter = layout.delimiter
    if len(delimiter) > 1 or layout.encoding != "utf-8":
        # The reader knows one-byte delimiters and UTF-8 only; the files that need this are a few megabytes.
        content = _as_utf8(path, layout)
        if len(delimiter) > 1:
            content, delimiter = content.replace(delimiter.encode(), _UNIT_SEPARATOR.encode()), _UNIT_SEPARATOR
        source = pa.BufferReader(content)
    table = arrow_csv.read_csv(
        source,
        read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES, column_names=layout.header),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if layout.quoted else False,
            newlines_in_values=layout.quoted and layout.newlines_in_fields,
            invalid_row_handler=leave_out,
        ),
        convert_options=arrow_csv.ConvertOptions(include_columns=names, column_types=dict.fromkeys(names, pa.binary())),
    )
    return table, malformed, open_quote


def _as_utf8(path: Path, layout: TextLayout) -> bytes:
    if layout.encoding not in (None, "utf-8"):
        return decode(path, layout.encoding).encode()
    # As bytes: a broken place is to be found where it stands, and a mark at the beginning is no letter.
    with open_bytes(path) as file:
        return file.read().removeprefix(codecs.BOM_UTF8)


def _last_place(path: Path, layout: TextLayout) -> str:
    return f"{path.name} line {max(line for line, _ in records(path, layout))}"
