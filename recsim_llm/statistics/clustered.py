"""Cluster-robust intervals for means, ratios of sums and differences of ratios.

A ratio ``R = sum(y) / sum(x)`` is the coefficient of the regression of ``y / x`` on a constant with weights ``x``; a mean over
users is the one with ``x = 1``. With ``h_g`` the share of cluster g in ``sum(x)`` and ``e = y - R x``,

- CR1: ``var R = G / (G - 1) sum_g (sum of e in g)**2 / sum(x)**2`` with G - 1 degrees of freedom (Liang & Zeger 1986,
  *Biometrika*, with the usual small-sample factor);
- CR2: ``var R = sum_g (sum of e in g)**2 / (1 - h_g) / sum(x)**2``, unbiased where users are alike, with the Satterthwaite
  degrees of freedom (Bell & McCaffrey 2002, *Survey Methodology* 28; Imbens & Kolesár 2016, *REStat* 98). In
  this regression ``(I - H_gg)**-1/2`` has a closed form, since ``H_gg`` is of rank one with eigenvalue ``h_g``.

A difference of two arms is the regression with one constant an arm; a cluster holds the rows of both arms. With every user
a cluster of their own CR1 is the delta method of ``recsim_llm.statistics.intervals``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_labels, as_numbers, check_choice
from recsim_llm.errors import DataError
from recsim_llm.statistics.effects import Effect, check_share, rows_of_users, student_effect
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["clustered_mean", "clustered_ratio", "clustered_ratio_difference"]

Correction = Literal["CR1", "CR2"]

_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class _Arm:
    """One arm's sums by cluster."""

    ratio: float
    scores: DoubleArray
    """[G]: sum of ``y - R x`` in each cluster over ``sum(x)``."""
    shares: DoubleArray
    """[G]: share of each cluster in ``sum(x)``."""
    total: float
    """``sum(x)``."""
    rounding: float
    """What a score of exactly 0 may come out as."""


def clustered_mean(
    values: npt.ArrayLike,
    clusters: npt.ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    correction: Correction = "CR2",
) -> Effect:
    """Estimate a mean over users, or over their paired differences, where users of one cluster resemble each other.

    Args:
        values: [n], one a user.
        clusters: [n], label of each user's cluster: a household, a friends' circle, a region.
        confidence: of the interval, 0 to 1.
        correction: ``CR1`` or ``CR2``; CR2 where clusters are fewer than about 50 or of uneven size.

    Raises:
        DataError: the columns differ in length or hold a number that is not finite.
    """
    (values,) = rows_of_users("values", values)
    ones = np.ones(values.shape)
    return _contrast([values], [ones], clusters, confidence=confidence, correction=correction)


def clustered_ratio(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    confidence: float = CONFIDENCE,
    correction: Correction = "CR2",
) -> Effect:
    """Estimate a ratio of sums such as clicks a page.

    Args:
        numerator: [n], one a user.
        denominator: [n], one a user, 0 or more; users with 0 here do not count.
        clusters: [n], label of each user's cluster; None: every user is one.
        confidence: of the interval, 0 to 1.
        correction: ``CR1`` or ``CR2``.

    Raises:
        DataError: the columns differ in length, hold a number that is not finite, or a denominator is negative or 0
            under a numerator that is not.
    """
    return _contrast([numerator], [denominator], clusters, confidence=confidence, correction=correction)


def clustered_ratio_difference(
    numerators: npt.ArrayLike,
    denominators: npt.ArrayLike,
    clusters: npt.ArrayLike | None = None,
    *,
    confidence: float = CONFIDENCE,
    correction: Correction = "CR2",
) -> Effect:
    """Estimate ``sum(y1) / sum(x1) - sum(y2) / sum(x2)`` of two arms on the same users.

    Arms that served different users fit in too: a user has 0 in both sums of the arm that did not serve them.

    Args:
        numerators: [2, n], the one arm's and the other's.
        denominators: [2, n], 0 or more; users with 0 in both arms do not count.
        clusters: [n], label of each user's cluster; None: every user is one, with their rows of both arms.
        confidence: of the interval, 0 to 1.
        correction: ``CR1`` or ``CR2``.

    Raises:
        DataError: as for ``clustered_ratio``, or there are not two rows each.
    """
    above = as_numbers("ratio difference, numerators", numerators, (2, "users"))
    below = as_numbers("ratio difference, denominators", denominators, above.shape)
    return _contrast(list(above), list(below), clusters, confidence=confidence, correction=correction)


