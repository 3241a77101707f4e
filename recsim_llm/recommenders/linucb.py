"""A contextual bandit that prefers what it is unsure of."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.numerics.ranking import top_k
from recsim_llm.recommenders.linear_clicks import LinearClicks
from recsim_llm.recommenders.scoring import on_grid, own_products, products, take

__all__ = ["LinUCB"]


_NEAR = 2
_LEADING = 2
_MOST_ABLE = 1000


class LinUCB(LinearClicks):
    """Linear upper confidence bounds (Li, Chu, Langford & Schapire 2010, algorithm 1) on clicks that ``LinearClicks`` models.

        score = x . w_u + alpha * sqrt(x' A_u^-1 x)

    Pages are the same to the bit whatever else is in the batch. The square root is worked out for few items only: bounds of
    it that are cheaper tell which ones can reach the page.
    """

    class Settings(LinearClicks.Settings):
        """Settings of ``LinUCB``."""

        alpha: float = Field(default=0.1, ge=0)
        """Width of the confidence bound, in standard deviations of the estimate; 0 never explores."""

    settings: Settings

    def _learn(self) -> None:
        super()._learn()
        self._first, self._second = np.triu_indices(self._features.shape[1])
        self._twice = np.where(self._first == self._second, 1.0, 2.0)
        # Items by row, so that the numbers of a few items lie together.
        self._quadratic = on_grid(self._features[:, self._first] * self._features[:, self._second], len(self._first))
        self._rough = np.ascontiguousarray(self._features.T, np.float32)
        self._square = np.square(self._features).sum(axis=1).astype(np.float32)

    def _score(self, requests: Requests) -> FloatArray:
        weights, spread = self._estimate(self._users.find(requests.user_id))
        return self._with_bound(products(weights, self._linear), products(self._pairs(spread), self._quadratic.T))

    def _pairs(self, spread: DoubleArray) -> DoubleArray:
        """Return float64 [u, q]: the weights of the products of two features."""
        return spread[:, self._first, self._second] * self._twice

    def _with_bound(self, mean: FloatArray, variance: FloatArray) -> FloatArray:
        np.maximum(variance, 0, out=variance)
        mean += np.float32(self.settings.alpha) * np.sqrt(variance, out=variance)
        return mean

    def _best(self, requests: Requests, k: int) -> IntArray:
        barred = self._barred(requests)
        best = np.full((len(barred), k), -1, np.int64)
        enough = np.flatnonzero(np.count_nonzero(~barred, axis=1) >= k)
        if enough.size:
            weights, spread = self._estimate(self._users.find(requests.user_id[enough]))
            best[enough] = self._search(weights, spread, barred[enough], k)
        open_yet = np.flatnonzero(best[:, 0] < 0)
        if open_yet.size:
            best[open_yet] = super()._best(take(requests, open_yet), k)
        return best

    def _search(self, weights: DoubleArray, spread: DoubleArray, barred: BoolArray, k: int) -> IntArray:
        """Return int64 [u, k]: what ranking by the scores gives, of which few are worked out; -1 where few would not do."""
        most = self._at_most(weights, spread)
        np.copyto(most, -np.inf, where=barred)
        near = np.sort(top_k(most, min(_NEAR * k, most.shape[1])), axis=1)  # Equal scores by position.
        scores = self._of_items(weights, spread, near)
        scores[np.take_along_axis(barred, near, axis=1)] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best: IntArray = np.take_along_axis(near, order, axis=1)
        if near.shape[1] == most.shape[1]:
            return best
        last = np.take_along_axis(scores, order, axis=1)[:, -1]
        for user in np.flatnonzero(np.take_along_axis(most, near, axis=1).min(axis=1) >= last):
            able = np.flatnonzero(most[user] >= last[user])
            if len(able) > _MOST_ABLE:
                best[user] = -1
                continue
            exact = self._of_items(weights[[user]], spread[[user]], able[None])[0]
            best[user] = able[np.argsort(-exact, kind="stable")[:k]]
        return best

    def _at_most(self, weights: DoubleArray, spread: DoubleArray) -> FloatArray:
        """Return float32 [u, n]: bounds that no score exceeds.

        With v the leading eigenvectors of G_u and g their eigenvalues, ``user_ridge * x' A_u^-1 x`` is at most
        ``x'x - sum of g / (user_ridge + g) (v' x)^2``: what a user was shown has a few directions in common.
        """
        ridge, alpha, width = self.settings.user_ridge, self.settings.alpha, weights.shape[1]
        size, vectors = np.linalg.eigh(spread)
        lead = vectors[:, :, :_LEADING] * np.sqrt(np.maximum(1 - ridge * size[:, None, :_LEADING], 0))
        directions = np.concatenate([weights[None], lead.transpose(2, 0, 1)]).astype(np.float32).reshape(-1, width)
        # What float32 (Higham 2002, eq. 3.5) and the grids of the scores themselves may round off, generously.
        longest, farthest = float(np.abs(self._rough).max()), float(self._square.max())
        doubt = (width + 4) ** 2 * 2.0**-20 * longest
        spare = (doubt * np.abs(weights).max(axis=1) + 2.0**-20 * alpha * np.sqrt(farthest / ridge)).astype(np.float32)
        most: FloatArray
        most, *known = np.matmul(directions, self._rough).reshape(1 + _LEADING, len(weights), -1)
        room = np.repeat((self._square + np.float32(doubt * longest))[None], len(weights), axis=0)
        for one in known:
            room -= np.square(one, out=one)
        np.sqrt(np.maximum(room, 0, out=room), out=room)
        room *= np.float32(alpha / np.sqrt(ridge))
        most += room
        most += spare[:, None]
        return most

    def _of_items(self, weights: DoubleArray, spread: DoubleArray, item: IntArray) -> FloatArray:
        """Return float32 [u, m]: the scores of items of each user's own, int64 [u, m], as ``_score`` has them to the bit."""
        mean = own_products(weights, self._linear.T[item])
        return self._with_bound(mean, own_products(self._pairs(spread), self._quadratic[item]))
