"""Intervals by user: the user, not the impression, is what was sampled.

Clicks of one user resemble each other, so an interval that treats impressions as independent is too narrow: under two equal
recommenders it cries "difference" several times as often as it says it does. Everything here takes one row a user.

- A mean over users gets Student's t interval.
- A ratio of sums (clicks a page, stars a rated click) gets the delta method on the users' sums: with ``R = sum(y) / sum(x)``
  and ``e = y - R x`` its standard error is ``sqrt(n / (n - 1) * sum(e**2)) / sum(x)`` (Cochran 1977, *Sampling
  Techniques*, eq. 6.13; Deng, Knoblich & Lu 2018, KDD), with the quantile of Student's t on n - 1 degrees of freedom.
- A share of yes among trials gets Wilson's interval (Wilson 1927, *JASA* 22; Brown, Cai & DasGupta 2001, *Statistical
  Science* 16), which it has even where all trials end alike. The trials count as many as their scatter over users allows:
  ``n = p (1 - p) / variance`` by the delta method (Korn & Graubard 1998, *Survey Methodology* 24), and where there is none,
  as if a user's trials always ended alike, ``n = sum(x)**2 / sum(x**2)`` (Kish 1965, *Survey Sampling*, section 8.2).
- A difference of two recommenders that served the same users is a mean over the users' own differences (``paired_effect``).

No interval is given where the data cannot carry one: but for shares, fewer than two users, or users who all agree exactly,
which says nothing about how much the next user would differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import as_numbers, check_number
from recsim_llm.errors import ConfigError, DataError

__all__ = ["CONFIDENCE", "Estimate", "mean_estimate", "mean_of_sums", "ratio_estimate", "share_estimate"]


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

    def text(self, digits: int) -> str:
        """Return it with so many decimals, such as ``0.52 [0.45, 0.60]``; a dash where it is undefined."""
        if self.value is None:
            return "–"
        interval = "" if self.low is None else f" [{self.low:.{digits}f}, {self.high:.{digits}f}]"
        return f"{self.value:.{digits}f}{interval}"

    def excludes(self, value: float) -> bool:
        """Tell whether there is an interval and it leaves out ``value``."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high

    def within(self, least: float, most: float) -> Estimate:
        """Return the estimate with its interval cut off where the quantity itself ends; of a share beyond 0 and 1.

        A value that lies beyond is still held by its interval.
        """
        if self.value is None or self.low is None or self.high is None:
            return self
        low, high = (min(max(end, least), most) for end in (self.low, self.high))
        return replace(self, low=min(low, self.value), high=max(high, self.value))

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
    error = _ratio_error(above, below, ratio)
    if not error:
        return Estimate(value=ratio, users=count)
    return _with_interval(ratio, error, count, confidence=confidence, bounds=bounds)


def share_estimate(yes: DoubleArray, trials: DoubleArray | None = None, *, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the share of trials that end with yes, with Wilson's interval by user (formula in the module).

    Users without a trial do not count.

    Args:
        yes: float64 [n], trials of each user that end with yes.
        trials: float64 [n], trials of each user, 0 or more; None: one each.
        confidence: of the interval, 0 to 1.

    Raises:
        DataError: the two differ in length, a number is not finite, or there are more yes than trials.
        ConfigError: the confidence is not within 0 and 1.
    """
    yes = as_numbers("yes", yes, ("users",))
    trials = np.ones(len(yes)) if trials is None else as_numbers("trials", trials, yes.shape)
    check_number("confidence", confidence, above=0.0, below=1.0)
    wrong = np.flatnonzero((yes < 0) | (yes > trials))
    if len(wrong):
        raise DataError(
            f"yes: got {yes[wrong[0]]:g} of {trials[wrong[0]]:g} trials at {wrong[0]}, expected 0 to as many as trials; "
            "count both over the same trials"
        )
    some = trials > 0.0
    yes, trials, count = yes[some], trials[some], int(some.sum())
    if not count:
        return Estimate(value=None, users=0)
    total = float(trials.sum())
    share = float(yes.sum()) / total
    if count == 1:
        # Student's quantile on no degrees of freedom has no end, and Wilson's interval goes to both ends of the possible.
        return Estimate(value=share, low=0.0, high=1.0, users=1)
    error = _ratio_error(yes, trials, share)
    alike = total**2 / float(trials @ trials)
    number = min(share * (1.0 - share) / error**2, total) if error and 0.0 < share < 1.0 else alike
    squared = _quantile(count, confidence) ** 2 / number
    middle = (share + squared / 2.0) / (1.0 + squared)
    reach = math.sqrt(squared * share * (1.0 - share) + squared**2 / 4.0) / (1.0 + squared)
    return Estimate(value=share, low=max(middle - reach, 0.0), high=min(middle + reach, 1.0), users=count)


def _ratio_error(above: DoubleArray, below: DoubleArray, ratio: float) -> float:
    """Return the standard error of a ratio of sums by the delta method; 0 where the users carry none."""
    residual, count = above - ratio * below, len(above)
    scale = float(np.abs(above).max()) + abs(ratio) * float(below.max())
    if count == 1 or float(np.abs(residual).max()) <= _ROUNDING * scale:
        return 0.0
    return math.sqrt(count / (count - 1) * float(residual @ residual)) / float(below.sum())


def _check(confidence: float, bounds: tuple[float, float]) -> None:
    check_number("confidence", confidence, above=0.0, below=1.0)
    if len(bounds) != 2 or not bounds[0] <= bounds[1]:
        raise ConfigError(f"bounds: got {bounds}, expected the smallest and the largest possible value; give them in order")


def _with_interval(value: float, error: float, users: int, *, confidence: float, bounds: tuple[float, float]) -> Estimate:
    """Return an estimate with Student's t interval on as many degrees of freedom as users less one, cut to the bounds."""
    reach = _quantile(users, confidence) * float(error)
    return Estimate(value=value, low=float(value - reach), high=float(value + reach), users=users).within(*map(float, bounds))


def _quantile(users: int, confidence: float) -> float:
    """Return Student's quantile on as many degrees of freedom as users less one."""
    # scipy.stats takes half a second to import; its special function for the quantile does not.
    from scipy.special import stdtrit

    return float(stdtrit(users - 1, 0.5 + confidence / 2.0))
