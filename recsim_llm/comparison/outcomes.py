"""What users gave each arm, on one metric: the sums behind it, and one number a user whose mean is the metric.

For a ratio ``R = sum(y) / sum(x)`` a user's number is ``R + (y - R x) / mean(x)``: its mean is R, and its variance over n is
the delta method's for R (linearisation; Deng, Knoblich & Lu 2018, KDD, section 3). So whatever asks for one number a user
works for ratios too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.metrics.definitions import Definition
from recsim_llm.metrics.tallies import Tally
from recsim_llm.statistics import Effect, Estimate, clustered_ratio_difference, paired_effect

__all__ = [
    "CEILINGS",
    "ORACLE",
    "PLANNER",
    "Outcome",
    "Pair",
    "estimate_values",
    "limits_of",
    "pair_arms",
    "pick_best",
    "served_by",
    "take_outcome",
]

ORACLE = "oracle"
"""Arm that knows the users, and looks no further than a page."""
PLANNER = "planner"
"""Arm that knows the users and looks ahead: the ceiling of whole visits."""
CEILINGS = (PLANNER, ORACLE)
"""Names of the arms that know the users, the highest first: others' regret is measured against them, and they are never called
the best."""


class Outcome(NamedTuple):
    """What users gave one arm, on one metric."""

    above: DoubleArray
    """float64 [u]: the metric's numerator."""
    below: DoubleArray | None
    """float64 [u]: its denominator; None for a mean over users."""

    @property
    def values(self) -> DoubleArray | None:
        """float64 [u]: numbers whose mean is the metric; None where it is undefined."""
        return self.values_of(np.ones(len(self.above), np.bool_))

    def values_of(self, members: BoolArray) -> DoubleArray | None:
        """Return the numbers of some of the users, whose mean is the metric of those users."""
        above = self.above[members]
        if self.below is None:
            return above
        below = self.below[members]
        total = float(below.sum())
        if total <= 0.0:
            return None
        ratio = float(above.sum()) / total
        return ratio + (above - ratio * below) * (len(below) / total)


class Pair(NamedTuple):
    """Two arms on one metric, on the same users."""

    metric: Definition
    """The metric."""
    arm: str
    """The one."""
    against: str
    """The other."""
    one: Outcome
    """What the users gave the one."""
    other: Outcome
    """What they gave the other."""
    user_id: IntArray
    """int64 [u]: outside ids of the users, ascending."""
    limits: tuple[float, float] = (-np.inf, np.inf)
    """Smallest and largest possible value of the metric."""

    def possible(self, effect: Effect) -> Effect:
        """Return a difference of the two with its interval cut to what is possible."""
        reach = self.limits[1] - self.limits[0]
        return effect.within(-reach, reach)

    @property
    def values(self) -> tuple[DoubleArray, DoubleArray] | None:
        """Numbers by user of both; None where the metric is undefined for one of them."""
        one, other = self.one.values, self.other.values
        return None if one is None or other is None else (one, other)

    @property
    def sides(self) -> tuple[tuple[str, Outcome], tuple[str, Outcome]]:
        """The one and the other: name of the arm, and what the users gave it."""
        return (self.arm, self.one), (self.against, self.other)

    @property
    def identical(self) -> bool:
        """Every single user gave both the same; never where the metric is undefined, as mean stars are if nobody gave any."""
        (above, below), (other_above, other_below) = self.one, self.other
        if self.values is None or not len(above) or not np.array_equal(above, other_above):
            return False
        return below is None or other_below is None or np.array_equal(below, other_below)

    def turned(self) -> Pair:
        """Return the other minus the one."""
        return self._replace(arm=self.against, against=self.arm, one=self.other, other=self.one)

    def difference(self, *, confidence: float) -> Effect:
        """Return the one minus the other: paired t for means, cluster-robust with the user as the cluster (CR2) for ratios.

        Args:
            confidence: of the interval, 0 to 1.
        """
        (above, below), (other_above, other_below) = self.one, self.other
        if below is None or other_below is None:
            return paired_effect(above, other_above, confidence=confidence).effect
        return clustered_ratio_difference([above, other_above], [below, other_below], confidence=confidence)


def served_by(tally: Tally, arms: Sequence[str]) -> BoolArray:
    """Return bool [u]: users whom each of these arms served."""
    places = [tally.arms.index(arm) for arm in arms]
    served: BoolArray = np.all(tally.sums["pages"][places] > 0, axis=0)
    return served


def take_outcome(tally: Tally, metric: Definition, arm: str, users: BoolArray) -> Outcome:
    """Return what some users gave one arm.

    Args:
        tally: sums by arm and user.
        metric: which.
        arm: name of the arm.
        users: bool [u]: who counts.
    """
    above, below = metric.columns(tally.of(tally.arms.index(arm)))
    if users.all():
        # Views: with many users and pairs, copies would not fit into memory.
        return Outcome(above, below)
    return Outcome(above[users], None if below is None else below[users])


def pair_arms(tally: Tally, metrics: Sequence[Definition]) -> list[Pair]:
    """Return every pair of arms on every metric, the later one first in each pair, on the users whom all arms served."""
    users = served_by(tally, tally.arms)
    outcomes = [{arm: take_outcome(tally, metric, arm, users) for arm in tally.arms} for metric in metrics]
    return [
        Pair(metric, later, first, by_arm[later], by_arm[first], tally.user_id[users], limits_of(tally, metric))
        for metric, by_arm in zip(metrics, outcomes, strict=True)
        for first, later in combinations(tally.arms, 2)
    ]


def limits_of(tally: Tally, metric: Definition) -> tuple[float, float]:
    """Return the smallest and the largest value that a metric can have in a run."""
    return tally.limits.get(metric.key, (metric.low, metric.high))


def estimate_values(tally: Tally, metrics: Sequence[Definition]) -> dict[str, dict[str, Estimate]]:
    """Return each metric of each arm, by its key and name, over the users whom all arms served."""
    users = served_by(tally, tally.arms)
    return {
        metric.key: {
            arm: metric.estimate(*take_outcome(tally, metric, arm, users), limits_of(tally, metric)) for arm in tally.arms
        }
        for metric in metrics
    }


def pick_best(values: Mapping[str, float | None]) -> str:
    """Return the arm with the largest value, ceilings left out; the first of equals.

    Args:
        values: by arm; None where it is undefined.
    """
    real = {name: value for name, value in values.items() if name not in CEILINGS} or values
    return max(real, key=lambda name: -np.inf if (value := real[name]) is None else value)
