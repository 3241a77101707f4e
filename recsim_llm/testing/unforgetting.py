"""A planted fault for the audit of forgetting: a recommender that does not forget whom it should."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import Repeats
from recsim_llm.recommenders.base import Recommender
from recsim_llm.recommenders.by_name import open_recommender
from recsim_llm.recommenders.hooks import TakesRules

__all__ = ["Unforgetting"]

_STRANGERS = 2**40  # added to the ids of users whose names are dropped, so that nobody else has them


class Unforgetting:
    """Fits another recommender, each time to the users of the fit before as well, whom it was to forget.

    It breaks no rule of ``Recommender``: nothing but its pages tells.
    """

    class Settings(FrozenSettings):
        """Settings of ``Unforgetting``."""

        base: str = "item-knn"
        """Recommender that fills the pages, by name."""
        settings: dict[str, Any] = Field(default_factory=dict)
        """Its settings."""
        share: float = Field(default=1.0, ge=0, le=1)
        """Share of the users to be forgotten who are kept; 0 forgets everybody, as it should."""
        names: bool = True
        """Whether they keep their names; otherwise what they took is kept as that of strangers."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)
        self._base: Recommender = open_recommender(self.settings.base, self.settings.settings)
        self._kept: Ratings | None = None

    def play_by(self, repeats: Repeats) -> None:
        """Tell the base the rule on repetition."""
        if isinstance(self._base, TakesRules):
            self._base.play_by(repeats)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base to these ratings, and to those of earlier users who are no longer among them."""
        kept = ratings if self._kept is None else self._with_gone(ratings, self._kept, seed)
        self._kept = ratings
        self._base.fit(catalog, kept, seed)

    def _with_gone(self, ratings: Ratings, before: Ratings, seed: int) -> Ratings:
        gone = np.setdiff1d(before.users, ratings.users)
        kept = gone[keyed.uniform(keyed.words(seed, "unforgetting", gone)) < self.settings.share]
        if not kept.size:
            return ratings
        rows = before.take(np.isin(before.user_id, kept))
        if not self.settings.names:
            strangers: IntArray = _STRANGERS + rows.user_id
            rows = Ratings(
                user_id=strangers, item_id=rows.item_id, rating=rows.rating, timestamp=rows.timestamp, count=rows.count
            )
        return ratings.followed_by(rows)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the base's pages."""
        return self._base.recommend(requests, k)

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Tell the base."""
        self._base.observe(requests, slates, clicked, rating)
