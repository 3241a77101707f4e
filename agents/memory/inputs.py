"""Checks of what callers hand to memories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import IntArray
from recsim_llm.errors import ConfigError

__all__ = ["check_numbers", "check_rows"]


def check_rows(row: npt.ArrayLike, count: int, texts: Sequence[str] | None = None) -> IntArray:
    """Return int64 [m]: rows of a batch of ``count``, as many as there are texts.

    Raises:
        ConfigError: they are not whole numbers from 0 to ``count - 1``, or not as many as texts.
    """
    rows = np.asarray(row)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ConfigError(f"memory: got rows of shape {rows.shape} and type {rows.dtype}, expected whole numbers [m]")
    rows = rows.astype(np.int64)
    if rows.size and not (rows.min() >= 0 and rows.max() < count):
        raise ConfigError(f"memory: got rows {rows.min()} to {rows.max()}, expected 0 to {count - 1}; allocate more")
    if texts is not None and (isinstance(texts, str) or len(texts) != len(rows)):
        got = "one text" if isinstance(texts, str) else f"{len(texts)} texts"
        raise ConfigError(f"memory: got {got}, expected a list of {len(rows)}, one for each row")
    return rows


def check_numbers(
    name: str, values: npt.ArrayLike, count: int, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> npt.NDArray[np.float64]:
    """Return float64 [count], from as many numbers or one for all.

    Raises:
        ConfigError: there are more or fewer, or some are not finite or out of bounds.
    """
    given = np.asarray(values, np.float64)
    if given.shape not in ((), (count,)):
        raise ConfigError(f"memory {name}: got shape {given.shape}, expected one number or ({count},)")
    low, high = bounds
    if not (np.isfinite(given) & (given >= low) & (given <= high)).all():
        expected = "finite numbers" if np.isinf(low) else f"numbers from {low} to {high}"
        raise ConfigError(f"memory {name}: got {given.min()} to {given.max()}, expected {expected}")
    return np.broadcast_to(given, (count,)).copy()
