"""Fitting a calibration: slopes by maximum likelihood, levels so that what is expected of users meets a target exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize
from scipy.special import expit

from recsim_llm.agents.language.calibration import STAR_LEVELS, Calibration
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.errors import DataError

__all__ = [
    "VISIT_LIMIT",
    "LeaveFit",
    "expected_pages",
    "fit_calibration",
    "fit_leaving",
    "match_clicks",
    "match_stars",
    "share_levels",
]

VISIT_LIMIT = 20
"""Pages after which a visit is cut off where its expected length is meant."""
_LEAST = 1e-6  # probabilities are moved into [_LEAST, 1 - _LEAST], so that their logarithms are finite
_STEEPEST = 40.0
_ROUNDS = 500
_RARE = 1e-4  # the share of a level that the target lacks


def fit_calibration(
    click_probabilities: npt.ArrayLike,
    clicked: npt.ArrayLike,
    stars_probabilities: npt.ArrayLike,
    stars: npt.ArrayLike,
    *,
    ridge: float = 1.0,
) -> Calibration:
    """Fit slopes and levels of clicks and stars by maximum likelihood, with a mild pull towards changing nothing.

    Minimised is the log loss summed over all observations plus ``ridge / 2`` times ``(slope - 1)**2`` and the squares of the
    bias or the offsets, for each kind: a normal prior of standard deviation ``ridge**-0.5``, which a few dozen
    observations outweigh and which alone decides where there is none.

    Args:
        click_probabilities: float [n]: what the model said of each item.
        clicked: bool [n]: what happened.
        stars_probabilities: float [m, 5]: the model's distributions over 1 to 5 stars.
        stars: float [m]: ratings given; half stars count for both levels beside them, see ``share_levels``.
        ridge: strength of the pull, 0 or more.

    Raises:
        DataError: shapes disagree, or a probability is outside 0 to 1.
    """
    clicks, taken = _column("click_probabilities", click_probabilities), np.asarray(clicked, np.bool_)
    chances, rated = _column("stars_probabilities", stars_probabilities), np.asarray(stars, np.float64)
    if clicks.ndim != 1 or taken.shape != clicks.shape:
        raise DataError(f"calibration: got clicks of shapes {clicks.shape} and {taken.shape}, expected [n] for both")
    if chances.shape != (len(rated), STAR_LEVELS) or rated.ndim != 1:
        raise DataError(
            f"calibration: got stars of shapes {chances.shape} and {rated.shape}, expected [m, {STAR_LEVELS}] and [m]"
        )
    click_slope, (click_bias,) = _fit_yes(clicks, taken.astype(np.float64), np.ones(len(clicks)), ridge)
    logs = np.log(np.clip(chances, _LEAST, 1.0))
    stars_slope, offsets = _fit(logs, np.eye(STAR_LEVELS), share_levels(rated), ridge)
    return Calibration(
        click_slope=click_slope, click_bias=click_bias, stars_slope=stars_slope, stars_offsets=tuple(offsets.tolist())
    )


def share_levels(stars: npt.ArrayLike) -> DoubleArray:
    """Return float64 [m, 5]: how much of each rating belongs to each whole star.

    A rating between two whole stars belongs to both, the more the nearer, so that the mean stays: half of 3.5 is 3, half is 4.
    What is below 1 counts as 1.

    Args:
        stars: float [m].
    """
    inside = np.clip(np.asarray(stars, np.float64), 1.0, float(STAR_LEVELS))
    shares: DoubleArray = np.maximum(1.0 - np.abs(inside[:, None] - np.arange(1.0, STAR_LEVELS + 1.0)), 0.0)
    return shares


def match_clicks(slope: float, log_odds: DoubleArray, rate: float) -> float:
    """Return the bias with which the mean of the calibrated probabilities is the rate.

    Args:
        slope: of the calibration.
        log_odds: float64 [n]: of clicks on items drawn uniformly.
        rate: between 0 and 1.
    """
    return _solve(slope * log_odds, lambda chances: float(chances.mean()) - rate)


def match_stars(slope: float, probabilities: DoubleArray, target: DoubleArray) -> tuple[float, ...]:
    """Return the offsets with which the mean of the calibrated distributions is the target.

    Iterative proportional fitting (Deming & Stephan 1940); offsets sum to 0.

    Args:
        slope: of the calibration.
        probabilities: float64 [m, 5]: the model's.
        target: float64 [5], summing to 1; a level that it lacks is taken to be rare.
    """
    wanted = np.maximum(target, _RARE)
    wanted = wanted / wanted.sum()
    offsets = np.zeros(STAR_LEVELS)
    for _ in range(_ROUNDS):
        step = np.log(wanted) - np.log(
            Calibration(stars_slope=slope, stars_offsets=tuple(offsets)).stars(probabilities).mean(axis=0)
        )
        offsets = offsets + step
        if np.abs(step).max() < 1e-9:
            break
    offsets -= offsets.mean()
    return tuple(offsets.tolist())


class LeaveFit(NamedTuple):
    """Slope and bias of leaving."""

    slope: float
    """Factor on the log-odds."""
    bias: float
    """Added to them."""


def fit_leaving(log_odds: DoubleArray, pages: DoubleArray, ended: DoubleArray, *, ridge: float = 1.0) -> LeaveFit:
    """Fit leaving so that the mean expected length of a visit is that of the visits given.

    The slope is the likeliest one for visits of these lengths that end with one hazard a user; the bias then meets the mean
    length, with at most ``VISIT_LIMIT`` pages a visit.

    Args:
        log_odds: float64 [u]: of leaving a page, as the model said.
        pages: float64 [u]: expected pages of each user's visit.
        ended: float64 [u]: probability that it ends before it is cut off; all equal where only a mean length is known.
        ridge: strength of the pull of the slope to 1.
    """
    slope = 1.0
    if np.ptp(pages) > 0:
        hazard = np.clip(ended / pages, _LEAST, 1 - _LEAST)
        slope, _ = _fit_yes(expit(log_odds), hazard, pages, ridge)
    goal = float(pages.mean())
    return LeaveFit(slope, _solve(slope * log_odds, lambda chances: goal - float(expected_pages(chances).mean())))


def expected_pages(leave: DoubleArray) -> DoubleArray:
    """Return the expected pages of a visit that ends after each page with this probability, cut off after ``VISIT_LIMIT``."""
    stays = 1.0 - np.asarray(leave, np.float64)
    pages: DoubleArray = sum((stays**page for page in range(VISIT_LIMIT)), np.zeros_like(stays))
    return pages


def _solve(log_odds: DoubleArray, excess: Any) -> float:
    """Return the bias at which a rising function of the probabilities is 0."""
    return float(
        brentq(
            lambda bias: excess(expit(log_odds + bias)), -_STEEPEST - np.abs(log_odds).max(), _STEEPEST + np.abs(log_odds).max()
        )
    )


def _column(name: str, values: npt.ArrayLike) -> DoubleArray:
    column = np.asarray(values, np.float64)
    if not ((column >= 0) & (column <= 1)).all():
        wrong = column[~((column >= 0) & (column <= 1))][0]
        raise DataError(f"calibration {name}: got {wrong}, expected probabilities from 0 to 1")
    return column


def _fit_yes(chance: DoubleArray, happened: DoubleArray, weight: DoubleArray, ridge: float) -> tuple[float, DoubleArray]:
    """Fit slope and bias of a yes, whose outcomes may be probabilities: the case of two levels."""
    inside = np.clip(chance, _LEAST, 1 - _LEAST)
    both = np.log(np.column_stack([1 - inside, inside]))
    outcome = weight[:, None] * np.column_stack([1 - happened, happened])
    return _fit(both, np.array([[0.0], [1.0]]), outcome, ridge)


def _fit(log_chance: DoubleArray, design: DoubleArray, outcome: DoubleArray, ridge: float) -> tuple[float, DoubleArray]:
    """Return slope and coefficients of ``softmax(slope * log_chance + design @ coefficients)``.

    Args:
        log_chance: float64 [n, l].
        design: float64 [l, d].
        outcome: float64 [n, l]: how much of each row fell on each level.
        ridge: strength of the pull to slope 1 and coefficients 0.
    """
    weight = outcome.sum(axis=1, keepdims=True)

    def loss(parameters: DoubleArray) -> tuple[float, DoubleArray]:
        slope, coefficients = parameters[0], parameters[1:]
        weights = slope * log_chance + design @ coefficients
        top = weights.max(axis=1, keepdims=True)
        norm = np.log(np.exp(weights - top).sum(axis=1, keepdims=True)) + top
        excess = weight * np.exp(weights - norm) - outcome
        by_slope = float((excess * log_chance).sum())
        pull = np.concatenate([[slope - 1.0], coefficients])
        total = float((weight * norm).sum() - (outcome * weights).sum()) + 0.5 * ridge * float(pull @ pull)
        return total, np.concatenate([[by_slope], excess.sum(axis=0) @ design]) + ridge * pull

    # SciPy's line search can stall on huge sums: the mean has the same minimum.
    count = max(len(log_chance), 1)
    found = minimize(
        lambda parameters: tuple(part / count for part in loss(parameters)),
        np.concatenate([[1.0], np.zeros(design.shape[1])]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None), *[(None, None)] * design.shape[1]],
        options={"ftol": 1e-14, "gtol": 1e-10, "maxiter": 1000},
    )
    return float(found.x[0]), np.asarray(found.x[1:], np.float64)
