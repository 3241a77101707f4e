"""From contributions of pages to an estimate with an interval by user.

Every estimator here is a sum of ratios ``V = sum over t of A_t / B_t``, where ``A_t`` and ``B_t`` are sums over pages: with the
number of pages below for plain importance weighting, with the sum of the weights below for the self-normalised kind. With
``a_tu`` and ``b_tu`` the sums over the pages of user u, the standard error is that of the delta method, by user:

    e_u = sum over t of (a_tu - A_t / B_t * b_tu) / B_t
    se  = sqrt(n / (n - 1) * sum over u of e_u**2)

(Cochran 1977, *Sampling Techniques*, eq. 6.13, for a ratio; Owen 2013, *Monte Carlo theory, methods and examples*, section 9.2,
for weights), with Student's t on n - 1 degrees of freedom. It needs the weights to have a variance that the sample shows: where
the effective number of pages is small, the interval is too narrow, which that number alone gives away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_numbers, as_whole_numbers
from recsim_llm.errors import DataError
from recsim_llm.statistics.effects import Effect, check_share, student_effect
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = [
    "Contributions",
    "OffPolicyEstimate",
    "assemble_estimate",
    "difference",
    "effective_pages",
    "estimate_effect",
    "mean_weight",
    "sum_contributions",
    "too_few_pages",
]


_ROUNDING = 1e-12
_METHOD = "delta method by user"


@dataclass(frozen=True, kw_only=True, eq=False)
class Contributions:
    """What users contribute to the sums of an estimator.

    Raises:
        DataError: shapes do not fit, a number is not finite, or the users are not in ascending order.
    """

    user_id: IntArray
    """int64 [u], ascending."""
    numerator: DoubleArray
    """float64 [t, u]: ``a``."""
    denominator: DoubleArray
    """float64 [t, u]: ``b``."""

    def __post_init__(self) -> None:
        users = as_whole_numbers("contributions, user_id", self.user_id, ("users",))
        if (np.diff(users) <= 0).any():
            raise DataError("contributions: got users out of order, expected ascending ids, each once; sum_contributions sorts")
        above = as_numbers("contributions, numerator", self.numerator, ("terms", len(users)))
        below = as_numbers("contributions, denominator", self.denominator, above.shape)
        for name, column in (("user_id", users), ("numerator", above), ("denominator", below)):
            object.__setattr__(self, name, column)

    @property
    def value(self) -> float | None:
        """``V``; None where a denominator is 0."""
        below = self.denominator.sum(axis=1)
        return None if (below == 0.0).any() else float((self.numerator.sum(axis=1) / below).sum())

    @property
    def scores(self) -> DoubleArray:
        """float64 [u]: ``e``; they add up to 0."""
        below = self.denominator.sum(axis=1, keepdims=True)
        ratio = self.numerator.sum(axis=1, keepdims=True) / below
        scores: DoubleArray = ((self.numerator - ratio * self.denominator) / below).sum(axis=0)
        return scores

    @property
    def scale(self) -> float:
        """Size of the terms that the scores are made of, for telling rounding from differences between users."""
        below = np.abs(self.denominator.sum(axis=1))
        return float((np.abs(self.numerator).max(axis=1, initial=0.0) / below).sum())

    def terms(self, rows: slice | list[int]) -> Contributions:
        """Return some of the terms."""
        return Contributions(user_id=self.user_id, numerator=self.numerator[rows], denominator=self.denominator[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class OffPolicyEstimate:
    """What an estimator says a target policy earns a page, where the log's pages had been filled by it."""

    estimator: str
    """Name of the estimator."""
    effect: Effect
    """The value a page, with standard error and interval by user."""
    by_position: tuple[Effect, ...]
    """The value of each position; they add up to the whole. Empty where a page's reward is not made of its slots'."""
    pages: int
    """Pages of the log."""
    effective_pages: float | None
    """Kish's effective number of pages, ``sum(w)**2 / sum(w**2)`` (Kish 1965; Owen 2013, section 9.3); of the position where it
    is smallest if weights differ by position; None where there are no weights."""
    largest_weight: float | None
    """The largest weight before clipping; None where there are no weights."""
    mean_weight: Estimate | None
    """Mean weight before clipping, with its interval; of the position where it is farthest from 1. Its expectation is 1 if the
    log can hold all that the target shows. None where there are no weights."""
    clip: float | None
    """Weights were cut to this; None means that they were not."""
    clipped: int
    """How many weights were cut."""
    contributions: Contributions
    """What each user contributed."""

    @property
    def value(self) -> float | None:
        """The estimate; None where it is undefined."""
        return self.effect.value

    @property
    def notes(self) -> tuple[str, ...]:
        """What to mind, in words."""
        notes = []
        if self.value is not None and self.effect.low is None:
            users = "1 user" if self.effect.users == 1 else f"{self.effect.users} users, all alike"
            notes.append(f"how far off it may be is unknown: got {users}, expected two or more who differ")
        if self.clipped:
            notes.append(f"{self.clipped} weights were cut to {self.clip:g}: less variance, at the price of a bias")
        mean = self.mean_weight
        if mean is not None and mean.value is not None and mean.excludes(1.0):
            notes.append(
                f"the mean weight is {mean.value:.3g}, not 1: the target shows what the log does not hold, or a few large "
                "weights are missing from it"
            )
        if self.effective_pages is not None and too_few_pages(self.effective_pages, self.pages):
            notes.append(f"the weights are worth {self.effective_pages:.1f} of {self.pages} pages: the interval is too narrow")
        return tuple(notes)

    def to_record(self) -> dict[str, Any]:
        """Return the numbers as plain values for JSON."""
        mean = self.mean_weight
        return {
            "estimator": self.estimator,
            "value": self.effect.value,
            "low": self.effect.low,
            "high": self.effect.high,
            "standard_error": self.effect.standard_error,
            "confidence": self.effect.confidence,
            "users": self.effect.users,
            "pages": self.pages,
            "effective_pages": self.effective_pages,
            "largest_weight": self.largest_weight,
            "mean_weight": None if mean is None else [mean.value, mean.low, mean.high],
            "clip": self.clip,
            "clipped": self.clipped,
            "by_position": [[one.value, one.low, one.high] for one in self.by_position],
            "notes": list(self.notes),
        }


