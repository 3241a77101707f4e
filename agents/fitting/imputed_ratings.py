"""Doubly robust users: imputed ratings of all items, put right by the weighted residuals of those that were given.

The imputation is the star model on what the rating propensity leaves over,

    imputed(u, i) = prediction(u, i) + slope * log-odds(u, i),

with the log-odds of ``rating_propensity``: people like better what they are likelier to choose. Then each level's share,
averaged over *all* items of a user, is

    mean over items of the imputed chance + weighted mean over ratings of (given - imputed chance),

with the same imputation, that of any pair whether rated or not, in both: right where the imputation is right, and right where
the propensities are (Robins, Rotnitzky & Zhao 1994; Wang et al. 2019 for ratings). Cut points are set to these shares. All that
is compared with a given rating comes from a fit without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from recsim_llm.agents.fitting.events import Events
from recsim_llm.agents.fitting.out_of_sample import cross_fits, future_predict
from recsim_llm.agents.fitting.rating_levels import LevelModel, LevelSettings, fit_levels, floored, match_cuts
from recsim_llm.agents.fitting.rating_model import RatingModel, RatingSettings, fit_rating_model
from recsim_llm.agents.fitting.rating_propensity import Liking, PropensityModel
from recsim_llm.core.arrays import DoubleArray, IntArray

__all__ = ["fit_doubly_robust"]

_ITEMS = 400
"""Items, drawn uniformly, that stand for all of them in averages over a user's items."""


class _Imputation(NamedTuple):
    """Imputed ratings by fits that have not seen what they are compared with."""

    of_ratings: DoubleArray
    """float64 [N]: of the pairs that were rated, as if it were not known that they were."""
    of_items: DoubleArray
    """float64 [folds, users, S]: of the items that stand for all."""
    levels: LevelModel
    """From an imputed mean to the chance of each level."""


def fit_doubly_robust(
    events: Events,
    content: DoubleArray,
    settings: RatingSettings,
    *,
    propensity: PropensityModel,
    liking: Liking,
    seed: int,
) -> tuple[RatingModel, LevelModel]:
    """Fit the star model and its levels.

    Args:
        events: the ratings, with the weights of ``rating_weights``.
        content: item features, shape [items, C].
        settings: of the star model.
        propensity: who rates what; for the imputation. The weights need not come from it.
        liking: how stars go with it.
        seed: of the folds, of start values, and of the items that stand for all.
    """
    centre, slope = float(liking.likely.mean()), liking.slope
    own = slope * (liking.likely - centre)
    some = np.sort(np.random.default_rng([seed, _ITEMS]).permutation(content.shape[0])[:_ITEMS])
    everywhere = slope * (propensity.left_out - centre)
    offsets = _Offsets(own, everywhere[events.user_index, events.item_index], everywhere[:, some], some)
    left_over = replace(events, rating=events.rating - own, weight=None)
    imputed = _impute(events, left_over, content, settings, offsets=offsets, seed=seed)
    model = _widened(fit_rating_model(left_over, content, settings, seed), propensity, slope, centre)
    model = _with_residuals(model, events, events.rating - imputed.of_ratings)
    predicted = model.user_vectors @ model.item_vectors[some].T
    shares = _shares(events, imputed, settings_strength=LevelSettings().histogram_shrinkage)
    return model, _with_cuts(imputed.levels, predicted, shares)


class _Offsets(NamedTuple):
    """Stars that the log-odds of rating add."""

    of_ratings: DoubleArray
    """float64 [N]: to the ratings given, as ratings that were."""
    of_pairs: DoubleArray
    """float64 [N]: to the same as pairs, whether rated or not."""
    of_items: DoubleArray
    """float64 [users, S]: to the items that stand for all, whether they are rated or not."""
    some: IntArray
    """int64 [S]: these items."""


