"""Rating predictions as one dot product: fit, fold-in and the prior of the users.

    prediction(u, i) = item_vectors[i] . user_vectors[u]
    item_vectors[i] = [mean + b_i, 1, c_i, q_i]        user_vectors[u] = [1, b_u + s_u, w_u, p_u]

All but the recency shift s_u comes from the variational fit in ``bayes_factors``. The shift follows a user's drift:
it is the shrunk, exponentially weighted mean of the user's own residuals, newest heaviest (simple exponential
smoothing, Gardner 1985, started at zero with the weight of ``shift_shrinkage`` ratings).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from recsim_llm.agents.fitting.bayes_factors import BayesFit, BayesSettings, fit_bayes_factors
from recsim_llm.agents.fitting.content import log_popularity, reduce_width
from recsim_llm.agents.fitting.events import Events
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.numerics.time_order import event_age

__all__ = ["RatingModel", "RatingSettings", "fit_rating_model", "fold_in", "predict"]


@dataclass(frozen=True, kw_only=True)
class RatingSettings:
    """What the rating fit needs beyond data."""

    bayes: BayesSettings = field(default_factory=BayesSettings)
    """The variational fit."""
    content_width: int = 24
    """Most content columns, two of them popularity; wider content is reduced by principal components."""
    shift_memory: float = 15.0
    """Age in ratings at which a residual's weight in the recency shift has fallen to 1/e."""
    shift_shrinkage: float = 10.0
    """Weight of zero in the recency shift, in ratings."""


@dataclass(frozen=True, kw_only=True)
class RatingModel:
    """A fitted rating model; see the module for the layout of the vectors."""

    item_vectors: DoubleArray
    """Shape [items, D]; items without ratings carry what their content predicts."""
    user_vectors: DoubleArray
    """Shape [users, D]; users without ratings carry the prior mean."""
    shift: DoubleArray
    """Recency shift inside ``user_vectors[:, 1]``, rating units, shape [users]."""
    prior_mean: DoubleArray
    """Mean of a new user's ``user_vectors[:, 1:]``, shape [D - 1]."""
    prior_covariance: DoubleArray
    """Covariance of a new user's ``user_vectors[:, 1:]``, shape [D - 1, D - 1]."""
    noise: float
    """Variance of a rating around its prediction, in sample."""
    bounds: tuple[float, float]
    """Lowest and highest rating in the data."""
    settings: RatingSettings
    """Settings of the fit."""


def fit_rating_model(
    events: Events, content: DoubleArray, settings: RatingSettings, seed: int, *, n_users: int | None = None
) -> RatingModel:
    """Fit the model on training ratings.

    Args:
        events: training ratings; items are positions in ``content``.
        content: item features, shape [items, C], C may be 0; see ``content.item_content``.
        settings: sizes and priors.
        seed: seed of the starting factors.
        n_users: number of users where the last ones have no rating.
    """
    users = int(events.user_index.max()) + 1 if n_users is None else n_users
    columns = _content_columns(content, events.item_index, settings.content_width)
    traits = _activity(events.user_index, users)
    fit = fit_bayes_factors(events=events, content=columns, traits=traits, settings=settings.bayes, seed=seed)
    items = np.column_stack([fit.mean + fit.item[:, 0], np.ones(columns.shape[0]), columns, fit.item[:, 1:]])
    vectors = np.column_stack([np.ones(users), fit.user])
    shift = _recency_shift(events, items, vectors, settings)
    vectors[:, 1] += shift
    return RatingModel(
        item_vectors=items,
        user_vectors=vectors,
        shift=shift,
        prior_mean=fit.user_prior_mean.mean(axis=0),
        prior_covariance=_new_user_covariance(fit, shift),
        noise=fit.noise,
        bounds=(float(events.rating.min()), float(events.rating.max())),
        settings=settings,
    )


def _new_user_covariance(fit: BayesFit, shift: DoubleArray) -> DoubleArray:
    """Return the covariance of users' weights: around their prior means, of those means, and of the shift."""
    spread = fit.user_prior_mean - fit.user_prior_mean.mean(axis=0)
    covariance = fit.user_covariance + spread.T @ spread / spread.shape[0]
    covariance[0, 0] += float(np.var(shift))
    return np.asarray(covariance, dtype=np.float64)


def _content_columns(content: DoubleArray, item_index: IntArray, width: int) -> DoubleArray:
    popularity = log_popularity(item_index, content.shape[0])
    return np.column_stack([reduce_width(content, width - 2), popularity, popularity**2])


def _activity(user_index: IntArray, n_users: int) -> DoubleArray:
    logs = np.log1p(np.bincount(user_index, minlength=n_users).astype(np.float64))
    return np.asarray(logs - logs.mean(), dtype=np.float64)[:, None]


def _recency_shift(events: Events, items: DoubleArray, vectors: DoubleArray, settings: RatingSettings) -> DoubleArray:
    user, n_users = events.user_index, vectors.shape[0]
    residual = events.rating - np.sum(items[events.item_index] * vectors[user], axis=1)
    weight = events.weights * np.exp(-event_age(user, events.timestamp) / settings.shift_memory)
    total = np.bincount(user, weight, n_users) + settings.shift_shrinkage
    return np.asarray(np.bincount(user, weight * residual, n_users) / total, dtype=np.float64)


def predict(model: RatingModel, user_index: IntArray, item_index: IntArray) -> DoubleArray:
    """Return predicted mean ratings clipped to the data's bounds, shape [N]."""
    raw = np.sum(model.item_vectors[item_index] * model.user_vectors[user_index], axis=1)
    return np.asarray(np.clip(raw, *model.bounds), dtype=np.float64)


def fold_in(model: RatingModel, item_index: IntArray, rating: DoubleArray) -> DoubleArray:
    """Return the vector of a new user, the posterior mean given the items held fixed, shape [D].

    The mean of a Bayesian linear regression (Bishop 2006, eq. 3.50) with the fitted prior, then the recency shift; no
    rating gives the prior mean.

    Args:
        model: the fitted model.
        item_index: items rated, oldest first, shape [n], n may be 0.
        rating: their ratings, shape [n].
    """
    columns = model.item_vectors[item_index, 1:]
    centre = rating - model.item_vectors[item_index, 0] - columns @ model.prior_mean
    cross = model.prior_covariance @ columns.T
    gram = columns @ cross + model.noise * np.eye(columns.shape[0])
    vector = np.concatenate([[1.0], model.prior_mean + cross @ np.linalg.solve(gram, centre)])
    user, time = np.zeros(item_index.size, dtype=np.int64), np.zeros(item_index.size)
    events = Events(user_index=user, item_index=item_index, rating=rating, timestamp=time)
    vector[1] += _recency_shift(events, model.item_vectors, vector[None, :], model.settings)[0]
    return vector
