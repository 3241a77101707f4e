"""An effect: a number with its interval, standard error, p value and the users behind it, whatever method found it.

Every function of this package takes one row a user (see ``recsim_llm.statistics.intervals`` for why) and refuses values
that are not finite: a user without an outcome is left out by the caller, in the open, or counts with a number the caller chose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import as_numbers, check_number
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = [
    "Effect",
    "alike",
    "check_share",
    "log_ratio_estimate",
    "mean_effect",
    "rows_of_users",
    "student_effect",
    "student_quantile",
]


_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An estimated effect, in the unit of its measure, with all that later corrections need."""

    value: float | None
    """The estimate; None where it is undefined, such as a ratio to nothing."""
    low: float | None = None
    """Lower end of the interval; None where the data carry none: fewer than two users, or all alike."""
    high: float | None = None
    """Upper end of the interval; None together with ``low``."""
    standard_error: float | None = None
    """Standard error of ``value``; None together with ``low``."""
    degrees: float | None = None
    """Degrees of freedom of Student's t behind interval and p value; None where the method does not use Student's t."""
    p_value: float | None = None
    """Two-sided, of the hypothesis that the effect is 0; None where there is no interval or the method gives none."""
    users: int
    """Users who contribute."""
    confidence: float = CONFIDENCE
    """Confidence of the interval, 0 to 1."""
    method: str
    """What found the interval, such as ``paired t``."""

    @property
    def estimate(self) -> Estimate:
        """The value and its interval alone."""
        return Estimate(value=self.value, low=self.low, high=self.high, users=self.users)

    def excludes(self, value: float) -> bool:
        """Tell whether there is an interval and it leaves out ``value``."""
        return self.estimate.excludes(value)

    def turned(self) -> Effect:
        """Return the effect seen from the other side: the value and its interval with the other sign."""
        estimate = self.estimate.turned()
        return replace(self, value=estimate.value, low=estimate.low, high=estimate.high)

    def within(self, least: float, most: float) -> Effect:
        """Return the effect with its interval cut off where the quantity itself ends."""
        estimate = self.estimate.within(least, most)
        return replace(self, low=estimate.low, high=estimate.high)

    def at(self, confidence: float) -> Effect:
        """Return the same effect with the interval of another confidence.

        Raises:
            ConfigError: the method gives no Student's t interval to widen, or the confidence is not within 0 and 1.
        """
        check_share("confidence", confidence)
        if self.low is None:
            return replace(self, confidence=confidence)
        if self.value is None or self.standard_error is None or self.degrees is None:
            raise ConfigError(
                f"interval: got one by {self.method}, expected one by Student's t; ask the method itself for {confidence:g}"
            )
        reach = student_quantile(self.degrees, confidence) * self.standard_error
        return replace(self, low=self.value - reach, high=self.value + reach, confidence=confidence)


def student_quantile(degrees: float, confidence: float) -> float:
    """Return how many standard errors a two-sided interval of Student's t reaches to each side."""
    # scipy.stats takes half a second to import; its special functions do not.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + confidence / 2.0))


def student_effect(
    value: float, standard_error: float, degrees: float, *, users: int, confidence: float, method: str
) -> Effect:
    """Return the effect with the two-sided interval and p value of Student's t.

    Args:
        value: the estimate.
        standard_error: its standard error, above 0.
        degrees: degrees of freedom, above 0.
        users: users who contribute.
        confidence: of the interval, 0 to 1.
        method: what found the standard error.
    """
    from scipy.special import stdtr

    check_share("confidence", confidence)
    reach = student_quantile(degrees, confidence) * standard_error
    return Effect(
        value=value,
        low=value - reach,
        high=value + reach,
        standard_error=standard_error,
        degrees=degrees,
        p_value=float(2.0 * stdtr(degrees, -abs(value) / standard_error)),
        users=users,
        confidence=confidence,
        method=method,
    )


def mean_effect(values: DoubleArray, *, confidence: float = CONFIDENCE, method: str = "t") -> Effect:
    """Return the mean over users with Student's t interval on n - 1 degrees of freedom (Student 1908, *Biometrika*).

    Args:
        values: float64 [n], one a user.
        confidence: of the interval, 0 to 1.
        method: name to give to what was done.

    Raises:
        DataError: a number is not finite.
        ConfigError: the confidence is not within 0 and 1.
    """
    check_share("confidence", confidence)
    (values,) = rows_of_users("values", values)
    count = len(values)
    value = float(values.mean()) if count else None
    if value is None or count == 1 or alike(values):
        return Effect(value=value, users=count, confidence=confidence, method=method)
    error = float(values.std(ddof=1)) / math.sqrt(count)
    return student_effect(value, error, count - 1, users=count, confidence=confidence, method=method)


def log_ratio_estimate(numerator: DoubleArray, denominator: DoubleArray, *, confidence: float = CONFIDENCE) -> Estimate:
    """Return a ratio of two sums of squares over users, with the delta method's interval on the log scale.

    With ``R = sum(y) / sum(x)`` and ``e = y - R x`` the standard error of ``log R`` is
    ``sqrt(n / (n - 1) * sum(e**2)) / sum(y)`` (Cochran 1977, *Sampling Techniques*, eq. 6.13, divided by R). A ratio of
    variances cannot be negative and is skew, which the log scale respects. Nothing normal is assumed of the users.

    Args:
        numerator: float64 [n], one a user, 0 or more.
        denominator: float64 [n], one a user, 0 or more.
        confidence: of the interval, 0 to 1.
    """
    count, above, below = len(numerator), float(numerator.sum()), float(denominator.sum())
    if below <= 0.0:
        return Estimate(value=None, users=count)
    ratio = above / below
    residual = numerator - ratio * denominator
    if count < 2 or above <= 0.0 or float(np.abs(residual).max()) <= _ROUNDING * float(numerator.max()):
        return Estimate(value=ratio, users=count)
    error = math.sqrt(count / (count - 1) * float(residual @ residual)) / above
    reach = math.exp(student_quantile(count - 1, confidence) * error)
    return Estimate(value=ratio, low=ratio / reach, high=ratio * reach, users=count)


def alike(values: DoubleArray) -> bool:
    """Tell whether all values are equal up to rounding, so that nothing can be said about how much users differ."""
    return float(np.ptp(values)) <= _ROUNDING * float(np.abs(values).max(initial=0.0))


def rows_of_users(name: str, *columns: npt.ArrayLike) -> tuple[DoubleArray, ...]:
    """Return the columns as float64, checked: one dimension, equal lengths, finite.

    Args:
        name: what they are, for the error's text.
        *columns: [n] each, one entry a user, the same user at the same place.

    Raises:
        DataError: they are not.
    """
    arrays = tuple(as_numbers(name, column, ("users",)) for column in columns)
    counts = [len(array) for array in arrays]
    if len(set(counts)) > 1:
        raise DataError(
            f"{name}: got columns of {' and '.join(map(str, counts))} users, expected the same users in each; align them"
        )
    return arrays


def check_share(name: str, value: float) -> None:
    """Check that a setting lies between 0 and 1, both left out.

    Raises:
        ConfigError: it does not.
    """
    check_number(name, value, above=0.0, below=1.0)
