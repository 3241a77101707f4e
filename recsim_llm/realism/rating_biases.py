"""User and item biases of the stars: the baseline of every rating prediction.

    prediction(u, i) = mean + b_u + b_i

fitted by alternating ridge regression (Koren 2008, "Factorization meets the neighborhood", section 2.1), penalties chosen on
the last part of each user's training ratings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.fitting.splits import last_share
from recsim_llm.core.pages import IntArray
from recsim_llm.core.ratings import Dataset

__all__ = ["RatingBiases", "fit_biases"]

Floats = npt.NDArray[np.float64]

_PENALTIES = (0.5, 2.0, 5.0, 10.0, 20.0)
_ROUNDS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class RatingBiases:
    """Fitted biases, in stars."""

    mean: float
    """Mean of the training ratings."""
    user: Floats
    """float64 [u]."""
    item: Floats
    """float64 [n]; 0 without ratings."""
    spread: float
    """Root mean square error on the last part of the training ratings, of a fit on the rest."""
    bounds: tuple[float, float]
    """Lowest and highest training rating."""

    def predict(self, user_index: IntArray, item_index: IntArray) -> Floats:
        """Return predictions within the bounds, of the broadcast shape."""
        return np.clip(self.mean + self.user[user_index] + self.item[item_index], *self.bounds)


def fit_biases(training: Dataset) -> RatingBiases:
    """Fit biases to a training part."""
    ratings, items = training.ratings, len(training.catalog)
    user, item = ratings.user_index, training.catalog.index_of(ratings.item_id)
    stars, shape = ratings.rating.astype(np.float64), (len(ratings.users), items)
    bounds = float(ratings.levels[0]), float(ratings.levels[-1])
    later = last_share(user, ratings.timestamp)
    early = ~later if not later.all() else later
    best = (np.inf, (_PENALTIES[0], _PENALTIES[0]))
    for penalty in ((own, other) for own in _PENALTIES for other in _PENALTIES):
        mean, by_user, by_item = _solve(user[early], item[early], stars[early], shape, penalty)
        error = np.clip(mean + by_user[user[later]] + by_item[item[later]], *bounds) - stars[later]
        best = min(best, (float(np.sqrt(np.mean(error**2))), penalty))
    spread, penalty = best
    mean, by_user, by_item = _solve(user, item, stars, shape, penalty)
    return RatingBiases(mean=mean, user=by_user, item=by_item, spread=max(spread, 1e-3), bounds=bounds)


def _solve(
    user: IntArray, item: IntArray, stars: Floats, shape: tuple[int, int], penalty: tuple[float, float]
) -> tuple[float, Floats, Floats]:
    mean = float(stars.mean())
    by_user, by_item = np.zeros(shape[0]), np.zeros(shape[1])
    user_size = np.bincount(user, minlength=shape[0]) + penalty[0]
    item_size = np.bincount(item, minlength=shape[1]) + penalty[1]
    for _ in range(_ROUNDS):
        by_item = np.bincount(item, stars - mean - by_user[user], shape[1]) / item_size
        by_user = np.bincount(user, stars - mean - by_item[item], shape[0]) / user_size
    return mean, by_user, by_item
