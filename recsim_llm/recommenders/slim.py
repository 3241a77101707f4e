"""Sparse linear models of items on their neighbours."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.recommenders.item_knn import nearest_items
from recsim_llm.recommenders.scoring import ScoringRecommender

__all__ = ["SLIM"]

_BLOCK = 512
_GRAM_BLOCK = 64
_SWEEPS = 50
_CLOSE = 1e-3


class SLIM(ScoringRecommender):
    """Recommends what sparse regressions of each item on similar items expect the user to consume next.

    fsSLIM of Ning & Karypis 2011, "SLIM: sparse linear methods for top-N recommender systems", section IV.C: each item's column
    of the binary training matrix is explained by those of its nearest items (by cosine), with weights of 0 or more under an
    elastic net, found by coordinate descent. A user's score is the sum of the weights of what the user consumed, in the
    training part or by a click in the run. Where that is 0, popularity decides.
    """

    class Settings(FrozenSettings):
        """Settings of ``SLIM``."""

        neighbours: int = Field(default=50, ge=1, le=1000)
        """Nearest items that each item may be explained by; memory while it learns is 4 KB times its square."""
        sparsity: float = Field(default=1.0, ge=0)
        """L1 penalty on the weights, in consumptions (lambda of the paper); more sets more of them to 0."""
        regularization: float = Field(default=10.0, gt=0)
        """Ridge penalty on the weights, in consumptions, above 0 (beta of the paper)."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        self._order = self._known.popularity_order - np.float32(1)
        near = nearest_items(self._known.matrix, self.settings.neighbours, 0.0).tocsc()
        by_item = self._known.matrix.T.tocsr()
        weights = [
            self._explain(by_item, near, np.arange(start, min(start + _BLOCK, near.shape[1])))
            for start in range(0, near.shape[1], _BLOCK)
        ]
        filled = sp.csc_array((np.concatenate(weights).astype(np.float32), near.indices, near.indptr), shape=near.shape)
        filled.eliminate_zeros()
        self._weights = filled.tocsr()

    def _explain(self, by_item: sp.csr_array, near: sp.csc_array, items: IntArray) -> DoubleArray:
        """Return the weights of the nearest items of some items, in the order of ``near``."""
        neighbours = [near.indices[near.indptr[item] : near.indptr[item + 1]] for item in items]
        width = max(map(len, neighbours))
        gram, common = np.zeros((len(items), width, width)), np.zeros((len(items), width))
        for start in range(0, len(items), _GRAM_BLOCK):
            rows = range(start, min(start + _GRAM_BLOCK, len(items)))
            part = np.unique(np.concatenate([items[rows], *(neighbours[row] for row in rows)]))
            columns = by_item[part]
            counts = (columns @ columns.T).toarray()
            for row in rows:
                own = np.searchsorted(part, neighbours[row])
                gram[row, : len(own), : len(own)] = counts[np.ix_(own, own)]
                common[row, : len(own)] = counts[own, np.searchsorted(part, items[row])]
        weights = _descend(gram, common, self.settings.sparsity, self.settings.regularization)
        return weights[np.arange(width) < np.array([[len(own)] for own in neighbours])]

    def _score(self, requests: Requests) -> FloatArray:
        scores: FloatArray = (self._known.profiles(requests) @ self._weights).toarray()
        np.copyto(scores, self._order, where=scores == 0)
        return scores


def _descend(gram: DoubleArray, common: DoubleArray, sparsity: float, regularization: float) -> DoubleArray:
    """Minimise 1/2 w'(G + r I)w - c'w + s |w| over w >= 0 for many items at once, one coordinate of each after the other.

    Args:
        gram: [b, n, n].
        common: [b, n].
        sparsity: s.
        regularization: r.

    Returns:
        [b, n].
    """
    weights = np.zeros_like(common)
    curvature = np.diagonal(gram, axis1=1, axis2=2) + regularization
    for _ in range(_SWEEPS):
        largest = 0.0
        for place in range(common.shape[1]):
            pull = common[:, place] - np.einsum("bn,bn->b", gram[:, place], weights) - regularization * weights[:, place]
            step = np.maximum(weights[:, place] + (pull - sparsity) / curvature[:, place], 0.0) - weights[:, place]
            weights[:, place] += step
            largest = max(largest, float(np.abs(step).max()))
        if largest < _CLOSE:
            break
    return weights
