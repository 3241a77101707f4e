"""The leak meter: does a policy know more of the goal than it was told?

Each goal is drawn uniformly from the pool of what its user likes most, by a die that nothing else hangs on. So whatever an
honest policy knows of the user's taste, which of the pool is the goal it can learn from what the user says alone. The meter
keeps, for each dialogue, how probable each item of the pool is as the goal: equal at first, and after each act of the user
times the probability with which the user would have acted so, had that item been its goal (Bayes). Of every turn it notes
whether the policy hit the goal, and how probably it would have.

Hits less these probabilities are a martingale difference under any honest policy, however good its taste model is: their sum
over turns and users divided by the root of their conditional variances is about standard normal (Hall & Heyde 1980,
*Martingale Limit Theory and its Application*, theorem 3.2), whenever dialogues stop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import pdtrc

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["LEVEL", "LeakMeter", "LeakTest", "judge_leak"]

LEVEL = 0.01
"""Share of honest policies that are taken for informed ones."""


class LeakMeter:
    """What can be known of the goals of dialogues in progress, and how often policies hit them.

    Args:
        rows: dialogues at the same time.
        pool: items that each goal is drawn from.
    """

    def __init__(self, rows: int, pool: int) -> None:
        self.belief: DoubleArray = np.full((rows, pool), 1.0 / pool)
        """float64 [r, p]: how probable each item of the pool is as the goal, by what was said."""
        self.blind: BoolArray = np.zeros(rows, np.bool_)
        """bool [r]: dialogues in which something was said whose probability under other goals nobody knows."""
        self.sums: DoubleArray = np.zeros((rows, 3))
        """float64 [r, 3]: hits, expected hits, variance."""

    def begin(self, rows: IntArray) -> None:
        """Forget what was said in rows int64 [m]."""
        self.belief[rows], self.blind[rows], self.sums[rows] = 1.0 / self.belief.shape[1], False, 0.0

    def note(self, rows: IntArray, hits: BoolArray, goal: IntArray) -> None:
        """Note which goals an act would have hit, bool [m, p], before the user answers it.

        Args:
            rows: int64 [m].
            hits: of each item of the pool, whether the act hits it, were it the goal.
            goal: int64 [m]: place of the true goal.
        """
        expected = np.where(self.blind[rows], 0.0, (self.belief[rows] * hits).sum(axis=1))
        expected = np.clip(expected, 0.0, 1.0)
        hit = hits[np.arange(len(rows)), goal] & ~self.blind[rows]
        self.sums[rows] += np.stack([hit, expected, expected * (1 - expected)], axis=1)

    def learn(self, rows: IntArray, likelihood: DoubleArray) -> None:
        """Take in how probable the user's act was under each goal of the pool, float64 [m, p]."""
        belief = self.belief[rows] * likelihood
        total = belief.sum(axis=1, keepdims=True)
        self.belief[rows] = np.where(total > 0, belief / np.maximum(total, 1e-300), self.belief[rows])

    def change(self, rows: IntArray) -> None:
        """Take in that users look for something else of their pool from now on, each as probably as the others.

        A goal that happens to be drawn again is no other one: it is drawn from the whole pool anew.
        """
        self.belief[rows] = 1.0 / self.belief.shape[1]


@dataclass(frozen=True, kw_only=True)
class LeakTest:
    """What the meter says of one policy."""

    dialogues: int
    """How many were watched."""
    hits: float
    """Turns in which the policy hit the goal."""
    expected: float
    """Hits to be expected by what it was told."""
    statistic: float | None
    """Hits above what is expected, in standard errors; None where nothing could be hit."""
    p_value: float
    """Of a policy that knows no more than it was told, one-sided: the larger one of the normal and the Poisson tail, since few
    and improbable hits are not normal."""
    caught: bool
    """Whether that is below ``LEVEL``."""


def judge_leak(hits: DoubleArray, expected: DoubleArray, variance: DoubleArray) -> LeakTest:
    """Judge whether a policy knows more than it was told.

    Args:
        hits: float64 [d]: by dialogue, as ``LeakMeter.sums``.
        expected: float64 [d].
        variance: float64 [d].
    """
    total, above = float(variance.sum()), float(hits.sum() - expected.sum())
    statistic = above / math.sqrt(total) if total > 0 else None
    normal = 0.0 if statistic is None else math.erfc(statistic / math.sqrt(2)) / 2
    counted = round(float(hits.sum()))
    rare = float(pdtrc(counted - 1, float(expected.sum()))) if counted else 1.0
    p_value = max(normal, rare)
    return LeakTest(
        dialogues=len(hits),
        hits=float(hits.sum()),
        expected=float(expected.sum()),
        statistic=statistic,
        p_value=p_value,
        caught=p_value < LEVEL,
    )
