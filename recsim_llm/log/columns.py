"""Columns of the log as numpy: one conversion for every reader, and impressions laid out by page and position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim_llm.errors import LogError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Columns", "integers", "lay_out_pages", "numbers", "plain", "words"]

Columns = dict[str, npt.NDArray[Any]]
"""Columns by name, each [n]."""


def integers(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.int64]:
    """Return a column without nulls as int64 [n]."""
    values: npt.NDArray[np.int64] = batch.column(name).to_numpy(zero_copy_only=False).astype(np.int64)
    return values


def numbers(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.float64]:
    """Return a column of numbers or truth values as float64 [n], NaN for null."""
    import pyarrow as pa

    values: npt.NDArray[np.float64] = batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def words(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.object_]:
    """Return a column of words as str [n], None for null."""
    return _words(batch.column(name))


def plain(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return a column [n] by its type.

    Whole numbers come as int64 and truth values as bool, both as float64 with NaN where a value is null; other numbers as
    float64, NaN for null; words as str, None for null.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_null(kind):
        return np.concatenate([np.empty(0, object), *(_words(chunk) for chunk in column.chunks)])
    if pa.types.is_floating(kind) or column.null_count:
        return np.asarray(column.cast(pa.float64()).to_numpy())
    values = np.asarray(column.to_numpy())
    return values if pa.types.is_boolean(kind) else values.astype(np.int64)


def lay_out_pages(
    pages: Columns, impressions: Columns, *, key: Sequence[str], slate_size: int, what: str
) -> tuple[Columns, Columns]:
    """Sort pages and impressions by a key and give each page a row of slots.

    Args:
        pages: columns [p]; the key's among them.
        impressions: columns [p * k] in any order; the key's and ``position`` among them.
        key: names of the columns that tell pages apart, the first of them sorted by first.
        slate_size: slots a page, k.
        what: whose log it is, for the error.

    Returns:
        The columns of the pages [p], and those of the impressions [p, k] without the key and ``position``.

    Raises:
        LogError: a page lacks a slot, or has one too many.
    """
    count = len(pages[key[0]])
    by_page = np.lexsort([pages[name] for name in reversed(key)])
    by_slot = np.lexsort([impressions[name] for name in ("position", *reversed(key))])
    flat = {name: column[by_page] for name, column in pages.items()}
    whole = len(by_slot) == count * slate_size
    if whole:
        wide = {name: column[by_slot].reshape(count, slate_size) for name, column in impressions.items()}
        whole = all(_alike(wide.pop(name), flat[name][:, None]) for name in key)
        whole = _alike(wide.pop("position"), np.arange(slate_size)) and whole
    if not whole:
        raise LogError(
            f"{what}: got {len(by_slot)} impressions of {count} pages that do not fit, expected {slate_size} a page; "
            "restore the files or start a new run"
        )
    return flat, wide


def _alike(values: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    return bool((values == expected).all())


def _words(column: pa.Array) -> npt.NDArray[np.object_]:
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return np.array([*column.to_pylist(), None], object)[:-1]
    known = np.array([*column.dictionary.to_pylist(), None], object)
    place = column.indices.cast(pa.int64()).fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
    return np.asarray(known[place], object)
