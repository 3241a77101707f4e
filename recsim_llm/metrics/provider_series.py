"""What becomes of providers in a run, day by day: facts of the run as a whole, which no user stands behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.log.reader import RunReader
from recsim_llm.log.schema import PROVIDER_EXPOSURE, PROVIDER_LEAVES
from recsim_llm.metrics.series import Cell, Series
from recsim_llm.metrics.series_settings import SeriesSettings
from recsim_llm.metrics.timed_sums import TimedSums
from recsim_llm.statistics import Effect

__all__ = ["ProviderDays", "ProviderSeries", "read_provider_days"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ProviderDays:
    """The providers of a run under each of its recommenders."""

    names: tuple[str, ...]
    """Of those of whom there is an event, ascending."""
    exposure: DoubleArray
    """float64 [arms, days, p]: exposure over merit at the end of each day; 0 after a provider left, NaN where it had nothing to
    offer."""
    left: IntArray
    """int64 [arms, days, p]: 1 on the day at whose end a provider left."""

    def to_json(self, arms: Sequence[str]) -> list[dict[str, Any]]:
        """Return plain values for JSON, one entry an arm.

        Args:
            arms: names of the recommenders.
        """
        return [
            {
                "arm": arm,
                "providers": [
                    {
                        "name": name,
                        "left_on_day": int(left.argmax()) if left.any() else None,
                        "exposure_over_merit": [None if np.isnan(value) else float(value) for value in exposure],
                    }
                    for name, exposure, left in zip(self.names, self.exposure[number].T, self.left[number].T, strict=True)
                ],
            }
            for number, arm in enumerate(arms)
        ]


def read_provider_days(log: RunReader) -> ProviderDays | None:
    """Read what became of providers; None where nobody asked.

    Raises:
        LogError: the log cannot be read or does not fit the manifest.
    """
    settings = log.manifest.get("settings") or {}
    if not settings.get("providers"):
        return None
    columns = ("event", "day", "subject", "value")
    by_arm = [log.columns("events", columns, arm=arm) for arm in log.arms]
    of_providers = [np.isin(rows["event"], (PROVIDER_EXPOSURE, PROVIDER_LEAVES)) for rows in by_arm]
    names = sorted({str(name) for rows, mine in zip(by_arm, of_providers, strict=True) for name in rows["subject"][mine]})
    shape = (len(log.arms), int(settings["clock"]["days"]), len(names))
    exposure, left = np.full(shape, np.nan), np.zeros(shape, np.int64)
    for arm, (rows, mine) in enumerate(zip(by_arm, of_providers, strict=True)):
        day, provider = rows["day"][mine], np.searchsorted(names, rows["subject"][mine].astype(str))
        shown = rows["event"][mine] == PROVIDER_EXPOSURE
        exposure[arm, day[shown], provider[shown]] = rows["value"][mine][shown]
        left[arm, day[~shown], provider[~shown]] = 1
    exposure[np.cumsum(left, axis=1) - left > 0] = 0.0
    return ProviderDays(names=tuple(names), exposure=exposure, left=left)


class ProviderSeries(Series):
    """A series of providers; its numbers are counted, so that they have no interval over users.

    Args:
        settings: what it is.
        sums: of the run's users, for its points in time.
        providers: the providers; None where nobody asked.
    """

    def __init__(self, settings: SeriesSettings, sums: TimedSums, providers: ProviderDays | None) -> None:
        super().__init__(settings, sums, "day")
        self._providers = providers

    def contrast(self, cells: Sequence[Cell], *, logarithmic: bool = False) -> Effect:
        """Add up weighted numbers of cells, or multiply their powers; a mean over days is one of days with a number."""
        numbers = np.array([self._number(cell) for cell in cells])
        weights = np.array([cell.weight for cell in cells])
        if not len(cells) or np.isnan(numbers).any() or (logarithmic and not (numbers > 0).all()):
            return Effect(value=None, users=0, method="none")
        value = np.exp(weights @ np.log(numbers)) if logarithmic else weights @ numbers
        return Effect(value=float(value), users=0, method="none")

    def _number(self, cell: Cell) -> float:
        if cell.first >= self.times:
            return np.nan  # After the end nothing can be said to have happened, nor not to have.
        if self._providers is None:
            return 0.0 if self.settings.metric == "providers_left" else np.nan
        days = slice(cell.first, cell.last + 1)
        if self.settings.metric == "providers_left":
            return float(self._providers.left[cell.arm, days].sum())
        exposure = self._providers.exposure[cell.arm, days]
        name = None if self.settings.items is None else self.settings.items.provider
        if name is None:
            by_day = np.where(np.isnan(exposure), np.inf, exposure).min(axis=1, initial=np.inf)
        elif name in self._providers.names:
            by_day = np.nan_to_num(exposure[:, self._providers.names.index(name)], nan=np.inf)
        else:
            return np.nan
        known = by_day[np.isfinite(by_day)]
        return float(known.mean()) if len(known) else np.nan
