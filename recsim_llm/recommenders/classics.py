"""Seven classics in a few lines each: families that the recommenders with a name of their own do not cover.

They are here to be ranked (line 7 of the realism card), not to be the best of their kind. All keep to the house rule on
repetition, serve users by their training part alone, and break ties by popularity.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders.scoring import ScoringRecommender, chunks

__all__ = ["BestRated", "GenreProfile", "Newest", "PairwiseFactors", "PopularLately", "RandomWalk", "UserKNN"]


_TIE = 1e-6


class _FromRatings(ScoringRecommender):
    """Keeps the training ratings at hand while it learns."""

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Learn from the catalog and the training ratings."""
        self._ratings = ratings.take(catalog.index_of(ratings.item_id) >= 0)
        super().fit(catalog, ratings, seed)

    def _same_for_all(self, requests: Requests, score: DoubleArray) -> FloatArray:
        order = score + _TIE * self._known.popularity_order
        return np.repeat(order.astype(np.float32)[None], len(requests.user_id), axis=0)

    def _ties(self, scores: DoubleArray) -> FloatArray:
        return (scores + _TIE * self._known.popularity_order).astype(np.float32)

    @property
    def _item_index(self) -> IntArray:
        return self._known.catalog.index_of(self._ratings.item_id)


class Newest(_FromRatings):
    """Recommends the latest years first; items without a year last."""

    def _score(self, requests: Requests) -> FloatArray:
        return self._same_for_all(requests, self._known.catalog.year.astype(np.float64))


class PopularLately(_FromRatings):
    """Recommends what was consumed most in the last part of the training time."""

    class Settings(FrozenSettings):
        """Settings of ``PopularLately``."""

        share: float = Field(default=0.25, gt=0, le=1)
        """Share of the training ratings that count, the latest ones; above 0, at most 1."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        late = np.argsort(self._ratings.timestamp, kind="stable")[-max(1, round(self.settings.share * len(self._ratings))) :]
        self._counts = np.bincount(self._item_index[late], minlength=len(self._known.catalog)).astype(np.float64)

    def _score(self, requests: Requests) -> FloatArray:
        return self._same_for_all(requests, self._counts)


class BestRated(_FromRatings):
    """Recommends the best mean ratings, shrunk towards the mean of all."""

    class Settings(FrozenSettings):
        """Settings of ``BestRated``."""

        damping: float = Field(default=10.0, gt=0)
        """Ratings at the overall mean that are added to each item, above 0."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        items, stars = len(self._known.catalog), self._ratings.rating.astype(np.float64)
        total = np.bincount(self._item_index, weights=stars, minlength=items)
        count = np.bincount(self._item_index, minlength=items)
        self._mean = (total + self.settings.damping * stars.mean()) / (count + self.settings.damping)

    def _score(self, requests: Requests) -> FloatArray:
        return self._same_for_all(requests, self._mean)


class GenreProfile(_FromRatings):
    """Recommends items of the genres that the user consumed more than others did.

    The score is the mean over an item's genres of the log ratio between the user's share of consumption in the genre and
    everybody's, both with one consumption added to each genre.
    """

    class Settings(FrozenSettings):
        """Settings of ``GenreProfile``."""

        popular: float = 0.0
        """How many times the logarithm of 1 + training ratings is added to the score; 0 leaves popularity out."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        genres = self._known.catalog.genres.astype(np.float64)
        self._shares = genres / np.maximum(genres.sum(axis=1, keepdims=True), 1.0)
        everyone = self._known.counts @ self._shares + 1.0
        self._everyone = np.log(everyone / everyone.sum())
        self._popularity = self.settings.popular * np.log1p(self._known.counts)

    def _score(self, requests: Requests) -> FloatArray:
        own = self._known.profiles(requests) @ self._shares + 1.0
        taste = np.log(own / own.sum(axis=1, keepdims=True)) - self._everyone
        return self._ties(taste @ self._shares.T + self._popularity)


class UserKNN(_FromRatings):
    """Recommends what the most similar users consumed, by the cosine of their binary rows (Herlocker et al. 1999)."""

    class Settings(FrozenSettings):
        """Settings of ``UserKNN``."""

        neighbours: int = Field(default=50, ge=1)
        """Most similar users that count."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        length = np.sqrt(np.maximum(np.diff(self._known.matrix.indptr), 1))
        self._rows = (sp.diags_array(1 / length) @ self._known.matrix).tocsr()

    def _score(self, requests: Requests) -> FloatArray:
        parts = [self._from_neighbours(part) for _, part in chunks(requests, self._rows.shape[0])]
        return self._ties(np.concatenate(parts) if parts else np.empty((0, self._rows.shape[1])))

    def _from_neighbours(self, requests: Requests) -> DoubleArray:
        profiles = self._known.profiles(requests)
        similarity = (profiles @ self._rows.T).toarray()
        length = np.sqrt(np.maximum(np.diff(profiles.indptr), 1))
        similarity /= length[:, None]
        # Nobody is his own neighbour: what he consumed is barred anyway, but he would take a place.
        similarity[similarity > 1 - 1e-6] = 0.0
        if similarity.shape[1] > self.settings.neighbours:
            kth = np.partition(similarity, -self.settings.neighbours, axis=1)[:, -self.settings.neighbours, None]
            similarity[similarity < kth] = 0.0
        return np.asarray((sp.csr_array(similarity) @ self._known.matrix).toarray(), np.float64)


