"""What users do with a page: the funnel from exposure to like, position bias, and slots that held nothing valid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.statistics.intervals import Estimate, mean_estimate, ratio_estimate

__all__ = ["WATCHED", "funnel_step", "invalid_share", "position_exponent"]

FloatArray = npt.NDArray[np.float64]

WATCHED = 0.5
"""Share watched from which an item counts as watched."""
_STEPS = 200
_STEEPEST = 64.0


def funnel_step(reached: FloatArray, before: FloatArray) -> Estimate:
    """Estimate the share that goes on from one step of the funnel to the next, a ratio of sums over users.

    Args:
        reached: float64 [u], how often each user reached the step.
        before: float64 [u], how often the step before it.
    """
    return ratio_estimate(reached, before, bounds=(0.0, 1.0))


def invalid_share(invalid: FloatArray, slots: FloatArray) -> Estimate:
    """Estimate the share of slots whose item was unknown, retired or repeated, a ratio of sums over users.

    Args:
        invalid: float64 [u], invalid slots of each user.
        slots: float64 [u], all slots.
    """
    return ratio_estimate(invalid, slots, bounds=(0.0, 1.0))


def position_exponent(events: FloatArray, chances: FloatArray) -> Estimate:
    """Estimate ``eta`` in ``rate at position r ~ r**-eta``: 0 all positions alike, 1 the rate falls as 1 over the position.

    The form of the position-based propensities of Joachims, Swaminathan & Schnabel (2017, *WSDM*). ``eta`` is the
    Poisson regression coefficient of ``log r`` with exposure offset, so that positions without events count too; the
    interval is the sandwich by user (Liang & Zeger 1986, *Biometrika* 73), through each user's influence on ``eta``.

    Applied to clicks out of items shown it is the **position-bias index**; with the same formula examinations out of items
    shown give the users' part, clicks out of items examined the part of the order in which the policy puts them.

    Args:
        events: float64 [u, k], events of each user at each position, position 1 first.
        chances: float64 [u, k], how often there could have been one.

    Returns:
        The exponent; None where events happened at fewer than two positions.
    """
    active = chances.sum(axis=1) > 0
    count, offered = events[active], chances[active]
    users = len(count)
    there = offered.sum(axis=0) > 0
    count, offered = count[:, there], offered[:, there]
    place = np.log(np.flatnonzero(there) + 1.0)
    total: FloatArray = count.sum(axis=0)
    if np.count_nonzero(total) < 2:
        return Estimate(value=None, users=users)
    wanted = float(total @ place / total.sum())
    low, high = -_STEEPEST, _STEEPEST
    # The mean position of events that the model expects falls steadily in eta, so halving finds the one that fits.
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _expected(offered, place, middle) @ place > wanted else (low, middle)
    exponent = (low + high) / 2.0
    expected = _expected(offered, place, exponent)
    rate = expected * total.sum() / offered.sum(axis=0)
    centred = place - wanted
    information = total.sum() * float(expected @ centred**2)
    influence = -((count - offered * rate) @ centred) / information
    # Pseudo-values: their mean is the estimate, their spread that of the sandwich.
    return mean_estimate(exponent + users * influence)


def _expected(offered: FloatArray, place: FloatArray, exponent: float) -> FloatArray:
    """Return float64 [k]: shares of the events that the exponent puts at each position."""
    log_weight = np.log(offered.sum(axis=0)) - exponent * place
    weight = np.exp(log_weight - log_weight.max())
    share: FloatArray = weight / weight.sum()
    return share
