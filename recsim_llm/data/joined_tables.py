"""Several files of one layout as one table, whose rows still say from which file they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recsim_llm.data.table_files import RawTable
from recsim_llm.errors import DataError

__all__ = ["join_tables"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _JoinedTables(RawTable):
    """Tables below each other."""

    parts: tuple[RawTable, ...]
    """What was joined, in order."""

    @property
    def name(self) -> str:
        """Names of the files."""
        return " and ".join(part.name for part in self.parts)

    def place(self, row: int) -> str:
        """Return file and place of a row."""
        ends = np.cumsum([part.row_count for part in self.parts])
        number = int(np.searchsorted(ends, row, side="right"))
        return self.parts[number].place(row - int(ends[number]) + self.parts[number].row_count)

    def malformed_place(self) -> tuple[str, int, int]:
        """Return what the first part with a row of another number of fields says of it."""
        return next(part for part in self.parts if part.malformed).malformed_place()


def join_tables(tables: Sequence[RawTable]) -> RawTable:
    """Return tables below each other; a single one is returned as it is.

    Args:
        tables: one or more; columns that only some of them have are null in the others.

    Raises:
        DataError: a column is of one type here and of another there.
    """
    if len(tables) == 1:
        return tables[0]
    try:
        whole = pa.concat_tables([pa.table(dict(table.columns)) for table in tables], promote_options="permissive")
    except pa.ArrowException as error:
        names = " and ".join(table.name for table in tables)
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{names}: got columns that do not fit ({reason}), expected one layout; open them one by one"
        ) from error
    return _JoinedTables(
        path=tables[0].path,
        columns={name: whole.column(name) for name in whole.column_names},
        row_count=whole.num_rows,
        malformed=sum(table.malformed for table in tables),
        layout=tables[0].layout,
        parts=tuple(tables),
    )
