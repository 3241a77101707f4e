"""Times as mixtures of log-normal distributions: how long people stay with an item, and away between visits.

Glances and reading are two different things, and both spread by a factor rather than by seconds (Liu, White & Dumais 2010,
"Understanding web browsing behaviors through Weibull analysis of dwell time", compare distributions for web pages).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_numbers
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["LogNormalParts", "TimesFit", "draw_log_normal", "fit_log_normal"]

LogNormalParts = tuple[tuple[float, float, float], ...]
"""Share, and mean and standard deviation of the natural logarithm, of each distribution; by mean, ascending."""

QUARTILES = (0.25, 0.5, 0.75)
_FEWEST = 50
_LEAST = 0.5
"""Seconds: what a log in whole seconds calls 0."""
_MOST_PARTS = 3
_VALUES = 2000
_STEPS, _TOLERANCE = 500, 1e-7
_LEAST_SPREAD = 0.05
_RESAMPLES = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class TimesFit:
    """A mixture, its quartiles beside the log's, and intervals by bootstrap over users."""

    parts: LogNormalParts
    low: LogNormalParts | None
    """Lower ends of the intervals, 95%; None with one user."""
    high: LogNormalParts | None
    quartiles: tuple[float, ...]
    """Seconds below which a quarter, half and three quarters of the log's own times lie."""
    times: int
    """Behind the fit."""
    users: int


def draw_log_normal(parts: LogNormalParts, dice: DoubleArray) -> DoubleArray:
    """Return float64 [n]: times that uniform dice, float64 [n] within 0 and 1, give."""
    from scipy.special import ndtri

    share, centre, spread = (np.array(column) for column in zip(*parts, strict=True))
    ends = np.cumsum(share / share.sum())
    part = np.minimum(np.searchsorted(ends, dice, side="right"), len(parts) - 1)
    # What is left of the dice within a part is uniform again.
    inner = (dice - (ends - share)[part]) / share[part]
    times: DoubleArray = np.exp(centre[part] + spread[part] * ndtri(np.clip(inner, 1e-12, 1.0 - 1e-12)))
    return times


def fit_log_normal(seconds: DoubleArray, user: IntArray, *, what: str, seed: int) -> TimesFit | Untold:
    """Fit a mixture of one to three distributions, as many as Schwarz's criterion allows.

    Args:
        seconds: float64 [n]: times, 0 or more.
        user: int64 [n]: whose.
        what: the times, for what is said of too few.
        seed: of the bootstrap.

    Raises:
        DataError: a time is negative or not finite.
    """
    seconds = as_numbers(what, seconds, ("times",), bounds=(0.0, np.inf))
    if len(seconds) < _FEWEST:
        return Untold(f"the log holds {len(seconds)} {what}, too few of {_FEWEST} or more")
    values, place = _binned(np.log(np.maximum(seconds, _LEAST)))
    weight = np.bincount(place, minlength=len(values)).astype(np.float64)
    tried = [_climb(values, weight, _start(values, weight, count)) for count in range(1, _MOST_PARTS + 1)]
    cost = [(3 * len(parts) - 1) * np.log(len(seconds)) - 2.0 * fit for parts, fit in tried]
    parts = tried[int(np.argmin(cost))][0]
    owners, owner = np.unique(user, return_inverse=True)
    low = high = None
    if len(owners) > 1:
        drawn = []
        for number in range(_RESAMPLES):
            who = keyed.uniform(keyed.words(seed, "times bootstrap", number, np.arange(len(owners)))) * len(owners)
            times = np.bincount(who.astype(np.int64), minlength=len(owners)).astype(np.float64)
            again = np.bincount(place, times[owner], len(values)).astype(np.float64)
            if again.sum() > 0.0:
                drawn.append(_climb(values, again, parts)[0])
        error = np.std(np.array(drawn), axis=0, ddof=1) * _reach()
        low, high = _moved(parts, -error), _moved(parts, error)
    quartiles = tuple(float(value) for value in np.quantile(seconds, QUARTILES, method="inverted_cdf"))
    return TimesFit(parts=_plain(parts), low=low, high=high, quartiles=quartiles, times=len(seconds), users=len(owners))


def _binned(logs: DoubleArray) -> tuple[DoubleArray, IntArray]:
    """Return values, ascending, and each row's place among them; of many different ones means of 2,000 groups."""
    values, place = np.unique(logs, return_inverse=True)
    if len(values) <= _VALUES:
        return values, place
    edges = np.unique(np.quantile(logs, np.linspace(0.0, 1.0, _VALUES + 1)))
    place = np.minimum(np.searchsorted(edges, logs, side="right") - 1, len(edges) - 2)
    count = np.bincount(place, minlength=len(edges) - 1)
    kept = count > 0
    mean = np.bincount(place, logs, len(edges) - 1)[kept] / count[kept]
    return mean, (np.cumsum(kept) - 1)[place]


def _start(values: DoubleArray, weight: DoubleArray, count: int) -> DoubleArray:
    """Return float64 [count, 3]: equal shares of the sorted times, one to a part."""
    share = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    group = np.minimum((share * count).astype(np.int64), count - 1)
    rows = []
    for number in range(count):
        mine = np.where(group == number, weight, 0.0)
        total = max(float(mine.sum()), 1e-12)
        centre = float(mine @ values) / total
        rows.append((1.0 / count, centre, max(np.sqrt(float(mine @ (values - centre) ** 2) / total), 10 * _LEAST_SPREAD)))
    return np.array(rows)


def _climb(values: DoubleArray, weight: DoubleArray, parts: DoubleArray) -> tuple[DoubleArray, float]:
    """Return the parts at which expectation maximisation rests, by mean, and their log-likelihood."""
    total, last = float(weight.sum()), -np.inf
    for _ in range(_STEPS):
        share, centre, spread = parts.T
        logs = np.log(share) - np.log(spread) - 0.5 * ((values[:, None] - centre) / spread) ** 2
        top = logs.max(axis=1, keepdims=True)
        odds = np.exp(logs - top)
        whole = odds.sum(axis=1, keepdims=True)
        fit = float(weight @ (top + np.log(whole))[:, 0]) - 0.5 * np.log(2.0 * np.pi) * total
        mine = odds / whole * weight[:, None]
        count = np.maximum(mine.sum(axis=0), 1e-9)
        centre = (mine * values[:, None]).sum(axis=0) / count
        spread = np.sqrt((mine * (values[:, None] - centre) ** 2).sum(axis=0) / count)
        parts = np.column_stack([count / count.sum(), centre, np.maximum(spread, _LEAST_SPREAD)])
        if fit - last <= _TOLERANCE * total:
            break
        last = fit
    return parts[np.argsort(parts[:, 1], kind="stable")], fit


def _reach() -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + CONFIDENCE / 2.0))


def _moved(parts: DoubleArray, by: DoubleArray) -> LogNormalParts:
    moved = parts + by
    moved[:, 0] = np.clip(moved[:, 0], 0.0, 1.0)
    moved[:, 2] = np.maximum(moved[:, 2], 0.0)
    return _plain(moved)


def _plain(parts: DoubleArray) -> LogNormalParts:
    return tuple((float(share), float(centre), float(spread)) for share, centre, spread in parts)
