"""What a recommender knows of who consumed what: the training part of the ratings, and the clicks of the run."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import Repeats
from recsim_llm.dynamics.catalog_search import CatalogSearch
from recsim_llm.numerics.grouped_columns import take_runs

__all__ = ["Interactions"]


class Interactions:
    """Training interactions by catalog position; users are known by their outside ids.

    Args:
        catalog: the items; retired ones keep their place, but are not on sale.
        ratings: the training ratings, of any stars; rows whose item the catalog does not know are left out.
        repeats: whether users may be shown what they know already.
    """

    def __init__(self, catalog: Catalog, ratings: Ratings, *, repeats: Repeats = "forbid") -> None:
        self._repeats, self.ratings = repeats, ratings
        item = catalog.index_of(ratings.item_id)
        known = item >= 0
        self.catalog, self.ratings = catalog, ratings
        self.users = ratings.users
        self.on_sale: BoolArray = catalog.on_sale
        # One row more than there are users: the empty history of everyone else.
        shape = (len(self.users) + 1, len(catalog))
        self.matrix = _binary(ratings.user_index[known], item[known], shape)
        self.counts: IntArray = np.bincount(self.matrix.indices, minlength=len(catalog)).astype(np.int64)

    def restock(self, catalog: Catalog) -> None:
        """Take note of what is on sale from now on, of the same items."""
        self.catalog, self.on_sale = catalog, catalog.on_sale

    @cached_property
    def words(self) -> CatalogSearch:
        """Full-text search over the items."""
        return CatalogSearch(self.catalog)

    @property
    def popularity_order(self) -> FloatArray:
        """float32 [n] in (-1, 0]: 0 for the item that most users of the training part consumed, then downwards by rank."""
        rank = np.empty(len(self.counts))
        rank[np.argsort(-self.counts, kind="stable")] = np.arange(len(rank))
        return (-rank / len(rank)).astype(np.float32)

    def seen(self, requests: Requests) -> BoolArray:
        """Return bool [u, n]: items that the user rated in the training part or was shown in the run.

        None where that does not matter, since repeats are allowed. Where the user restricts the page to a genre, all items
        without it are told as well, since they are no more wanted.
        """
        mask = self._known_before(requests)
        if requests.only_genre is not None:
            rows = np.flatnonzero(requests.only_genre >= 0)
            mask[rows] |= ~self.catalog.genres.T[requests.only_genre[rows]]
        return mask

    def _known_before(self, requests: Requests) -> BoolArray:
        mask = np.zeros((len(requests.user_id), len(self.catalog)), np.bool_)
        if self._repeats == "allow":
            return mask
        # As one row: places in it are several times as fast as pairs of a row and a column.
        flat, items = mask.reshape(-1), len(self.catalog)
        at, entry = take_runs(self.matrix.indptr, self.user_rows(requests.user_id))
        flat[at * items + self.matrix.indices[entry]] = True
        shown = requests.history_item
        filled = np.flatnonzero(shown >= 0)
        index = self.catalog.index_of(shown.reshape(-1)[filled])
        place = filled // shown.shape[1] * items + index
        flat[place if (index >= 0).all() else place[index >= 0]] = True
        return mask

    def clicks(self, requests: Requests) -> tuple[IntArray, IntArray]:
        """Return the rows int64 [c] and the catalog positions int64 [c] of what was clicked in the run, row by row."""
        row, slot = np.nonzero(requests.history_clicked)
        index = self.catalog.index_of(requests.history_item[row, slot])
        known = index >= 0
        return row[known], index[known]

    def profiles(self, requests: Requests) -> sp.csr_array:
        """Return float32 sparse [u, n]: 1 where the user consumed the item, in the training part or by a click in the run."""
        rows = self.matrix[self.user_rows(requests.user_id)]
        row, item = self.clicks(requests)
        if not row.size:
            return rows
        return _binary(np.concatenate([_row_numbers(rows), row]), np.concatenate([rows.indices, item]), rows.shape)

    def user_rows(self, user_id: IntArray) -> IntArray:
        """Return int64 [u]: rows of ``matrix``; the last, which is empty, for users whom the training part does not have."""
        place = np.minimum(np.searchsorted(self.users, user_id), len(self.users) - 1)
        return np.where(self.users[place] == user_id, place, len(self.users))


def _binary(row: npt.NDArray[np.integer], column: npt.NDArray[np.integer], shape: tuple[int, int]) -> sp.csr_array:
    matrix = sp.csr_array((np.ones(len(row), np.float32), (row, column)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _row_numbers(matrix: sp.csr_array) -> IntArray:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
