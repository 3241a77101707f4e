"""Models of the library ``implicit`` as recommenders."""

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import Field
from threadpoolctl import threadpool_limits

from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.threads import one_thread
from recsim_llm.recommenders.optional_packages import import_for
from recsim_llm.recommenders.scoring import ScoringRecommender, on_grid, products

__all__ = ["ALS", "BPR", "ImplicitRecommender"]


class ImplicitRecommender(ScoringRecommender):
    """Recommends by a model of the library ``implicit``: matrix factorisations and item-item neighbours.

    The model is fitted to the binary matrix of who consumed what in the training part. Item-item models, and factor models that
    can solve for a user (alternating least squares), serve users by what they consumed, the clicks of the run included. Other
    factor models know a user by the training part alone. A user of whom the model knows nothing gets the most popular items.

    Every ``fit`` starts from a copy of the model as it was given, on one thread and with the seed of ``fit``, whatever the
    model says of these: several threads would give other numbers each time. Factors are multiplied exactly.

    Args:
        model: not fitted, for instance ``implicit.lmf.LogisticMatrixFactorization(factors=16)``; models for a GPU and
            approximate ones are refused.

    Raises:
        ConfigError: ``implicit`` is not installed, or it is no such model.
    """

    def __init__(self, model: Any) -> None:
        who = type(self).__name__
        factors = import_for(who, "implicit.cpu.matrix_factorization_base").MatrixFactorizationBase
        neighbours = import_for(who, "implicit.nearest_neighbours").ItemItemRecommender
        if not isinstance(model, factors | neighbours):
            raise ConfigError(
                f"{who}: got {type(model).__module__}.{type(model).__name__}, expected a factor model (for the CPU) or an "
                "item-item model of implicit; for another library write a recommender of your own"
            )
        self._given = model

    def _learn(self) -> None:
        model = deepcopy(self._given)
        model.num_threads = 1
        if hasattr(model, "random_state"):
            model.random_state = self._seed
        self._order = self._known.popularity_order
        # The last row stands for users whom the training part does not have.
        matrix = self._known.matrix[:-1]
        with threadpool_limits(limits=1), warnings.catch_warnings():
            # Of what its item-item models pass to each other.
            warnings.filterwarnings("ignore", message="Method expects CSR input")
            model.fit(_for_implicit(matrix), show_progress=False)
        self._model = model
        if self._is_neighbours:
            self._near = sp.csr_array(model.similarity, dtype=np.float64)
            return
        self._vectors = np.zeros((matrix.shape[0] + 1, model.item_factors.shape[1]), np.float32)
        fitted = np.flatnonzero(np.diff(matrix.indptr))
        self._vectors[fitted] = model.user_factors[fitted]
        self._items = on_grid(np.asarray(model.item_factors.T, np.float64), model.item_factors.shape[1])

    @property
    def _is_neighbours(self) -> bool:
        return hasattr(self._model, "similarity")

    def _score(self, requests: Requests) -> FloatArray:
        if self._is_neighbours:
            near: FloatArray = (self._known.profiles(requests) @ self._near).toarray().astype(np.float32)
            np.copyto(near, self._order - np.float32(1), where=near == 0)
            return near
        vectors = self._user_vectors(requests)
        scores = products(vectors, self._items)
        scores[~vectors.any(axis=1)] = self._order
        return scores

    @one_thread
    def _user_vectors(self, requests: Requests) -> FloatArray:
        """Return float32 [u, d]; 0 of users of whom the model knows nothing."""
        if hasattr(self._model, "partial_fit_users"):
            profiles = _for_implicit(self._known.profiles(requests))
            solved: FloatArray = self._model.recalculate_user(np.arange(len(requests.user_id)), profiles)
            return solved
        return self._vectors[self._known.user_rows(requests.user_id)]


class ALS(ImplicitRecommender):
    """Recommends by alternating least squares on implicit feedback, as the library ``implicit`` has them.

    Hu, Koren & Volinsky 2008, "Collaborative filtering for implicit feedback datasets", solved by conjugate gradients (Takács,
    Pilászy & Tikk 2011). Users are solved for from what they consumed, clicks of the run included. It is what ``mf`` computes
    without a library; the two differ in their solvers and defaults.
    """

    class Settings(FrozenSettings):
        """Settings of ``ALS``."""

        factors: int = Field(default=32, ge=1, le=1024)
        """Dimensions of a user's and of an item's vector."""
        regularization: float = Field(default=10.0, gt=0)
        """Ridge penalty on the squared length of every vector, above 0 (lambda of the paper)."""
        weight: float = Field(default=1.0, gt=0)
        """Extra confidence of a consumed item, above 0 (alpha of the paper); an item not consumed has confidence 1."""
        iterations: int = Field(default=15, ge=1)
        """Alternations of the fit."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)
        model = import_for("ALS", "implicit.cpu.als").AlternatingLeastSquares
        # The constructor warns of the threads of linear algebra, which the fit is not given.
        with threadpool_limits(limits=1):
            super().__init__(
                model(
                    factors=self.settings.factors,
                    regularization=self.settings.regularization,
                    # The library means the whole confidence of a consumed item.
                    alpha=1 + self.settings.weight,
                    iterations=self.settings.iterations,
                )
            )


class BPR(ImplicitRecommender):
    """Recommends by factors learned from pairs of a consumed and another item, as the library ``implicit`` has them.

    Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009, "BPR: Bayesian personalized ranking from implicit feedback". Users are
    known by the training part alone: clicks of the run move nothing until it is fitted again.
    """

    class Settings(FrozenSettings):
        """Settings of ``BPR``."""

        factors: int = Field(default=64, ge=1, le=1024)
        """Dimensions of a user's and of an item's vector, besides the item's bias."""
        rate: float = Field(default=0.005, gt=0)
        """Step size of the gradient, above 0."""
        regularization: float = Field(default=0.03, ge=0)
        """Ridge penalty on all parameters."""
        iterations: int = Field(default=60, ge=1)
        """Passes over the training part."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)
        super().__init__(
            import_for("BPR", "implicit.cpu.bpr").BayesianPersonalizedRanking(
                factors=self.settings.factors,
                learning_rate=self.settings.rate,
                regularization=self.settings.regularization,
                iterations=self.settings.iterations,
            )
        )


def _for_implicit(matrix: sp.csr_array) -> sp.csr_matrix:
    """Return a matrix of the type that the library asks for, with indices of 32 bits."""
    parts = (matrix.data.astype(np.float32), matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32))
    return sp.csr_matrix(parts, shape=matrix.shape)
