"""The most popular items first."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.pages import Requests
from recsim_llm.recommenders.scoring import ScoringRecommender

__all__ = ["Popularity"]


class Popularity(ScoringRecommender):
    """Recommends what most users consumed in the training part, ties by catalog position; the same for known and new users."""

    def _learn(self) -> None:
        self._order = self._known.popularity_order

    def _score(self, requests: Requests) -> FloatArray:
        return np.broadcast_to(self._order, (len(requests.user_id), len(self._order)))
