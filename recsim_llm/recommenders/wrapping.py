"""What recommenders have in common that work on the pages of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import Repeats
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders.base import Recommender, check_slates
from recsim_llm.recommenders.by_name import open_recommender
from recsim_llm.recommenders.hooks import (
    AsksModel,
    BoundsCalls,
    Count,
    TakesFriends,
    TakesRules,
    TakesTruth,
    TakesUserKeys,
    TellsCounts,
    TellsTools,
    TrainedBefore,
    begin_day,
    restock,
    users_apart,
)
from recsim_llm.recommenders.scoring import HistoryRecommender, chunks

__all__ = ["Candidates", "Wrapper"]


class Candidates(NamedTuple):
    """What a recommender retrieved for each request."""

    item_index: IntArray
    """int64 [u, c]: catalog positions, the best first."""
    seen: BoolArray
    """bool [u, c]: which of them the user has seen, and may get only where nothing else is left."""
    certain: BoolArray
    """bool [u]: whether nothing was drawn on the way to them."""


class Wrapper(HistoryRecommender):
    """Passes on to others what a recommender is given and told; what it recommends is for subclasses.

    Where one of the others asks a language model, looks users up by their own ids or looks at friends, the wrapper takes these
    in for it; where one was trained before, so was the wrapper, and where one calls tools, so does the wrapper.
    """

    def __init__(self) -> None:
        self._inner: dict[str, Recommender] = {}

    def _open(self, part: str, name: str, settings: Mapping[str, Any]) -> Recommender:
        """Return a recommender of that name to work on; it is fitted and told what the wrapper is.

        Args:
            part: what it is to the wrapper, for error texts: ``mmr, base``.
            name: as for ``open_recommender``.
            settings: as there.

        Raises:
            ConfigError: it is unknown, does not take its settings, or knows the truth.
        """
        part = f"{part} {name!r}"
        inner = open_recommender(name, settings, source=part)
        if isinstance(inner, TakesTruth):
            raise ConfigError(f"{part}: got one that knows the truth, expected one that does not; take mf")
        self._inner[part] = inner
        # A run asks by the presence of these methods what a recommender needs; most need nothing.
        if isinstance(inner, AsksModel) and not isinstance(self, AsksModel):
            self.consult = self._consult
        if isinstance(inner, TakesUserKeys) and not isinstance(self, TakesUserKeys):
            self.name_users = self._name_users
        if isinstance(inner, TakesFriends) and not isinstance(self, TakesFriends):
            self.befriend = self._befriend
        if isinstance(inner, TellsTools) and not isinstance(self, TellsTools):
            self.keep_tool_calls = inner.keep_tool_calls
        if isinstance(inner, BoundsCalls) and not isinstance(self, BoundsCalls):
            self.most_asked = inner.most_asked
        if isinstance(inner, TrainedBefore) and not isinstance(self, TrainedBefore):
            self.holdout = inner.holdout
        if isinstance(inner, TellsCounts) and not isinstance(self, TellsCounts):
            self.counts = self._inner_counts
        return inner

    def _consult(self, model: Any) -> None:
        for inner in self._inner.values():
            if isinstance(inner, AsksModel):
                inner.consult(model)

    def _inner_counts(self) -> Sequence[Count]:
        return [count for inner in self._inner.values() if isinstance(inner, TellsCounts) for count in inner.counts()]

    def _name_users(self, user_keys: Mapping[int, str]) -> None:
        for inner in self._inner.values():
            if isinstance(inner, TakesUserKeys):
                inner.name_users(user_keys)

    def _befriend(self, friends: Mapping[int, tuple[int, ...]]) -> None:
        for inner in self._inner.values():
            if isinstance(inner, TakesFriends):
                inner.befriend(friends)

    def play_by(self, repeats: Repeats) -> None:
        """Take in the scenario's rule on repetition; to be called before ``fit``."""
        super().play_by(repeats)
        for inner in self._inner.values():
            if isinstance(inner, TakesRules):
                inner.play_by(repeats)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the others, and note what users have seen."""
        super().fit(catalog, ratings, seed)
        for inner in self._inner.values():
            inner.fit(catalog, ratings, seed)

    def restock(self, catalog: Catalog) -> None:
        """Tell the others what is on sale from now on."""
        super().restock(catalog)
        for inner in self._inner.values():
            restock(inner, catalog)

    def begin_day(self) -> None:
        """Tell the others that another day begins."""
        for inner in self._inner.values():
            begin_day(inner)

    def others(self) -> Sequence[Recommender]:
        """Return those that it works on."""
        return list(self._inner.values())

    @users_apart
    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Tell the others what came of the slates."""
        for inner in self._inner.values():
            inner.observe(requests, slates, clicked, rating)

    def _retrieve(self, retriever: Recommender, requests: Requests, count: int) -> Candidates:
        """Return ``count`` candidates of each request, or all items on sale where these are fewer."""
        known, users = self._known, len(requests.user_id)
        count = min(count, int(np.count_nonzero(known.on_sale)))
        offered = retriever.recommend(requests, count)
        name = next(part for part, inner in self._inner.items() if inner is retriever)
        item = check_slates(offered, known.catalog, users, count, name=name, blank_invalid=False)
        seen = np.empty(item.shape, np.bool_)
        for rows, part in chunks(requests, len(known.catalog)):
            seen[rows] = np.take_along_axis(known.seen(part), item[rows], axis=1)
        told = offered.slate_propensity
        return Candidates(item, seen, np.zeros(users, np.bool_) if told is None else np.asarray(told == 1))

    def _slates(self, candidates: Candidates, place: IntArray) -> Slates:
        """Return the candidates at some places, int64 [u, k]: certain if they were, else with unknown propensities."""
        item = self._known.catalog.item_id[np.take_along_axis(candidates.item_index, place, axis=1)]
        certain: DoubleArray = np.where(candidates.certain, 1.0, np.nan)
        by_slot: FloatArray = np.repeat(certain[:, None], place.shape[1], axis=1).astype(np.float32)
        return Slates(item, by_slot, by_slot, certain)
