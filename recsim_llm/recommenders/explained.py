"""A recommender's pages with an explanation for each item: true ones, or planted ones that are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.dynamics.reasons import LIKED, Reason, ReasonReader, reason_words
from recsim_llm.recommenders.scoring import chunks
from recsim_llm.recommenders.wrapping import Wrapper

__all__ = ["Explained"]

Kind = Literal["genre", "similar", "provider", "year", "popular"]
_TITLE_ROOM = 400
"""Characters of a title that an explanation has room for."""


class Explained(Wrapper):
    """Adds to another recommender's pages why each item is there.

    A true reason holds in the catalog and in what is known of the user, in the training part or by a click in the run: the
    item's genre of which the user consumed most compared with others, a liked item with like genres, the item's provider or
    year, or that it is among the fifth of the items with the most ratings. Of ``reasons`` the first that holds is named, the
    same one for the same user and item each time. Items and propensities are the base's.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    class Settings(FrozenSettings):
        """Settings of ``Explained``."""

        base: str = "mf"
        """Name of the recommender whose pages are explained, or ``module:class``."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""
        reasons: list[Kind] = Field(default=["genre", "popular", "provider"], min_length=1)
        """What may be named, the best first; where none of it holds nothing is said."""
        unfaithful: float = Field(default=0.0, ge=0, le=1)
        """Share of the users' items that are explained by a lie: the genre of which the user consumed most compared with
        others among those that the item does not have."""
        fickle: float = Field(default=0.0, ge=0, le=1)
        """Share of the explanations that name, of the reasons that hold, any one afresh each time."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._base = self._open("Explained, base", self.settings.base, self.settings.base_settings)

    def _learn(self) -> None:
        catalog = self._known.catalog
        self._reader = ReasonReader.of_catalog(catalog)
        self._shares = catalog.genres / np.maximum(catalog.genres.sum(axis=1, keepdims=True), 1)
        usual = (self._known.counts[:, None] * self._shares).sum(axis=0) + 1.0
        self._usual = usual / usual.sum()
        providers = [None] * len(catalog) if catalog.provider is None else catalog.provider.tolist()
        titles = [str(title)[:_TITLE_ROOM] for title in catalog.title.tolist()]
        self._words: dict[str, TextArray] = {
            "genre": _sentences("genre", catalog.genre_names),
            "similar": _sentences("similar", titles),
            "provider": _sentences("provider", [name or "" for name in providers]),
            "year": _sentences("year", catalog.year.tolist()),
            "popular": _sentences("popular", [""]),
        }
        self._provided = np.array([bool(name) for name in providers])
        ratings = self._known.ratings
        item = catalog.index_of(ratings.item_id)
        liked = (item >= 0) & ~(ratings.rating < LIKED)
        order = np.argsort(ratings.user_index[liked], kind="stable")
        count = np.bincount(ratings.user_index[liked], minlength=len(self._known.users) + 1)
        self._liked, self._ends = item[liked][order], np.cumsum(count)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the base's pages with explanations.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        slates = self._base.recommend(requests, k)
        item = self._known.catalog.index_of(np.asarray(slates.item_id, np.int64))
        words = np.full(item.shape, "", object)
        for rows, part in chunks(requests, len(self._known.catalog)):
            words[rows] = self._explain(part, item[rows])
        return slates._replace(explanation=words)

    def _explain(self, requests: Requests, item: IntArray) -> TextArray:
        """Return str [u, k]: why these items, int64 [u, k] with -1 for none, are there."""
        excess = self._excess(requests)
        named = [self._named(kind, requests, item, excess) for kind in self.settings.reasons]
        words = np.stack([words for words, _ in named])
        holds = np.stack([holds for _, holds in named]) & (item >= 0)
        who = requests.user_id[:, None]
        afresh = (requests.visit[:, None], requests.page[:, None])
        first = holds.argmax(axis=0)
        fickle = self._dice("fickle", who, item, *afresh) < self.settings.fickle
        count = np.maximum(holds.sum(axis=0), 1)
        nth = (self._dice("which reason", who, item, *afresh) * count).astype(np.int64)
        other = (np.cumsum(holds, axis=0) > nth).argmax(axis=0)
        chosen = np.where(fickle, other, first)
        true = np.where(holds.any(axis=0), np.take_along_axis(words, chosen[None], axis=0)[0], "")
        lie, possible = self._lie(item, excess)
        lying = possible & (self._dice("unfaithful", who, item) < self.settings.unfaithful)
        told: TextArray = np.where(lying, lie, true).astype(object)
        return told

    def _excess(self, requests: Requests) -> DoubleArray:
        """Return float64 [u, g]: how much more than others each user consumed of each genre, -inf where nothing."""
        own = np.asarray(self._known.profiles(requests) @ self._shares, np.float64)
        share = own / np.maximum(own.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        return np.where(own > 0, share / self._usual, -np.inf)

    def _named(self, kind: Kind, requests: Requests, item: IntArray, excess: DoubleArray) -> tuple[TextArray, BoolArray]:
        """Return str [u, k] and bool [u, k]: what a kind of reason says of items, and whether it holds."""
        catalog, place = self._known.catalog, np.maximum(item, 0)
        if kind == "genre":
            if not catalog.genre_names:
                return np.full(item.shape, "", object), np.zeros(item.shape, np.bool_)
            own = np.where(catalog.genres[place], excess[:, None, :], -np.inf)
            return self._words[kind][own.argmax(axis=2)], own.max(axis=2) > -np.inf
        if kind == "similar":
            like = self._like(requests, place)
            return self._words[kind][np.maximum(like, 0)], like >= 0
        tests: dict[str, Callable[[], BoolArray]] = {
            "provider": lambda: self._provided[place],
            "year": lambda: catalog.year[place] >= 0,
            "popular": lambda: self._reader.is_popular(place),
        }
        at = np.zeros(item.shape, np.int64) if kind == "popular" else place
        return self._words[kind][at], tests[kind]()

    def _like(self, requests: Requests, item: IntArray) -> IntArray:
        """Return int64 [u, k]: an item that the user liked and that is most alike to each item, -1 for none."""
        found = np.full(item.shape, -1)
        rows = self._known.user_rows(requests.user_id)
        in_run = requests.history_clicked & (requests.history_rating >= LIKED)
        for number, row in enumerate(rows.tolist()):
            before = self._liked[self._ends[row - 1] if row else 0 : self._ends[row]]
            now = self._known.catalog.index_of(requests.history_item[number, in_run[number]])
            liked = np.concatenate([before, now[now >= 0]])
            if liked.size:
                alike = self._reader.similar(item[number][:, None], liked[None]) & (item[number][:, None] != liked[None])
                found[number] = np.where(alike.any(axis=1), liked[alike.argmax(axis=1)], -1)
        return found

    def _lie(self, item: IntArray, excess: DoubleArray) -> tuple[TextArray, BoolArray]:
        if not self._known.catalog.genre_names:
            return np.full(item.shape, "", object), np.zeros(item.shape, np.bool_)
        other = np.where(self._known.catalog.genres[np.maximum(item, 0)], -np.inf, excess[:, None, :])
        return self._words["genre"][other.argmax(axis=2)], (other.max(axis=2) > -np.inf) & (item >= 0)

    def _dice(self, purpose: str, *columns: IntArray) -> DoubleArray:
        return keyed.uniform(keyed.words(self._seed, purpose, *columns))


def _sentences(kind: Kind, subjects: Sequence[Any]) -> TextArray:
    sentences = np.empty(len(subjects), object)
    sentences[:] = [reason_words(Reason(kind, str(subject))) for subject in subjects]
    return sentences
