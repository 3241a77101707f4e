"""What the published layouts have in common: lists of items in a field."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.column_values import holds_labels, parse_labels, parse_whole_numbers
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.item_lists import Entries
from recsim_llm.data.text_encoding import open_bytes

__all__ = ["are_in_view", "comma_names", "entry_ids", "first_line", "mark_rows", "refuse_empty"]

_LONGEST_LINE = 100_000


def first_line(path: Path) -> bytes:
    """Return the first line of a file without its end, nothing where it cannot be read; other files tell no layout."""
    try:
        with open_bytes(path) as file:
            return file.readline(_LONGEST_LINE).rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error):
        return b""


def comma_names(path: Path) -> list[str]:
    """Return the names in the first line of a file, where commas stand between them."""
    return first_line(path).decode("utf-8-sig", "replace").replace('"', "").split(",")


def refuse_empty(check: RowCheck, column: str, entries: Entries) -> None:
    """Refuse rows that hold no list, or one without entries."""
    none = entries.bad | (entries.lengths == 0)
    check.refuse(none, column=column, expected="a list with one item or more", reason=f"no {column}")


def entry_ids(
    check: RowCheck, lists: Mapping[str, Entries], settings: ExposureSettings
) -> tuple[list[IntArray], tuple[str, ...] | None]:
    """Return the ids in each of some columns of lists, int64 [m] each, and their labels where they are texts.

    Args:
        check: the table; rows with an entry that is no id drop out of it.
        lists: column to what it holds; an id means the same item in all of them.
        settings: whether ids are texts.

    Raises:
        DataError: there is such a row, and rows may not be skipped.
    """
    kinds = {entries.values.type for entries in lists.values()}
    columns = [entries.values if len(kinds) == 1 else entries.values.cast(pa.string()) for entries in lists.values()]
    whole = pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type)
    names: tuple[str, ...] | None = None
    if settings.string_ids or (settings.string_ids is None and holds_labels(whole)):
        (ids, names), bad = parse_labels(whole, every=settings.string_ids is True)
    else:
        ids, bad = parse_whole_numbers(whole)
    ends = np.cumsum([len(column) for column in columns])[:-1]
    for (column, entries), wrong in zip(lists.items(), np.split(bad, ends), strict=True):
        check.refuse(mark_rows(entries, wrong), column=column, expected="a list of ids", reason=f"bad {column}")
    return np.split(ids, ends), names


def mark_rows(entries: Entries, marked: BoolArray) -> BoolArray:
    """Return bool [r]: rows with a marked entry, bool [m]."""
    rows = np.zeros(len(entries.bad), np.bool_)
    rows[entries.row[marked]] = True
    return rows


def are_in_view(shown: Entries, seen: IntArray, clicks: Entries, taken: IntArray) -> tuple[BoolArray, BoolArray]:
    """Compare what was in view with what was clicked, row by row.

    Args:
        shown: what was in view.
        seen: int64 [m]: its ids.
        clicks: what was clicked.
        taken: int64 [c]: its ids.

    Returns:
        bool [m]: entries in view that were clicked; and bool [c]: clicks that were in view.
    """
    item = np.unique(np.concatenate([seen, taken]), return_inverse=True)[1]
    key = np.concatenate([shown.row, clicks.row]) * (int(item.max(initial=0)) + 1) + item
    in_view, clicked = key[: len(seen)], key[len(seen) :]
    return np.isin(in_view, clicked), np.isin(clicked, in_view)
