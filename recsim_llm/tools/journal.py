"""What agents did for each page, kept until the run's log takes it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import IntArray

__all__ = ["Journal", "Row"]


class Row(NamedTuple):
    """One row of the table ``tool_calls``; columns as there."""

    step: int
    tool: str | None
    arguments: str
    result: str
    error: str | None
    tokens: int
    chosen: int = -1
    invalid: int = -1
    from_candidates: int = -1
    from_base: int = -1


class Journal:
    """Rows by page; nothing is kept before ``begin``, so that who is only asked remembers nothing."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int, int], list[Row]] | None = None

    def begin(self) -> None:
        """Keep from now on what is written."""
        self._rows = {}

    def write(self, user_id: int, visit: int, page: int, rows: list[Row]) -> None:
        """Take in what was done for a page, in place of what was there for it."""
        if self._rows is not None:
            self._rows[user_id, visit, page] = rows

    def take(self, user_id: IntArray, visit: IntArray, page: IntArray) -> dict[str, npt.NDArray[Any]]:
        """Hand over the rows of pages, in their order, and forget them.

        Args:
            user_id: int64 [u].
            visit: int64 [u].
            page: int64 [u].

        Returns:
            Columns of the table, one length each.
        """
        keys = list(zip(user_id.tolist(), visit.tolist(), page.tolist(), strict=True))
        found = [(key, row) for key in keys for row in (self._rows or {}).pop(key, [])]
        columns: dict[str, npt.NDArray[Any]] = {
            name: np.array([key[place] for key, _ in found], np.int64)
            for place, name in enumerate(("user_id", "visit", "page"))
        }
        for name in Row._fields:
            kind = object if name in ("tool", "arguments", "result", "error") else np.int64
            columns[name] = np.array([getattr(row, name) for _, row in found] or [], kind)
        return columns
