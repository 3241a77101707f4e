"""From a predicted mean to a distribution over the data's rating levels.

Ordered logistic regression (McCullagh 1980, "Regression models for ordinal data", eq. 2.3) per user:

    P(level <= l | u, i) = F((cuts[u, l] - m_ui) / scale[u]),      F the logistic distribution function

with m_ui the unclipped prediction of ``rating_model``. Cut points are set by calibration in the large: averaged over
a user's out-of-sample predictions, the model's distribution equals the user's histogram shrunk to a base. The base
knows the user's share of fractional levels (half stars), a habit that a common set of cut points cannot express.
Ratings with weights count as so many: the averages are then those of the ratings that they stand for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from recsim_llm.core.arrays import DoubleArray, IntArray

__all__ = [
    "LevelModel",
    "LevelSettings",
    "draw_levels",
    "fit_levels",
    "floored",
    "habit_cuts",
    "level_probabilities",
    "match_cuts",
]


_HABITS = np.linspace(0.0, 1.0, 21)
_SCALES = np.geomspace(0.15, 0.9, 16)
_REACH = 30.0
_FLOOR = 1e-4


@dataclass(frozen=True, kw_only=True)
class LevelSettings:
    """Strengths of the shrinkage, each in ratings."""

    histogram_shrinkage: float = 160.0
    """Weight of the base in a user's histogram."""
    scale_shrinkage: float = 30.0
    """Weight of the common scale in a user's scale."""
    habit_shrinkage: float = 12.0
    """Weight of the common share in a user's share of fractional levels."""


@dataclass(frozen=True, kw_only=True)
class LevelModel:
    """Cut points and scales of each user, and what a new user needs."""

    levels: DoubleArray
    """Rating levels in the data, ascending, shape [L]."""
    cuts: DoubleArray
    """Cut points on the scale of the predictions, ascending, shape [users, L - 1]."""
    scale: DoubleArray
    """Scale of the logistic noise, rating units, shape [users]."""
    habit: DoubleArray
    """Shrunk share of fractional levels, shape [users]."""
    common_scale: float
    """Scale that the users' scales are shrunk to."""
    habit_table: DoubleArray
    """Cut points of a user with share 0, 0.05, …, 1, shape [21, L - 1]."""


def fit_levels(
    *,
    user_index: IntArray,
    rating: DoubleArray,
    predicted: DoubleArray,
    future_rating: DoubleArray,
    future_predicted: DoubleArray,
    n_users: int,
    settings: LevelSettings,
    weight: DoubleArray,
    future_weight: DoubleArray,
) -> LevelModel:
    """Fit cut points and scales on out-of-sample predictions.

    Args:
        user_index: user of each training rating, shape [N].
        rating: training ratings, shape [N].
        predicted: cross-validated predictions of ``rating``, unclipped, shape [N].
        future_rating: ratings later than those behind ``future_predicted``, shape [F]; they set the common scale.
        future_predicted: predictions of ``future_rating``, unclipped, shape [F].
        n_users: number of users.
        settings: strengths of the shrinkage.
        weight: how many ratings each training rating stands for, shape [N].
        future_weight: the same of ``future_rating``, shape [F].
    """
    levels = np.unique(rating)
    position = np.searchsorted(levels, rating)
    later = np.minimum(np.searchsorted(levels, future_rating), levels.size - 1)
    common = _common_scale(later, future_predicted, future_weight, levels)
    of_users = _Users(user_index, weight, np.bincount(user_index, weight, n_users).astype(np.float64))
    scale = common * _relative_spread(of_users, rating - predicted, settings.scale_shrinkage)
    fractional = (levels != np.round(levels))[position].astype(np.float64)
    habit = _habit(of_users, fractional, settings.habit_shrinkage)
    table = _habit_table(levels, _Histogram(position, predicted, weight), common)
    cuts = _user_cuts(
        of_users,
        position=position,
        predicted=predicted,
        scale=scale,
        base=_interpolate(table, habit),
        shrinkage=settings.histogram_shrinkage,
    )
    return LevelModel(levels=levels, cuts=cuts, scale=scale, habit=habit, common_scale=common, habit_table=table)


