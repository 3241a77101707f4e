"""A recommender that is fitted anew while the run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from recsim_llm.core.arrays import BoolArray, FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders.base import Recommender
from recsim_llm.recommenders.hooks import AnswersQueries, begin_day, restock
from recsim_llm.recommenders.user_rows import UserRows, lengthen

__all__ = ["RetrainEvery", "Retrained"]

RetrainEvery = Literal["visit", "day"] | int
"""How often a recommender is fitted anew: before each visit but the first, when a day of the clock begins, or whenever so many
pages have been taken in."""


class Retrained(Recommender):
    """Fits a recommender anew at barriers, on the training ratings and the clicks that the run brought since.

    A click counts as a rating with the stars that the user gave, or with the mean of the training ratings where the user gave
    none, and is later than all training ratings; clicks are in the order of days, visits, pages, users and slots. Each fit has
    the seed of the first one, so that nothing but the data changes, and forgets what was learned in ``observe``: it is of use
    to those that learn in ``fit``.

    What was clicked before a fit is part of what the recommender was trained on. In the requests that follow it is shown, but
    not clicked, lest it counted twice.

    A fit takes place before the next page is asked for, once everyone's feedback is in. So it depends neither on batches nor on
    who was answered first, and a run that is resumed repeats it.

    Args:
        recommender: what is to be fitted; given all that it takes before ``fit``.
        every: ``visit``; ``day``, in runs with a clock; or a number of pages, from 1. Pages of the same number in the same
            visit count once, however many users see them.
    """

    def __init__(self, recommender: Recommender, every: RetrainEvery) -> None:
        self._recommender, self._every = recommender, every
        # A run asks by the presence of this method whether it can be searched.
        if isinstance(recommender, AnswersQueries):
            self.search = self._search

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit it to the training ratings; what the run brought before is forgotten."""
        self._catalog, self._ratings, self._seed = catalog, ratings, seed
        self._users = UserRows()
        # Slots that each user was shown, row by user: those observed, and those of them that the last fit knows of.
        self._observed, self._fitted = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self._clicks = [np.empty((0, 6), np.int64)]
        self._stars = [np.empty(0, np.float32)]
        self._pages: set[tuple[int, int]] = set()
        self._day, self._another_day = 0, False
        self._recommender.fit(catalog, ratings, seed)

    def restock(self, catalog: Catalog) -> None:
        """Take in what is on sale from now on, for the next fit too."""
        self._catalog = replace(self._catalog, retired=catalog.retired)
        restock(self._recommender, catalog)

    def begin_day(self) -> None:
        """Take in that another day begins."""
        self._day, self._another_day = self._day + 1, bool(self._pages)
        begin_day(self._recommender)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return its pages; before that fit it anew where that is due."""
        self._keep_up(requests)
        return self._recommender.recommend(self._since(requests), k)

    def _search(self, requests: Requests, queries: Sequence[str], k: int) -> Slates:
        assert isinstance(self._recommender, AnswersQueries)
        self._keep_up(requests)
        return self._recommender.search(self._since(requests), queries, k)

    def _keep_up(self, requests: Requests) -> None:
        if self._is_due(requests):
            self._recommender.fit(self._catalog, self._all_ratings(), self._seed)
            self._fitted = self._observed.copy()
            self._pages, self._another_day = set(), False

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Keep the clicks for the next fit, and pass everything on."""
        # Where only some of these users were recommended something here, the fit that was due before this page is still due.
        self._keep_up(requests)
        self._recommender.observe(self._since(requests), slates, clicked, rating)
        row, slot = np.nonzero(clicked)
        day = np.full(len(row), self._day)
        columns = (day, requests.visit[row], requests.page[row], requests.user_id[row], slot, slates.item_id[row, slot])
        self._clicks.append(np.stack(columns, axis=1))
        self._stars.append(rating[row, slot])
        rows = self._users.add(requests.user_id)
        self._observed = lengthen(self._observed, len(self._users))
        self._fitted = lengthen(self._fitted, len(self._users))
        np.add.at(self._observed, rows, slates.item_id.shape[1])
        self._pages |= set(zip(requests.visit.tolist(), requests.page.tolist(), strict=True))

    def join(self, ratings: Ratings) -> None:
        """Keep ratings that the run brought besides its pages, for the next fit; those of fake users, say."""
        day, slot = np.full(len(ratings), self._day), np.arange(len(ratings))
        first = np.zeros(len(ratings), np.int64)
        self._clicks.append(np.stack([day, first, first, ratings.user_id, slot, ratings.item_id], axis=1))
        self._stars.append(ratings.rating)

    def _is_due(self, requests: Requests) -> bool:
        if not self._pages or not len(requests.user_id):
            return False
        if self._every == "day":
            return self._another_day
        if self._every == "visit":
            return int(requests.visit.max()) > max(visit for visit, _ in self._pages)
        return len(self._pages) >= self._every

    def _all_ratings(self) -> Ratings:
        clicks, stars = np.concatenate(self._clicks), np.concatenate(self._stars)
        known = self._catalog.index_of(clicks[:, 5]) >= 0
        order = np.lexsort(clicks[:, 4::-1].T)
        order = order[known[order]]
        (*moments, user_id, _, item_id), stars = clicks[order].T, stars[order]
        _, moment = np.unique(np.stack(moments, axis=1), axis=0, return_inverse=True)
        before, ones = self._ratings, np.ones_like(item_id)
        mean = before.rating.mean(dtype=np.float64).astype(np.float32)
        return Ratings(
            user_id=np.concatenate([before.user_id, user_id]),
            item_id=np.concatenate([before.item_id, item_id]),
            rating=np.concatenate([before.rating, np.where(np.isnan(stars), mean, stars)]),
            timestamp=np.concatenate([before.timestamp, before.timestamp.max() + 1 + moment.reshape(-1)]),
            count=None if before.count is None else np.concatenate([before.count, ones]),
        )

    def _since(self, requests: Requests) -> Requests:
        """Return the requests with what the last fit knows of as not clicked and not rated."""
        width = requests.history_item.shape[1]
        old = np.arange(width) < self._fitted[self._users.find(requests.user_id)][:, None]
        if not old.any():
            return requests
        rating: FloatArray = np.where(old, np.float32(np.nan), requests.history_rating)
        return requests._replace(history_clicked=requests.history_clicked & ~old, history_rating=rating)
