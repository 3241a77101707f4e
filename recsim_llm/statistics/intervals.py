"""Intervals by user: the user, not the impression, is what was sampled.

Clicks of one user resemble each other, so an interval that treats impressions as independent is too narrow: under two equal
recommenders it cries "difference" several times as often as it says it does. Everything here takes one row a user.

- A mean over users gets Student's t interval.
- A ratio of sums (clicks a page, stars a rated click) gets the delta method on the users' sums: with ``R = sum(y) / sum(x)``
  and ``e = y - R x`` its standard error is ``sqrt(n / (n - 1) * sum(e**2)) / sum(x)`` (Cochran 1977, *Sampling
  Techniques*, eq. 6.13; Deng, Knoblich & Lu 2018, KDD), with the quantile of Student's t on n - 1 degrees of freedom.
- A difference of two recommenders that served the same users is a mean over the users' own differences (``paired_effect``).

No interval is given where the data cannot carry one: fewer than two users, or users who all agree exactly, which says
nothing about how much the next user would differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import as_numbers, check_number
from recsim_llm.errors import ConfigError

__all__ = ["CONFIDENCE", "Estimate", "mean_estimate", "mean_of_sums", "ratio_estimate"]


CONFIDENCE = 0.95
"""Confidence of every interval; where several comparisons are made, of all of them together."""
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with the interval that holds it, and the users behind it."""

    value: float | None
    """The estimate; None where it is undefined, such as the mean rating when nothing was rated."""
    low: float | None = None
    """Lower end of the interval; None where the data carry none (see the module)."""
    high: float | None = None
    """Upper end of the interval; None together with ``low``."""
    users: int
    """Users who contribute."""

    def excludes(self, value: float) -> bool:
        """Tell whether there is an interval and it leaves out ``value``."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high

    def within(self, least: float, most: float) -> Estimate:
        """Return the estimate with its interval cut off where the quantity itself ends; of a share beyond 0 and 1."""
        low, high = (None if end is None else min(max(end, least), most) for end in (self.low, self.high))
        return Estimate(value=self.value, low=low, high=high, users=self.users)

    def turned(self) -> Estimate:
        """Return the estimate of a difference seen from the other side: every number with the other sign."""
        # Subtracted from 0, so that no difference at all stays 0 and does not become -0.
        value, low, high = (None if end is None else 0.0 - end for end in (self.value, self.high, self.low))
        return Estimate(value=value, low=low, high=high, users=self.users)


def mean_estimate(
    values: DoubleArray, *, confidence: float = CONFIDENCE, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """Estimate a mean over users with Student's t interval.

    Args:
        values: float64 [n], one a user.
        confidence: of the interval, 0 to 1.
        bounds: smallest and largest possible mean; the interval is cut to them.

    Raises:
        DataError: a number is not finite.
        ConfigError: the confidence is not within 0 and 1, or the bounds are no two numbers in order.
    """
    values = as_numbers("values", values, ("users",))
    _check(confidence, bounds)
    count = len(values)
    if count == 0:
        return Estimate(value=None, users=0)
    mean = float(values.mean())
    if count == 1 or np.ptp(values) == 0.0:
        return Estimate(value=mean, users=count)
    error = float(values.std(ddof=1)) / math.sqrt(count)
    return _with_interval(mean, error, count, confidence=confidence, bounds=bounds)


def mean_of_sums(total: float, squares: float, *, users: int, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate a mean over users, as ``mean_estimate`` does, where only sums were kept.

    Args:
        total: sum of the users' values.
        squares: sum of their squares.
        users: how many, those with 0 included.
        confidence: of the interval, 0 to 1.

    Raises:
        ConfigError: the confidence is not within 0 and 1.
    """
    check_number("confidence", confidence, above=0.0, below=1.0)
    if users == 0:
        return Estimate(value=None, users=0)
    mean = total / users
    spread = squares - users * mean**2
    if users == 1 or spread <= _ROUNDING * squares:
        return Estimate(value=mean, users=users)
    error = math.sqrt(spread / (users - 1) / users)
    return _with_interval(mean, error, users, confidence=confidence, bounds=(-math.inf, math.inf))


def ratio_estimate(
    numerator: DoubleArray,
    denominator: DoubleArray,
    *,
    confidence: float = CONFIDENCE,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Estimate a ratio of sums over users with the delta method (formula in the module).

    Users with nothing in either sum do not count: they say nothing about the ratio.

    Args:
        numerator: float64 [n], one a user.
        denominator: float64 [n], one a user, 0 or more.
        confidence: of the interval, 0 to 1.
        bounds: smallest and largest possible ratio; the interval is cut to them.

    Raises:
        DataError: the two differ in length, or a number is not finite.
        ConfigError: the confidence is not within 0 and 1, or the bounds are no two numbers in order.
    """
    numerator = as_numbers("numerator", numerator, ("users",))
    denominator = as_numbers("denominator", denominator, numerator.shape)
    _check(confidence, bounds)
    kept = (denominator != 0.0) | (numerator != 0.0)
    above, below = numerator[kept], denominator[kept]
    count, total = len(above), float(below.sum())
    if total <= 0.0:
        return Estimate(value=None, users=count)
    ratio = float(above.sum()) / total
    residual = above - ratio * below
    scale = float(np.abs(above).max()) + abs(ratio) * float(below.max())
    if count == 1 or float(np.abs(residual).max()) <= _ROUNDING * scale:
        return Estimate(value=ratio, users=count)
    error = math.sqrt(count / (count - 1) * float(residual @ residual)) / total
    return _with_interval(ratio, error, count, confidence=confidence, bounds=bounds)


def _check(confidence: float, bounds: tuple[float, float]) -> None:
    check_number("confidence", confidence, above=0.0, below=1.0)
    if len(bounds) != 2 or not bounds[0] <= bounds[1]:
        raise ConfigError(f"bounds: got {bounds}, expected the smallest and the largest possible value; give them in order")


def _with_interval(value: float, error: float, users: int, *, confidence: float, bounds: tuple[float, float]) -> Estimate:
    """Return an estimate with Student's t interval on as many degrees of freedom as users less one, cut to the bounds."""
    # scipy.stats takes half a second to import; its special function for the quantile does not.
    from scipy.special import stdtrit

    reach = float(stdtrit(users - 1, 0.5 + confidence / 2.0)) * float(error)
    low, high = max(value - reach, bounds[0]), min(value + reach, bounds[1])
    return Estimate(value=value, low=float(low), high=float(high), users=users)
