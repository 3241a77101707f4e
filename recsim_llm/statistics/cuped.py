"""CUPED: users' behaviour before the experiment takes out what had nothing to do with it.

The adjusted outcome is ``Y - theta'(X - E X)`` with pre-period covariates X and ``theta = cov(X)^-1 cov(X, Y)``; its
variance is ``var Y (1 - R**2)`` (Deng, Xu, Kohavi & Walker 2013, WSDM, section 3; several covariates by least squares).
A theta taken from the very users it adjusts biases the difference by the order of 1 / n; with cross-fitting each fold
is adjusted by the theta of the others, and that bias is gone (Wager et al. 2016, *PNAS* 113; Guo, Coey et al. 2021,
NeurIPS).

Where the same users were served by both arms, a pre-period that the arms share is the same number twice, and a theta
pooled over the arms cancels: pairing has already taken out all that it knows. What can still be adjusted are
differences against covariates whose mean is known: 0 for one arm's own pre-period minus the other's, or the mean over
the whole population that the users were sampled from (the regression estimator, Cochran 1977, *Sampling Techniques*,
eq. 7.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_numbers, check_whole_number
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.statistics.effects import (
    Effect,
    alike,
    check_share,
    log_ratio_estimate,
    mean_effect,
    rows_of_users,
    student_effect,
)
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = ["Adjusted", "cuped_independent", "cuped_paired"]


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """A difference of two arms, adjusted for pre-period covariates."""

    effect: Effect
    """The adjusted difference."""
    raw: Effect
    """The difference without adjustment, from the same users."""
    reduction: Estimate
    """Share of the raw estimate's variance that adjusting took out, 0 to 1; below 0 where it added some. Its interval
    treats theta as given, which is right to the order of 1 / n."""
    coefficients: tuple[float, ...]
    """Theta by covariate, pooled over arms; the mean of the folds'."""
    folds: int
    """Folds of the cross-fitting; 1: theta from the very users it adjusts."""


def cuped_paired(
    differences: npt.ArrayLike,
    before: npt.ArrayLike,
    expected: npt.ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    folds: int = 5,
) -> Adjusted:
    """Adjust the mean of paired differences for covariates whose mean is known.

    Args:
        differences: [n], each user's outcome in one arm minus that in the other.
        before: [n, covariates], known about each user before the arms began to differ.
        expected: [covariates], the covariates' known mean: zeros where ``before`` is one arm's own pre-period minus the
            other's, else the mean over the population that the users were sampled from.
        confidence: of the intervals, 0 to 1.
        folds: of the cross-fitting, by users' places; 1 for none.

    Raises:
        DataError: shapes do not fit, a number is not finite, or there are too few users for so many covariates.
        ConfigError: a covariate is 0 for every user, as the difference of a pre-period that both arms share.
    """
    (outcome,) = rows_of_users("differences", differences)
    covariates = _covariates(before, len(outcome))
    mean = as_numbers("expected means", expected, covariates.shape[1:])
    _check_settings(len(outcome), covariates, confidence, folds)
    fold = np.arange(len(outcome)) % folds
    thetas = _thetas(fold, folds, (outcome, covariates, np.zeros(len(outcome), np.int64)))
    adjusted = outcome - ((covariates - mean) * thetas[fold]).sum(axis=1)
    reduction = _reduction((adjusted - adjusted.mean()) ** 2, (outcome - outcome.mean()) ** 2, confidence)
    return Adjusted(
        effect=mean_effect(adjusted, confidence=confidence, method="paired t, CUPED"),
        raw=mean_effect(outcome, confidence=confidence, method="paired t"),
        reduction=reduction,
        coefficients=tuple(thetas.mean(axis=0).tolist()),
        folds=folds,
    )