def _impute(
    events: Events,
    left_over: Events,
    content: DoubleArray,
    settings: RatingSettings,
    *,
    offsets: _Offsets,
    seed: int,
) -> _Imputation:
    of_ratings, of_items = np.full(events.rating.size, float(left_over.rating.mean())), []
    for test, model in cross_fits(left_over, content, settings, seed):
        rows = left_over.take(test)
        own = np.sum(model.item_vectors[rows.item_index] * model.user_vectors[rows.user_index], axis=1)
        of_ratings[test] = own - model.shift[rows.user_index]
        of_items.append(model.user_vectors @ model.item_vectors[offsets.some].T - model.shift[:, None] + offsets.of_items)
    later, future = future_predict(left_over, content, settings, seed)
    levels = fit_levels(
        user_index=events.user_index,
        rating=events.rating,
        predicted=of_ratings + offsets.of_ratings,
        future_rating=events.rating[later],
        future_predicted=future + offsets.of_ratings[later],
        n_users=offsets.of_items.shape[0],
        settings=LevelSettings(),
        weight=left_over.weights,
        future_weight=left_over.weights[later],
    )
    everywhere = np.stack(of_items) if of_items else of_ratings.mean() + offsets.of_items[None]
    return _Imputation(of_ratings + offsets.of_pairs, everywhere, levels)


def _widened(base: RatingModel, propensity: PropensityModel, slope: float, centre: float) -> RatingModel:
    """Return the model of the ratings themselves: the log-odds' vectors join those of the model of what they leave over."""
    users, items = propensity.user_vectors, slope * propensity.item_vectors
    item_vectors = np.column_stack([base.item_vectors, items])
    item_vectors[:, 0] -= slope * centre
    wide = base.prior_mean.size
    covariance = np.zeros((wide + users.shape[1],) * 2)
    covariance[:wide, :wide] = base.prior_covariance
    covariance[wide:, wide:] = np.cov(users, rowvar=False, bias=True)
    return replace(
        base,
        item_vectors=item_vectors,
        user_vectors=np.column_stack([base.user_vectors, users]),
        prior_mean=np.concatenate([base.prior_mean, users.mean(axis=0)]),
        prior_covariance=covariance,
    )


def _with_residuals(model: RatingModel, events: Events, residual: DoubleArray) -> RatingModel:
    """Add what the imputation missed: the weighted mean residual, and each item's and user's own, shrunk."""
    weight, user, item = events.weights, events.user_index, events.item_index
    shrinkage = model.noise / model.settings.bayes.bias_variance
    middle = float(np.average(residual, weights=weight))

    def own(index: IntArray, count: int, left: DoubleArray) -> DoubleArray:
        total = np.bincount(index, weight, count) + shrinkage
        return np.asarray(np.bincount(index, weight * left, count) / total, dtype=np.float64)

    of_items = own(item, model.item_vectors.shape[0], residual - middle)
    of_users = own(user, model.user_vectors.shape[0], residual - middle - of_items[item])
    item_vectors, user_vectors = model.item_vectors.copy(), model.user_vectors.copy()
    item_vectors[:, 0] += middle + of_items
    user_vectors[:, 1] += of_users
    bounds = (float(events.rating.min()), float(events.rating.max()))
    return replace(model, item_vectors=item_vectors, user_vectors=user_vectors, bounds=bounds)


def _shares(events: Events, imputed: _Imputation, *, settings_strength: float) -> DoubleArray:
    """Return each user's share of all items at or below each level but the last, shape [users, L - 1]."""
    levels, user, weight = imputed.levels, events.user_index, events.weights
    cuts, scale = levels.cuts, levels.scale[:, None]
    everywhere = np.stack(
        [np.mean([expit((cut[:, None] - fold) / scale).mean(axis=1) for fold in imputed.of_items], axis=0) for cut in cuts.T],
        axis=1,
    )
    position = np.searchsorted(levels.levels, events.rating)
    given = position[:, None] <= np.arange(levels.levels.size - 1)
    missed = given - expit((cuts[user] - imputed.of_ratings[:, None]) / scale[user])
    middle = np.average(missed, axis=0, weights=weight)
    total = np.bincount(user, weight, cuts.shape[0]) + settings_strength
    own = [np.bincount(user, weight * column, cuts.shape[0]) / total for column in (missed - middle).T]
    shares = np.clip(everywhere + middle + np.stack(own, axis=1), 0.0, 1.0)
    return floored(np.maximum.accumulate(shares, axis=1))


def _with_cuts(levels: LevelModel, predicted: DoubleArray, shares: DoubleArray) -> LevelModel:
    """Return the levels with cut points at which each user has these shares over the predictions, shape [users, S]."""
    users, some = predicted.shape
    group = np.repeat(np.arange(users), some)
    rows = predicted.ravel()
    return replace(levels, cuts=match_cuts(group, rows, np.repeat(levels.scale, some), shares, weight=np.ones(rows.size)))
