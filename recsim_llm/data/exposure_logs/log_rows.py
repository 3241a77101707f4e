"""Impressions as they were read, one entry each, before they are put into sessions and pages."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["LogRows", "dense_rank"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LogRows:
    """Columns [n] of impressions, in the order of the table; None where the log does not have it."""

    row: IntArray
    """int64: row of the table that it stands in; several impressions may share one."""
    item_id: IntArray
    """int64."""
    clicked: BoolArray
    """bool."""
    user_id: IntArray | None = None
    """int64; None where the log knows sessions alone."""
    session: IntArray | None = None
    """int64: the log's own number of the session, or a place in the order of its labels."""
    page: IntArray | None = None
    """int64: whatever grows from page to page of a session."""
    position: IntArray | None = None
    """int64: place on the page, from 0, -1 unknown; None where the order says nothing."""
    timestamp: DoubleArray | None = None
    """float64: seconds since 1970-01-01 UTC, NaN unknown."""
    dwell: DoubleArray | None = None
    """float64: seconds, NaN unknown."""
    rating: DoubleArray | None = None
    """float64: stars, NaN where none were given."""
    purchased: BoolArray | None = None
    """bool."""
    propensity: DoubleArray | None = None
    """float64: NaN unknown."""

    def __len__(self) -> int:
        return len(self.row)

    def take(self, wanted: BoolArray) -> LogRows:
        """Return the impressions of a mask, bool [n]."""
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        return replace(self, **{name: values[wanted] for name, values in columns.items() if values is not None})


def dense_rank(*keys: IntArray | DoubleArray) -> IntArray:
    """Number the different combinations of keys [n] from 0, in their order, the first key before the others; int64 [n]."""
    order = np.lexsort(keys[::-1])
    begins = np.zeros(len(order), np.bool_)
    for key in keys:
        begins[1:] |= key[order][1:] != key[order][:-1]
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.cumsum(begins)
    return ranks
