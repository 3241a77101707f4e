"""Variational Bayes for a bilinear rating model with learned priors on both sides.

    r_ui = mean + b_i + b_u + w_u . c_i + p_u . q_i + noise
    v_u = (b_u, w_u, p_u) ~ N(M g_u, S)         users: full covariance, mean from traits g_u
    y_i = (b_i, q_i)      ~ N(B [1, c_i], L)    items: full covariance, mean from content c_i

Posteriors of users and items are Gaussian and factorise (Lim & Teh 2007, "Variational Bayesian approach to movie rating
prediction", eqs. 8-15); the priors' parameters are set by their maximum under the bound (empirical Bayes), with
inverse-Wishart pseudo-counts. A rating of weight w counts as w ratings: its likelihood is raised to that power. The item mean
from content is that of Agarwal & Chen 2009, "Regression-based latent
factor models". Iterations are few on purpose: the bound keeps rising after the validation error has turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recsim_llm.agents.fitting.events import Events
from recsim_llm.core.arrays import DoubleArray, IntArray

__all__ = ["BayesFit", "BayesSettings", "fit_bayes_factors", "pooled", "ridge"]


@dataclass(frozen=True, kw_only=True)
class BayesSettings:
    """Sizes and priors of the variational fit."""

    factors: int = 12
    """Collaborative dimensions (the length of p_u and q_i)."""
    iterations: int = 10
    """Alternations of users and items."""
    bias_variance: float = 0.15
    """Prior variance of user and item biases, squared rating units."""
    content_variance: float = 0.03
    """Prior variance of each user's weight on a content column."""
    factor_variance: float = 0.02
    """Prior variance of a user's weight on a factor (items' factors have prior variance 1)."""
    prior_count: float = 20.0
    """Pseudo-count of users (or items) behind the prior covariances."""


@dataclass(frozen=True, kw_only=True)
class BayesFit:
    """Posterior means and learned priors."""

    mean: float
    """Mean rating."""
    user: DoubleArray
    """Posterior means (b_u, w_u, p_u), shape [users, 1 + C + K]."""
    user_prior_mean: DoubleArray
    """Prior means M g_u, shape [users, 1 + C + K]."""
    user_covariance: DoubleArray
    """Learned prior covariance S, shape [1 + C + K, 1 + C + K]."""
    item: DoubleArray
    """Posterior means (b_i, q_i), shape [items, 1 + K]; from content alone where an item has no rating."""
    noise: float
    """Noise variance."""


@dataclass(frozen=True, kw_only=True)
class _Data:
    user_index: IntArray
    item_index: IntArray
    residual: DoubleArray
    """Ratings less their mean."""
    weight: DoubleArray
    """How many ratings each stands for."""
    counts: sp.csr_array
    """Weight of the ratings by user and item, shape [users, items]."""
    features: DoubleArray
    """Columns [1, content], shape [items, 1 + C]."""
    traits: DoubleArray
    """Columns [1, traits], shape [users, 1 + G]."""
    settings: BayesSettings


@dataclass(frozen=True, kw_only=True)
class _Side:
    mean: DoubleArray
    """Posterior means, shape [n, d]."""
    covariance: DoubleArray
    """Posterior covariances, shape [n, d, d]."""
    prior_mean: DoubleArray
    """Prior means, shape [n, d]."""
    prior_covariance: DoubleArray
    """Shared prior covariance, shape [d, d]."""
    trace: float = 0.0
    """Sum over ratings of x' V x with x the other side's mean."""


