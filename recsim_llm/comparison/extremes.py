"""Who lost most and who gained most: the users behind a difference, so that their visits can be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsim_llm.comparison.outcomes import Outcome, Pair
from recsim_llm.core.arrays import DoubleArray

__all__ = ["UserOutcome", "find_gainers", "find_losers"]

MOST_NAMED = 3
"""Users named at each end of a pair's differences."""


@dataclass(frozen=True, kw_only=True)
class UserOutcome:
    """What one user gave both arms of a pair."""

    user_id: int
    """Outside id."""
    one: float | None
    """The metric of this user with the one arm; None where it is undefined, such as the mean of no ratings."""
    other: float | None
    """The same with the other arm."""
    difference: float
    """What the user adds to the pair's difference: the one less the other, for ratios linearised (``outcomes``)."""


def find_losers(pair: Pair) -> tuple[UserOutcome, ...]:
    """Return the users with whom the one arm fell behind the other most, the worst first; none where it never did.

    Of equals the smaller id comes first.
    """
    return _at_the_end(pair, -1.0)


def find_gainers(pair: Pair) -> tuple[UserOutcome, ...]:
    """Return the users with whom the one arm was ahead of the other most, likewise."""
    return _at_the_end(pair, 1.0)


def _at_the_end(pair: Pair, sign: float) -> tuple[UserOutcome, ...]:
    if pair.values is None:
        return ()
    difference: DoubleArray = pair.values[0] - pair.values[1]
    places = np.argsort(-sign * difference, kind="stable")[:MOST_NAMED]
    return tuple(
        UserOutcome(
            user_id=int(pair.user_id[place]),
            one=_of_user(pair.one, place),
            other=_of_user(pair.other, place),
            difference=float(difference[place]),
        )
        for place in places
        if sign * difference[place] > 0.0
    )


def _of_user(outcome: Outcome, place: int) -> float | None:
    if outcome.below is None:
        return float(outcome.above[place])
    return float(outcome.above[place] / outcome.below[place]) if outcome.below[place] else None
