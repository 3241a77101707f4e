"""Two arms that served the same users: the difference by user, and what pairing was worth.

With the same dice in both arms a user's two outcomes resemble each other, so ``var(Y1 - Y2) = var Y1 + var Y2 - 2 cov`` lies
below the ``var Y1 + var Y2`` of two separate samples (common random numbers: Glasserman & Yao 1992, *Management Science*).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.statistics.effects import Effect, alike, check_share, log_ratio_estimate, mean_effect, rows_of_users
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate, mean_estimate

__all__ = ["Paired", "paired_effect"]


@dataclass(frozen=True, kw_only=True)
class Paired:
    """One arm minus another on the same users."""

    effect: Effect
    """Mean over users of their own differences, in the unit of the measure."""
    one: Estimate
    """Mean over users of the one arm."""
    other: Estimate
    """Mean over users of the other arm."""
    variance_ratio: Estimate
    """Variance of the difference had the arms served different users, over the paired one: how many times as many users an
    arm an unpaired test needs for the same interval. Undefined where the differences are all alike."""
    users_saved: Estimate
    """Share of an unpaired test's users an arm that pairing made unnecessary, ``1 - 1 / variance_ratio``; negative where
    pairing hurts, as between users of opposite tastes."""
    identical: bool
    """The two are equal for every single user."""


def paired_effect(one: npt.ArrayLike, other: npt.ArrayLike, *, confidence: float = CONFIDENCE) -> Paired:
    """Compare two arms on the same users: Student's t over the users' own differences.

    Args:
        one: [n], what each user gave the one arm.
        other: [n], what the same users gave the other.
        confidence: of every interval, 0 to 1.

    Raises:
        DataError: the two differ in length or hold a number that is not finite.
    """
    check_share("confidence", confidence)
    first, second = rows_of_users("paired outcomes", one, other)
    difference = first - second
    ratio = _variance_ratio(first, second, confidence)
    return Paired(
        effect=mean_effect(difference, confidence=confidence, method="paired t"),
        one=mean_estimate(first, confidence=confidence),
        other=mean_estimate(second, confidence=confidence),
        variance_ratio=ratio,
        users_saved=_saved(ratio),
        identical=len(difference) > 0 and not difference.any(),
    )


def _variance_ratio(one: DoubleArray, other: DoubleArray, confidence: float) -> Estimate:
    difference = one - other
    if len(difference) < 2 or alike(difference):
        return Estimate(value=None, users=len(difference))
    squares = [(column - column.mean()) ** 2 for column in (one, other, difference)]
    return log_ratio_estimate(squares[0] + squares[1], squares[2], confidence=confidence)


def _saved(ratio: Estimate) -> Estimate:
    value, low, high = (None if not end else 1.0 - 1.0 / end for end in (ratio.value, ratio.low, ratio.high))
    return Estimate(value=value, low=low, high=high, users=ratio.users)
