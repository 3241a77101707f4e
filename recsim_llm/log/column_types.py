"""What kind of values the columns of a run folder's files hold, checked where they are read: anybody may have written them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa

from recsim_llm.errors import LogError

__all__ = ["ids_of", "refuse_nulls", "refuse_other_types"]

_WHOSE = ("user_id", "visit", "page")
_IDS = (*_WHOSE, "position", "item_id")


def refuse_other_types(path: Path, found: pa.Schema, expected: pa.Schema, names: Collection[str]) -> None:
    """See to it that columns hold the kind of values that this package writes; their width is free.

    Args:
        path: the file, for the error.
        found: its columns.
        expected: the table's columns.
        names: those that are read; others are passed over.

    Raises:
        LogError: a column stands twice, or holds another kind.
    """
    for name in names:
        if name not in expected.names or name not in found.names:
            continue
        if found.names.count(name) > 1:
            raise LogError(f"{path}: got column {name!r} twice, expected it once; restore the file or start a new run")
        got, wanted = found.field(name).type, expected.field(name).type
        if not _alike(got, wanted) and not (pa.types.is_null(got) and not pa.types.is_nested(wanted) and name not in _IDS):
            raise LogError(
                f"{path}: got column {name!r} of {got}, expected {_kind(wanted)}; restore the file or start a new run"
            )


def ids_of(schema: pa.Schema) -> list[str]:
    """Return the ids and places that each row of a table of the log has."""
    return [name for name in _IDS if name in schema.names and (name in _WHOSE or not schema.field(name).nullable)]


def refuse_nulls(path: Path, columns: pa.Table | pa.RecordBatch, names: Collection[str]) -> None:
    """See to it that every row says whose and about what it is.

    Args:
        path: the file, for the error.
        columns: as they are read.
        names: those that always hold something, as far as they are among them.

    Raises:
        LogError: one is null somewhere.
    """
    for name in names:
        if name in columns.schema.names and columns.column(name).null_count:
            raise LogError(f"{path}: got {name} null, expected a value in each row; restore the file or start a new run")


def _alike(got: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_list(got) and pa.types.is_list(wanted):
        return _alike(got.value_type, wanted.value_type)
    kinds = _kind(got), _kind(wanted)
    return kinds[0] == kinds[1] or kinds == ("whole numbers", "numbers")


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _kind(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "words"
    if pa.types.is_integer(kind):
        return "whole numbers"
    if pa.types.is_floating(kind):
        return "numbers"
    return "truth values" if pa.types.is_boolean(kind) else str(kind).partition("<")[0]
