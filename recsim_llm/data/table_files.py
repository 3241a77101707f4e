"""Files into raw columns: every row is read at full speed, lines are counted only when one must be named."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as arrow_parquet

from recsim_llm.errors import DataError

__all__ = ["RawTable", "TextLayout", "read_parquet", "read_table", "read_text"]

_BLOCK_BYTES = 8 << 20
_UNIT_SEPARATOR = "\x1f"
_TEXT_SUFFIXES = {".csv": ",", ".tsv": "\t"}
_UNREADABLE = (OSError, EOFError, zlib.error, pa.ArrowException)


@dataclass(frozen=True, kw_only=True)
class TextLayout:
    """How the rows of a text file are written."""

    delimiter: str = ","
    """What stands between fields; more than one character is allowed where ``quoted`` is false."""
    quoted: bool = True
    """Whether fields may be wrapped in double quotes."""
    encoding: str = "utf-8"
    """Encoding of the file."""
    header: tuple[str, ...] | None = None
    """Column names of a file that has none in it; None means that the first line names them."""
    newlines_in_fields: bool = True
    """Whether quoted fields may hold line breaks; False lets a file of many million rows be cut up faster."""


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
        for line, count, expected in _body(self.path, self.layout):
            row -= count == expected
            if row < 0:
                return f"{self.name} line {line}"
        return self.name

    def malformed_place(self) -> tuple[str, int, int]:
        """Return place, number of fields and expected number of the first row whose number of fields is wrong."""
        for line, count, expected in _body(self.path, self.layout or TextLayout()):
            if count != expected:
                return f"{self.name} line {line}", count, expected
        return self.name, 0, 0


def read_table(path: Path, wanted: Mapping[str, str], *, optional: Collection[str] = (), remedy: str) -> RawTable:
    """Read some columns of a CSV, TSV (either may end in ``.gz``) or Parquet file; the suffix decides.

    Args:
        path: the file.
        wanted: our column name to the file's column name.
        optional: our names of columns that may be absent; they are then left out of the result.
        remedy: what to do about a missing column, for the error text.

    Raises:
        DataError: the file is missing, empty, unreadable, of another kind, or lacks a column.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    if kind == ".parquet" and suffixes[-1] == kind:
        return read_parquet(path, wanted, optional=optional, remedy=remedy)
    if kind in _TEXT_SUFFIXES:
        return read_text(path, wanted, TextLayout(delimiter=_TEXT_SUFFIXES[kind]), optional=optional, remedy=remedy)
    known = ".csv, .tsv, .csv.gz, .tsv.gz or .parquet"
    raise DataError(f"{path.name}: got suffix {path.suffix!r}, expected {known}; convert it")


def read_text(
    path: Path, wanted: Mapping[str, str], layout: TextLayout, *, optional: Collection[str] = (), remedy: str
) -> RawTable:
    """Read some columns of a delimited text file as bytes; see ``read_table`` for the arguments.

    Raises:
        DataError: the file is missing, empty, unreadable or lacks a column.
    """
    _require_file(path)
    try:
        header = _header(path, layout)
        present = _present(wanted, header, optional, remedy, place=f"{path.name} line 1")
        table, malformed, open_quote = _read_arrow(path, layout, list(present.values()))
        if open_quote:
            # Refused even where rows may be skipped: all the lines after the quote would count as one.
            raise DataError(f"{_last_place(path, layout)}: got a quote that is never closed; add the closing one")
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
        raise DataError(f"{path.name}: no such file in {path.parent}; check the path, or unpack the archive again")


def _unreadable(path: Path, error: BaseException) -> DataError:
    reason = " ".join(str(error).split())[:200]
    return DataError(f"{path.name}: could not be read ({reason}); check that the file is whole, or fetch it again")


def _header(path: Path, layout: TextLayout) -> tuple[str, ...]:
    first = next(_records(path, layout), None)
    if first is None:
        raise DataError(f"{path.name}: the file is empty, expected rows; restore the file")
    names = layout.header or tuple(first[1])
    if any("�" in name for name in names):
        raise DataError(f"{path.name} line {first[0]}: got names that are not UTF-8; save the file as UTF-8")
    return names


def _present(
    wanted: Mapping[str, str], header: tuple[str, ...], optional: Collection[str], remedy: str, *, place: str
) -> dict[str, str]:
    for ours, theirs in wanted.items():
        if header.count(theirs) > 1:
            raise DataError(f"{place}: got column {theirs!r} {header.count(theirs)} times, expected once; rename one")
        if theirs not in header and ours not in optional:
            found = ", ".join(name[:40] for name in header[:12])
            raise DataError(f"{place}: {ours}: got columns {found!r}, expected one named {theirs!r}; {remedy}")
    return {ours: theirs for ours, theirs in wanted.items() if theirs in header}


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
        source = path.read_bytes().decode(layout.encoding)
        if len(delimiter) > 1:
            source, delimiter = source.replace(delimiter, _UNIT_SEPARATOR), _UNIT_SEPARATOR
        source = pa.BufferReader(source.encode())
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


def _last_place(path: Path, layout: TextLayout) -> str:
    return f"{path.name} line {max(line for line, _ in _records(path, layout))}"


def _body(path: Path, layout: TextLayout) -> Iterator[tuple[int, int, int]]:
    """Yield line number, number of fields and expected number of fields of every record after the header."""
    records = _records(path, layout)
    expected = len(layout.header or next(records)[1])
    for line, fields in records:
        yield line, len(fields), expected


def _records(path: Path, layout: TextLayout) -> Iterator[tuple[int, list[str]]]:
    """Yield first line number and fields of every record that is not blank, a header among them."""
    encoding = "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding
    line_breaks = "" if layout.quoted else None
    with io.TextIOWrapper(_open_bytes(path), encoding, errors="replace", newline=line_breaks) as lines:
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
            raise DataError(f"{path.name} line {start}: {error}; look for a quote that is never closed") from error


def _open_bytes(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")
