"""A contextual bandit that learns while the run goes on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.pages import BoolArray, FloatArray, IntArray, Requests, Slates
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders.scoring import ScoringRecommender, on_grid, products
from recsim_llm.recommenders.user_rows import UserRows, lengthen

__all__ = ["LinUCB"]

Floats = npt.NDArray[np.float64]

_GRID = 1024.0


class LinUCB(ScoringRecommender):
    """Linear upper confidence bounds (Li, Chu, Langford & Schapire 2010, algorithm 1), with users that share what they learn.

    The click of user u on an item with features x is modelled as ``x . w_u`` plus noise. ``w_u`` is the ridge estimate from
    the user's own feedback, shrunk towards ``w``, the ridge estimate from everybody's; ``w`` is shrunk towards a prior that
    knows popularity alone. With G_u and b_u the user's sums of x x' and x * clicked:

        w   = (ridge * I + sum of G_u)^-1 (ridge * prior + sum of b_u)
        A_u = user_ridge * I + G_u
        w_u = A_u^-1 (user_ridge * w + b_u)
        score = x . w_u + alpha * sqrt(x' A_u^-1 x)

    The features are an intercept, log popularity in the training part scaled to 0..1, and the catalog's features, centred, at
    unit mean square length, on their leading principal axes where there are more than ``dimensions``. Every slot of a page
    counts as an observation, examined or not, for whether a user looked is not known to a policy; slots far down look worse
    than they are. Ratings are not used. New users start at ``w``.

    State changes in ``observe`` only. Features are rounded to multiples of 1/1024, so that the sums are exact in float64:
    neither the order of users, nor the cut into batches, nor the number of shards shows in the result.

    Args:
        alpha: width of the confidence bound; 0 never explores.
        ridge: weight of the prior, in observations.
        user_ridge: weight of everybody's estimate in a user's own, in observations.
        popularity_prior: click probability that the prior expects of the most popular item.
        dimensions: most axes kept of the catalog's features.
    """

    def __init__(
        self,
        alpha: float = 0.1,
        *,
        ridge: float = 10.0,
        user_ridge: float = 30.0,
        popularity_prior: float = 0.1,
        dimensions: int = 24,
    ) -> None:
        for name, value, least in (
            ("alpha", alpha, 0),
            ("popularity_prior", popularity_prior, 0),
            ("dimensions", dimensions, 1),
        ):
            if not value >= least:
                raise ConfigError(f"{name}: got {value}, expected {least} or more")
        for name, value in (("ridge", ridge), ("user_ridge", user_ridge)):
            if not value > 0:
                raise ConfigError(f"{name}: got {value}, expected a number above 0")
        self.alpha = alpha
        self.ridge = ridge
        self.user_ridge = user_ridge
        self.popularity_prior = popularity_prior
        self.dimensions = dimensions

    def _learn(self) -> None:
        popularity = np.log1p(self._known.counts)
        popularity /= max(popularity.max(), 1.0)
        content = _content(self._known.catalog.features.astype(np.float64), self.dimensions)
        columns = np.column_stack([np.ones(len(popularity)), popularity, content])
        self._features = np.rint(columns * _GRID) / _GRID
        width = self._features.shape[1]
        self._first, self._second = np.triu_indices(width)
        self._linear = on_grid(self._features.T, width)
        self._quadratic = on_grid(self._features.T[self._first] * self._features.T[self._second], len(self._first))
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
        prior[1] = self.popularity_prior
        precision = self.ridge * np.eye(len(prior)) + self._all_gram
        self._shared = np.linalg.solve(precision, self.ridge * prior + self._all_moment)

    def _score(self, requests: Requests) -> FloatArray:
        weights, spread = self._estimate(self._users.find(requests.user_id))
        scores = products(weights, self._linear)
        if self.alpha > 0:
            twice = np.where(self._first == self._second, 1.0, 2.0)
            variance = products(spread[:, self._first, self._second] * twice, self._quadratic)
            np.maximum(variance, 0, out=variance)
            scores += np.float32(self.alpha) * np.sqrt(variance, out=variance)
        return scores

    def _estimate(self, rows: IntArray) -> tuple[Floats, Floats]:
        """Return the weights float64 [u, d] and the inverse precisions float64 [u, d, d]."""
        precision = self._gram[rows] + self.user_ridge * np.eye(len(self._shared))
        spread = np.linalg.inv(precision).astype(np.float64, copy=False)
        signal = self.user_ridge * self._shared + self._moment[rows]
        weights: Floats = np.matmul(spread, signal[:, :, None])[:, :, 0]
        return weights, spread


def _content(features: Floats, dimensions: int) -> Floats:
    """Return [n, min(f, dimensions)]: centred features, on their leading principal axes, of mean square length 1."""
    centred = features - features.mean(axis=0)
    if features.shape[1] > dimensions:
        _, axes = np.linalg.eigh(centred.T @ centred)
        centred = centred @ axes[:, ::-1][:, :dimensions]
    length = float(np.sqrt(np.square(centred).sum(axis=1).mean()))
    scaled: Floats = centred / (length if length > 0 else 1.0)
    return scaled
