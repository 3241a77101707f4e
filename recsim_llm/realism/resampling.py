"""Intervals by bootstrap over users: users are drawn with replacement, all of a user's outcomes together.

Percentile intervals (Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, section 13.3). Every predictor is measured
on the same draws of users, so that the difference of two of them is paired. A figure is the mean over seeds; a seed's sampled
pages and fits change with it, its users do not, so that seeds add no users.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.errors import ConfigError
from recsim_llm.realism.line import Better, Measure, Role, Row
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = ["Resampler", "Series", "Statistic", "estimate_of_draws", "mean_statistic", "of_sums", "ratio_statistic"]

Statistic = Callable[[DoubleArray], DoubleArray]
"""Takes weights, float64 [b, u], how often each user counts in each draw; returns float64 [b], NaN where undefined."""


class Series(NamedTuple):
    """One predictor's statistic under each seed."""

    role: Role
    """What the predictor's row is there for."""
    statistics: Sequence[Statistic]
    """One a seed."""
    note: str = ""
    """For the row."""


class Resampler:
    """Draws of users, shared by everything that is measured on them.

    Args:
        counted: bool [u]: users that may be drawn; the others weigh nothing.
        seed: of the draws.
        resamples: how many draws.
    """

    def __init__(self, counted: npt.NDArray[np.bool_], seed: int, resamples: int = 1000) -> None:
        if resamples < 2:
            raise ConfigError(f"resamples: got {resamples}, expected 2 or more, for instance 1000")
        self.users = int(counted.sum())
        self.weights: DoubleArray = np.zeros((resamples + 1, len(counted)))
        """float64 [resamples + 1, u]: row 0 counts each user once, the others are draws."""
        if self.users:
            self.weights[0, counted] = 1.0
            draw = np.random.default_rng(seed).multinomial(self.users, np.full(self.users, 1 / self.users), resamples)
            self.weights[1:, counted] = draw

    def measure(self, name: str, unit: str, better: Better, series: Mapping[str, Series]) -> Measure:
        """Return a measure with a row a predictor, intervals, and differences to the candidate.

        Args:
            name: what is measured.
            unit: its unit.
            better: which direction is better; for ``real`` there is a series of role ``real``.
            series: by row name; one of them of role ``candidate``.
        """
        values = {row: self._values(one) for row, one in series.items()}
        candidate = next((row for row, one in series.items() if one.role == "candidate"), None)
        real = next((row for row, one in series.items() if one.role == "real"), None)
        if candidate is None or (better == "real" and real is None):
            raise ConfigError(
                f"measure {name!r}: got rows {', '.join(series)}, expected a candidate, and real users if they judge"
            )
        rows = []
        for row, one in series.items():
            difference = None
            if row != candidate and better != "none":
                left, right = values[candidate], values[row]
                if better == "real" and real is not None and row != real:
                    left, right = np.abs(left - values[real]), np.abs(right - values[real])
                difference = self.estimate(left - right)
            estimate = self.estimate(values[row])
            note = one.note or ("" if estimate.value is not None else "undefined on these predictions")
            seeds = len(one.statistics)
            rows.append(Row(name=row, role=one.role, estimate=estimate, seeds=seeds, difference=difference, note=note))
        return Measure(name=name, unit=unit, better=better, rows=tuple(rows))

    def estimate(self, values: DoubleArray) -> Estimate:
        """Return the estimate of a statistic's values, as ``estimate_of_draws`` does."""
        return estimate_of_draws(values, self.users)

    def _values(self, series: Series) -> DoubleArray:
        values: DoubleArray = np.mean([statistic(self.weights) for statistic in series.statistics], axis=0)
        return values


def estimate_of_draws(values: DoubleArray, users: int) -> Estimate:
    """Return the estimate of a statistic's values, float64 [resamples + 1], the undrawn one first.

    The interval always holds the value. There is none where the statistic is undefined in a draw, does not vary, or rests
    on one user.

    Args:
        values: of the statistic.
        users: who were drawn.
    """
    if np.isnan(values[0]):
        return Estimate(value=None, users=users)
    drawn = values[1:]
    if users < 2 or np.isnan(drawn).any() or np.ptp(drawn) == 0.0:
        return Estimate(value=float(values[0]), users=users)
    low, high = np.quantile(drawn, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    # Distances grow with noise, and a draw is noisier than the data: that bias must not shut the value out.
    return Estimate(value=float(values[0]), low=float(min(low, values[0])), high=float(max(high, values[0])), users=users)


def of_sums(sums: DoubleArray, function: Callable[[DoubleArray], DoubleArray]) -> Statistic:
    """Return a statistic that is a function of sums over users.

    Args:
        sums: float64 [u, s]: what each user adds.
        function: takes the drawn users' sums, float64 [b, s], and returns float64 [b].
    """

    def statistic(weights: DoubleArray) -> DoubleArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return function(weights @ sums)

    return statistic


def ratio_statistic(top: DoubleArray, bottom: DoubleArray) -> Statistic:
    """Return the statistic sum of ``top`` over sum of ``bottom``, both float64 [u]; undefined where the latter is 0."""
    return of_sums(np.column_stack([top, bottom]), lambda sums: _divide(sums[:, 0], sums[:, 1]))


def mean_statistic(values: DoubleArray) -> Statistic:
    """Return the mean over users of ``values``, float64 [u]; users with NaN do not count."""
    known = ~np.isnan(values)
    return ratio_statistic(np.where(known, values, 0.0), known.astype(np.float64))


def _divide(top: DoubleArray, bottom: DoubleArray) -> DoubleArray:
    return np.where(bottom != 0, top / np.where(bottom != 0, bottom, 1.0), np.nan)
