"""What recommenders have in common that ask a language model about what another recommender retrieved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import BoolArray, FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders.counting import CountBook
from recsim_llm.recommenders.hooks import Count, users_apart
from recsim_llm.recommenders.language.model_wrapper import ModelWrapper
from recsim_llm.recommenders.language.policy_prompts import HistoryPrompt, PolicyPrompts, Taken
from recsim_llm.recommenders.statements import Statements

__all__ = ["LanguagePolicy", "PageAsks", "ToldHistory"]

_STATEMENTS = 5


class PageAsks(NamedTuple):
    """The most that a policy asks a model for one page."""

    asks: int
    """Requests to the model, free texts included."""
    questions: int
    """Questions of the largest of them."""


class ToldHistory(FrozenSettings):
    """Settings that all of them have."""

    base: str = "mf"
    """Name of the recommender whose items the page is made or filled up of, or ``module:class``."""
    history: int = Field(default=20, ge=1)
    """Most entries of a visitor's history that the model is told, the latest ones."""
    prompt: HistoryPrompt = "recency"
    """How the history is told: ``recency``, ``sequential`` or ``in_context``."""
    base_settings: dict[str, Any] = Field(default_factory=dict)
    """The base's settings, by name."""


class LanguagePolicy(ModelWrapper):
    """Knows what a model may be told of a visitor: ratings of the training part, clicks of the run, and what the visitor said.

    Args:
        settings: its own and those of the base.
        what: what it is, for error texts.
    """

    reads_text = True

    def __init__(self, settings: ToldHistory, what: str) -> None:
        super().__init__(what, settings.base, settings.base_settings)
        self._told, self._book = settings, CountBook()

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base recommender, and note what each user took in the training part; what users said is forgotten.

        Raises:
            ConfigError: there is no model.
        """
        super().fit(catalog, ratings, seed)
        self._prompts = PolicyPrompts(catalog, self._told.prompt)
        self._latest = _latest(catalog, ratings, self._told.history)
        self._statements = Statements(_STATEMENTS)

    @users_apart
    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Remember what users said, and tell the base what came of the slates."""
        self._statements.take_in(requests)
        super().observe(requests, slates, clicked, rating)

    def counts(self) -> Sequence[Count]:
        """Return what was counted while it served, and what the base counted."""
        return [*self._book.counts(), *self._inner_counts()]

    def page_asks(self, k: int) -> PageAsks:
        """Return the most that it asks the model for a page of ``k`` slots. For subclasses."""
        raise NotImplementedError

    def _taken(self, requests: Requests, row: int) -> list[Taken]:
        """Return the latest of what a user took: in the training part, then by clicks in the run."""
        clicked = requests.history_clicked[row]
        index = self._known.catalog.index_of(requests.history_item[row][clicked])
        stars = requests.history_rating[row][clicked]
        run = [Taken(item, given) for item, given in zip(index.tolist(), stars.tolist(), strict=True) if item >= 0]
        return [*self._latest.get(int(requests.user_id[row]), ()), *run][-self._told.history :]

    def _nonce(self, requests: Requests, row: int) -> str:
        return f"{self._seed} {int(requests.user_id[row])} {int(requests.visit[row])} {int(requests.page[row])}"


def _latest(catalog: Catalog, ratings: Ratings, count: int) -> dict[int, list[Taken]]:
    """Return each user's latest ratings, oldest first; equal times in file order."""
    taken: dict[int, list[Taken]] = {}
    order = np.lexsort((ratings.timestamp, ratings.user_index))
    index = catalog.index_of(ratings.item_id[order])
    for user_id, item, stars in zip(
        ratings.user_id[order].tolist(), index.tolist(), ratings.rating[order].tolist(), strict=True
    ):
        if item >= 0:
            taken.setdefault(user_id, []).append(Taken(item, stars))
    return {user_id: own[-count:] for user_id, own in taken.items()}
