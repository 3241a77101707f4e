"""What users do with a page: when it counts as watched, and how their clicks fall with the position."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import as_numbers
from recsim_llm.statistics import Estimate, mean_estimate

__all__ = ["WATCHED", "position_exponent"]


WATCHED = 0.5
"""Share watched from which an item counts as watched."""
_STEPS = 200
_STEEPEST = 64.0


def position_exponent(events: DoubleArray, chances: DoubleArray) -> Estimate:
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

    Raises:
        DataError: shapes differ, or a count is negative or not finite.
    """
    events = as_numbers("events", events, ("users", "positions"), bounds=(0.0, np.inf))
    chances = as_numbers("chances", chances, events.shape, bounds=(0.0, np.inf))
    active = chances.sum(axis=1) > 0
    count, offered = events[active], chances[active]
    users = len(count)
    there = offered.sum(axis=0) > 0
    count, offered = count[:, there], offered[:, there]
    place = np.log(np.flatnonzero(there) + 1.0)
    total: DoubleArray = count.sum(axis=0)
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


def _expected(offered: DoubleArray, place: DoubleArray, exponent: float) -> DoubleArray:
    """Return float64 [k]: shares of the events that the exponent puts at each position."""
    log_weight = np.log(offered.sum(axis=0)) - exponent * place
    weight = np.exp(log_weight - log_weight.max())
    share: DoubleArray = weight / weight.sum()
    return share
