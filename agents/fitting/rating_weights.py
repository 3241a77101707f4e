"""Inverse propensities as weights of ratings: what each stands for, had the rated pairs been drawn at random."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray

__all__ = ["RatingWeights", "inverse_weights"]


class RatingWeights(NamedTuple):
    """Weights of ratings, and how much is left to know from."""

    weight: DoubleArray
    """float64 [N], above 0; they sum to ``effective``, so that a fit is as sure as that many ratings make it."""
    effective: float
    """Effective number of ratings, (sum w)^2 / sum w^2 (Kish 1965)."""
    clipped: int
    """Ratings whose weight was cut."""
    limit: float
    """Most that a weight could be, in multiples of the mean weight before the cut."""


def inverse_weights(propensity: DoubleArray) -> RatingWeights:
    """Return the inverse propensities, none above sqrt(N) times their mean (Ionides 2008, section 2.2), self-normalised.

    The cut keeps the variance finite and vanishes as ratings grow in number; what is cut biases the fit towards the naive one.

    Args:
        propensity: chance with which each rating came to be given, float64 [N], above 0.
    """
    # Of the largest inverse itself, so that a propensity near 0 overflows nothing.
    raw = propensity.min() / propensity
    limit = float(np.sqrt(raw.size))
    most = limit * float(raw.mean())
    cut = np.minimum(raw, most)
    weight = cut * (cut.sum() / np.sum(cut**2))
    return RatingWeights(weight, float(weight.sum()), int(np.count_nonzero(raw > most)), limit)
