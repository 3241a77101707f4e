"""User and item biases of the stars: the baseline of every rating prediction.

    prediction(u, i) = mean + b_u + b_i

fitted by alternating ridge regression (Koren 2008, "Factorization meets the neighborhood", section 2.1), with the pair of
penalties that predicts a part of the ratings best from the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

__all__ = ["RatingBiases", "fit_rating_biases"]

BoolArray = npt.NDArray[np.bool_]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RatingBiases:
    """Fitted biases, in stars."""

    mean: float
    """Mean of the training ratings."""
    user: DoubleArray
    """float64 [u]; 0 without ratings."""
    item: DoubleArray
    """float64 [n]; 0 without ratings."""
    spread: float
    """Root mean square error on the held-back part of the training ratings, of a fit on the rest."""
    bounds: tuple[float, float]
    """Lowest and highest training rating."""

    def predict(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return predictions within the bounds, of the broadcast shape."""
        return np.clip(self.mean + self.user[user_index] + self.item[item_index], *self.bounds)


def fit_rating_biases(
    user_index: IntArray,
    item_index: IntArray,
    stars: DoubleArray,
    *,
    shape: tuple[int, int],
    held_back: BoolArray,
    penalties: Sequence[float],
    rounds: int,
) -> RatingBiases:
    """Fit biases.

    Args:
        user_index: int64 [r]: user of each training rating.
        item_index: int64 [r]: item of each.
        stars: float64 [r]: the ratings.
        shape: numbers of users and of items, those without ratings included.
        held_back: bool [r]: ratings on which the penalties are chosen; where it marks all, they are chosen on what they are
            fitted on.
        penalties: ratings' worth of zero that a bias is pulled by, to choose from for users and items separately; 0 or more.
        rounds: alternations between items and users.
    """
    bounds = float(stars.min()), float(stars.max())
    early = ~held_back if not held_back.all() else held_back
    best = (np.inf, (penalties[0], penalties[0]))
    for pair in product(penalties, penalties):
        mean, user, item = _solve(user_index[early], item_index[early], stars[early], shape=shape, pair=pair, rounds=rounds)
        predicted = np.clip(mean + user[user_index[held_back]] + item[item_index[held_back]], *bounds)
        best = min(best, (float(np.sqrt(np.mean((predicted - stars[held_back]) ** 2))), pair))
    spread, pair = best
    mean, user, item = _solve(user_index, item_index, stars, shape=shape, pair=pair, rounds=rounds)
    return RatingBiases(mean=mean, user=user, item=item, spread=max(spread, 1e-3), bounds=bounds)


def _solve(
    user: IntArray, item: IntArray, stars: DoubleArray, *, shape: tuple[int, int], pair: tuple[float, float], rounds: int
) -> tuple[float, DoubleArray, DoubleArray]:
    mean = float(stars.mean())
    by_user, by_item = np.zeros(shape[0]), np.zeros(shape[1])
    # Without a penalty the bias of who has no rating would be 0 / 0.
    user_size = np.maximum(np.bincount(user, minlength=shape[0]) + pair[0], 1e-9)
    item_size = np.maximum(np.bincount(item, minlength=shape[1]) + pair[1], 1e-9)
    for _ in range(rounds):
        by_item = np.bincount(item, stars - mean - by_user[user], shape[1]) / item_size
        by_user = np.bincount(user, stars - mean - by_item[item], shape[0]) / user_size
    return mean, by_user, by_item
