"""A linear model of clicks that learns while the run goes on: what the bandits have in common."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.recommenders.scoring import ScoringRecommender, on_grid, products
from recsim_llm.recommenders.user_rows import UserRows, lengthen

__all__ = ["LinearClicks"]


_GRID = 1024.0


class LinearClicks(ScoringRecommender):
    """Clicks as a linear function of the features of items, with users that share what they learn.

    The click of user u on an item with features x is modelled as ``x . w_u`` plus noise. ``w_u`` is the ridge estimate from
    the user's own feedback, shrunk towards ``w``, the ridge estimate from everybody's; ``w`` is shrunk towards a prior that
    knows popularity alone. With G_u and b_u the user's sums of x x' and x * clicked:

        w   = (ridge * I + sum of G_u)^-1 (ridge * prior + sum of b_u)
        A_u = user_ridge * I + G_u
        w_u = A_u^-1 (user_ridge * w + b_u)

    The features are an intercept, log popularity in the training part scaled to 0..1, and the catalog's features, centred, at
    unit mean square length, on their leading principal axes where there are more than ``dimensions``. Every slot of a page
    counts as an observation, examined or not, for whether a user looked is not known to a policy; slots far down look worse
    than they are. Ratings are not used. New users start at ``w``.

    State changes in ``observe`` only. Features are rounded to multiples of 1/1024, so that the sums are exact in float64:
    neither the order of users, nor the cut into batches, nor the number of shards shows in the result.

    The score is ``x . w_u``; what a subclass adds to it is how it explores.
    """

    class Settings(FrozenSettings):
        """Settings of ``LinearClicks``."""

        ridge: float = Field(default=10.0, gt=0)
        """Weight of the prior in everybody's estimate, in observed slots, above 0."""
        user_ridge: float = Field(default=30.0, gt=0)
        """Weight of everybody's estimate in a user's own, in observed slots, above 0."""
        popularity_prior: float = Field(default=0.1, ge=0)
        """Click probability that the prior expects of the most popular item."""
        dimensions: int = Field(default=24, ge=1)
        """Most principal axes that are kept of the catalog's features."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        popularity = np.log1p(self._known.counts)
        popularity /= max(popularity.max(), 1.0)
        content = _content(self._known.catalog.features.astype(np.float64), self.settings.dimensions)
        columns = np.column_stack([np.ones(len(popularity)), popularity, content])
        self._features = np.rint(columns * _GRID) / _GRID
        width = self._features.shape[1]
        self._linear = on_grid(self._features.T, width)
        self._users = UserRows()
        self._gram = np.zeros((1, width, width))
        self._moment = np.zeros((1, width))
        self._all_gram = np.zeros((width, width))
        self._all_moment = np.zeros(width)
        self._update_shared()

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Learn from a page of each user.

        Args:
            requests: what was asked.
            slates: what was shown; unknown ids and -1 are passed over.
            clicked: bool [u, k].
            rating: not used.
        """
        del rating
        index = self._known.catalog.index_of(slates.item_id)
        shown = self._features[index] * (index >= 0)[:, :, None]
        gram = np.matmul(shown.transpose(0, 2, 1), shown)
        moment = np.matmul(clicked[:, None, :].astype(np.float64), shown)[:, 0]
        rows = self._users.add(requests.user_id)
        self._gram = lengthen(self._gram, len(self._users))
        self._moment = lengthen(self._moment, len(self._users))
        np.add.at(self._gram, rows, gram)
        np.add.at(self._moment, rows, moment)
        self._all_gram += gram.sum(axis=0)
        self._all_moment += moment.sum(axis=0)
        self._update_shared()

    def _update_shared(self) -> None:
        prior = np.zeros(len(self._all_moment))
        prior[1] = self.settings.popularity_prior
        precision = self.settings.ridge * np.eye(len(prior)) + self._all_gram
        self._shared = np.linalg.solve(precision, self.settings.ridge * prior + self._all_moment)

    def _score(self, requests: Requests) -> FloatArray:
        weights, _ = self._estimate(self._users.find(requests.user_id))
        return products(weights, self._linear)

    def _estimate(self, rows: IntArray) -> tuple[DoubleArray, DoubleArray]:
        """Return the weights float64 [u, d] and the inverse precisions float64 [u, d, d]."""
        precision = self._gram[rows] + self.settings.user_ridge * np.eye(len(self._shared))
        spread = np.linalg.inv(precision).astype(np.float64, copy=False)
        signal = self.settings.user_ridge * self._shared + self._moment[rows]
        weights: DoubleArray = np.matmul(spread, signal[:, :, None])[:, :, 0]
        return weights, spread


def _content(features: DoubleArray, dimensions: int) -> DoubleArray:
    """Return [n, min(f, dimensions)]: centred features, on their leading principal axes, of mean square length 1."""
    centred = features - features.mean(axis=0)
    if features.shape[1] > dimensions:
        _, axes = np.linalg.eigh(centred.T @ centred)
        centred = centred @ axes[:, ::-1][:, :dimensions]
    length = float(np.sqrt(np.square(centred).sum(axis=1).mean()))
    scaled: DoubleArray = centred / (length if length > 0 else 1.0)
    return scaled
