"""A recommender in whose place another one can be put while a run goes on."""

from __future__ import annotations

from collections.abc import Sequence

from recsim_llm.core.arrays import BoolArray, FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ContractError
from recsim_llm.recommenders import Recommender
from recsim_llm.recommenders.hooks import AnswersQueries, TakesRatings, begin_day, restock

__all__ = ["SwitchedRecommender"]


class SwitchedRecommender(Recommender):
    """Passes everything on to the recommender that is in place; whoever is put there is fitted already.

    A recommender learns from the pages that were its own. What is on sale, and that a day begins, all of them are told.

    Args:
        searched: whether those who are put in place can be searched.
    """

    def __init__(self, *, searched: bool) -> None:
        self._fitted: dict[str, Recommender] = {}
        self._name = ""
        # A run asks by the presence of this method whether it can be searched.
        if searched:
            self.search = self._search

    def __contains__(self, name: object) -> bool:
        return name in self._fitted

    @property
    def name(self) -> str:
        """Who is in place; empty before anybody was put there."""
        return self._name

    def put(self, name: str, recommender: Recommender | None = None) -> None:
        """Put a recommender in place.

        Args:
            name: what it is called.
            recommender: fitted; None for one that was in place before and goes on with what it knows.
        """
        if recommender is not None:
            self._fitted[name] = recommender
        if name not in self._fitted:
            raise ContractError(f"recommender: got {name!r}, which was never in place, expected it with a fitted recommender")
        self._name = name

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the one that is in place anew."""
        self._fitted[self._name].fit(catalog, ratings, seed)

    def join(self, ratings: Ratings) -> None:
        """Tell everyone who is fitted anew what others did."""
        for recommender in self._fitted.values():
            if isinstance(recommender, TakesRatings):
                recommender.join(ratings)

    def restock(self, catalog: Catalog) -> None:
        """Tell everyone what is on sale from now on."""
        for recommender in self._fitted.values():
            restock(recommender, catalog)

    def begin_day(self) -> None:
        """Tell everyone that another day begins."""
        for recommender in self._fitted.values():
            begin_day(recommender)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the pages of the one in place."""
        return self._fitted[self._name].recommend(requests, k)

    def _search(self, requests: Requests, queries: Sequence[str], k: int) -> Slates:
        recommender = self._fitted[self._name]
        assert isinstance(recommender, AnswersQueries)
        return recommender.search(requests, queries, k)

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Tell the one in place what came of its pages."""
        self._fitted[self._name].observe(requests, slates, clicked, rating)
