"""Columns whose fields are lists, as logs have them of what was in view and of what was clicked: one entry after the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.data.column_values import is_list

__all__ = ["Entries", "read_lists", "split_words"]

_BRACKETS = r"^\s*\[(?P<inside>[^\[\]]*)\]\s*$"


class Entries(NamedTuple):
    """The entries of a column of lists below each other."""

    values: Any
    """``pyarrow.ChunkedArray`` [m]."""
    row: IntArray
    """int64 [m]: the row whose list holds it."""
    place: IntArray
    """int64 [m]: its place in the list, from 0."""
    bad: BoolArray
    """bool [r]: rows without a list; they have no entries. An empty list is one."""

    @property
    def lengths(self) -> IntArray:
        """int64 [r]: entries of each row."""
        return np.bincount(self.row, minlength=len(self.bad))


def read_lists(column: Any) -> Entries:
    """Read a column of Parquet lists, or of texts such as ``[3, 1, 2]``.

    Args:
        column: ``pyarrow.ChunkedArray`` [r].
    """
    if is_list(column):
        return _entries(column, np.asarray(column.is_null(), np.bool_))
    if not (pa.types.is_binary(column.type) or pa.types.is_string(column.type)):
        return _entries(pa.chunked_array([pa.nulls(len(column), pa.list_(pa.string()))]), np.ones(len(column), np.bool_))
    inside = pc.struct_field(pc.extract_regex(column.cast(pa.binary()), _BRACKETS), "inside")
    bad = np.asarray(inside.is_null(), np.bool_)
    blank = pc.match_substring_regex(inside, r"^\s*$")
    lists = pc.split_pattern(inside, ",")
    return _entries(pc.if_else(pc.fill_null(blank, True), pa.scalar([], lists.type), lists), bad)


def split_words(column: Any) -> Entries:
    """Read a column of texts with blanks between entries: ``N1-0 N2-1``; nothing is an empty list."""
    bad = np.asarray(column.is_null(), np.bool_)
    trimmed = pc.ascii_trim_whitespace(column.cast(pa.string(), safe=False))
    lists = pc.ascii_split_whitespace(trimmed)
    return _entries(pc.if_else(pc.fill_null(pc.equal(trimmed, ""), True), pa.scalar([], lists.type), lists), bad)


def _entries(lists: Any, bad: BoolArray) -> Entries:
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    row = np.repeat(np.arange(len(lengths)), lengths)
    return Entries(values=pc.list_flatten(lists), row=row, place=np.arange(len(row)) - np.repeat(starts, lengths), bad=bad)
