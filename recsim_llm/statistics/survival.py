"""How long something takes that may never happen: the product-limit estimate with its pointwise intervals.

``S(t) = prod_{i <= t} (1 - d_i / n_i)`` over times with ``d_i`` events among ``n_i`` still waiting (Kaplan & Meier 1958,
*JASA* 53, eq. 2b). Its variance is Greenwood's, ``S(t)^2 sum_i d_i / (n_i (n_i - d_i))`` (Greenwood 1926; Kalbfleisch &
Prentice 2002, *The Statistical Analysis of Failure Time Data*, eq. 1.13), and the interval is taken on the scale ``log(-log
S)``, on which it stays within 0 and 1 (ibid., section 1.4.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.checked_columns import as_flags, as_whole_numbers, check_number, check_whole_number
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = ["Survival", "estimate_survival"]


@dataclass(frozen=True, kw_only=True)
class Survival:
    """How many were still waiting after each time."""

    at_risk: tuple[int, ...]
    """Still waiting just before each time, from time 1."""
    events: tuple[int, ...]
    """Whose waiting ended at each time."""
    waiting: tuple[Estimate, ...]
    """Share still waiting after each time, with pointwise intervals; none where nobody's or everybody's waiting has ended."""


def estimate_survival(time: IntArray, event: BoolArray, horizon: int, *, confidence: float = CONFIDENCE) -> Survival:
    """Estimate the share still waiting after each time from 1 to a horizon.

    Args:
        time: int64 [u]: when each waiting ended, or was last seen; from 0.
        event: bool [u]: whether it ended by the event; False: it was cut off then (censored), just after the time's events.
        horizon: the last time.
        confidence: of each interval, 0 to 1.

    Raises:
        DataError: the columns differ in length, a time is below 0, or a column holds what it cannot.
        ConfigError: the horizon or the confidence is none.
    """
    time = as_whole_numbers("survival, time", time, ("users",), least=0)
    event = as_flags("survival, event", event, (len(time),))
    check_whole_number("survival, horizon", horizon, least=1)
    check_number("survival, confidence", confidence, above=0, below=1)
    times = np.arange(1, horizon + 1)
    at_risk = (time[None] >= times[:, None]).sum(axis=1)
    events = ((time[None] == times[:, None]) & event[None]).sum(axis=1)
    quantile = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, greenwood, waiting = 1.0, 0.0, []
    for there, ended in zip(at_risk.tolist(), events.tolist(), strict=True):
        if there:
            share *= 1 - ended / there
            greenwood += ended / (there * (there - ended)) if there > ended else math.inf
        waiting.append(_estimate(share, greenwood, quantile, there) if there else Estimate(value=None, users=0))
    return Survival(at_risk=tuple(at_risk.tolist()), events=tuple(events.tolist()), waiting=tuple(waiting))


def _estimate(share: float, greenwood: float, quantile: float, users: int) -> Estimate:
    if not 0.0 < share < 1.0:
        return Estimate(value=share, users=users)
    centre, spread = math.log(-math.log(share)), quantile * math.sqrt(greenwood) / abs(math.log(share))
    low, high = (math.exp(-math.exp(centre + side * spread)) for side in (1, -1))
    return Estimate(value=share, low=low, high=high, users=users)
