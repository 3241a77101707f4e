"""From a predicted mean to a distribution over the data's rating levels.

Ordered logistic regression (McCullagh 1980, "Regression models for ordinal data", eq. 2.3) per user:

    P(level <= l | u, i) = F((cuts[u, l] - m_ui) / scale[u]),      F the logistic distribution function

with m_ui the unclipped prediction of ``rating_model``. Cut points are set by calibration in the large: averaged over
a user's out-of-sample predictions, the model's distribution equals the user's histogram shrunk to a base. The base
knows the user's share of fractional levels (half stars), a habit that a common set of cut points cannot express.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from recsim_llm.core.arrays import DoubleArray, IntArray

__all__ = ["LevelModel", "LevelSettings", "draw_levels", "fit_levels", "habit_cuts", "level_probabilities"]


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
    """
    levels = np.unique(rating)
    position = np.searchsorted(levels, rating)
    common = _common_scale(np.minimum(np.searchsorted(levels, future_rating), levels.size - 1), future_predicted, levels)
    scale = common * _relative_spread(user_index, rating - predicted, n_users, settings.scale_shrinkage)
    fractional = (levels != np.round(levels))[position].astype(np.float64)
    habit = _habit(user_index, fractional, n_users, settings.habit_shrinkage)
    table = _habit_table(levels, position, predicted, common)
    cuts = _user_cuts(
        user_index=user_index,
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


def _cumulative(position: IntArray, group: IntArray, n_groups: int, n_levels: int) -> DoubleArray:
    """Return the counts at or below each level but the last, shape [groups, L - 1]."""
    counts = np.bincount(group * n_levels + position, minlength=n_groups * n_levels)
    return np.cumsum(counts.reshape(n_groups, n_levels), axis=1)[:, :-1].astype(np.float64)


def _match(group: IntArray, mean: DoubleArray, scale: DoubleArray, target: DoubleArray) -> DoubleArray:
    """Return cuts whose expected cumulative shares, averaged over each group's rows, equal the target.

    Bisection; groups without rows are left at the middle of the range.

    Args:
        group: group of each row, shape [N].
        mean: prediction of each row, shape [N].
        scale: scale of each row, shape [N].
        target: cumulative shares, shape [groups, L - 1].
    """
    order = np.argsort(group, kind="stable")
    present, starts = np.unique(group[order], return_index=True)
    size = np.diff(np.append(starts, group.size))[:, None]
    low = np.full((present.size, target.shape[1]), float(mean.min()) - _REACH)
    high = np.full_like(low, float(mean.max()) + _REACH)
    local = np.repeat(np.arange(present.size), size[:, 0])
    inverse, centre = 1.0 / scale[order, None], mean[order, None]
    for _ in range(32):
        middle = 0.5 * (low + high)
        shares = np.add.reduceat(expit((middle[local] - centre) * inverse), starts, axis=0) / size
        under = shares < target[present]
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    cuts = np.full(target.shape, float(mean.mean()))
    cuts[present] = np.maximum.accumulate(0.5 * (low + high), axis=1)
    return cuts


def _common_scale(position: IntArray, predicted: DoubleArray, levels: DoubleArray) -> float:
    """Return the scale of least log loss, each with its own matched cuts."""
    group = np.zeros(position.size, dtype=np.int64)
    target = _floored(_cumulative(position, group, 1, levels.size) / position.size)
    losses = []
    for candidate in _SCALES * float(np.mean(np.diff(levels)) if levels.size > 1 else 1.0) * 2.0:
        scale = np.full(position.size, candidate)
        cuts = _match(group, predicted, scale, target)
        chance = level_probabilities(cuts[group], scale, predicted)[np.arange(position.size), position]
        losses.append((-float(np.mean(np.log(np.maximum(chance, 1e-12)))), float(candidate)))
    return min(losses)[1]


def _floored(cumulative: DoubleArray) -> DoubleArray:
    """Keep every level possible: blend a little of the uniform distribution into cumulative shares."""
    uniform = np.arange(1, cumulative.shape[1] + 1) / (cumulative.shape[1] + 1)
    return np.asarray((1.0 - _FLOOR) * cumulative + _FLOOR * uniform, dtype=np.float64)


def _relative_spread(user_index: IntArray, residual: DoubleArray, n_users: int, shrinkage: float) -> DoubleArray:
    common = max(float(np.mean(residual**2)), 1e-6)
    total = np.bincount(user_index, residual**2, n_users) + shrinkage * common
    return np.sqrt(total / (np.bincount(user_index, minlength=n_users) + shrinkage) / common)


def _habit(user_index: IntArray, fractional: DoubleArray, n_users: int, shrinkage: float) -> DoubleArray:
    total = np.bincount(user_index, fractional, n_users) + shrinkage * fractional.mean()
    return np.asarray(total / (np.bincount(user_index, minlength=n_users) + shrinkage), dtype=np.float64)


def _habit_table(levels: DoubleArray, position: IntArray, predicted: DoubleArray, common: float) -> DoubleArray:
    """Return matched cuts for the common histogram, its fractional levels reweighted to each share."""
    histogram = np.bincount(position, minlength=levels.size) / position.size
    fractional = levels != np.round(levels)
    share = float(histogram[fractional].sum())
    wanted = _HABITS[:, None] if 0.0 < share < 1.0 else np.full((_HABITS.size, 1), share)
    weight = np.where(fractional, wanted / max(share, 1e-12), (1.0 - wanted) / max(1.0 - share, 1e-12))
    target = _floored(np.cumsum(weight * histogram, axis=1)[:, :-1])
    sample = predicted[:: max(1, predicted.size // 1000)]
    group = np.repeat(np.arange(_HABITS.size), sample.size)
    rows = np.tile(sample, _HABITS.size)
    return _match(group, rows, np.full(rows.size, common), target)


def _user_cuts(
    *, user_index: IntArray, position: IntArray, predicted: DoubleArray, scale: DoubleArray, base: DoubleArray, shrinkage: float
) -> DoubleArray:
    n_users, inner = base.shape
    if inner == 0:
        return base
    counts = np.bincount(user_index, minlength=n_users)
    rows_scale = scale[user_index]
    below = expit((base[user_index] - predicted[:, None]) / rows_scale[:, None])
    expected = np.column_stack([np.bincount(user_index, column, n_users) for column in below.T])
    own = _cumulative(position, user_index, n_users, inner + 1)
    rate = expected / np.maximum(counts, 1)[:, None]
    target = _floored((own + shrinkage * rate) / (counts + shrinkage)[:, None])
    cuts = _match(user_index, predicted, rows_scale, target)
    return np.where(counts[:, None] > 0, cuts, base)