def too_few_pages(effective: float, pages: int) -> bool:
    """Tell whether weights are worth so few pages, below 10 or 1% of the log, that an interval from them is too narrow."""
    return effective < max(10.0, 0.01 * pages)


def sum_contributions(user_id: IntArray, numerator: DoubleArray, denominator: DoubleArray) -> Contributions:
    """Add up pages to users.

    Args:
        user_id: int64 [n].
        numerator: float64 [n, t].
        denominator: float64 that broadcasts to the same shape.
    """
    users, place = np.unique(user_id, return_inverse=True)

    def added(columns: DoubleArray) -> DoubleArray:
        terms = np.broadcast_to(columns, numerator.shape).T
        return np.stack([np.bincount(place, weights=term, minlength=len(users)) for term in terms]).astype(np.float64)

    return Contributions(user_id=users, numerator=added(numerator), denominator=added(denominator))


def estimate_effect(contributions: Contributions, confidence: float = CONFIDENCE) -> Effect:
    """Return the estimate with its interval by user (formula in the module); no interval where users cannot carry one.

    Args:
        contributions: of at least one user.
        confidence: of the interval, 0 to 1.
    """
    users, value = len(contributions.user_id), contributions.value
    if value is None:
        return Effect(value=None, users=users, confidence=confidence, method=_METHOD)
    return _with_interval(value, contributions.scores, contributions.scale, confidence)


