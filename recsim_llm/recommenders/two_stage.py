"""Retrieve with one recommender, rank with another."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders.scoring import ScoringRecommender, chunks
from recsim_llm.recommenders.wrapping import Wrapper

__all__ = ["TwoStage"]


class TwoStage(Wrapper):
    """Has one recommender retrieve candidates and another one rank them, as large services do.

    Covington, Adams & Sargin 2016, "Deep neural networks for YouTube recommendations", section 2. Both are fitted on all that a
    recommender may know, and both see what came of the pages. Items that the user has seen fill a page only where there are
    not enough others among the candidates; equal scores keep the retriever's order. Slates are certain, unless one of the two
    draws; then propensities are unknown (NaN).

    Raises:
        ConfigError: one of them is unknown, does not take its settings or knows the truth, or the ranker has no scores.
    """

    class Settings(FrozenSettings):
        """Settings of ``TwoStage``."""

        retriever: str = "item-knn"
        """Name of the recommender that retrieves candidates, or ``module:class``."""
        ranker: str = "mf"
        """Name of the recommender whose scores rank them, or ``module:class``."""
        candidates: int = Field(default=100, ge=1)
        """How many are retrieved; at least the size of a page, and at most what is on sale."""
        retriever_settings: dict[str, Any] = Field(default_factory=dict)
        """The retriever's settings, by name."""
        ranker_settings: dict[str, Any] = Field(default_factory=dict)
        """The ranker's settings, by name."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._retriever = self._open("two-stage, retriever", self.settings.retriever, self.settings.retriever_settings)
        ranker = self._open("two-stage, ranker", self.settings.ranker, self.settings.ranker_settings)
        if not isinstance(ranker, ScoringRecommender):
            raise ConfigError(f"two-stage: got ranker {self.settings.ranker!r}, expected one that ranks by scores; take mf")
        self._ranker: ScoringRecommender = ranker

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the ``k`` candidates of each request that the ranker scores highest.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        candidates = self._retrieve(self._retriever, requests, max(k, self.settings.candidates))
        score = np.empty(candidates.item_index.shape, np.float32)
        for rows, part in chunks(requests, len(self._known.catalog)):
            score[rows] = np.take_along_axis(self._ranker._score(part), candidates.item_index[rows], axis=1)
        place = np.lexsort((-score, candidates.seen), axis=1)[:, :k]
        if not self._ranker.certain:
            candidates = candidates._replace(certain=np.zeros_like(candidates.certain))
        return self._slates(candidates, place)
