"""Files that list who knows whom: two columns of user ids, a friendship a row."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.arrays import IntArray, TextArray
from recsim_llm.data.column_values import parse_whole_numbers, parse_words
from recsim_llm.data.table_files import read_table

__all__ = ["FriendPairs", "read_friend_pairs"]

_COLUMNS = {"user_id": "user_id", "friend_id": "friend_id"}
_REMEDY = "name the two columns user_id and friend_id"


class FriendPairs(NamedTuple):
    """Rows of two user ids."""

    one: IntArray | TextArray
    """int64 [r], -1 where there is no number; or str [r], empty where there is no text."""
    other: IntArray | TextArray
    """Likewise: the friend."""
    malformed: int
    """Rows left out because their number of fields is wrong."""


def read_friend_pairs(path: str | PathLike[str], *, texts: bool) -> FriendPairs:
    """Read the columns ``user_id`` and ``friend_id`` of a text file with a header, or of a Parquet file.

    Args:
        path: ``.csv``, ``.tsv``, ``.txt`` (each may end in ``.gz``) or ``.parquet``.
        texts: whether ids are texts (``0007``), not whole numbers.

    Raises:
        DataError: the file is missing, empty, unreadable, of another kind, or lacks a column.
    """
    table = read_table(Path(path), _COLUMNS, remedy=_REMEDY)
    read = _texts if texts else _numbers
    return FriendPairs(read(table.columns["user_id"]), read(table.columns["friend_id"]), table.malformed)


def _numbers(column: Any) -> IntArray:
    numbers, bad = parse_whole_numbers(column)
    return np.where(bad, -1, numbers)


def _texts(column: Any) -> TextArray:
    words, bad = parse_words(column)
    found = np.array([word.strip() for word in words.tolist()], object)
    found[bad] = ""
    return found