def level_probabilities(cuts: DoubleArray, scale: DoubleArray, mean: DoubleArray) -> DoubleArray:
    """Return the probability of each level, shape [N, L].

    Args:
        cuts: cut points of each row's user, shape [N, L - 1].
        scale: scale of each row's user, shape [N].
        mean: unclipped predictions, shape [N].
    """
    below = expit((cuts - mean[:, None]) / scale[:, None])
    edges = np.column_stack([np.zeros(mean.size), below, np.ones(mean.size)])
    return np.diff(edges, axis=1)


def draw_levels(cuts: DoubleArray, scale: DoubleArray, mean: DoubleArray, uniform: DoubleArray) -> IntArray:
    """Return one level position a row, from one uniform number a row, shape [N].

    The inverse of ``level_probabilities``: the latent value ``mean + scale * logit(uniform)`` against the cuts.
    """
    latent = mean + scale * logit(uniform)
    return np.asarray(np.sum(latent[:, None] > cuts, axis=1), dtype=np.int64)


def habit_cuts(model: LevelModel, habit: DoubleArray) -> DoubleArray:
    """Return cut points for new users with the given shares of fractional levels, shape [len(habit), L - 1]."""
    return _interpolate(model.habit_table, habit)


def _interpolate(table: DoubleArray, habit: DoubleArray) -> DoubleArray:
    place = np.clip(habit, 0.0, 1.0) * (_HABITS.size - 1)
    low = np.minimum(place.astype(np.int64), _HABITS.size - 2)
    part = (place - low)[:, None]
    return np.asarray((1.0 - part) * table[low] + part * table[low + 1], dtype=np.float64)


class _Users(NamedTuple):
    """Who gave the ratings."""

    user: IntArray
    """User of each rating, shape [N]."""
    weight: DoubleArray
    """Of each rating, shape [N]."""
    total: DoubleArray
    """Weight of each user's ratings, shape [users]."""


class _Histogram(NamedTuple):
    """Ratings with their predictions and weights, shape [N] each."""

    position: IntArray
    predicted: DoubleArray
    weight: DoubleArray


def _cumulative(users: _Users, position: IntArray, n_levels: int) -> DoubleArray:
    """Return the weight at or below each level but the last, shape [users, L - 1]."""
    n_users = users.total.size
    counts = np.bincount(users.user * n_levels + position, users.weight, n_users * n_levels)
    return np.cumsum(counts.reshape(n_users, n_levels), axis=1)[:, :-1].astype(np.float64)


def match_cuts(
    group: IntArray, mean: DoubleArray, scale: DoubleArray, target: DoubleArray, *, weight: DoubleArray
) -> DoubleArray:
    """Return cuts whose expected cumulative shares, averaged over each group's rows, equal the target.

    Bisection; groups without rows are left at the middle of the range.

    Args:
        group: group of each row, shape [N].
        mean: prediction of each row, shape [N].
        scale: scale of each row, shape [N].
        target: cumulative shares, shape [groups, L - 1].
        weight: of each row in the average, shape [N].
    """
    order = np.argsort(group, kind="stable")
    present, starts = np.unique(group[order], return_index=True)
    size = np.diff(np.append(starts, group.size))
    count = weight[order, None]
    total = np.add.reduceat(count, starts, axis=0)
    low = np.full((present.size, target.shape[1]), float(mean.min()) - _REACH)
    high = np.full_like(low, float(mean.max()) + _REACH)
    local = np.repeat(np.arange(present.size), size)
    inverse, centre = 1.0 / scale[order, None], mean[order, None]
    for _ in range(32):
        middle = 0.5 * (low + high)
        shares = np.add.reduceat(count * expit((middle[local] - centre) * inverse), starts, axis=0) / total
        under = shares < target[present]
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    cuts = np.full(target.shape, float(mean.mean()))
    cuts[present] = np.maximum.accumulate(0.5 * (low + high), axis=1)
    return cuts