def _contrast(
    numerators: Sequence[npt.ArrayLike],
    denominators: Sequence[npt.ArrayLike],
    clusters: npt.ArrayLike | None,
    *,
    confidence: float,
    correction: Correction,
) -> Effect:
    """Return the first arm's ratio, less the second's where there is one."""
    check_share("confidence", confidence)
    check_choice("correction", correction, ("CR1", "CR2"))
    columns = np.stack(rows_of_users("sums by user", *numerators, *denominators))
    above, below = columns[: len(columns) // 2], columns[len(columns) // 2 :]
    _check_denominators(above, below)
    kept = (below != 0.0).any(axis=0)
    cluster, count = _numbered(clusters, columns.shape[1], kept)
    arms = [_sums(y[kept], x[kept], cluster, count) for y, x in zip(above, below, strict=True)]
    users = int(kept.sum())
    known = [arm for arm in arms if arm is not None]
    if len(known) < len(arms):
        return Effect(value=None, users=users, confidence=confidence, method=correction)
    value = known[0].ratio - sum(arm.ratio for arm in known[1:])
    found = _error(known, count, correction)
    if found is None:
        return Effect(value=value, users=users, confidence=confidence, method=correction)
    return student_effect(value, found[0], found[1], users=users, confidence=confidence, method=correction)


def _check_denominators(above: DoubleArray, below: DoubleArray) -> None:
    wrong = (below < 0.0) | ((below == 0.0) & (above != 0.0))
    if wrong.any():
        arm, user = np.argwhere(wrong)[0]
        raise DataError(
            f"ratio: got {above[arm, user]:g} over {below[arm, user]:g} at user {user}, expected a denominator above 0 "
            "or both 0; count what was clicked among what was shown"
        )


def _numbered(clusters: npt.ArrayLike | None, users: int, kept: BoolArray) -> tuple[IntArray, int]:
    labels = np.arange(users) if clusters is None else as_labels("clusters", clusters, (users,))
    unique, number = np.unique(labels[kept], return_inverse=True)
    return number.astype(np.int64), len(unique)


def _sums(numerator: DoubleArray, denominator: DoubleArray, cluster: IntArray, count: int) -> _Arm | None:
    total = float(denominator.sum())
    if total <= 0.0:
        return None
    ratio = float(numerator.sum()) / total
    residual = numerator - ratio * denominator
    scale = float(np.abs(numerator).max() + abs(ratio) * denominator.max())
    return _Arm(
        ratio=ratio,
        scores=np.bincount(cluster, weights=residual, minlength=count) / total,
        shares=np.bincount(cluster, weights=denominator, minlength=count) / total,
        total=total,
        rounding=_ROUNDING * scale * len(numerator) / total,
    )


def _error(arms: Sequence[_Arm], count: int, correction: Correction) -> tuple[float, float] | None:
    """Return standard error and degrees of freedom; None where the clusters cannot carry them."""
    signs = [1.0, -1.0][: len(arms)]
    plain = sum(sign * arm.scores for sign, arm in zip(signs, arms, strict=True))
    if count < 2 or float(np.abs(plain).max()) <= max(arm.rounding for arm in arms):
        return None
    if correction == "CR1":
        scores = np.asarray(plain)
        return float(np.sqrt(count / (count - 1) * (scores @ scores))), count - 1.0
    if any(arm.shares.max() >= 1.0 - _ROUNDING for arm in arms):
        return None
    scores = np.asarray(sum(sign * arm.scores / np.sqrt(1.0 - arm.shares) for sign, arm in zip(signs, arms, strict=True)))
    return float(np.sqrt(scores @ scores)), _satterthwaite(arms)


def _satterthwaite(arms: Sequence[_Arm]) -> float:
    """Return ``tr(G)**2 / tr(G**2)`` with the Gram matrix G of the CR2 contrasts, in time linear in the clusters.

    ``G_gg = sum over arms of h_g / X`` and ``G_gk = -sum over arms of h_g h_k / sqrt((1 - h_g)(1 - h_k)) / X``.
    """
    diagonal = np.asarray(sum(arm.shares / arm.total for arm in arms))
    halves = [arm.shares / np.sqrt((1.0 - arm.shares) * arm.total) for arm in arms]
    outer = np.asarray(sum(half**2 for half in halves))
    squares = sum(float(one @ other) ** 2 for one in halves for other in halves)
    return float(diagonal.sum() ** 2 / (diagonal @ diagonal + squares - outer @ outer))