def difference(one: Contributions, other: Contributions, confidence: float = CONFIDENCE) -> Effect:
    """Return one estimate less another, paired by user; users who are in one of them only count there.

    Args:
        one: of the first estimate.
        other: of the second, made of the same population.
        confidence: of the interval, 0 to 1.
    """
    users = np.union1d(one.user_id, other.user_id)
    if one.value is None or other.value is None:
        return Effect(value=None, users=len(users), confidence=confidence, method=_METHOD)
    scores = np.zeros(len(users))
    scores[np.searchsorted(users, one.user_id)] += one.scores
    scores[np.searchsorted(users, other.user_id)] -= other.scores
    return _with_interval(one.value - other.value, scores, one.scale + other.scale, confidence)


def assemble_estimate(
    estimator: str,
    user_id: IntArray,
    terms: list[tuple[DoubleArray, DoubleArray]],
    *,
    weights: DoubleArray | None,
    clip: float | None,
    confidence: float,
    by_position: bool,
) -> OffPolicyEstimate:
    """Put an estimate together.

    Args:
        estimator: its name.
        user_id: int64 [n].
        terms: groups of (numerator [n, p], denominator that broadcasts to it); a position's value is the sum over the groups.
        weights: float64 [n] or [n, k] before clipping; None where there are none.
        clip: weights were cut to this.
        confidence: of the intervals, 0 to 1.
        by_position: whether the ``p`` columns are the page's positions.
    """
    check_share("confidence", confidence)
    groups, width = len(terms), terms[0][0].shape[1]
    parts = [sum_contributions(user_id, above, below) for above, below in terms]
    whole = Contributions(
        user_id=parts[0].user_id,
        numerator=np.concatenate([part.numerator for part in parts]),
        denominator=np.concatenate([part.denominator for part in parts]),
    )
    positions = range(width if by_position else 0)
    return OffPolicyEstimate(
        estimator=estimator,
        effect=estimate_effect(whole, confidence),
        by_position=tuple(
            estimate_effect(whole.terms([group * width + position for group in range(groups)]), confidence)
            for position in positions
        ),
        pages=len(user_id),
        effective_pages=None if weights is None else effective_pages(weights),
        largest_weight=None if weights is None else float(weights.max()),
        mean_weight=None if weights is None else mean_weight(user_id, weights, confidence),
        clip=clip,
        clipped=0 if weights is None or clip is None else int(np.count_nonzero(weights > clip)),
        contributions=whole,
    )


def _with_interval(value: float, scores: DoubleArray, scale: float, confidence: float) -> Effect:
    users = len(scores)
    if users < 2 or float(np.abs(scores).max()) <= _ROUNDING * max(scale, 1e-300):
        return Effect(value=value, users=users, confidence=confidence, method=_METHOD)
    error = math.sqrt(users / (users - 1) * float(scores @ scores))
    return student_effect(value, error, users - 1.0, users=users, confidence=confidence, method=_METHOD)


def effective_pages(weights: DoubleArray) -> float:
    """Return Kish's effective number of pages of weights [n] or [n, k]; of the position where it is smallest."""
    wide = weights.reshape(len(weights), -1)
    # Divided by the largest first: squares of very small weights would vanish. Where all are 0 no page counts.
    largest = np.abs(wide).max(axis=0)
    if not largest.all():
        return 0.0
    scaled = wide / largest
    return float((scaled.sum(axis=0) ** 2 / np.square(scaled).sum(axis=0)).min())


def mean_weight(user_id: IntArray, weights: DoubleArray, confidence: float) -> Estimate:
    """Return the mean of weights [n] or [n, k] with its interval by user; of the position where it is farthest from 1."""
    wide = weights.reshape(len(weights), -1)
    farthest = int(np.abs(wide.mean(axis=0) - 1.0).argmax())
    column = wide[:, farthest, None]
    return estimate_effect(sum_contributions(user_id, column, np.ones_like(column)), confidence).estimate
