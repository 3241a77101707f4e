"""An autoencoder without hidden layer, in closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.linalg
from pydantic import Field

from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.numerics.threads import one_thread
from recsim_llm.recommenders.scoring import ScoringRecommender

__all__ = ["EASE"]


class EASE(ScoringRecommender):
    """Recommends what a linear model of all items on all other items expects the user to consume next.

    Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8: with the Gram matrix G of the binary training
    matrix and P = (G + regularization * I)^-1, the weight of item j in the score of item i is ``-P_ji / P_ii``, and 0 of an
    item in its own score. A user's score is the sum of the weights of what the user consumed, in the training part or by a
    click in the run.

    The matrix is dense, so that only the ``items`` most consumed items take part; the others follow by popularity, and so does
    everything for a user of whom nothing is known.
    """

    class Settings(FrozenSettings):
        """Settings of ``EASE``."""

        regularization: float = Field(default=200.0, gt=0)
        """Ridge penalty on the weights, in consumptions, above 0 (lambda of the paper); more for more sparse data."""
        items: int = Field(default=5000, ge=1, le=30_000)
        """Most items that take part; memory is 30 bytes times its square while it learns, time grows with its cube."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        counts = self._known.counts
        most = np.sort(np.argsort(-counts, kind="stable")[: self.settings.items])
        # Without consumption there is nothing to learn of an item.
        self._part = most[counts[most] > 0]
        own = self._known.matrix[:, self._part]
        self._weights = _weights((own.T @ own).toarray(), self.settings.regularization)
        # Below every score: float32 keeps the order of popularity there.
        self._others = self._known.popularity_order - np.float32(2)

    def _score(self, requests: Requests) -> FloatArray:
        profiles = self._known.profiles(requests)
        scores = np.repeat(self._others[None], len(requests.user_id), axis=0)
        expected = profiles[:, self._part] @ self._weights
        known = np.flatnonzero(expected.any(axis=1))
        # A sum of weights has no bound; its size does not matter, and below -1 the others begin.
        size = np.maximum(np.abs(expected).max(axis=1, initial=0.0, keepdims=True), np.float32(1))
        scores[np.ix_(known, self._part)] = (expected / size)[known]
        return scores


@one_thread
def _weights(gram: npt.NDArray[np.floating], regularization: float) -> FloatArray:
    """Return float32 [m, m]: entry (j, i) is the weight of item j in the score of item i."""
    items = len(gram)
    if not items:
        return np.empty((0, 0), np.float32)
    shifted = gram.astype(np.float64)
    shifted[np.diag_indices(items)] += regularization
    # The Cholesky factor's inverse fills one triangle only; half the work of a general inverse.
    factor, _ = scipy.linalg.lapack.dpotrf(shifted, lower=False, overwrite_a=True)
    upper, _ = scipy.linalg.lapack.dpotri(factor, lower=False, overwrite_c=True)
    inverse = np.triu(upper)
    inverse += np.triu(inverse, 1).T
    inverse /= -np.diag(inverse).copy()
    inverse[np.diag_indices(items)] = 0.0
    return np.ascontiguousarray(inverse, np.float32)
