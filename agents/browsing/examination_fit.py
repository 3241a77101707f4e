"""Examination and attraction from clicks, counted by item and cell.

    P(click | item i in cell c) = examination[c] * attraction[i]

A cell is what the chance of being looked at depends on: the position (position-based model), or the position with that of the
last click above it (user browsing model). Expectation maximisation with the look alone hidden: a click was looked at for sure,
and an item passed over with ``e (1 - a) / (1 - e a)``; then an item's attraction is its clicks over its looks. It has the
stationary points of equations 1 and 2 of Wang et al. 2018 ("Position bias estimation for unbiased learning to rank in personal
search"), which hide attraction too, and comes there in fewer steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.agents.browsing.ascent import Ascent, climb
from recsim_llm.agents.browsing.click_settings import ClickModelSettings
from recsim_llm.agents.browsing.item_chances import shrink, sum_by
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["CellFit", "CellLog", "count_cells", "fit_cells"]


class CellLog(NamedTuple):
    """A click log counted by item and cell: one entry a pair that occurred."""

    item: IntArray
    """int64 [p]: place of the item."""
    cell: IntArray
    """int64 [p]."""
    shown: DoubleArray
    """float64 [p]: how often."""
    clicked: DoubleArray
    """float64 [p]: how often with a click."""
    items: int
    cells: int


class CellFit(NamedTuple):
    """What was learned; the product of the two is identified, a factor between them is not."""

    examination: DoubleArray
    """float64 [cells]."""
    attraction: DoubleArray
    """float64 [items]."""
    usual: float
    """Clicks over looks of all items."""
    views: DoubleArray
    """float64 [items]: looks at each item."""
    ascent: Ascent


def count_cells(
    item: IntArray, cell: IntArray, clicked: BoolArray, *, items: int, cells: int, weight: DoubleArray | None = None
) -> CellLog:
    """Count impressions, int64 or bool [n], by item and cell; a weight, float64 [n], counts some more than once."""
    pair, place = np.unique(item * cells + cell, return_inverse=True)
    times = np.ones(len(item)) if weight is None else weight
    shown, hits = (sum_by(place, values, len(pair)) for values in (times, clicked * times))
    return CellLog(pair // cells, pair % cells, shown, hits, items, cells)


def fit_cells(log: CellLog, settings: ClickModelSettings, pool: IntArray, start: DoubleArray | None = None) -> CellFit:
    """Fit examination and attraction together.

    Args:
        log: the counts.
        settings: of the fit.
        pool: int64 [cells]: cells with one number share a mean that each is drawn to, by ``settings.cell_weight`` views.
        start: float64 [cells + items] to begin with; None begins with rates of clicks.
    """
    shown = sum_by(log.cell, log.shown, log.cells)
    unclicked = log.shown - log.clicked
    hits = sum_by(log.item, log.clicked, log.items)

    def looks(chances: DoubleArray) -> DoubleArray:
        e, a = chances[log.cell], chances[log.cells + log.item]
        return np.asarray(log.clicked + unclicked * e * (1.0 - a) / np.maximum(1.0 - e * a, 1e-12))

    def attract(looked: DoubleArray) -> tuple[DoubleArray, float]:
        # A weight in looks would favour one of the scales between which clicks do not choose.
        weight = settings.item_weight * float(looked.sum() / shown.sum())
        return shrink(hits, sum_by(log.item, looked, log.items), weight)

    def step(chances: DoubleArray) -> DoubleArray:
        looked = looks(chances)
        attraction, _ = attract(looked)
        examined = _pooled(sum_by(log.cell, looked, log.cells), shown, pool, settings.cell_weight)
        scale = np.sqrt(attraction.max() / examined.max()) if 0.0 < settings.item_weight < np.inf else 1.0
        return np.concatenate([examined * scale, attraction / scale])

    ascent = climb(
        step,
        _start(log, shown, hits) if start is None else start,
        most_steps=settings.most_steps,
        tolerance=settings.tolerance,
    )
    looked = looks(ascent.chances)
    attraction, usual = attract(looked)
    views = sum_by(log.item, looked, log.items)
    return CellFit(ascent.chances[: log.cells], attraction, usual, views, ascent)


def _start(log: CellLog, shown: DoubleArray, hits: DoubleArray) -> DoubleArray:
    """Return click rates by cell, and attraction as if chances were small; inside 0 and 1, since 1 would never move."""
    rate = sum_by(log.cell, log.clicked, log.cells) / np.maximum(shown, 1.0)
    examination = np.clip(0.9 * rate / max(float(rate.max()), 1e-12), 1e-3, 0.9)
    looks = sum_by(log.item, log.shown * examination[log.cell], log.items)
    return np.concatenate([examination, np.clip(hits / np.maximum(looks, 1e-12), 1e-3, 0.9)])


def _pooled(looked: DoubleArray, shown: DoubleArray, pool: IntArray, weight: float) -> DoubleArray:
    """Return looks over impressions by cell, each drawn to its pool's."""
    groups = int(pool.max()) + 1
    below = sum_by(pool, shown, groups)
    whole = looked.sum() / max(float(shown.sum()), 1e-12)
    mean = np.where(below > 0.0, sum_by(pool, looked, groups) / np.where(below > 0.0, below, 1.0), whole)[pool]
    if np.isinf(weight):
        return mean
    total = shown + weight
    return np.where(total > 0.0, (looked + weight * mean) / np.where(total > 0.0, total, 1.0), mean)
