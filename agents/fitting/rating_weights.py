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
    """Most that a weight could be, in multiples of the mean weight."""


def inverse_weights(propensity: DoubleArray) -> RatingWeights:
    """Return the inverse propensities, none above sqrt(N) times their mean once cut (Ionides 2008, section 2.2).

    The cut keeps the variance finite and vanishes as ratings grow in number; what is cut biases the fit towards the naive one.

    Args:
        propensity: chance with which each rating came to be given, float64 [N], above 0.
    """
    raw = propensity.min() / propensity  # Of the largest inverse itself, so that a propensity near 0 overflows nothing.
    limit = float(np.sqrt(raw.size))
    falling = -np.sort(-raw)
    # With the k largest cut to x, x = limit * mean is x = (sum of the rest) / (limit - k); the least k that cuts enough counts.
    rest = np.cumsum(falling[::-1])[::-1]
    most = rest[: int(np.ceil(limit))] / (limit - np.arange(int(np.ceil(limit))))
    enough = falling[: most.size] <= most
    cut = np.minimum(raw, most[int(np.argmax(enough))] if enough.any() else falling[-1])
    share = cut / cut.max()
    weight = share * (share.sum() / np.sum(share**2))
    return RatingWeights(weight, float(weight.sum()), int(np.count_nonzero(raw > cut)), limit)