def cuped_independent(
    one: tuple[npt.ArrayLike, npt.ArrayLike],
    other: tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    confidence: float = CONFIDENCE,
    folds: int = 5,
) -> Adjusted:
    """Adjust the difference of two arms that served different users, drawn at random from the same ones.

    Theta is pooled over the arms (each centred on its own mean), the interval is Welch's (1947, *Biometrika* 34).

    Args:
        one: outcomes [n] and pre-period covariates [n, covariates] of the one arm's users.
        other: outcomes [m] and covariates [m, covariates] of the other's.
        confidence: of the intervals, 0 to 1.
        folds: of the cross-fitting, by users' places in each arm; 1 for none.

    Raises:
        DataError: shapes do not fit, a number is not finite, or there are too few users for so many covariates.
        ConfigError: a covariate is 0 for every user.
    """
    if len(one) != 2 or len(other) != 2:
        raise DataError(f"arms: got {len(one)} and {len(other)} columns, expected outcomes and covariates of each; pair them")
    outcomes = [rows_of_users("outcomes", arm[0])[0] for arm in (one, other)]
    before = [_covariates(arm[1], len(outcome)) for arm, outcome in zip((one, other), outcomes, strict=True)]
    if before[0].shape[1] != before[1].shape[1]:
        raise DataError(f"covariates: got {before[0].shape[1]} and {before[1].shape[1]}, expected the same ones in both arms")
    outcome, covariates = np.concatenate(outcomes), np.concatenate(before)
    _check_settings(min(map(len, outcomes)), covariates, confidence, folds)
    arm = np.repeat([0, 1], [len(column) for column in outcomes])
    fold = np.concatenate([np.arange(len(column)) % folds for column in outcomes])
    thetas = _thetas(fold, folds, (outcome, covariates, arm))
    adjusted = outcome - ((covariates - covariates.mean(axis=0)) * thetas[fold]).sum(axis=1)
    squares = [_share_of_variance(column, arm) for column in (adjusted, outcome)]
    return Adjusted(
        effect=_welch(adjusted, arm, confidence, "Welch t, CUPED"),
        raw=_welch(outcome, arm, confidence, "Welch t"),
        reduction=_reduction(squares[0], squares[1], confidence),
        coefficients=tuple(thetas.mean(axis=0).tolist()),
        folds=folds,
    )


def _covariates(before: npt.ArrayLike, users: int) -> DoubleArray:
    covariates = as_numbers("covariates", before, (users, "covariates"))
    if covariates.shape[1] == 0:
        raise DataError(f"covariates: got shape {covariates.shape}, expected one covariate or more; compare without CUPED")
    return covariates


def _check_settings(users: int, covariates: DoubleArray, confidence: float, folds: int) -> None:
    check_share("confidence", confidence)
    check_whole_number("folds", folds, least=1)
    fewest = folds + covariates.shape[1] + 2
    if users < fewest:
        raise DataError(
            f"users: got {users} in an arm, expected at least {fewest} for {covariates.shape[1]} covariates in {folds} folds; "
            "take more users, or folds=1"
        )
    unused = np.flatnonzero(~covariates.any(axis=0))
    if len(unused):
        raise ConfigError(
            f"covariate {unused[0]}: got 0 for every user, expected one that varies; a pre-period that both arms share "
            "cancels in a paired difference, so leave it out"
        )


def _thetas(fold: IntArray, folds: int, columns: tuple[DoubleArray, DoubleArray, IntArray]) -> DoubleArray:
    """Return for each fold theta [covariates] by least squares over the users outside of it, each arm centred on its mean."""
    outcome, covariates, arm = columns
    thetas = np.empty((folds, covariates.shape[1]))
    for number in range(folds):
        used = np.ones(len(fold), np.bool_) if folds == 1 else fold != number
        left, right = covariates[used].copy(), outcome[used].copy()
        for name in np.unique(arm):
            members = arm[used] == name
            left[members] -= left[members].mean(axis=0)
            right[members] -= right[members].mean()
        # The smallest solution: covariates that say the same thing twice share their weight instead of failing.
        thetas[number] = np.linalg.lstsq(left, right, rcond=None)[0]
    return thetas


def _share_of_variance(values: DoubleArray, arm: IntArray) -> DoubleArray:
    """Return what each user adds to the variance of the difference of the arms' means."""
    shares = np.empty(len(values))
    for name in (0, 1):
        members = arm == name
        count = int(members.sum())
        shares[members] = (values[members] - values[members].mean()) ** 2 / (count * (count - 1))
    return shares


def _welch(values: DoubleArray, arm: IntArray, confidence: float, method: str) -> Effect:
    parts = [values[arm == name] for name in (0, 1)]
    value = float(parts[0].mean() - parts[1].mean())
    if all(alike(part) for part in parts):
        return Effect(value=value, users=len(values), confidence=confidence, method=method)
    variances = [float(part.var(ddof=1)) / len(part) for part in parts]
    degrees = sum(variances) ** 2 / sum(v**2 / (len(part) - 1) for v, part in zip(variances, parts, strict=True))
    error = math.sqrt(sum(variances))
    return student_effect(value, error, degrees, users=len(values), confidence=confidence, method=method)


def _reduction(adjusted: DoubleArray, raw: DoubleArray, confidence: float) -> Estimate:
    left = log_ratio_estimate(adjusted, raw, confidence=confidence)
    value, low, high = (None if end is None else 1.0 - end for end in (left.value, left.high, left.low))
    return Estimate(value=value, low=low, high=high, users=left.users)
