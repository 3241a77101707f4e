"""Estimators of scikit-learn as recommenders: they are asked how likely it is that a user consumes an item."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from threadpoolctl import threadpool_limits

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.recommenders.optional_packages import import_for
from recsim_llm.recommenders.scoring import ScoringRecommender, unknown_last
from recsim_llm.registry import blaming, import_attribute

__all__ = ["Sklearn", "SklearnRecommender"]

_NEGATIVES = 4
_PURPOSE = "not consumed"


class SklearnRecommender(ScoringRecommender):
    """Recommends by an estimator of scikit-learn, a classifier or a regressor, over features of a user and an item.

    The estimator learns from every consumption of the training part, labelled 1, and four items for each that the same user did
    not consume, drawn uniformly, labelled 0. A classifier's score is its probability (or decision value) of label 1, a
    regressor's its prediction. With ``x`` the item's ``Catalog.features`` [f] and ``m`` the mean of those that the user
    consumed, in the training part or by a click in the run, the 3 f + 3 columns are

        x, log(1 + consumptions of the item), m, log(1 + consumptions of the user), m * x, m . x

    While it learns, the pair itself is left out of ``m`` and of both counts, so that they say no more than they will later.

    Every ``fit`` starts from a clone of the estimator. Each parameter ``random_state`` gets the seed of ``fit``, each
    ``n_jobs`` that is set 1; linear algebra runs on one thread. All items are scored for one user at a time, which is slow
    for large catalogs.

    Args:
        estimator: not fitted, for instance ``HistGradientBoostingClassifier()``; pipelines do.

    Raises:
        ConfigError: scikit-learn is not installed, or it is no such estimator.
    """

    def __init__(self, estimator: Any) -> None:
        base = import_for(type(self).__name__, "sklearn.base")
        self._is_classifier = isinstance(estimator, base.BaseEstimator) and base.is_classifier(estimator)
        if not self._is_classifier and not (isinstance(estimator, base.BaseEstimator) and base.is_regressor(estimator)):
            raise ConfigError(
                f"{type(self).__name__}: got {' '.join(repr(estimator).split())[:80]}, expected a classifier or a regressor of "
                "scikit-learn; give LogisticRegression()"
            )
        self._given = estimator

    def _learn(self) -> None:
        self._order = self._known.popularity_order
        self._features = self._known.catalog.features.astype(np.float64)
        matrix = self._known.matrix
        self._totals = matrix @ self._features
        rows, items = (column.astype(np.int64) for column in matrix.nonzero())
        other_rows, other_items = self._not_consumed(rows, items)
        self._estimator: Any = None
        if not len(rows) or not len(other_rows):
            return  # There is nothing to tell apart: popularity decides.
        columns = np.concatenate([self._pairs(rows, items, own=1), self._pairs(other_rows, other_items, own=0)])
        label = np.repeat([1, 0], [len(rows), len(other_rows)])
        self._estimator = self._fresh()
        with threadpool_limits(limits=1), blaming("scikit-learn estimator, fit", "one that learns from rows of numbers"):
            self._estimator.fit(columns, label)

    def _not_consumed(self, rows: IntArray, items: IntArray) -> tuple[IntArray, IntArray]:
        """Return rows and items of pairs that are no consumptions, up to four for each consumption."""
        draw = keyed.uniform(
            keyed.words(self._seed, _PURPOSE, self._known.users[rows][:, None], items[:, None], np.arange(_NEGATIVES))
        )
        other = np.minimum((draw * len(self._features)).astype(np.int64), len(self._features) - 1).ravel()
        row = np.repeat(rows, _NEGATIVES)
        free = np.asarray(self._known.matrix[row, other] == 0).ravel()
        return row[free], other[free]

    def _pairs(self, rows: IntArray, items: IntArray, own: int) -> DoubleArray:
        """Return the columns of pairs of the training part, float64 [p, 3 f + 3]; ``own`` of the consumptions is the pair's."""
        count = np.diff(self._known.matrix.indptr)[rows] - own
        mean = (self._totals[rows] - own * self._features[items]) / np.maximum(count, 1)[:, None]
        return _columns(self._features[items], self._known.counts[items] - own, mean, count)

    def _fresh(self) -> Any:
        """Return a clone of the estimator whose draws hang on the seed, and which works alone."""
        clone = import_for("SklearnRecommender", "sklearn.base").clone(self._given)
        own = {name: (name.rpartition("__")[2], value) for name, value in clone.get_params().items()}
        seeds = {name: self._seed % 2**32 for name, (kind, _) in own.items() if kind == "random_state"}
        # None is one job already; some estimators warn of any other value.
        jobs = {name: 1 for name, (kind, value) in own.items() if kind == "n_jobs" and value is not None}
        return clone.set_params(**seeds, **jobs)

    def _score(self, requests: Requests) -> FloatArray:
        scores = np.full((len(requests.user_id), len(self._features)), np.nan)
        if self._estimator is not None:
            profiles = self._known.profiles(requests)
            count = np.diff(profiles.indptr)
            mean = (profiles @ self._features) / np.maximum(count, 1)[:, None]
            with threadpool_limits(limits=1), blaming("scikit-learn estimator, predict", "a number for each row"):
                for row in range(len(scores)):
                    scores[row] = self._judge(mean[row], count[row])
        return unknown_last(scores, self._order)

    def _judge(self, mean: DoubleArray, count: np.integer) -> npt.NDArray[Any]:
        """Return [n]: what the estimator says of every item for one user."""
        shape = self._features.shape
        columns = _columns(self._features, self._known.counts, np.broadcast_to(mean, shape), np.full(shape[0], count))
        if not self._is_classifier:
            return np.asarray(self._estimator.predict(columns))
        if hasattr(self._estimator, "predict_proba"):
            return np.asarray(self._estimator.predict_proba(columns)[:, 1])
        return np.asarray(self._estimator.decision_function(columns))


class Sklearn(SklearnRecommender):
    """Recommends by an estimator of scikit-learn over features of users and items, a logistic regression unless told otherwise.

    The columns, which ``SklearnRecommender`` describes, are brought to mean 0 and standard deviation 1 first.
    """

    class Settings(FrozenSettings):
        """Settings of ``Sklearn``."""

        estimator: str = Field(default="sklearn.linear_model:LogisticRegression", min_length=1)
        """``module:Class`` of a classifier or regressor."""
        config: dict[str, Any] = Field(default_factory=dict)
        """The estimator's parameters by its own names, as scikit-learn documents them; empty for its defaults."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)
        pipeline, preprocessing = (import_for("Sklearn", f"sklearn.{part}") for part in ("pipeline", "preprocessing"))
        kind = import_attribute(self.settings.estimator, "Sklearn estimator")
        if not isinstance(kind, type) or not hasattr(kind, "get_params"):
            raise ConfigError(
                f"Sklearn: estimator: got {self.settings.estimator!r}, expected the class of an estimator; give "
                "sklearn.linear_model:LogisticRegression"
            )
        known = signature(kind).parameters
        for key in self.settings.config:
            if key not in known:
                raise ConfigError(f"Sklearn: config: got unknown key {key!r}, expected {one_of(key, known)}")
        super().__init__(pipeline.make_pipeline(preprocessing.StandardScaler(), kind(**self.settings.config)))


def _columns(item: DoubleArray, item_count: IntArray, mean: DoubleArray, user_count: IntArray) -> DoubleArray:
    """Return float64 [p, 3 f + 3] of ``p`` pairs."""
    product = mean * item
    return np.column_stack([item, np.log1p(item_count), mean, np.log1p(user_count), product, product.sum(axis=1)])
