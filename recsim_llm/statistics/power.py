"""How many users a comparison needs, and what so many users can show: exact power of the two-sided t test.

With n users an arm, a true effect d and standard deviation s the t statistic is noncentral t with noncentrality ``d /
(s sqrt(c / n))``: for paired arms s is the standard deviation of users' differences, c = 1, on n - 1 degrees of
freedom; for arms with different users s is that of one arm's outcome, c = 2, on 2 n - 2 (Cohen 1988, *Statistical Power
Analysis*, ch. 2; Johnson, Kotz & Balakrishnan 1995, ch. 31). Exact for normal means; for skew users as exact as the t
test itself.

Power is always that for an effect somebody cares about, stated beforehand. "Observed power", the power for the effect
that happened to be found, is a function of the p value alone and says nothing more (Hoenig & Heisey 2001, *The American
Statistician* 55): it is not offered. After a run, ``power_for`` with the run's own standard deviation and the effect of
interest tells what it could have found.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import check_choice, check_number, check_whole_number
from recsim_llm.errors import ConfigError
from recsim_llm.statistics.effects import alike, check_share, log_ratio_estimate, rows_of_users
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate
from recsim_llm.statistics.multiple import ALPHA

__all__ = ["POWER", "detectable_effect", "deviation_estimate", "power_for", "users_needed"]

Design = Literal["paired", "independent"]

POWER = 0.8
"""Wanted power unless told: a true effect of that size is found in 4 of 5 runs."""
_MOST_USERS = 2**40
_NODES = 200
_REACH = 9.0


def power_for(effect: float, deviation: float, users: int, *, design: Design = "paired", alpha: float = ALPHA) -> float:
    """Return the probability that a test with these users rejects "no effect" if the effect is really this.

    Args:
        effect: the true difference of interest, in the unit of the measure; its sign does not matter.
        deviation: standard deviation, above 0: of users' differences (paired) or of one arm's outcome (independent).
        users: users an arm, 2 or more.
        design: ``paired`` or ``independent``.
        alpha: level of the two-sided test; divide it by the number of comparisons if there are several.

    Raises:
        ConfigError: a setting cannot work.
    """
    _check(deviation, design, alpha)
    check_number("effect", effect)
    check_whole_number("users", users, least=2)
    arms = 1 if design == "paired" else 2
    degrees = arms * (users - 1)
    shift = abs(effect) / (deviation * math.sqrt(arms / users))
    return _rejecting(degrees, shift, alpha)


def detectable_effect(
    deviation: float, users: int, *, design: Design = "paired", alpha: float = ALPHA, power: float = POWER
) -> float:
    """Return the minimum detectable effect: the smallest true one that so many users find with the wanted power.

    It is proportional to the deviation, so the ends of a pilot's ``deviation_estimate`` give the ends of its interval.

    Args:
        deviation: as for ``power_for``.
        users: users an arm, 2 or more.
        design: ``paired`` or ``independent``.
        alpha: level of the two-sided test.
        power: wanted probability of finding it, above ``alpha``.

    Raises:
        ConfigError: a setting cannot work.
    """
    _check_power(power, alpha)
    _check(deviation, design, alpha)
    below, above = 0.0, deviation
    while power_for(above, deviation, users, design=design, alpha=alpha) < power:
        above *= 2.0
    for _ in range(60):
        middle = 0.5 * (below + above)
        if power_for(middle, deviation, users, design=design, alpha=alpha) < power:
            below = middle
        else:
            above = middle
    return above


def users_needed(
    effect: float, deviation: float, *, design: Design = "paired", alpha: float = ALPHA, power: float = POWER
) -> int:
    """Return the fewest users an arm that find this effect with the wanted power.

    Args:
        effect: the true difference of interest, not 0.
        deviation: as for ``power_for``.
        design: ``paired`` or ``independent``.
        alpha: level of the two-sided test.
        power: wanted probability of finding it, above ``alpha``.

    Raises:
        ConfigError: a setting cannot work, or no run could be that large.
    """
    _check_power(power, alpha)
    below, above = 1, 2
    while power_for(effect, deviation, above, design=design, alpha=alpha) < power:
        below, above = above, above * 2
        if above > _MOST_USERS:
            raise ConfigError(
                f"effect: got {effect:g} against a deviation of {deviation:g}, expected one that users can show; "
                "take a larger one"
            )
    while above - below > 1:
        middle = (below + above) // 2
        if power_for(effect, deviation, middle, design=design, alpha=alpha) < power:
            below = middle
        else:
            above = middle
    return above


def deviation_estimate(values: npt.ArrayLike, *, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate a standard deviation over users from a pilot, or from a finished run.

    The interval is the delta method's on the log of the variance, which uses the users' own fourth moment: the usual
    chi-squared interval is far too narrow for heavy tails (Cramér 1946, *Mathematical Methods of Statistics*, 27.4).

    Args:
        values: [n], one a user: paired differences, or one arm's outcome.
        confidence: of the interval, 0 to 1.

    Raises:
        DataError: a number is not finite.
    """
    check_share("confidence", confidence)
    (column,) = rows_of_users("pilot", values)
    count = len(column)
    if count < 2 or alike(column):
        return Estimate(value=None if count < 2 else 0.0, users=count)
    squares = (column - column.mean()) ** 2 * (count / (count - 1))
    variance = log_ratio_estimate(squares, squares * 0.0 + 1.0, confidence=confidence)
    value, low, high = (None if end is None else math.sqrt(end) for end in (variance.value, variance.low, variance.high))
    return Estimate(value=value, low=low, high=high, users=count)


def _check(deviation: float, design: Design, alpha: float) -> None:
    check_share("alpha", alpha)
    check_number("deviation", deviation, above=0.0, remedy="users all alike need no test")
    check_choice("design", design, ("paired", "independent"))


def _check_power(power: float, alpha: float) -> None:
    check_share("power", power)
    check_share("alpha", alpha)
    if power <= alpha:
        raise ConfigError(f"power: got {power}, expected more than the level {alpha}, which no effect reaches; ask for more")


def _rejecting(degrees: int, shift: float, alpha: float) -> float:
    """Return how often noncentral t leaves the two-sided acceptance region of level alpha.

    ``T = (Z + shift) / S`` with Z normal and ``degrees S**2`` chi-squared, so the probability is the mean over S of
    ``Phi(shift - edge S) + Phi(-shift - edge S)``, taken by Gauss-Legendre quadrature over the normal score of S. scipy 1.17's
    ``nctdtr`` agrees to 1e-14 but returns NaN at scattered arguments.
    """
    from scipy.special import ndtr, stdtrit

    edge = float(stdtrit(degrees, 1.0 - alpha / 2.0))
    scale, density = _scales(degrees)
    return float(min(density @ (ndtr(shift - edge * scale) + ndtr(-shift - edge * scale)), 1.0))


@lru_cache(maxsize=128)
def _scales(degrees: int) -> tuple[DoubleArray, DoubleArray]:
    """Return the nodes of S and their weights."""
    from scipy.special import gammaincinv, ndtr

    node, weight = np.polynomial.legendre.leggauss(_NODES)
    score = _REACH * node
    scale: DoubleArray = np.sqrt(2.0 * gammaincinv(0.5 * degrees, ndtr(score)) / degrees)
    density: DoubleArray = _REACH * weight * np.exp(-0.5 * score**2) / math.sqrt(2.0 * math.pi)
    return scale, density
