"""The bootstrap over users: whole users are drawn again with replacement, with everything they did in every arm.

Draws are keyed by (seed, resample, user place), so the same call gives the same interval everywhere. Intervals:
percentile (Efron 1981, *Canadian Journal of Statistics* 9) and bias-corrected and accelerated, BCa (Efron 1987, *JASA*
82, with the jackknife's acceleration: Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, eq. 14.9 to 14.15).

Percentile is the default: on differences of zero-inflated, heavy-tailed clicks of 200 users without a true difference it
leaves out 0 in 5.3% of runs, BCa in 6.2% (3,000 simulated runs, standard error 0.4 points; nominal 5%). BCa is for skew
quantities of more users.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import as_numbers, as_places, check_choice, check_whole_number
from recsim_llm.core.keyed import uniform, words
from recsim_llm.statistics.effects import Effect, alike, check_share
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["RESAMPLES", "bootstrap_means", "bootstrap_ratio_difference", "bootstrap_ratio_differences"]

Method = Literal["bca", "percentile"]

RESAMPLES = 4000
"""Resamples unless told: the ends of a 95% interval then vary by about a twentieth of its half-width between seeds."""
_FEWEST = 100
_CELLS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class _Settings:
    method: Method
    confidence: float


def bootstrap_means(
    values: npt.ArrayLike,
    *,
    seed: int,
    method: Method = "percentile",
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[Effect, ...]:
    """Estimate means over users; of paired differences, for instance, one row a pair of arms or a measure.

    Args:
        values: [rows, n]; every row is one quantity of the same n users, and all rows share the resamples.
        seed: of the draws.
        method: ``percentile`` or ``bca``.
        confidence: of each interval, 0 to 1.
        resamples: how often users are drawn again, 100 or more.

    Returns:
        One effect a row, without p value.

    Raises:
        DataError: the rows do not fit or hold a number that is not finite.
        ConfigError: a setting cannot work.
    """
    columns = as_numbers("bootstrap", values, ("rows", "users"))
    settings = _checked(method, confidence, resamples)
    check_whole_number("seed", seed, least=0)
    means = _resampled_means(columns, seed, resamples)
    return tuple(_effect(columns[[row]], means[[row]], _first, settings) for row in range(len(columns)))


def bootstrap_ratio_difference(
    numerators: npt.ArrayLike,
    denominators: npt.ArrayLike,
    *,
    seed: int,
    method: Method = "percentile",
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Effect:
    """Estimate ``sum(y1) / sum(x1) - sum(y2) / sum(x2)`` of two arms on the same users, such as clicks a page.

    Args:
        numerators: [2, n], the one arm's and the other's.
        denominators: [2, n], 0 or more.
        seed: of the draws.
        method: ``percentile`` or ``bca``.
        confidence: of the interval, 0 to 1.
        resamples: how often users are drawn again, 100 or more.

    Returns:
        The difference, without p value; undefined where an arm's denominators sum to 0, and without interval where those
        of a resample do.

    Raises:
        DataError: the rows do not fit or hold a number that is not finite.
        ConfigError: a setting cannot work.
    """
    above = as_numbers("bootstrap, numerators", numerators, (2, "users"))
    below = as_numbers("bootstrap, denominators", denominators, above.shape, bounds=(0.0, np.inf))
    (found,) = bootstrap_ratio_differences(
        above, below, [(0, 1)], seed=seed, method=method, confidence=confidence, resamples=resamples
    )
    return found


def bootstrap_ratio_differences(
    numerators: npt.ArrayLike,
    denominators: npt.ArrayLike,
    pairs: npt.ArrayLike,
    *,
    seed: int,
    method: Method = "percentile",
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[Effect, ...]:
    """Estimate many differences of ratios on the same users: one set of resamples serves them all, as twenty arms need.

    Args:
        numerators: [rows, n]; a row is one arm's, on one metric.
        denominators: [rows, n], 0 or more.
        pairs: int [pairs, 2]: the rows of the one and of the other, from 0.
        seed: of the draws.
        method: ``percentile`` or ``bca``.
        confidence: of each interval, 0 to 1.
        resamples: how often users are drawn again, 100 or more.

    Returns:
        One effect a pair, as of ``bootstrap_ratio_difference``.

    Raises:
        DataError: the rows do not fit or hold a number that is not finite.
        ConfigError: a setting cannot work.
    """
    above = as_numbers("bootstrap, numerators", numerators, ("rows", "users"))
    below = as_numbers("bootstrap, denominators", denominators, above.shape, bounds=(0.0, np.inf))
    settings = _checked(method, confidence, resamples)
    check_whole_number("seed", seed, least=0)
    columns, rows = np.concatenate([above, below]), len(above)
    means = _resampled_means(columns, seed, resamples)
    chosen = as_places("bootstrap, pairs", pairs, ("pairs", 2), rows, blank=False)
    places = np.hstack([chosen, rows + chosen])
    return tuple(_effect(columns[place], means[place], _ratio_difference, settings) for place in places)


def _checked(method: Method, confidence: float, resamples: int) -> _Settings:
    check_share("confidence", confidence)
    check_choice("method", method, ("bca", "percentile"))
    check_whole_number("resamples", resamples, least=_FEWEST, remedy=f"{RESAMPLES} give a steady interval")
    return _Settings(method=method, confidence=confidence)


def _first(means: DoubleArray) -> DoubleArray:
    first: DoubleArray = means[0]
    return first


def _ratio_difference(means: DoubleArray) -> DoubleArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        difference: DoubleArray = means[0] / means[2] - means[1] / means[3]
    return difference


def _resampled_means(columns: DoubleArray, seed: int, resamples: int) -> DoubleArray:
    """Return the columns' means over users drawn with replacement, float64 [columns, resamples]."""
    count = columns.shape[1]
    means = np.empty((len(columns), resamples))
    step = max(1, _CELLS // max(count, 1))
    for start in range(0, resamples if count else 0, step):
        replicate = np.arange(start, min(start + step, resamples))
        place = uniform(words(seed, "bootstrap", replicate[:, None], np.arange(count)[None, :]))
        chosen = (place * count).astype(np.int64) + count * (replicate - start)[:, None]
        times = np.bincount(chosen.ravel(), minlength=count * len(replicate)).reshape(len(replicate), count)
        means[:, replicate] = columns @ times.T / count
    return means


def _effect(
    columns: DoubleArray, means: DoubleArray, statistic: Callable[[DoubleArray], DoubleArray], settings: _Settings
) -> Effect:
    count = columns.shape[1]
    name = "BCa bootstrap" if settings.method == "bca" else "percentile bootstrap"
    empty = Effect(value=None, users=count, confidence=settings.confidence, method=name)
    value = float(statistic(columns.mean(axis=1)[:, None])[0]) if count else np.nan
    if not np.isfinite(value):
        return empty
    alone = statistic((columns.sum(axis=1)[:, None] - columns) / max(count - 1, 1))
    replicates = statistic(means)
    bare = Effect(value=value, users=count, confidence=settings.confidence, method=name)
    if count == 1 or not np.isfinite(replicates).all() or not np.isfinite(alone).all() or alike(alone):
        return bare
    levels = np.array([0.5 - settings.confidence / 2.0, 0.5 + settings.confidence / 2.0])
    if settings.method == "bca":
        levels = _bca_levels(levels, value, replicates, alone)
    low, high = np.quantile(replicates, levels)
    error = float(replicates.std(ddof=1))
    return Effect(
        value=value,
        low=float(low),
        high=float(high),
        standard_error=error,
        users=count,
        confidence=settings.confidence,
        method=name,
    )


def _bca_levels(levels: DoubleArray, value: float, replicates: DoubleArray, alone: DoubleArray) -> DoubleArray:
    """Return the quantiles of the replicates that bound the BCa interval (Efron & Tibshirani 1993, eq. 14.9 to 14.15)."""
    from scipy.special import ndtr, ndtri

    # Of replicates that equal the estimate, as sparse clicks give, half count as below.
    below = float(np.mean(replicates < value) + 0.5 * np.mean(replicates == value))
    edge = 0.5 / len(replicates)
    bias = ndtri(min(max(below, edge), 1.0 - edge))
    away = alone.mean() - alone
    acceleration = float((away**3).sum() / (6.0 * (away @ away) ** 1.5))
    shifted = bias + ndtri(levels)
    corrected: DoubleArray = ndtr(bias + shifted / (1.0 - acceleration * shifted))
    return corrected
