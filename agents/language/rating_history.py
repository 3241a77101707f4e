"""What users rated before the first page, as their own history: items and stars, oldest first."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings

__all__ = ["RatingHistory"]


class RatingHistory:
    """The ratings of each user of a population, by time.

    Args:
        ratings: of these users and of others; what may be known, so no rating that users are tested on. Rows whose item the
            catalog lacks are left out.
        user_id: int64 [u]: outside ids by user index.
        catalog: the items.
        rates: whether the ratings hold stars; else stars are NaN.
    """

    def __init__(self, ratings: Ratings, user_id: IntArray, catalog: Catalog, *, rates: bool = True) -> None:
        order = np.argsort(user_id, kind="stable")
        place = np.minimum(np.searchsorted(user_id, ratings.user_id, sorter=order), len(order) - 1)
        user, item = order[place], catalog.index_of(ratings.item_id)
        known = np.flatnonzero((user_id[user] == ratings.user_id) & (item >= 0))
        # Equal times in the order of the items, so that the order of the file's rows does not matter.
        rows = known[np.lexsort((item[known], ratings.timestamp[known], user[known]))]
        self._item = item[rows]
        self._stars = ratings.rating[rows].astype(np.float64) if rates else np.full(len(rows), np.nan)
        self._start = np.searchsorted(user[rows], np.arange(len(user_id) + 1))

    def of(self, user_index: int) -> tuple[IntArray, DoubleArray]:
        """Return one user's items, int64 [n] of catalog positions, and stars, float64 [n], the latest last."""
        own = slice(int(self._start[user_index]), int(self._start[user_index + 1]))
        return self._item[own], self._stars[own]
