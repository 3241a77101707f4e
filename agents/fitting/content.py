"""Item features that both preference models share: genres, year, popularity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray

__all__ = ["item_content", "log_popularity", "reduce_width"]


def item_content(genres: npt.ArrayLike, year: npt.ArrayLike | None = None) -> DoubleArray:
    """Return content columns: genres scaled to unit length, then year and its square.

    Args:
        genres: 0/1 matrix, shape [items, genres]; width 0 is allowed.
        year: release year, shape [items], NaN where unknown; ``None`` leaves the year columns out.
    """
    flags = np.asarray(genres, dtype=np.float64)
    unit = flags / np.sqrt(np.maximum(flags.sum(axis=1, keepdims=True), 1.0))
    if year is None:
        return np.asarray(unit, dtype=np.float64)
    years = np.asarray(year, dtype=np.float64)
    known = np.isfinite(years)
    middle = float(np.median(years[known])) if known.any() else 0.0
    spread = max(float(np.std(years[known])), 1.0) if known.any() else 1.0
    scaled = np.clip((np.where(known, years, middle) - middle) / spread, -3.0, 3.0)
    return np.column_stack([unit, scaled, scaled**2])


def log_popularity(item_index: npt.NDArray[np.int64], n_items: int) -> DoubleArray:
    """Return log(1 + events) of each item, centred and scaled over the items seen, shape [items]."""
    count = np.bincount(item_index, minlength=n_items)
    logs = np.log1p(count)
    seen = logs[count > 0]
    return np.asarray((logs - seen.mean()) / max(float(seen.std()), 0.25), dtype=np.float64)


def reduce_width(content: DoubleArray, width: int) -> DoubleArray:
    """Return content with at most ``width`` columns, by principal components where it is wider."""
    if content.shape[1] <= width:
        return content
    centred = content - content.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ axes[:width].T, dtype=np.float64)
