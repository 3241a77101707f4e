"""What everyone may see of users: their demographics, as texts and as columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.errors import ConfigError, DataError, one_of

__all__ = ["NO_PROFILE", "Profile", "make_profile"]

Texts = npt.NDArray[np.object_]


class _Table(NamedTuple):
    """The profiles of a whole population."""

    texts: Mapping[str, Texts]
    """Field to str [n], empty where unknown."""
    names: tuple[str, ...]
    """Of the columns."""
    columns: FloatArray
    """float32 [n, p]."""


class Profile:
    """The observable profile of a batch of users; nothing of their personas, tastes or traits. ``make_profile`` makes one.

    Args:
        table: of everyone; None where nobody knows it.
        rows: int64 [u]: who is in the batch, as rows of the table.
    """

    def __init__(self, table: _Table | None, rows: IntArray) -> None:
        self._table, self._rows = table, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: IntArray | slice) -> Profile:
        """Return the profile of some of the users."""
        return self if self._table is None else Profile(self._table, self._rows[rows])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return ``columns``, for code that takes all columns of requests alike."""
        columns = np.zeros((0, 0), np.float32) if self._table is None else self.columns
        return columns.astype(columns.dtype if dtype is None else dtype, copy=False)

    @property
    def known(self) -> bool:
        """Whether anything can be asked; not of requests that were rebuilt from a log."""
        return self._table is not None

    def alone(self) -> Profile:
        """Return the same without what it knows of users who are not in the batch; for who sends it elsewhere."""
        if self._table is None:
            return self
        texts = {field: column.take(self._rows) for field, column in self._table.texts.items()}
        return Profile(_Table(texts, self._table.names, self.columns), np.arange(len(self)))

    @property
    def fields(self) -> tuple[str, ...]:
        """What is known of users, such as ``age``; sorted, empty where nothing is."""
        return tuple(self._known().texts)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each column: ``field=value``."""
        return self._known().names

    @property
    def columns(self) -> FloatArray:
        """float32 [u, p]: 1 where a user has the value of a column, else 0; a user of unknown value has none."""
        return self._known().columns.take(self._rows, axis=0)

    def values(self, field: str) -> Texts:
        """Return str [u]: one field of every user, empty where unknown.

        Raises:
            ConfigError: there is no such field.
        """
        texts = self._known().texts
        if field not in texts:
            expected = one_of(field, texts) if texts else "none, since the data say nothing about users"
            raise ConfigError(f"profile: got {field!r}, expected {expected}; look at profile.fields")
        return texts[field].take(self._rows)

    @staticmethod
    def joined(parts: Sequence[Profile]) -> Profile:
        """Put profiles of users of one population below each other."""
        if any(part._table is not parts[0]._table for part in parts):
            return _below(parts)
        return Profile(parts[0]._table, np.concatenate([part._rows for part in parts]))

    def _known(self) -> _Table:
        """Return the table.

        Raises:
            DataError: nobody knows it.
        """
        if self._table is None:
            raise DataError(
                "profile: got requests that were rebuilt from a log, which says nothing of users, expected those of a run; "
                "serve users with this recommender instead"
            )
        return self._table


def _below(parts: Sequence[Profile]) -> Profile:
    """Put profiles with tables of their own below each other."""
    known = [part.alone() for part in parts]
    tables = [table for part in known if (table := part._table) is not None]
    texts = {field: np.concatenate([table.texts[field] for table in tables]) for field in tables[0].texts}
    columns = np.concatenate([table.columns for table in tables])
    return Profile(_Table(texts, tables[0].names, columns), np.arange(len(columns)))


NO_PROFILE = Profile(None, np.zeros(0, np.int64))
"""Of requests that were rebuilt from a log; whatever it is asked is refused."""


def make_profile(demographics: Mapping[str, npt.NDArray[np.object_]], users: int) -> Profile:
    """Return the profile of all users of a population.

    Args:
        demographics: field to str [n]; an empty string means unknown.
        users: n.
    """
    texts = {field: np.asarray(values, object) for field, values in sorted(demographics.items())}
    levels = [(field, value) for field, values in texts.items() for value in sorted(set(values.tolist()) - {""})]
    columns = np.zeros((users, len(levels)), np.float32)
    for place, (field, value) in enumerate(levels):
        columns[:, place] = texts[field] == value
    return Profile(_Table(texts, tuple(f"{field}={value}" for field, value in levels), columns), np.arange(users))
