"""Relative lift: how much more one arm got than another, as a share of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy.typing as npt

from recsim_llm.core.checked_columns import check_choice
from recsim_llm.statistics.effects import Effect, check_share, rows_of_users, student_quantile
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate, ratio_estimate

__all__ = ["Lift", "relative_lift"]


@dataclass(frozen=True, kw_only=True)
class Lift(Estimate):
    """A relative lift, as a share of what the other got."""

    unbounded: bool = False
    """Fieller's interval has no end, since what the other got cannot be told from 0; ``low`` and ``high`` are then None."""


def relative_lift(
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    method: Literal["fieller", "delta"] = "fieller",
    difference: Effect | None = None,
) -> Lift:
    """Estimate ``mean(one) / mean(other) - 1`` over users whom both arms served.

    ``fieller``: the ratios R that a t test of ``mean(one - R other) = 0`` does not reject, so it agrees with the test:
    ``(a - R b)**2 <= t**2 (v_aa - 2 R v_ab + R**2 v_bb)`` with means a, b and the means' (co)variances v (Fieller 1954,
    *JRSS B* 16). Where the other's mean cannot be told from 0 these ratios are unbounded, which is said in place of an
    interval.
    ``delta``: ``recsim_llm.statistics.ratio_estimate`` less 1; symmetric, and too narrow while the other's mean is
    uncertain.

    Args:
        one: [n], what each user gave the one arm.
        other: [n], what the same users gave the other.
        confidence: of the interval, 0 to 1.
        method: how the interval is found.
        difference: ``mean(one) - mean(other)``, judged by another test or among several. ``fieller`` then takes the level and
            the standard error of that test, in place of ``confidence``, so that the lift's interval leaves out 0 exactly where
            the difference's does.

    Returns:
        The lift as a share (0.1: a tenth more); undefined where the other's total is not positive.

    Raises:
        DataError: the two differ in length or hold a number that is not finite.
    """
    check_share("confidence", confidence)
    check_choice("method", method, ("fieller", "delta"))
    above, below = rows_of_users("paired outcomes", one, other)
    delta = ratio_estimate(above, below, confidence=confidence)
    if delta.value is None:
        return Lift(value=None, users=len(above))
    if method == "delta" or delta.low is None:
        ends = [None if end is None else end - 1.0 for end in (delta.low, delta.high)]
        return Lift(value=delta.value - 1.0, low=ends[0], high=ends[1], users=delta.users)
    count = len(above)
    up, down = above - above.mean(), below - below.mean()
    quantile = student_quantile(count - 1, confidence) ** 2 / (count * (count - 1))
    if difference is not None:
        apart = float((up - down) @ (up - down))
        if difference.low is None or difference.high is None or not apart > 0.0:
            return Lift(value=delta.value - 1.0, users=count)
        quantile = ((difference.high - difference.low) / 2.0) ** 2 / apart
    top, bottom = float(above.mean()), float(below.mean())
    square = bottom**2 - quantile * float(down @ down)
    half = top * bottom - quantile * float(up @ down)
    root = half**2 - square * (top**2 - quantile * float(up @ up))
    if square <= 0.0 or root < 0.0:
        return Lift(value=delta.value - 1.0, users=count, unbounded=True)
    reach = math.sqrt(root)
    return Lift(value=delta.value - 1.0, low=(half - reach) / square - 1.0, high=(half + reach) / square - 1.0, users=count)
