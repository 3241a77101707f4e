"""A recommender that does not learn from those who look like fake users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders.counting import CountBook
from recsim_llm.recommenders.hooks import AsksModel, Count, users_apart
from recsim_llm.recommenders.language.genuineness import language_suspicion
from recsim_llm.recommenders.scoring import HistoryRecommender
from recsim_llm.recommenders.suspicion import similarity_suspicion
from recsim_llm.recommenders.wrapping import Wrapper

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["SUSPICIOUS", "Screened"]

SUSPICIOUS = {"similarity": 2.5, "language": 0.5}
"""From which suspicion on a user is left out where nothing is said, by the kind of judge."""


class Screened(Wrapper):
    """Fits another recommender to the ratings of users who do not look fake, and serves everyone with it.

    Users are judged whenever it is fitted: by how near they are to others, see ``similarity_suspicion``, or as in LoRec (Zhang
    et al. 2024, *LoRec: Large language model for robust sequential recommendation against poisoning attacks*) by a language
    model that reads a history and says whether a person chose it; LoRec's weights are 0 and 1 here. Who is left out by
    mistake teaches others nothing, but is served as everyone: what they rated is told to the base with each request, as if
    they had clicked it in the run.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth; when fitted, nobody is left, or there
            is no language model for the role ``policy`` where one is to judge.
    """

    class Settings(FrozenSettings):
        """Settings of ``Screened``."""

        base: str = "mf"
        """Name of the recommender that is fitted, or ``module:class``."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""
        by: Literal["similarity", "language"] = "similarity"
        """Who judges: a statistic, or the language model of the role ``policy``, one call a user at each fit."""
        threshold: float | None = Field(default=None, gt=0)
        """Suspicion from which on a user is left out: of ``similarity`` robust standard deviations, None for 2.5
        (Leys et al. 2013); of ``language``
        the probability that the history is no person's, None for 0.5."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._base = self._open("Screened, base", self.settings.base, self.settings.base_settings)
        self._model: LanguageModel | None = None
        self._book = CountBook()
        self._met: set[int] = set()
        if self.settings.by == "language":
            self.consult = self._take_model

    def _take_model(self, model: Any) -> None:
        self._model = model
        if isinstance(self._base, AsksModel):
            self._base.consult(model)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Judge everyone, and fit the base to those who are left.

        Raises:
            ConfigError: nobody is left, or there is no language model where one is to judge.
        """
        HistoryRecommender.fit(self, catalog, ratings, seed)
        limit = self.settings.threshold or SUSPICIOUS[self.settings.by]
        self.suspects: IntArray = ratings.users[self._judge(catalog, ratings) >= limit]
        """int64 [s]: outside ids of those who are left out, ascending."""
        out = np.isin(ratings.user_id, self.suspects)
        if out.all():
            raise ConfigError(
                f"screened: got {len(self.suspects)} suspects of {len(ratings.users)} users, expected somebody to learn from; "
                "raise threshold"
            )
        self._base.fit(_without(catalog, ratings, out), ratings.take(~out), seed)

    def _judge(self, catalog: Catalog, ratings: Ratings) -> DoubleArray:
        if self.settings.by == "similarity":
            return similarity_suspicion(ratings)
        if self._model is None:
            raise ConfigError(
                "screened: got no language model for the role policy, expected one; name one: "
                "--set models.policy=provider/name, or set by: similarity"
            )
        return language_suspicion(self._model, catalog, ratings)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the base's pages."""
        self._note(requests.user_id)
        return self._base.recommend(self._told(requests), k)

    @users_apart
    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Tell the base what came of its pages."""
        self._base.observe(self._told(requests), slates, clicked, rating)

    def counts(self) -> Sequence[Count]:
        """Return who of those that were served is not learned from, and what the base counted."""
        return [*self._book.counts(), *self._inner_counts()]

    def _note(self, user_id: IntArray) -> None:
        """Count those who are served for the first time."""
        for user, suspect in zip(user_id.tolist(), np.isin(user_id, self.suspects).tolist(), strict=True):
            if user not in self._met:
                self._met.add(user)
                self._book.meet("users served", user)
                self._book.add("users who look fake and teach nobody", "users served", user, float(suspect), share=True)

    def _told(self, requests: Requests) -> Requests:
        """Return the requests, those of suspects with what they rated before the run as clicked before anything else."""
        rows = np.flatnonzero(np.isin(requests.user_id, self.suspects))
        known = self._known.matrix
        places = self._known.user_rows(requests.user_id[rows])
        counts = np.diff(known.indptr)[places]
        width = int(counts.max(initial=0))
        if not width:
            return requests
        users = len(requests.user_id)
        item = np.full((users, width), -1, np.int64)
        for row, place, count in zip(rows.tolist(), places.tolist(), counts.tolist(), strict=True):
            start = int(known.indptr[place])
            item[row, width - count :] = self._known.catalog.item_id[known.indices[start : start + count]]
        rating = np.full(item.shape, np.nan, np.float32)
        actions = requests.history_actions
        if actions is not None:
            actions = np.hstack([np.zeros(item.shape, actions.dtype), actions])
        return requests._replace(
            history_item=np.hstack([item, requests.history_item]),
            history_clicked=np.hstack([item >= 0, requests.history_clicked]),
            history_rating=np.hstack([rating, requests.history_rating]),
            history_actions=actions,
        )


def _without(catalog: Catalog, ratings: Ratings, out: BoolArray) -> Catalog:
    """Return the catalog with a popularity that does not count some of the ratings."""
    item = catalog.index_of(ratings.item_id)
    taken = out & (item >= 0)
    weights = None if ratings.count is None else ratings.count[taken]
    counts = np.bincount(item[taken], weights=weights, minlength=len(catalog))
    return replace(catalog, popularity=np.maximum(catalog.popularity - counts, 0).astype(catalog.popularity.dtype))
