"""Raw columns into numpy columns: each parser returns the values and a mask of the rows it could not read.

Values at masked rows are 0 or empty and mean nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray

__all__ = [
    "Labels",
    "has_leading_zeros",
    "holds_labels",
    "is_list",
    "is_missing",
    "is_record",
    "parse_decimals",
    "parse_flags",
    "parse_labels",
    "parse_moments",
    "parse_times",
    "parse_whole_numbers",
    "parse_words",
    "place_labels",
    "shown",
]


_WHOLE = r"^\s*[0-9]{1,18}(\.0*)?\s*$"
_SIGNED = r"^\s*-?[0-9]{1,18}(\.[0-9]*)?\s*$|^\s*1[0-9]{18}(\.[0-9]*)?\s*$"
_DECIMAL = r"^\s*[+-]?([0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})([eE][+-]?[0-9]{1,2})?\s*$"
# What is neither a number nor missing is a label; so are leading zeros, and more digits than a number here may have.
_MISSING = r"^\s*(|nan|NaN|None|null|NULL|NA|N/A|<NA>|\\N)\s*$"
_LABEL_OF_DIGITS = r"^\s*(0[0-9]+|[0-9]{19,})\s*$"
_TRUE, _FALSE = r"^\s*(?i:true|1(\.0*)?)\s*$", r"^\s*(?i:false|0(\.0*)?)\s*$"
_SECOND_FRACTION = r":[0-9]{2}[.,](?P<digits>[0-9]{1,9})"
_LATEST_SECOND = 100_000_000_000
_LARGEST_TIME = 2.0**62
_EXACT_FLOAT = 2.0**53
_SHOWN_CHARACTERS = 40


class Labels(NamedTuple):
    """Text ids as numbers."""

    ids: IntArray
    """int64 [r]: position of each row's label in ``names``."""
    names: tuple[str, ...]
    """The distinct labels, sorted by code point."""


def parse_whole_numbers(column: Any) -> tuple[IntArray, BoolArray]:
    """Parse whole numbers of 0 or more, at most 18 digits, also as ``12.0``; blanks around them are dropped.

    Args:
        column: ``pyarrow.ChunkedArray`` [r] of bytes, text or numbers.

    Returns:
        int64 [r] and bool [r], true where there is no such number.
    """
    if _is_text(column):
        texts, bad = _matching(column, _WHOLE)
        return _numpy(pc.replace_substring_regex(texts, r"\..*$", "").cast(pa.int64()), 0), bad
    if pa.types.is_integer(column.type):
        whole = _numpy(column.cast(pa.int64(), safe=False), -1)
        return np.maximum(whole, 0), whole < 0
    numbers, bad = _numbers(column)
    bad = bad | (numbers != np.floor(numbers)) | (numbers < 0) | (numbers > _EXACT_FLOAT)
    return np.where(bad, 0, numbers).astype(np.int64), bad


def parse_decimals(column: Any, *, commas: bool = False) -> tuple[DoubleArray, BoolArray]:
    """Parse finite numbers; see ``parse_whole_numbers``.

    Args:
        column: likewise.
        commas: whether ``4,5`` is four and a half.

    Returns:
        float64 [r] and bool [r], true where there is no number (``nan`` and ``inf`` are none).
    """
    if _is_text(column):
        pointed = pc.replace_substring(column, ",", ".", max_replacements=1) if commas else column
        texts, bad = _matching(pointed, _DECIMAL)
        return _numpy(texts.cast(pa.float64()), 0.0), bad
    return _numbers(column)


