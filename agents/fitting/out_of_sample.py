"""Predictions for training ratings from fits that have not seen them, and the level model they calibrate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recsim_llm.agents.fitting.events import Events
from recsim_llm.agents.fitting.rating_levels import LevelModel, LevelSettings, fit_levels
from recsim_llm.agents.fitting.rating_model import RatingModel, RatingSettings, fit_rating_model
from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.numerics.time_order import last_share

__all__ = ["calibrate_levels", "cross_fits", "cross_predict", "future_predict"]

_FOLDS = 4


def calibrate_levels(
    *,
    events: Events,
    content: DoubleArray,
    settings: RatingSettings,
    level_settings: LevelSettings,
    seed: int,
    n_users: int | None = None,
) -> LevelModel:
    """Fit the level model of training ratings on out-of-sample predictions of these ratings.

    Args:
        events: training ratings.
        content: item features, shape [items, C].
        settings: settings of the rating model that the levels are for.
        level_settings: strengths of the shrinkage.
        seed: seed of the fits and of the folds.
        n_users: number of users where the last ones have no rating.
    """
    later, future = future_predict(events, content, settings, seed)
    return fit_levels(
        user_index=events.user_index,
        rating=events.rating,
        predicted=cross_predict(events, content, settings, seed),
        future_rating=events.rating[later],
        future_predicted=future,
        n_users=int(events.user_index.max()) + 1 if n_users is None else n_users,
        settings=level_settings,
        weight=events.weights,
        future_weight=events.weights[later],
    )


def cross_fits(
    events: Events, content: DoubleArray, settings: RatingSettings, seed: int
) -> Iterator[tuple[BoolArray, RatingModel]]:
    """Fit without one fold of the ratings at a time; yield the fold's mark, shape [N], and the fit that has not seen it."""
    fold = np.random.default_rng([seed, _FOLDS]).integers(0, _FOLDS, size=events.rating.size)
    for number in range(_FOLDS):
        test = fold == number
        if test.any() and not test.all():
            yield test, _fit_without(events, test, content, settings, seed=seed)


def cross_predict(events: Events, content: DoubleArray, settings: RatingSettings, seed: int) -> DoubleArray:
    """Return the prediction of each rating by a fit on the other folds, without recency shift, unclipped, shape [N]."""
    predicted = np.full(events.rating.size, float(np.average(events.rating, weights=events.weights)))
    for test, model in cross_fits(events, content, settings, seed):
        rows = events.take(test)
        predicted[test] = _raw(model, rows) - model.shift[rows.user_index]
    return predicted


def future_predict(events: Events, content: DoubleArray, settings: RatingSettings, seed: int) -> tuple[BoolArray, DoubleArray]:
    """Predict each user's last fifth from the rest.

    Returns:
        The mark of the rows predicted, shape [N], and their predictions with recency shift, unclipped, shape [marked].
    """
    test = last_share(events.user_index, events.timestamp)
    if test.all():
        return test, np.full(events.rating.size, float(np.average(events.rating, weights=events.weights)))
    return test, _raw(_fit_without(events, test, content, settings, seed=seed), events.take(test))


def _fit_without(events: Events, test: BoolArray, content: DoubleArray, settings: RatingSettings, *, seed: int) -> RatingModel:
    return fit_rating_model(events.take(~test), content, settings, seed, n_users=int(events.user_index.max()) + 1)


def _raw(model: RatingModel, rows: Events) -> DoubleArray:
    return np.asarray(
        np.sum(model.item_vectors[rows.item_index] * model.user_vectors[rows.user_index], axis=1), dtype=np.float64
    )
