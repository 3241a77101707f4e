"""How sure a learned position curve is, and how it stands to the truth where a simulator knows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsim_llm.agents.fitting.position import examination_ratios
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.errors import DataError
from recsim_llm.offpolicy.logged import LoggedSlates
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = ["PositionCurve", "measure_position_curve"]

_GROUPS = 20
_LEAST_CLICKS = (
    0.5  # an item: with 0.2 the intervals held a planted curve in 4% to 88% of simulated logs, from 0.8 on in 84% up
)


@dataclass(frozen=True, kw_only=True)
class PositionCurve:
    """Examination by position, learned from clicks."""

    learned: tuple[Estimate, ...]
    """By position: chance of being looked at over that of the first, which is 1 by definition; may come out above 1."""
    truth: tuple[float, ...] | None
    """The simulator's own: mean examination probability by position over that of the first; None without a simulator."""
    moving: float
    """Share of impressions whose item stood at more than one position. What is learned rests on these alone: where items keep
    their place, attraction and position cannot be told apart."""
    confidence: float
    """Of the intervals, 0 to 1."""

    def to_record(self) -> dict[str, Any]:
        """Return the numbers as plain values for JSON."""
        return {
            "learned": [{"value": e.value, "low": e.low, "high": e.high, "users": e.users} for e in self.learned],
            "truth": None if self.truth is None else list(self.truth),
            "moving": self.moving,
            "confidence": self.confidence,
        }


def measure_position_curve(logged: LoggedSlates, confidence: float = CONFIDENCE) -> PositionCurve:
    """Learn the position curve of a log (``examination_ratios``), with intervals by user.

    The intervals are those of the delete-a-group jackknife (Kott 2001, *Journal of Official Statistics* 17): users are dealt
    into 20 groups, the curve is learned without each, and the spread of these gives the standard error, with Student's t on
    one degree of freedom less than there are groups.

    Args:
        logged: the log, all pages of its users or some.
        confidence: of the intervals, 0 to 1.

    Raises:
        DataError: the first position was never clicked, every item kept its position, or there is less than half a click an
            item, too little to tell attraction from position.
    """
    items, clicked = logged.item_id, logged.clicked
    moving = _moving(items)
    if moving == 0.0 and items.shape[1] > 1:
        raise DataError(
            "position curve: got a log in which every item kept its position, expected items that change places; log with a "
            "recommender that explores"
        )
    clicks, shown = int(clicked.sum()), len(np.unique(items[items >= 0]))
    if clicks < _LEAST_CLICKS * shown:
        raise DataError(
            f"position curve: got {clicks} clicks on {shown} items, expected {math.ceil(_LEAST_CLICKS * shown)} or more; log "
            "more users or pages"
        )
    curve = examination_ratios(clicked, items)
    users, place = np.unique(logged.user_id, return_inverse=True)
    errors = _jackknife(logged, place % _GROUPS, curve) if len(users) >= _GROUPS else None
    return PositionCurve(
        learned=tuple(_estimates(curve, errors, len(users), confidence)),
        truth=_truth(logged, len(curve)),
        moving=moving,
        confidence=confidence,
    )


def _moving(items: IntArray) -> float:
    """Return the share of filled slots whose item stood at two or more positions."""
    position = np.broadcast_to(np.arange(items.shape[1]), items.shape)[items >= 0]
    shown = items[items >= 0]
    pairs = np.unique(np.stack([shown, position]), axis=1)
    names, places = np.unique(pairs[0], return_counts=True)
    return float((places[np.searchsorted(names, shown)] > 1).mean()) if shown.size else 0.0


def _jackknife(logged: LoggedSlates, group: IntArray, curve: DoubleArray) -> DoubleArray | None:
    """Return float64 [k]: standard errors; None where a curve cannot be learned without one of the groups."""
    others = np.full((_GROUPS, len(curve)), np.nan)
    for number in range(_GROUPS):
        kept = group != number
        try:
            found = examination_ratios(logged.clicked[kept], logged.item_id[kept])
        except DataError:
            return None
        if len(found) != len(curve):
            return None
        others[number] = found
    return np.asarray(np.sqrt((_GROUPS - 1) / _GROUPS * ((others - others.mean(axis=0)) ** 2).sum(axis=0)))


def _estimates(curve: DoubleArray, errors: DoubleArray | None, users: int, confidence: float) -> list[Estimate]:
    from scipy.special import stdtrit

    reach = float(stdtrit(_GROUPS - 1, 0.5 + confidence / 2.0))
    found = []
    for position, value in enumerate(curve.tolist()):
        error = math.nan if errors is None or position == 0 else float(errors[position])
        if not error > 0.0:
            found.append(Estimate(value=value, users=users))
            continue
        low, high = max(value - reach * error, 0.0), value + reach * error
        found.append(Estimate(value=value, low=low, high=high, users=users))
    return found


def _truth(logged: LoggedSlates, positions: int) -> tuple[float, ...] | None:
    if logged.truth is None:
        return None
    shown = logged.item_id >= 0
    looked = np.where(shown, logged.truth.examine, 0.0).sum(axis=0) / np.maximum(shown.sum(axis=0), 1)
    return tuple((looked[:positions] / looked[0]).tolist()) if looked[0] > 0 and np.isfinite(looked).all() else None
