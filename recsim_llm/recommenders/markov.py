"""A Markov chain over items."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsim_llm.core.arrays import DoubleArray, FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders.scoring import ScoringRecommender
from recsim_llm.recommenders.sequences import Sequences

__all__ = ["Markov"]

_TIE = 1e-6


class Markov(ScoringRecommender):
    """Recommends what users consumed soon after the items that this user consumed or clicked last: a Markov chain over items.

    A transition from item i to item j is counted for each user who consumed j at most ``ahead`` steps after i, in the order of
    the training part. Its probability is ``count / (all counts from i + smoothing)``: of what few people went on from little
    follows. The score of an item is the sum over the user's ``last`` latest items, clicks of the run included; ties, and users
    of whom nothing is known, go by popularity. With ``ahead`` and ``last`` of 1 it is the chain of first order (Rendle,
    Freudenthaler & Schmidt-Thieme 2010, "Factorizing personalized Markov chains", section 4.1).
    """

    class Settings(FrozenSettings):
        """Settings of ``Markov``."""

        ahead: int = Field(default=5, ge=1)
        """Steps within which an item counts as consumed soon after."""
        last: int = Field(default=10, ge=1)
        """Latest items of the user that are looked at."""
        smoothing: float = Field(default=5.0, gt=0)
        """Transitions to nothing that are added to those from each item, above 0."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Count transitions; whatever was learned before is forgotten."""
        super().fit(catalog, ratings, seed)
        self._sequences = Sequences(self._known, ratings)
        user, item, items = self._sequences.user, self._sequences.item, len(catalog)
        pairs = [
            np.flatnonzero(user[step:] == user[:-step]) + np.array([[0], [step]]) for step in range(1, self.settings.ahead + 1)
        ]
        before, after = (item[np.concatenate([pair[end] for pair in pairs])] for end in (0, 1))
        counts = sp.csr_array((np.ones(len(before)), (before, after)), shape=(items, items))
        totals = np.asarray(counts.sum(axis=1)).ravel()
        self._chance = (sp.diags_array(1 / (totals + self.settings.smoothing)) @ counts).tocsr()

    def _score(self, requests: Requests) -> FloatArray:
        latest = self._sequences.latest(requests, self.settings.last)
        row, place = np.nonzero(latest >= 0)
        shape = (len(latest), self._chance.shape[0])
        recent = sp.csr_array((np.ones(len(row)), (row, latest[row, place])), shape=shape)
        scores: DoubleArray = (recent @ self._chance).toarray() + _TIE * self._known.popularity_order
        return scores.astype(np.float32)