def parse_times(column: Any) -> tuple[IntArray, BoolArray]:
    """Parse seconds, milli-, micro- or nanoseconds since 1970, ISO 8601 dates and Parquet timestamps.

    A number above 1e11 is read as milliseconds: as seconds it would lie after the year 5138; above 1e14 as microseconds and
    above 1e17 as nanoseconds likewise. So what lies before March 1973 must come as seconds or as a date. Dates without an
    offset are UTC; fractions of a second are cut off.

    Returns:
        int64 [r]: seconds since 1970-01-01 UTC; and bool [r], true where there is no time.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        seconds = column.cast(pa.timestamp("s", tz=getattr(column.type, "tz", None)), safe=False).cast(pa.int64())
        return _numpy(seconds, 0), np.asarray(column.is_null(), dtype=np.bool_)
    if _is_text(column):
        texts, bad = _matching(column, _SIGNED)
        seconds = _numpy(pc.replace_substring_regex(texts, r"\.[0-9]*$", "").cast(pa.int64()), 0)
        _fill_dates(column, seconds, bad)
    else:
        numbers, bad = _numbers(column)
        seconds = np.where(bad | (np.abs(numbers) > _LARGEST_TIME), 0, np.floor(numbers)).astype(np.int64)
        bad = bad | (np.abs(numbers) > _LARGEST_TIME)
    for _ in ("milliseconds", "microseconds", "nanoseconds"):
        seconds = np.where(np.abs(seconds) > _LATEST_SECOND, seconds // 1000, seconds)
    return seconds, bad


def parse_moments(column: Any) -> tuple[DoubleArray, BoolArray]:
    """Parse times as ``parse_times`` does, and keep fractions of a second, to a microsecond or so.

    Returns:
        float64 [r]: seconds since 1970-01-01 UTC; and bool [r], true where there is no time.
    """
    seconds, bad = parse_times(column)
    if pa.types.is_timestamp(column.type):
        moments = _numpy(column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.int64()), 0) / 1e6
        return np.where(bad, 0.0, moments), bad
    numbers, none = parse_decimals(column)
    for _ in range(3):
        numbers = np.where(np.abs(numbers) > _LATEST_SECOND, numbers / 1000, numbers)
    fractions = np.where(none | bad, 0.0, numbers - np.floor(numbers))
    if _is_text(column) and (dates := none & ~bad).any():
        found = pc.extract_regex(column.filter(pa.array(dates)).cast(pa.binary()), _SECOND_FRACTION)
        digits = pc.fill_null(pc.struct_field(found, "digits"), b"0").cast(pa.string())
        fractions[dates] = _numpy(pc.binary_join_element_wise("0", digits, ".").cast(pa.float64()), 0.0)
    return np.asarray(seconds + fractions, np.float64), bad


def parse_flags(column: Any) -> tuple[BoolArray, BoolArray]:
    """Parse truth values: 1 and 0, true and false.

    Returns:
        bool [r], and bool [r], true where there is none.
    """
    if pa.types.is_boolean(column.type):
        return np.asarray(pc.fill_null(column, False), np.bool_), np.asarray(column.is_null(), np.bool_)
    if _is_text(column):
        true, false = (
            np.asarray(pc.fill_null(pc.match_substring_regex(column, way), False), np.bool_) for way in (_TRUE, _FALSE)
        )
        return true, ~(true | false)
    numbers, bad = _numbers(column)
    return numbers == 1, bad | ~np.isin(numbers, (0, 1))


def is_missing(column: Any) -> BoolArray:
    """Mark fields that hold nothing, bool [r]: null, NaN, no text, or a word that stands for that."""
    if _is_text(column):
        return _matches(column, _MISSING)
    if pa.types.is_floating(column.type):
        return np.asarray(pc.fill_null(pc.is_nan(column), True), np.bool_)
    return np.asarray(column.is_null(), np.bool_)


def parse_words(column: Any) -> tuple[TextArray, BoolArray]:
    """Return texts; numbers become their decimal text, nulls the empty text.

    Returns:
        str [r] and bool [r], true where bytes are not UTF-8.
    """
    strings, bad = _strings(column)
    return np.array(strings.fill_null("").to_pylist(), dtype=np.object_), bad


def parse_labels(column: Any, *, every: bool = True) -> tuple[Labels, BoolArray]:
    """Number the distinct texts of a column in sorted order; blanks around them are dropped.

    Args:
        column: as for ``parse_whole_numbers``.
        every: take words for what is missing (``nan``, ``None``, ``NULL``) for labels too.

    Returns:
        The labels and bool [r], true where a text is empty, missing or not UTF-8.
    """
    strings, bad = _strings(column)
    strings = pc.utf8_trim_whitespace(strings)
    missing = pc.equal(strings, "") if every else pc.match_substring_regex(strings, _MISSING)
    missing = pc.fill_null(missing, True)
    names = tuple(sorted(pc.unique(strings.filter(pc.invert(missing))).to_pylist()))
    return Labels(np.maximum(place_labels(strings, names), 0), names), bad | np.asarray(missing, dtype=np.bool_)


def place_labels(column: Any, names: tuple[str, ...]) -> IntArray:
    """Return the position of each text in ``names``, int64 [r]; -1 where it is not there."""
    strings, _ = _strings(column)
    places = pc.index_in(pc.utf8_trim_whitespace(strings), value_set=pa.array(names, pa.string()), skip_nulls=True)
    return np.asarray(_numpy(places.cast(pa.int64()), -1), dtype=np.int64)


def is_list(column: Any) -> bool:
    """Say whether each value of a column is a list."""
    kind = column.type
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_record(column: Any) -> bool:
    """Say whether each value of a column is a record with named fields."""
    return bool(pa.types.is_struct(column.type))


def holds_labels(column: Any) -> bool:
    """Say whether any id of a column is a text: no number at all, or one that leading zeros or its length make a label.

    ``3.7`` and ``1e+05`` among numbers are numbers that cannot be ids, and no labels.
    """
    if not _is_text(column):
        return False
    distinct = pc.unique(column)
    number = _matches(distinct, _DECIMAL) & ~_matches(distinct, _LABEL_OF_DIGITS)
    return bool((~number & ~_matches(distinct, _MISSING)).any())


def has_leading_zeros(column: Any) -> BoolArray:
    """Mark ids that a number does not hold whole, bool [r]: ``007``."""
    if not _is_text(column):
        return np.zeros(len(column), dtype=np.bool_)
    return _matches(column, _LABEL_OF_DIGITS)


def shown(column: Any, row: int) -> str:
    """Return one value as an error text shows it: quoted, on one line, cut where it is long."""
    value = column[row].as_py()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        value = value[:_SHOWN_CHARACTERS] + "..."
    return repr(value)


def _is_text(column: Any) -> bool:
    tests = (pa.types.is_binary, pa.types.is_string, pa.types.is_large_binary, pa.types.is_large_string)
    return any(test(column.type) for test in tests)


def _matches(column: Any, pattern: str) -> BoolArray:
    return np.asarray(pc.fill_null(pc.match_substring_regex(column, pattern), True), dtype=np.bool_)


def _matching(column: Any, pattern: str) -> tuple[Any, BoolArray]:
    """Return trimmed texts, null where the pattern does not match, and the mask of those rows."""
    good = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    texts = pc.if_else(good, column, pa.scalar(None, column.type)).cast(pa.string())
    return pc.ascii_trim_whitespace(texts), ~np.asarray(good, dtype=np.bool_)


def _numbers(column: Any) -> tuple[DoubleArray, BoolArray]:
    """Return numbers of a typed column; columns of truth values, lists and the like hold none."""
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return np.zeros(len(column)), np.ones(len(column), dtype=np.bool_)
    numbers = _numpy(column.cast(pa.float64(), safe=False), np.nan)
    bad = ~np.isfinite(numbers)
    return np.where(bad, 0.0, numbers), bad


def _strings(column: Any) -> tuple[Any, BoolArray]:
    """Return a string column, null where bytes are not UTF-8, and the mask of those rows."""
    try:
        strings = column.cast(pa.string())
    except pa.ArrowNotImplementedError:
        return pa.chunked_array([pa.nulls(len(column), pa.string())]), np.ones(len(column), dtype=np.bool_)
    except pa.ArrowInvalid:
        pairs = [_decoded(value) for value in column.to_pylist()]
        strings = pa.chunked_array([pa.array([text for text, _ in pairs], pa.string())])
        return strings, np.array([broken for _, broken in pairs], dtype=np.bool_)
    return strings, np.zeros(len(column), dtype=np.bool_)


def _decoded(value: bytes | None) -> tuple[str | None, bool]:
    try:
        return (None if value is None else value.decode("utf-8")), False
    except UnicodeDecodeError:
        return None, True


def _fill_dates(column: Any, seconds: IntArray, bad: BoolArray) -> None:
    """Put the seconds of ISO dates where no number was found, and clear those rows' marks, in place."""
    rows = np.flatnonzero(bad)
    if len(rows) == 0:
        return
    texts = column.take(pa.array(rows))
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            whole = texts.cast(pa.string()).cast(kind).cast(pa.int64())
        except pa.ArrowInvalid:
            continue
        if whole.null_count == 0:
            seconds[rows], bad[rows] = _numpy(whole, 0) // 1_000_000, False
            return
    for row, text in zip(rows, parse_words(texts)[0], strict=True):
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            continue
        seconds[row], bad[row] = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1), False


def _numpy(column: Any, null: float) -> Any:
    values = pc.fill_null(column, null).to_numpy()
    return values if values.flags.writeable else values.copy()
