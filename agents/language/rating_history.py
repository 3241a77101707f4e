"""What users rated before the first page, as their own history: items and stars, oldest first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.personas import Population

__all__ = ["KnownPeople", "RatingHistory", "known_people"]


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


class KnownPeople(NamedTuple):
    """People as some ratings show them."""

    population: Population
    """Who they are, measured on these ratings, with their ids as the data have them."""
    history: RatingHistory
    """What they rated."""


def known_people(known: Dataset) -> KnownPeople:
    """Return everybody of a data set as it shows them, and their ratings.

    Args:
        known: what may be known of them: no rating that they are tested on, and a catalog that counts none.
    """
    population = population_from_ratings(known.ratings, known.catalog, known.demographics).known_in(known)
    return KnownPeople(population, RatingHistory(known.ratings, population.user_id, known.catalog, rates=population.rates))