def fit_bayes_factors(
    *, events: Events, content: DoubleArray, traits: DoubleArray, settings: BayesSettings, seed: int
) -> BayesFit:
    """Fit the model of this module's docstring.

    Args:
        events: the ratings; their times do not matter.
        content: item features without a constant, shape [items, C].
        traits: user features without a constant, shape [users, G].
        settings: sizes and priors.
        seed: seed of the items' starting factors, the only randomness.
    """
    mean, variance = _moments(events)
    noise = max(0.7 * variance, 1e-2)
    order = np.argsort(events.user_index, kind="stable")
    user, item, weight = events.user_index[order], events.item_index[order], events.weights[order]
    shape = (traits.shape[0], content.shape[0])
    data = _Data(
        user_index=user,
        item_index=item,
        residual=events.rating[order] - mean,
        weight=weight,
        counts=sp.csr_array((weight, (user, item)), shape=shape),
        features=np.column_stack([np.ones(shape[1]), content]),
        traits=np.column_stack([np.ones(shape[0]), traits]),
        settings=settings,
    )
    users, items = _start(data, seed)
    for _ in range(settings.iterations):
        users = _update_users(data, users, items, noise)
        items = _update_items(data, users, items, noise)
        noise = _noise(data, users, items)
    return BayesFit(
        mean=mean,
        user=users.mean,
        user_prior_mean=users.prior_mean,
        user_covariance=users.prior_covariance,
        item=items.mean,
        noise=noise,
    )


def _moments(events: Events) -> tuple[float, float]:
    """Return mean and variance of the ratings."""
    if events.weight is None:
        return float(events.rating.mean()), float(events.rating.var())
    mean = float(np.average(events.rating, weights=events.weight))
    return mean, float(np.average((events.rating - mean) ** 2, weights=events.weight))


def _start(data: _Data, seed: int) -> tuple[_Side, _Side]:
    n_users, n_items = data.counts.shape
    wide, factors = data.features.shape[1], data.settings.factors
    covariance = _user_scale(data)
    users = _Side(
        mean=np.zeros((n_users, wide + factors)),
        covariance=np.tile(covariance, (n_users, 1, 1)),
        prior_mean=np.zeros((n_users, wide + factors)),
        prior_covariance=covariance,
    )
    item_mean = np.zeros((n_items, 1 + factors))
    count = np.bincount(data.item_index, data.weight, n_items)
    item_mean[:, 0] = np.bincount(data.item_index, data.weight * data.residual, n_items) / (count + 4.0)
    item_mean[:, 1:] = np.random.default_rng(seed).normal(size=(n_items, factors))
    scale = _item_scale(data)
    items = _Side(
        mean=item_mean,
        covariance=np.tile(0.5 * scale, (n_items, 1, 1)),
        prior_mean=np.zeros_like(item_mean),
        prior_covariance=scale,
    )
    return users, items


def _user_scale(data: _Data) -> DoubleArray:
    settings, wide = data.settings, data.features.shape[1]
    content, factor = settings.content_variance, settings.factor_variance
    bias = np.full(1, settings.bias_variance)
    return np.diag(np.concatenate([bias, np.full(wide - 1, content), np.full(settings.factors, factor)]))


def _item_scale(data: _Data) -> DoubleArray:
    return np.diag(np.concatenate([[data.settings.bias_variance], np.ones(data.settings.factors)]))


def _sum_over(counts: sp.csr_array, values: DoubleArray) -> DoubleArray:
    """Return, for each row of ``counts``, the weighted sum of the other side's arrays."""
    flat = counts @ values.reshape(values.shape[0], -1)
    return np.asarray(flat, dtype=np.float64).reshape(counts.shape[0], *values.shape[1:])


def _grams(data: _Data, columns: DoubleArray) -> DoubleArray:
    """Return each user's weighted sum of x_i x_i' over the items rated, shape [users, d, d]."""
    ends, root = np.searchsorted(data.user_index, np.arange(data.counts.shape[0] + 1)), np.sqrt(data.weight)[:, None]
    grams = np.zeros((data.counts.shape[0], columns.shape[1], columns.shape[1]))
    for user in range(grams.shape[0]):
        own = slice(ends[user], ends[user + 1])
        rows = root[own] * columns[data.item_index[own]]
        grams[user] = rows.T @ rows
    return grams


