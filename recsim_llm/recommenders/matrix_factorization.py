"""Matrix factorisation of who consumed what."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.numerics.factorization import implicit_als
from recsim_llm.recommenders.scoring import ScoringRecommender, on_grid, products, take
from recsim_llm.recommenders.user_rows import UserRows, lengthen

__all__ = ["MatrixFactorization"]


class MatrixFactorization(ScoringRecommender):
    """Implicit-feedback alternating least squares (Hu, Koren & Volinsky 2008), with fold-in of the run's clicks.

    Items are factorised once, in ``fit``. A user's vector follows from what the user consumed, in the training part or by a
    click in the run, by eq. 4 of the paper; so new users are served from their first click on, and known ones move with
    every click. A user of whom nothing is known yet gets the most popular items.
    """

    class Settings(FrozenSettings):
        """Settings of ``MatrixFactorization``."""

        factors: int = Field(default=32, ge=1, le=256)
        """Dimensions of a user's and of an item's vector; each item solves a system of that size."""
        regularization: float = Field(default=10.0, gt=0)
        """Ridge penalty on the squared length of every vector, above 0 (lambda of the paper)."""
        weight: float = Field(default=1.0, gt=0)
        """Extra confidence of a consumed item, above 0 (alpha of the paper); an item not consumed has confidence 1."""
        iterations: int = Field(default=10, ge=1)
        """Alternations of the fit: times that the users' and then the items' vectors are solved for."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        events = self._known.matrix.tocoo()
        _, self._factors = implicit_als(
            events.row,
            events.col,
            n_users=events.shape[0],
            n_items=events.shape[1],
            factors=self.settings.factors,
            regularization=self.settings.regularization,
            weight=self.settings.weight,
            iterations=self.settings.iterations,
            seed=self._seed,
        )
        self._order = self._known.popularity_order
        self._items = on_grid(self._factors.T, self.settings.factors)
        self._shared = self._factors.T @ self._factors + self.settings.regularization * np.eye(self.settings.factors)
        # Row by user: the last vector, and a signature of the clicks that it holds.
        self._users = UserRows()
        self._vectors = np.zeros((1, self.settings.factors))
        self._signature = np.zeros(1, np.uint64)

    def _score(self, requests: Requests) -> FloatArray:
        vectors = self._fold_in(requests)
        scores = products(vectors, self._items)
        scores[~vectors.any(axis=1)] = self._order
        return scores

    def _fold_in(self, requests: Requests) -> npt.NDArray[np.float64]:
        """Return float64 [u, factors]; only users with new clicks are solved for."""
        signature = np.ones(len(requests.user_id), np.uint64)
        row, item = self._known.clicks(requests)
        np.add.at(signature, row, keyed.words(0, "clicked", item))
        place = self._users.add(requests.user_id)
        self._vectors = lengthen(self._vectors, len(self._users))
        self._signature = lengthen(self._signature, len(self._users))
        vectors = self._vectors[place]
        stale = np.flatnonzero(self._signature[place] != signature)
        if stale.size:
            profiles = self._known.profiles(take(requests, stale))
            vectors[stale] = self._solve(profiles)
            self._vectors[place[stale]] = vectors[stale]
            self._signature[place[stale]] = signature[stale]
        return vectors

    def _solve(self, profiles: sp.csr_array) -> npt.NDArray[np.float64]:
        """Solve eq. 4 for each row: (Y'Y + weight * Y_u'Y_u + regularization * I) x = (1 + weight) * sum of Y_u."""
        users = profiles.shape[0]
        gram = np.empty((users, self.settings.factors, self.settings.factors))
        signal = np.empty((users, self.settings.factors))
        for user in range(users):
            own = self._factors[profiles.indices[profiles.indptr[user] : profiles.indptr[user + 1]]]
            gram[user] = own.T @ own
            signal[user] = own.sum(axis=0)
        gram *= self.settings.weight
        gram += self._shared
        signal *= 1 + self.settings.weight
        return np.linalg.solve(gram, signal[:, :, None])[:, :, 0]
