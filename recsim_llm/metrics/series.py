"""A metric of every arm over time, and contrasts of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.metrics import bubbles, exposure
from recsim_llm.metrics.series_definitions import SERIES, SeriesKind, TimeAxis
from recsim_llm.metrics.series_settings import SeriesSettings
from recsim_llm.metrics.timed_sums import TimedSums
from recsim_llm.statistics import Effect, jackknife_contrast, weighted_contrast

__all__ = ["Cell", "Series", "event_sum", "sums_behind"]

_TABLES = {
    "genre_entropy": "genres_clicked",
    "top_genre_share": "genres_clicked",
    "shown_genre_entropy": "genres_shown",
    "shown_top_genre_share": "genres_shown",
    "choice_overlap": "sets_clicked",
    "exposure_overlap": "sets_shown",
}
_OF_EVERYONE = {
    "catalog_coverage": exposure.catalog_coverage,
    "exposure_gini": exposure.gini,
    "head_exposure": exposure.head_exposure,
}


class Cell(NamedTuple):
    """A number: an arm in a window of time."""

    arm: int
    """Number of the arm in the manifest."""
    first: int
    """First time, from 0."""
    last: int
    """Last time; it counts too."""
    weight: float = 1.0
    """What the number counts for in a contrast."""


class Series:
    """A metric of every arm over time.

    Args:
        settings: what it is.
        sums: what it is taken of; full.
        by: what time is.
    """

    def __init__(self, settings: SeriesSettings, sums: TimedSums, by: TimeAxis) -> None:
        self.settings, self.by = settings, by
        self.kind: SeriesKind = SERIES[settings.metric]
        self._sums = sums

    @property
    def times(self) -> int:
        """Points in time."""
        return self._sums.times

    def level(self, arm: int, first: int, last: int) -> Effect:
        """Estimate an arm's number over a window of time, its interval cut to what is possible."""
        definition = self.kind.definition
        return self.contrast([Cell(arm, first, last)]).within(definition.low, definition.high)

    def defined(self, arm: int, time: int) -> bool:
        """Tell whether there is a number at a time: whether anybody was there."""
        return self.contrast([Cell(arm, time, time)]).value is not None

    def gap(self, cells: Sequence[Cell], other: Series) -> Effect:
        """Estimate a weighted sum of cells' numbers less the same of another series, of the same metric of other users."""
        columns = [one._by_user(cell) for one in (self, other) for cell in cells]
        above, below = (np.stack(side) for side in zip(*columns, strict=True))
        weights = np.array([cell.weight for cell in cells])
        return weighted_contrast(above, below, np.concatenate([weights, -weights]))

    def contrast(self, cells: Sequence[Cell], *, logarithmic: bool = False) -> Effect:
        """Estimate a weighted sum of cells' numbers, or of their logarithms, see ``weighted_contrast``."""
        weights = [cell.weight for cell in cells]
        if self.kind.of == "everyone":
            values = np.stack([self._without_groups(cell) for cell in cells])
            users = int(self._sums.members.sum())
            return jackknife_contrast(values, weights, users=users, logarithmic=logarithmic)
        columns = [self._by_user(cell) for cell in cells]
        above, below = (np.stack(side) for side in zip(*columns, strict=True))
        return weighted_contrast(above, below, weights, logarithmic=logarithmic)

    def _by_user(self, cell: Cell) -> tuple[DoubleArray, DoubleArray]:
        """Return float64 [u] each: numerator and denominator."""
        arm, first, last, _ = cell
        definition = self.kind.definition
        if definition.numerator is None:
            values = self._values(cell)
            return np.nan_to_num(values), (~np.isnan(values)).astype(np.float64)
        above = self._sums.total(arm, _numerator(self.settings, definition.numerator), first, last)
        if definition.denominator is None:
            # Nobody can be said to have done nothing after the end.
            return above, (self._sums.members & (first < self.times)).astype(np.float64)
        return above, self._sums.total(arm, definition.denominator, first, last)

    def _values(self, cell: Cell) -> DoubleArray:
        """Return float64 [u]: what each user's choices or exposures come to, NaN where there are none."""
        metric, (arm, first, last, _) = self.settings.metric, cell
        table = _TABLES[metric]
        if table.startswith("genres"):
            measure = bubbles.entropy if metric.endswith("entropy") else bubbles.top_share
            return measure(self._sums.genres(arm, table, first, last))
        user, sets = self._sums.sets(arm, table, first, last)
        values = np.full(len(self._sums.members), np.nan)
        values[user] = bubbles.pair_values(bubbles.overlap_by_user(sets))
        return values

    def _without_groups(self, cell: Cell) -> DoubleArray:
        """Return float64 [1 + groups]: the property of everyone, and of everyone but each group; NaN where undefined."""
        measure, by_group = _OF_EVERYONE[self.settings.metric], self._sums.exposures(cell.arm, cell.first, cell.last)
        total = by_group.sum(axis=0)
        if not total.any():
            return np.full(1 + len(by_group), np.nan)
        found = [measure(counts) for counts in (total, *(total - mine for mine in by_group))]
        return np.array([np.nan if value is None else value for value in found])


def sums_behind(settings: SeriesSettings) -> list[str]:
    """Return the names of what a series is taken of, as ``TimedSums`` keeps it."""
    definition = SERIES[settings.metric].definition
    if SERIES[settings.metric].of == "providers":
        return []
    if SERIES[settings.metric].of == "everyone":
        return ["items_shown"]
    if definition.numerator is None:
        return [_TABLES[settings.metric]]
    named = [_numerator(settings, definition.numerator), definition.denominator]
    return [name for name in named if name is not None]


def event_sum(event: str) -> str:
    """Return the name of the sum that counts an event."""
    return f"event {event}"


def _numerator(settings: SeriesSettings, name: str) -> str:
    return name if settings.event is None else event_sum(settings.event)