class RandomWalk(_FromRatings):
    """Recommends where a walk of three steps from the user ends: to a consumed item, to a user of it, to an item of that user.

    P3 of Cooper, Lee, Radinsky & Siegel 2014, "Random walks in recommender systems", WWW companion.
    """

    def _learn(self) -> None:
        matrix = self._known.matrix
        users, items = np.diff(matrix.indptr), self._known.counts
        self._to_user = (sp.diags_array(1 / np.maximum(items, 1)) @ matrix.T).tocsr()
        self._to_item = (sp.diags_array(1 / np.maximum(users, 1)) @ matrix).tocsr()

    def _score(self, requests: Requests) -> FloatArray:
        profiles = self._known.profiles(requests)
        first = sp.diags_array(1 / np.maximum(np.diff(profiles.indptr), 1)) @ profiles
        return self._ties((first @ self._to_user @ self._to_item).toarray())


class PairwiseFactors(_FromRatings):
    """Factors learned from pairs of a consumed and another item: BPR-MF.

    Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009, "BPR: Bayesian personalized ranking from implicit feedback",
    section 4.3.1, in steps of many pairs, with an item bias.
    """

    class Settings(FrozenSettings):
        """Settings of ``PairwiseFactors``."""

        factors: int = Field(default=24, ge=1)
        """Dimensions of a user's and of an item's vector."""
        epochs: int = Field(default=40, ge=1)
        """Passes over the training events."""
        rate: float = Field(default=0.05, gt=0)
        """Step size of the gradient, above 0."""
        penalty: float = Field(default=0.01, ge=0)
        """Ridge on all parameters."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        events = self._known.matrix.tocoo()
        user, item = events.row.astype(np.int64), events.col.astype(np.int64)
        random = np.random.default_rng(self._seed)
        users, items = events.shape
        self._users = random.normal(0, 0.1, (users, self.settings.factors))
        self._items = random.normal(0, 0.1, (items, self.settings.factors))
        self._bias = np.zeros(items)
        for _ in range(self.settings.epochs):
            order = random.permutation(len(user))
            for start in range(0, len(order), 1024):
                rows = order[start : start + 1024]
                self._step(user[rows], item[rows], random.integers(items, size=len(rows)))

    def _step(self, user: IntArray, item: IntArray, other: IntArray) -> None:
        own, near, far = self._users[user], self._items[item], self._items[other]
        gap = np.einsum("bd,bd->b", own, near - far) + self._bias[item] - self._bias[other]
        pull = (0.5 - 0.5 * np.tanh(0.5 * gap))[:, None]
        np.add.at(self._users, user, self.settings.rate * (pull * (near - far) - self.settings.penalty * own))
        np.add.at(self._items, item, self.settings.rate * (pull * own - self.settings.penalty * near))
        np.add.at(self._items, other, self.settings.rate * (-pull * own - self.settings.penalty * far))
        np.add.at(self._bias, item, self.settings.rate * (pull[:, 0] - self.settings.penalty * self._bias[item]))
        np.add.at(self._bias, other, self.settings.rate * (-pull[:, 0] - self.settings.penalty * self._bias[other]))

    def _score(self, requests: Requests) -> FloatArray:
        place = np.minimum(np.searchsorted(self._known.users, requests.user_id), len(self._known.users) - 1)
        known = self._known.users[place] == requests.user_id
        return self._ties((self._users[place] * known[:, None]) @ self._items.T + self._bias)
