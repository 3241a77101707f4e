"""Contrasts of several numbers of the same users: arms against each other, before and after, a slope over time.

A contrast is ``C = sum_c w_c R_c`` of numbers ``R_c`` with weights ``w_c``, or on the log scale ``exp(sum_c w_c log R_c)``,
which for weights 1 and -1 is a ratio. What a user does in all cells hangs together, so the user is what varies:

- of ratios of sums, ``R_c = sum_u y_uc / sum_u x_uc`` (a mean over users has ``x = 1``), by the delta method: with the users'
  scores ``s_u = sum_c w_c (y_uc - R_c x_uc) / sum_u x_uc`` the variance is ``n / (n - 1) sum_u s_u**2``, the cluster-robust CR1
  of ``recsim_llm.statistics.clustered`` for any number of cells;
- of properties of everyone together, such as a Gini coefficient, by the delete-a-group jackknife: with ``C_g`` what comes out
  without group g of G, ``(G - 1) / G sum_g (C_g - mean C)**2`` (Wolter 2007, *Introduction to Variance Estimation*, 4.2). The
  bootstrap would not do: who is drawn twice adds nothing to a share of items shown, so that it comes out too small.

Intervals are Student's on n - 1 and on G - 1 degrees of freedom.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import as_numbers, check_whole_number
from recsim_llm.statistics.effects import Effect, alike, check_share, student_effect
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["jackknife_contrast", "weighted_contrast"]

_ROUNDING = 1e-12


def weighted_contrast(
    numerators: npt.ArrayLike,
    denominators: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    logarithmic: bool = False,
    confidence: float = CONFIDENCE,
) -> Effect:
    """Estimate a contrast of ratios of sums over the same users.

    Args:
        numerators: [cells, n]; a row is one cell's, such as an arm in a stretch of time.
        denominators: [cells, n], 0 or more; users with 0 in all cells do not count.
        weights: [cells].
        logarithmic: contrast the logarithms, and return the exponential.
        confidence: of the interval, 0 to 1.

    Returns:
        The contrast; undefined where a cell's denominators sum to 0, or on the log scale where a ratio is not above 0; without
        interval where there are fewer than two users or all are alike, as with two arms that are the same for everyone.

    Raises:
        DataError: shapes differ, or a number is not finite.
    """
    above = as_numbers("contrast, numerators", numerators, ("cells", "users"))
    below = as_numbers("contrast, denominators", denominators, above.shape, bounds=(0.0, np.inf))
    weight = as_numbers("contrast, weights", weights, above.shape[:1])
    check_share("confidence", confidence)
    kept = (below != 0.0).any(axis=0)
    above, below = above[:, kept], below[:, kept]
    count, totals = int(kept.sum()), below.sum(axis=1)
    empty = Effect(value=None, users=count, confidence=confidence, method="CR1")
    if not count or not (totals > 0.0).all():
        return empty
    ratios = above.sum(axis=1) / totals
    if logarithmic and not (ratios > 0.0).all():
        return empty
    slopes = weight / ratios if logarithmic else weight
    value = float(weight @ (np.log(ratios) if logarithmic else ratios))
    scores = (slopes / totals) @ (above - ratios[:, None] * below)
    rounding = _ROUNDING * float(np.abs(slopes / totals) @ (np.abs(above).max(axis=1) + np.abs(ratios) * below.max(axis=1)))
    error = math.sqrt(count / (count - 1) * float(scores @ scores)) if count > 1 else 0.0
    if not error or float(np.abs(scores).max()) <= rounding:
        error = 0.0
    return _effect(value, error, count - 1, users=count, logarithmic=logarithmic, confidence=confidence, method="CR1")


def jackknife_contrast(
    values: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    users: int,
    logarithmic: bool = False,
    confidence: float = CONFIDENCE,
) -> Effect:
    """Estimate a contrast of properties of everyone together.

    Args:
        values: [cells, 1 + groups]: each cell's property with everyone, then without each group of users in turn; the same
            groups in every cell, NaN where it is undefined.
        weights: [cells].
        users: users who contribute.
        logarithmic: contrast the logarithms, and return the exponential.
        confidence: of the interval, 0 to 1.

    Returns:
        The contrast; undefined where a cell is, or on the log scale where one is not above 0; without interval where there are
        fewer than two groups, or leaving one out changes nothing.

    Raises:
        DataError: shapes differ, or a number is infinite.
    """
    table = as_numbers("contrast, values", values, ("cells", "groups"), unknown=True)
    weight = as_numbers("contrast, weights", weights, table.shape[:1])
    check_share("confidence", confidence)
    check_whole_number("users", users, least=0)
    if logarithmic:
        table = np.log(np.where(table > 0.0, table, np.nan))
    found: DoubleArray = weight @ table
    if not len(weight) or np.isnan(found[0]):
        return Effect(value=None, users=users, confidence=confidence, method="jackknife")
    without, groups = found[1:], len(found) - 1
    error = 0.0
    if groups > 1 and not np.isnan(without).any() and not alike(without - found[0]):
        error = math.sqrt((groups - 1) / groups * float(((without - without.mean()) ** 2).sum()))
    return _effect(
        float(found[0]), error, groups - 1, users=users, logarithmic=logarithmic, confidence=confidence, method="jackknife"
    )


def _effect(
    value: float, error: float, degrees: float, *, users: int, logarithmic: bool, confidence: float, method: str
) -> Effect:
    if not error:
        shown = math.exp(value) if logarithmic else value
        return Effect(value=shown, users=users, confidence=confidence, method=method)
    effect = student_effect(value, error, degrees, users=users, confidence=confidence, method=method)
    if not logarithmic or effect.low is None or effect.high is None:
        return effect
    ends = [math.exp(end) for end in (value, effect.low, effect.high)]
    return Effect(value=ends[0], low=ends[1], high=ends[2], users=users, confidence=confidence, method=method)
