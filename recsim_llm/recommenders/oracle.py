"""The best that ranking alone can do: an upper mark for comparisons."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.recommenders.hooks import Truth
from recsim_llm.recommenders.scoring import ScoringRecommender

__all__ = ["Oracle"]


class Oracle(ScoringRecommender):
    """Ranks all items by the user's true click log-odds at this moment, under the same rule on repetition as everyone.

    It is greedy: page by page nothing is better for expected clicks, but it does not plan for boredom or departure, so that a
    policy that does may beat it over a whole visit.
    """

    def __init__(self) -> None:
        self._truth: Truth | None = None

    def reveal(self, truth: Truth) -> None:
        """Take in the hidden side of the world; to be called before ``fit``."""
        self._truth = truth

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Note what users have seen already; nothing is to be learned.

        Raises:
            ConfigError: the truth was not revealed.
        """
        self._revealed()
        super().fit(catalog, ratings, seed)

    def _revealed(self) -> Truth:
        if self._truth is None:
            raise ConfigError("oracle: got no truth, expected the hidden users; call reveal(Truth(...)) before fit")
        return self._truth

    def _score(self, requests: Requests) -> FloatArray:
        appeal = np.array(self._revealed().appeal(requests.user_id), np.float32)
        expected = (len(requests.user_id), len(self._known.catalog))
        if appeal.shape != expected or not np.isfinite(appeal).all():
            got = f"shape {appeal.shape}" if appeal.shape != expected else "values that are not finite"
            raise ContractError(f"oracle: got appeal with {got}, expected log-odds of shape {expected}; check Truth.appeal")
        return appeal
