"""Metrics by user: the sums behind a metric, and one number a user whose mean is the metric.

For a ratio ``R = sum(y) / sum(x)`` a user's number is ``R + (y - R x) / mean(x)``: its mean is R, and its variance over n is
the delta method's for R (linearisation; Deng, Knoblich & Lu 2018, KDD, section 3). So whatever asks for one number a user
works for ratios too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.metrics.summary import Metric
from recsim_llm.metrics.tallies import Tally
from recsim_llm.statistics import Effect, clustered_ratio_difference, paired_effect
from recsim_llm.statistics.intervals import Estimate, mean_estimate, ratio_estimate

__all__ = ["Outcome", "difference", "outcome", "served_by_all"]

FloatArray = npt.NDArray[np.float64]


class Outcome(NamedTuple):
    """What users gave one recommender, on one metric."""

    above: FloatArray
    """float64 [u]: the metric's numerator."""
    below: FloatArray
    """float64 [u]: its denominator; ones for a mean over users."""
    ratio: bool
    """The metric is a ratio of two sums."""

    @property
    def values(self) -> FloatArray | None:
        """float64 [u]: numbers whose mean is the metric; None where it is undefined."""
        return self.values_of(np.ones(len(self.above), np.bool_))

    def values_of(self, members: npt.NDArray[np.bool_]) -> FloatArray | None:
        """Return the numbers of some of the users, whose mean is the metric of those users."""
        above, below = self.above[members], self.below[members]
        if not self.ratio:
            return above
        total = float(below.sum())
        if total <= 0.0:
            return None
        ratio = float(above.sum()) / total
        return ratio + (above - ratio * below) * (len(below) / total)

    def estimate(self, metric: Metric) -> Estimate:
        """Return the metric with an interval of its own."""
        bounds = (metric.low, metric.high)
        if self.ratio:
            return ratio_estimate(self.above, self.below, bounds=bounds)
        return mean_estimate(self.above, bounds=bounds)


def served_by_all(tally: Tally) -> npt.NDArray[np.bool_]:
    """Return bool [u]: users whom every recommender served."""
    served: npt.NDArray[np.bool_] = np.all(tally.sums["pages"] > 0, axis=0)
    return served


def outcome(tally: Tally, metric: Metric, arm: int) -> Outcome:
    """Return what the users whom all recommenders served gave one of them.

    Args:
        tally: sums by recommender and user.
        metric: which.
        arm: place of the recommender.
    """
    users = served_by_all(tally)
    above = tally.sums[metric.numerator][arm][users]
    if metric.denominator is None:
        return Outcome(above, np.ones_like(above), False)
    return Outcome(above, tally.sums[metric.denominator][arm][users], True)


def difference(one: Outcome, other: Outcome, *, confidence: float) -> Effect:
    """Return the one minus the other: paired t for means, cluster-robust with the user as the cluster (CR2) for ratios."""
    if one.ratio:
        return clustered_ratio_difference([one.above, other.above], [one.below, other.below], confidence=confidence)
    return paired_effect(one.above, other.above, confidence=confidence).effect
