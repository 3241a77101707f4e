"""Rows beside the candidate: predictors that need no user model, fitted on the training part."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Dataset
from recsim_llm.realism.line import Role
from recsim_llm.realism.policies import first_requests
from recsim_llm.realism.star_baselines import fit_biases
from recsim_llm.recommenders import ItemKNN, MatrixFactorization

__all__ = ["TASTE_ROWS", "Scorer", "TasteRow"]

Scorer = Callable[[IntArray, IntArray], DoubleArray]
"""Takes users, int64 [m], and items, int64 [m, n]; returns float64 [m, n], higher for what is likelier to be consumed."""

_USERS = 256


class TasteRow(NamedTuple):
    """A baseline for what users consume."""

    role: Role
    """What the row is there for."""
    fit: Callable[[Dataset, int], Scorer]
    """Takes the training part and a seed."""
    seeded: bool
    """The seed makes a difference."""


def _random(training: Dataset, seed: int) -> Scorer:
    users = training.ratings.users
    return lambda user, item: keyed.uniform(keyed.words(seed, "random row", users[user][:, None], item))


def _popularity(training: Dataset, seed: int) -> Scorer:  # noqa: ARG001 (a factory's signature)
    counts = np.log1p(training.catalog.popularity.astype(np.float64))
    return lambda user, item: counts[item]  # noqa: ARG005 (the same for every user)


def _biases(training: Dataset, seed: int) -> Scorer:  # noqa: ARG001 (a factory's signature)
    biases = fit_biases(training)
    return lambda user, item: biases.item[item]  # noqa: ARG005 (the same for every user)


class _NeighbourScores(ItemKNN):
    def scores(self, requests: Requests) -> FloatArray:
        """Return float32 [u, n]."""
        return self._score(requests)


class _FactorScores(MatrixFactorization):
    def scores(self, requests: Requests) -> FloatArray:
        """Return float32 [u, n]."""
        return self._score(requests)


def _neighbours(training: Dataset, seed: int) -> Scorer:
    return _recommender(_NeighbourScores(), training, seed)


def _factors(training: Dataset, seed: int) -> Scorer:
    return _recommender(_FactorScores(), training, seed)


def _recommender(recommender: _NeighbourScores | _FactorScores, training: Dataset, seed: int) -> Scorer:
    """Return the shipped recommender's scores for users of whom it knows the training part and no click."""
    recommender.fit(training.catalog, training.ratings, seed)
    users = training.ratings.users

    def score(user: IntArray, item: IntArray) -> DoubleArray:
        answer = np.empty(item.shape)
        for start in range(0, len(user), _USERS):
            rows = slice(start, start + _USERS)
            answer[rows] = np.take_along_axis(recommender.scores(first_requests(users[user[rows]])), item[rows], axis=1)
        return answer

    return score


TASTE_ROWS: dict[str, TasteRow] = {
    "random": TasteRow("trivial", _random, True),
    "popularity": TasteRow("trivial", _popularity, False),
    "item biases": TasteRow("trivial", _biases, False),
    "item-kNN": TasteRow("cheap", _neighbours, False),
    "ALS": TasteRow("cheap", _factors, True),
}
"""Baselines by name: noise; training counts; the item part of user and item biases of the stars; the shipped recommenders
``ItemKNN`` and ``MatrixFactorization`` (implicit alternating least squares) with their default settings."""
