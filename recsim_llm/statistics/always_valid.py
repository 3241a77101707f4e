"""Looking at the results while users arrive, and stopping when they decide, without crying wolf.

A t test that is repeated after every batch of users rejects "no difference" sooner or later. The asymptotic confidence
sequence holds the mean at all sample sizes together: after t users it is ``mean_t ± s_t sqrt(2 (t r + 1) / (t**2 r)
log(sqrt(t r + 1) / alpha))`` with the running standard deviation s_t and ``r = rho**2`` (Waudby-Smith, Arbour, Sinha,
Kennedy & Ramdas 2021, arXiv 2103.06476, theorem 2.2). Rho makes it narrowest at the planned number of users n: ``r n =
-W(-alpha**2 / e) - 1`` with the lower branch of Lambert's W, which sets the derivative of the width to 0 (their
appendix on tuning rho).

The p value is the one of the mixture sequential probability ratio test with the same mixture (Robbins 1970, *Annals of
Mathematical Statistics* 41; Johari, Koomen, Pekelis & Walsh 2022, *Operations Research* 70): the smallest so far of
``sqrt(t r + 1) exp(-r S**2 / (2 (t r + 1)))`` with ``S = t mean_t / s_t``. It is below alpha exactly if some interval
so far left out 0.

Both rest on the central limit theorem, so nothing is looked at before ``BURN_IN`` users. Users must come in an order
that has nothing to do with their outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_whole_numbers, check_number, check_whole_number
from recsim_llm.errors import ConfigError
from recsim_llm.statistics.effects import Effect, check_share, rows_of_users
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["BURN_IN", "Peeks", "Stop", "confidence_sequence", "first_decision"]


BURN_IN = 50
"""Users before the first look unless told."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Peeks:
    """The confidence sequence at each look; valid at all of them together, and whichever is the last."""

    users: IntArray
    """int64 [looks]: users seen."""
    mean: DoubleArray
    """float64 [looks]: mean over them."""
    low: DoubleArray
    """float64 [looks]: lower end; minus infinity while all users are alike."""
    high: DoubleArray
    """float64 [looks]: upper end; infinity while all users are alike."""
    standard_error: DoubleArray
    """float64 [looks]: of the mean, at this look alone."""
    p_value: DoubleArray
    """float64 [looks]: always-valid two-sided p value against 0; never rises."""
    confidence: float
    """Probability that the true mean lies within the intervals of all looks, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """The first look that decides."""

    reason: Literal["difference", "no difference that matters"]
    """What was decided: the mean is not 0, or it lies within the smallest effect of interest on both sides of 0."""
    effect: Effect
    """The mean with the always-valid interval and p value at that look; ``users`` is where it stopped. A mean at a stop is
    too extreme on average, its interval is not wrong for it."""


def confidence_sequence(
    differences: npt.ArrayLike,
    *,
    planned_users: int,
    looks: Sequence[int] | IntArray | None = None,
    confidence: float = CONFIDENCE,
) -> Peeks:
    """Return the asymptotic confidence sequence for the mean of paired differences.

    Args:
        differences: [n], one a user, in the order of arrival.
        planned_users: number of users at which the interval is to be narrowest; fixed before the run.
        looks: numbers of users at which to look, ascending, 2 to n; None: after every user from ``BURN_IN`` on.
        confidence: of all intervals together, 0 to 1.

    Raises:
        DataError: a number is not finite.
        ConfigError: a setting cannot work.
    """
    (column,) = rows_of_users("differences", differences)
    count = len(column)
    users = np.arange(BURN_IN, count + 1) if looks is None else as_whole_numbers("looks", looks, ("looks",))
    if len(users) and (users[0] < 2 or users[-1] > count or (np.diff(users) <= 0).any()):
        raise ConfigError(
            f"looks: got {users.tolist()[:5]} ..., expected ascending numbers of users from 2 to {count}; give others"
        )
    mixture = _mixture(planned_users, confidence)
    # Centred on an early value so that the running sum of squares loses nothing to cancellation.
    base = float(column[0]) if count else 0.0
    totals = [np.cumsum(power)[users - 1] for power in (column - base, (column - base) ** 2)]
    mean = totals[0] / users
    spread = np.maximum(totals[1] - users * mean**2, 0.0)
    deviation = np.sqrt(np.where(spread > 1e-12 * totals[1], spread, 0.0) / (users - 1))
    mean = mean + base
    growth = users * mixture + 1.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        width = np.sqrt(2.0 * growth / mixture * np.log(np.sqrt(growth) / (1.0 - confidence))) / users
        reach = np.where(deviation > 0.0, deviation * width, np.inf)
        score = np.where(deviation > 0.0, users * mean / deviation, 0.0)
        p_value = np.sqrt(growth) * np.exp(-mixture * score**2 / (2.0 * growth))
    return Peeks(
        users=users,
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        standard_error=deviation / np.sqrt(users),
        p_value=np.minimum.accumulate(np.minimum(p_value, 1.0)),
        confidence=confidence,
    )


def first_decision(
    differences: npt.ArrayLike,
    *,
    planned_users: int,
    block: int = 1,
    smallest_effect: float | None = None,
    confidence: float = CONFIDENCE,
) -> Stop | None:
    """Return the first look that decides, or None if there is none yet.

    A look decides if its interval leaves out 0, or lies within ``smallest_effect`` on both sides of 0. Calling this again
    after more users have come is what it is made for.

    Args:
        differences: [n], one a user, in the order of arrival.
        planned_users: as for ``confidence_sequence``; the same in every call of a run.
        block: users between looks; the first look is at the first whole block with at least ``BURN_IN`` users.
        smallest_effect: smallest difference that matters, above 0; None: only a difference decides.
        confidence: of all looks together, 0 to 1.

    Raises:
        DataError: a number is not finite.
        ConfigError: a setting cannot work.
    """
    check_whole_number("block", block, least=1)
    if smallest_effect is not None:
        check_number("smallest effect", smallest_effect, above=0.0)
    first = block * math.ceil(BURN_IN / block)
    (differences,) = rows_of_users("differences", differences)
    looks = np.arange(first, len(differences) + 1, block)
    peeks = confidence_sequence(differences, planned_users=planned_users, looks=looks, confidence=confidence)
    differs = (peeks.low > 0.0) | (peeks.high < 0.0)
    within = np.zeros_like(differs)
    if smallest_effect is not None:
        within = (peeks.low > -smallest_effect) & (peeks.high < smallest_effect)
    decided = np.flatnonzero(differs | within)
    return _stop(peeks, int(decided[0]), bool(within[decided[0]])) if len(decided) else None


def _stop(peeks: Peeks, look: int, within: bool) -> Stop:
    effect = Effect(
        value=float(peeks.mean[look]),
        low=float(peeks.low[look]),
        high=float(peeks.high[look]),
        standard_error=float(peeks.standard_error[look]),
        p_value=float(peeks.p_value[look]),
        users=int(peeks.users[look]),
        confidence=peeks.confidence,
        method="asymptotic confidence sequence",
    )
    return Stop(reason="no difference that matters" if within else "difference", effect=effect)


def _mixture(planned_users: int, confidence: float) -> float:
    """Return ``rho**2``, the variance of the normal mixture in units of one user's."""
    from scipy.special import lambertw

    check_share("confidence", confidence)
    check_whole_number("planned users", planned_users, least=2)
    alpha = 1.0 - confidence
    return float(-lambertw(-(alpha**2) / math.e, -1).real - 1.0) / planned_users
