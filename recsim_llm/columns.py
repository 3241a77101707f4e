"""Named tuples of columns, put below each other and picked from; what travels through a page is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsim_llm.errors import ContractError
from recsim_llm.pages import IntArray

__all__ = ["stack_columns", "take_columns"]


def stack_columns(values: Sequence[Any]) -> Any:
    """Put batches below each other.

    Args:
        values: at least one; arrays of one shape but for the first axis, or named tuples of such, nested to any depth. None
            stands for a column that nobody has.

    Raises:
        ContractError: only some of the batches have a column.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    if isinstance(known[0], tuple):
        return type(known[0])(*(stack_columns(column) for column in zip(*values, strict=True)))
    if len(known) < len(values):
        raise ContractError("columns: got None for some batches only, expected a column in all of them or in none")
    return np.concatenate(known)


def take_columns(value: Any, order: IntArray) -> Any:
    """Return some rows of an array, of a named tuple of arrays, or of nothing.

    Args:
        value: as in ``stack_columns``, but one batch.
        order: int64 [m]: positions along the first axis.
    """
    if value is None:
        return None
    if isinstance(value, tuple):
        return type(value)(*(take_columns(column, order) for column in value))
    return value[order]