def _update_users(data: _Data, users: _Side, items: _Side, noise: float) -> _Side:
    wide = data.features.shape[1]
    columns = np.column_stack([data.features, items.mean[:, 1:]])
    grams = _grams(data, columns)
    residual = data.residual - items.mean[data.item_index, 0]
    signal = _sum_over(_with_values(data, residual), columns)
    signal[:, wide:] -= _sum_over(data.counts, items.covariance[:, 0, 1:])
    precision = grams.copy()
    precision[:, wide:, wide:] += _sum_over(data.counts, items.covariance[:, 1:, 1:])
    posterior, covariance = _posterior(users, precision, signal, noise)
    link = ridge(data.traits, posterior, 1.0)
    prior_mean = data.traits @ link
    spread = pooled(posterior - prior_mean, covariance, _user_scale(data), data.settings.prior_count)
    return _Side(
        mean=posterior,
        covariance=covariance,
        prior_mean=prior_mean,
        prior_covariance=spread,
        trace=float(np.sum(covariance * grams)),
    )


def _update_items(data: _Data, users: _Side, items: _Side, noise: float) -> _Side:
    wide = data.features.shape[1]
    columns = np.column_stack([np.ones(users.mean.shape[0]), users.mean[:, wide:]])
    by_item = data.counts.T.tocsr()
    grams = _sum_over(by_item, columns[:, :, None] * columns[:, None, :])
    fixed = np.sum(users.mean[data.user_index, :wide] * data.features[data.item_index], axis=1)
    signal = _sum_over(_with_values(data, data.residual - fixed).T.tocsr(), columns)
    shared = _sum_over(by_item, users.covariance[:, :wide, wide:])
    signal[:, 1:] -= np.einsum("ic,ick->ik", data.features, shared)
    precision = grams.copy()
    precision[:, 1:, 1:] += _sum_over(by_item, users.covariance[:, wide:, wide:])
    posterior, covariance = _posterior(items, precision, signal, noise)
    seen = np.diff(by_item.indptr) > 0
    prior_mean = data.features @ ridge(data.features[seen], posterior[seen], 2.0)
    spread = pooled((posterior - prior_mean)[seen], covariance[seen], _item_scale(data), data.settings.prior_count)
    posterior[~seen] = prior_mean[~seen]
    return _Side(
        mean=posterior,
        covariance=covariance,
        prior_mean=prior_mean,
        prior_covariance=spread,
        trace=float(np.sum(covariance * precision)),
    )


def _with_values(data: _Data, values: DoubleArray) -> sp.csr_array:
    return sp.csr_array((data.weight * values, (data.user_index, data.item_index)), shape=data.counts.shape)


def _posterior(side: _Side, precision: DoubleArray, signal: DoubleArray, noise: float) -> tuple[DoubleArray, DoubleArray]:
    """Return the Gaussian posterior means and covariances given data precision and signal (both times noise)."""
    prior = np.linalg.inv(side.prior_covariance)
    covariance = np.linalg.inv(precision / noise + prior)
    mean = np.einsum("nab,nb->na", covariance, signal / noise + side.prior_mean @ prior)
    return mean, covariance


def ridge(columns: DoubleArray, target: DoubleArray, penalty: float) -> DoubleArray:
    """Return the coefficients of a penalised regression, shape [columns, targets]."""
    gram = columns.T @ columns + penalty * np.eye(columns.shape[1])
    return np.asarray(np.linalg.solve(gram, columns.T @ target), dtype=np.float64)


def pooled(deviation: DoubleArray, covariance: DoubleArray, scale: DoubleArray, prior_count: float) -> DoubleArray:
    """Return the likeliest covariance of vectors, given their posteriors, with pseudo-counts of a scale."""
    total = deviation.T @ deviation + covariance.sum(axis=0) + prior_count * scale
    return np.asarray(total / (deviation.shape[0] + prior_count), dtype=np.float64)


def _noise(data: _Data, users: _Side, items: _Side) -> float:
    """Return the expected squared error (Lim & Teh 2007, eq. 15), over the posterior of both sides."""
    columns = np.column_stack([data.features, items.mean[:, 1:]])
    fitted = np.sum(users.mean[data.user_index] * columns[data.item_index], axis=1)
    error = data.residual - items.mean[data.item_index, 0] - fitted
    expected = float(data.weight * error @ error) + users.trace + items.trace
    return max(expected / float(data.weight.sum()), 1e-3)
