"""Rows beside the candidate where stars are predicted: distributions over the data's levels, from the training part."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.ratings import Dataset
from recsim_llm.numerics.rating_biases import RatingBiases, fit_rating_biases
from recsim_llm.numerics.time_order import last_share
from recsim_llm.realism.line import Role

__all__ = ["STAR_ROWS", "StarForecast", "StarRow", "find_levels", "fit_biases", "nearest_level"]


_STRENGTH = 5.0
"""Ratings' worth of the common histogram in an item's or a user's own: additive smoothing, a round number."""
_PENALTIES = (0.5, 2.0, 5.0, 10.0, 20.0)
"""Coarser than in ``recsim_llm.agents.choice.held_out_scores``, since every trial and every simulated log fits biases anew: on
MovieLens latest-small the error is 0.1% above that of the finer grid. Numbers of one table are not those of the other."""
_ROUNDS = 12


class StarForecast(NamedTuple):
    """What is predicted for some users and items."""

    mean: DoubleArray
    """float64 [r]: predicted stars."""
    chance: DoubleArray
    """float64 [r, l]: distribution over the data's levels."""


class StarRow(NamedTuple):
    """A baseline for stars."""

    role: Role
    """What the row is there for."""
    fit: Callable[[Dataset], Callable[[IntArray, IntArray], StarForecast]]
    """Takes the training part; returns what takes users and items, int64 [r] each."""


def find_levels(training: Dataset) -> DoubleArray:
    """Return float64 [l]: the training part's star levels, ascending."""
    return training.ratings.levels.astype(np.float64)


def nearest_level(levels: DoubleArray, stars: npt.NDArray[np.floating]) -> IntArray:
    """Return the position of each rating's level; of the nearest, below where two are equally near, where there is none."""
    return np.searchsorted(0.5 * (levels[1:] + levels[:-1]), stars)


def fit_biases(training: Dataset) -> RatingBiases:
    """Fit user and item biases to a training part, with penalties chosen on the last part of each user's ratings."""
    ratings = training.ratings
    return fit_rating_biases(
        ratings.user_index,
        training.catalog.index_of(ratings.item_id),
        ratings.rating.astype(np.float64),
        shape=(len(ratings.users), len(training.catalog)),
        held_back=last_share(ratings.user_index, ratings.timestamp),
        penalties=_PENALTIES,
        rounds=_ROUNDS,
    )


def _table(group: IntArray, level: IntArray, shape: tuple[int, int]) -> DoubleArray:
    return np.bincount(group * shape[1] + level, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def _histograms(training: Dataset, group: IntArray | None, groups: int) -> tuple[DoubleArray, DoubleArray]:
    """Return each group's smoothed histogram, float64 [groups, l], and the common one."""
    levels = find_levels(training)
    level = nearest_level(levels, training.ratings.rating)
    common = np.bincount(level, minlength=len(levels)) / len(level)
    if group is None:
        return common[None], common
    counts = _table(group, level, (groups, len(levels)))
    return (counts + _STRENGTH * common) / (counts.sum(axis=1, keepdims=True) + _STRENGTH), common


def _global(training: Dataset) -> Callable[[IntArray, IntArray], StarForecast]:
    (histogram,), _ = _histograms(training, None, 1)
    mean = float(training.ratings.rating.mean(dtype=np.float64))

    def forecast(user: IntArray, item: IntArray) -> StarForecast:  # noqa: ARG001 (the same for every item)
        return StarForecast(np.full(len(user), mean), np.broadcast_to(histogram, (len(user), len(histogram))))

    return forecast


def _item(training: Dataset) -> Callable[[IntArray, IntArray], StarForecast]:
    index, stars = training.catalog.index_of(training.ratings.item_id), training.ratings.rating.astype(np.float64)
    histograms, _ = _histograms(training, index, len(training.catalog))
    count = np.bincount(index, minlength=len(training.catalog))
    total = np.bincount(index, stars, len(training.catalog))
    mean = np.where(count > 0, total / np.maximum(count, 1), stars.mean())
    return lambda user, item: StarForecast(mean[item], histograms[item])  # noqa: ARG005 (the same for every user)


def _user(training: Dataset) -> Callable[[IntArray, IntArray], StarForecast]:
    ratings = training.ratings
    histograms, _ = _histograms(training, ratings.user_index, len(ratings.users))
    mean = np.bincount(ratings.user_index, ratings.rating.astype(np.float64)) / np.bincount(ratings.user_index)
    return lambda user, item: StarForecast(mean[user], histograms[user])  # noqa: ARG005 (the same for every item)


def _user_item(training: Dataset) -> Callable[[IntArray, IntArray], StarForecast]:
    """Return biases with Gaussian noise of their error, cut at the middles between levels and reweighted by how often they are.

    Half stars are rarer than their width says, so the cut Gaussian is multiplied by each level's frequency over what the
    Gaussian gives it on the training ratings, and normalised.
    """
    biases, levels = fit_biases(training), find_levels(training)
    middles = 0.5 * (levels[1:] + levels[:-1])

    def cut(mean: DoubleArray) -> DoubleArray:
        below = ndtr((middles - mean[:, None]) / biases.spread)
        return np.diff(np.column_stack([np.zeros(len(mean)), below, np.ones(len(mean))]), axis=1)

    known = biases.predict(training.ratings.user_index, training.catalog.index_of(training.ratings.item_id))
    _, common = _histograms(training, None, 1)
    factor = common / np.maximum(cut(known).mean(axis=0), 1e-6)

    def forecast(user: IntArray, item: IntArray) -> StarForecast:
        mean = biases.predict(user, item)
        chance = cut(mean) * factor + 1e-6
        return StarForecast(mean, chance / chance.sum(axis=1, keepdims=True))

    return forecast


STAR_ROWS: dict[str, StarRow] = {
    "global mean": StarRow("trivial", _global),
    "item mean": StarRow("trivial", _item),
    "user and item biases": StarRow("cheap", _user_item),
    "own histogram": StarRow("cheap", _user),
}
"""Baselines by name; bits and shapes come from: the histogram of all training ratings; the item's, smoothed towards it; cut
Gaussians around the biases; the user's own histogram, smoothed likewise."""
