"""Expectation maximisation, accelerated.

Steps of expectation maximisation shrink by a constant factor where clicks are rare, since an item that was passed over may
have been unseen or unattractive. Squared extrapolation jumps along them: SQUAREM with step length S3 (Varadhan & Roland 2008,
*Scandinavian Journal of Statistics* 35, section 5), taken back where the next step would be longer than the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray

__all__ = ["Ascent", "climb"]

Step = Callable[[DoubleArray], DoubleArray]
"""Chances, float64 [p], to the next ones."""


class Ascent(NamedTuple):
    """Where an ascent ended."""

    chances: DoubleArray
    """float64 [p]."""
    steps: int
    """Steps of expectation maximisation."""
    settled: bool
    """Whether a step moved no chance by more than the tolerance."""


def climb(step: Step, start: DoubleArray, *, most_steps: int, tolerance: float) -> Ascent:
    """Repeat a step until it moves nothing any more.

    Args:
        step: one step of expectation maximisation.
        start: float64 [p]: chances to begin with, 0 to 1.
        most_steps: after which to give up.
        tolerance: the largest move of a chance that counts as none.
    """
    current, steps = start, 0
    while steps < most_steps:
        one = step(current)
        first = one - current
        if np.abs(first).max() <= tolerance:
            return Ascent(one, steps + 1, True)
        two = step(one)
        second = two - one - first
        steps += 2
        current = two
        length = np.sqrt((first @ first) / max(float(second @ second), np.finfo(np.float64).tiny))
        if length > 1.0:
            ahead = one - first + 2.0 * length * first + length**2 * second
            ahead = np.where((ahead > 0.0) & (ahead < 1.0), ahead, two)
            landed = step(ahead)
            steps += 1
            if np.linalg.norm(landed - ahead) <= np.linalg.norm(first):
                current = landed
    return Ascent(current, steps, False)
