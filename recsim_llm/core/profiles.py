"""What everyone may see of users: their demographics, as texts and as columns of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.errors import ConfigError, one_of

__all__ = ["Profile", "make_profile"]

Texts = npt.NDArray[np.object_]


class Profile:
    """The observable profile of a batch of users; nothing of their personas, tastes or traits.

    Args:
        texts: field to str [n], empty where unknown: of everyone.
        names: of the columns.
        columns: float32 [n, p]: of everyone.
        rows: int64 [u]: who is in the batch, as rows of these.
    """

    def __init__(self, texts: Mapping[str, Texts], names: tuple[str, ...], columns: FloatArray, rows: IntArray) -> None:
        self._texts, self._columns, self._rows = texts, columns, rows
        self.names = names
        """Name of each column: ``field=value``."""

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: IntArray | slice) -> Profile:
        """Return the profile of some of the users."""
        return Profile(self._texts, self.names, self._columns, self._rows[rows])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return ``columns``, for code that takes all columns of requests alike."""
        return self.columns.astype(self._columns.dtype if dtype is None else dtype, copy=False)

    @property
    def fields(self) -> tuple[str, ...]:
        """What is known of users, such as ``age``; sorted, empty where nothing is."""
        return tuple(self._texts)

    @property
    def columns(self) -> FloatArray:
        """float32 [u, p]: 1 where a user has the value of a column, else 0; a user of unknown value has none."""
        return self._columns.take(self._rows, axis=0)

    def values(self, field: str) -> Texts:
        """Return str [u]: one field of every user, empty where unknown.

        Raises:
            ConfigError: there is no such field.
        """
        if field not in self._texts:
            expected = one_of(field, self.fields) if self._texts else "none, since the data say nothing about users"
            raise ConfigError(f"profile: got {field!r}, expected {expected}; look at profile.fields")
        return self._texts[field].take(self._rows)

    @staticmethod
    def joined(parts: Sequence[Profile]) -> Profile:
        """Put batches of the same users' profiles below each other."""
        first = parts[0]
        return Profile(first._texts, first.names, first._columns, np.concatenate([part._rows for part in parts]))


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
    return Profile(texts, tuple(f"{field}={value}" for field, value in levels), columns, np.arange(users))