def _common_scale(position: IntArray, predicted: DoubleArray, weight: DoubleArray, levels: DoubleArray) -> float:
    """Return the scale of least log loss, each with its own matched cuts."""
    group = np.zeros(position.size, dtype=np.int64)
    total = weight.sum(keepdims=True)
    target = floored(_cumulative(_Users(group, weight, total), position, levels.size) / total)
    losses = []
    for candidate in _SCALES * float(np.mean(np.diff(levels)) if levels.size > 1 else 1.0) * 2.0:
        scale = np.full(position.size, candidate)
        cuts = match_cuts(group, predicted, scale, target, weight=weight)
        chance = level_probabilities(cuts[group], scale, predicted)[np.arange(position.size), position]
        losses.append((-float(np.mean(weight / weight.mean() * np.log(np.maximum(chance, 1e-12)))), float(candidate)))
    return min(losses)[1]


def floored(cumulative: DoubleArray) -> DoubleArray:
    """Keep every level possible: blend a little of the uniform distribution into cumulative shares."""
    uniform = np.arange(1, cumulative.shape[1] + 1) / (cumulative.shape[1] + 1)
    return np.asarray((1.0 - _FLOOR) * cumulative + _FLOOR * uniform, dtype=np.float64)


def _relative_spread(users: _Users, residual: DoubleArray, shrinkage: float) -> DoubleArray:
    squares = users.weight * residual**2
    common = max(float(np.sum(squares) / np.sum(users.weight)), 1e-6)
    total = np.bincount(users.user, squares, users.total.size) + shrinkage * common
    return np.sqrt(total / (users.total + shrinkage) / common)


def _habit(users: _Users, fractional: DoubleArray, shrinkage: float) -> DoubleArray:
    counted = users.weight * fractional
    total = np.bincount(users.user, counted, users.total.size) + shrinkage * counted.sum() / users.weight.sum()
    return np.asarray(total / (users.total + shrinkage), dtype=np.float64)


def _habit_table(levels: DoubleArray, ratings: _Histogram, common: float) -> DoubleArray:
    """Return matched cuts for the common histogram, its fractional levels reweighted to each share."""
    histogram = np.bincount(ratings.position, ratings.weight, levels.size) / ratings.weight.sum()
    fractional = levels != np.round(levels)
    share = float(histogram[fractional].sum())
    wanted = _HABITS[:, None] if 0.0 < share < 1.0 else np.full((_HABITS.size, 1), share)
    weight = np.where(fractional, wanted / max(share, 1e-12), (1.0 - wanted) / max(1.0 - share, 1e-12))
    target = floored(np.cumsum(weight * histogram, axis=1)[:, :-1])
    step = slice(None, None, max(1, ratings.predicted.size // 1000))
    sample = ratings.predicted[step]
    group = np.repeat(np.arange(_HABITS.size), sample.size)
    rows, counts = np.tile(sample, _HABITS.size), np.tile(ratings.weight[step], _HABITS.size)
    return match_cuts(group, rows, np.full(rows.size, common), target, weight=counts)


def _user_cuts(
    users: _Users, *, position: IntArray, predicted: DoubleArray, scale: DoubleArray, base: DoubleArray, shrinkage: float
) -> DoubleArray:
    n_users, inner = base.shape
    if inner == 0:
        return base
    rows_scale = scale[users.user]
    below = users.weight[:, None] * expit((base[users.user] - predicted[:, None]) / rows_scale[:, None])
    expected = np.column_stack([np.bincount(users.user, column, n_users) for column in below.T])
    own, present = _cumulative(users, position, inner + 1), users.total > 0
    rate = expected / np.where(present, users.total, 1.0)[:, None]
    target = floored((own + shrinkage * rate) / (users.total + shrinkage)[:, None])
    cuts = match_cuts(users.user, predicted, rows_scale, target, weight=users.weight)
    return np.where(present[:, None], cuts, base)
