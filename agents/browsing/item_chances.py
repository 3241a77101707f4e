"""A chance for each item, drawn towards the usual one where an item was hardly seen.

Most items of a search log occur once or twice, and their own share of clicks is then 0 or 1. Each chance has a beta
distribution around the usual chance as its prior, worth a number of ``weight`` views:

    chance[i] = (hits[i] + weight * usual) / (views[i] + weight),    usual = sum(hits) / sum(views)

With a weight of 0 it is the maximum of the likelihood; with an infinite one every item has the usual chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray

__all__ = ["ItemChances", "shrink", "sum_by"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemChances:
    """Chances by item."""

    item_id: IntArray
    """int64 [i]: outside ids, ascending."""
    chance: DoubleArray
    """float64 [i]: 0 to 1."""
    views: DoubleArray
    """float64 [i]: looks (or clicks, for satisfaction) behind each chance, as expected by the model."""
    usual: float
    """Chance of an item that was never seen; 0 to 1."""

    def of(self, item_id: IntArray) -> DoubleArray:
        """Return the chances of items, any shape; 0 for a blank slot (-1), the usual chance for an unknown item."""
        place = np.minimum(np.searchsorted(self.item_id, item_id), len(self.item_id) - 1)
        known = self.item_id[place] == item_id
        return np.where(item_id < 0, 0.0, np.where(known, self.chance[place], self.usual))


def shrink(hits: DoubleArray, views: DoubleArray, weight: float) -> tuple[DoubleArray, float]:
    """Return the chances, float64 [i], and the usual one; see the module.

    Args:
        hits: float64 [i].
        views: float64 [i], at least ``hits``.
        weight: of the prior in views, 0 to infinity.
    """
    seen = float(views.sum())
    usual = float(hits.sum()) / seen if seen > 0.0 else 0.0
    if math.isinf(weight):
        return np.full(len(hits), usual), usual
    total = views + weight
    return np.where(total > 0.0, (hits + weight * usual) / np.where(total > 0.0, total, 1.0), usual), usual


def sum_by(place: IntArray, values: DoubleArray, places: int) -> DoubleArray:
    """Return the sums of values, float64 [n], by place, int64 [n]: float64 [places]."""
    return np.bincount(place, values, places).astype(np.float64, copy=False)
