"""What a recommender can know of a user's taste, as numbers: what the user rated before, and what came of the pages since.

The one computation of the observation part ``taste``. An environment goes forward page by page with ``TasteRecord``; whoever
holds requests instead replays their pages through the same class, so that both have the same numbers to the last bit: item
vectors and stars lie on coarse grids, so that every sum of them is exact in float64 and no order of adding can show.

No hidden truth enters: item vectors come from the catalog's features and the training part of the ratings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Rows
from recsim_llm.core.ratings import Ratings
from recsim_llm.numerics.threads import one_thread

__all__ = ["TASTE_LIMIT", "TasteRecord", "TasteTable"]

TASTE_LIMIT = 1000.0
"""No number of a taste is further from 0; a life would have to go on for thousands of pages."""

_FACTORS, _CONTENT = 32, 24
_REGULARIZATION, _WEIGHT, _SEED = 10.0, 1.0, 0
_ITEM_GRID, _STAR_GRID = 256.0, 8.0
_PRIOR = 5.0
"""Ratings that an average is shrunk by."""
_SCALES = (3.0, 6.0, 0.6, 0.2, 0.8)
"""Of the five blocks of a taste: so that their entries are mostly between -2 and 2."""
_RECENT = 0.8
"""Share of the recent clicks that is left one page later."""
_COUNTS = 6


class TasteTable(NamedTuple):
    """What stands before the first page: vectors of items, and what each user's ratings say."""

    items: DoubleArray
    """float64 [n, d]: item vectors, multiples of 1/256: leading axes of the catalog's features, then factors of who rated what
    in the training part; the entries of each group have mean square 1."""
    users: IntArray
    """int64 [u]: ids of the users who rated, ascending."""
    ratings: DoubleArray
    """float64 [u + 1]: how many ratings each user gave; the last row stands for everyone else."""
    stars: DoubleArray
    """float64 [u + 1]: each user's mean rating, a multiple of 1/8; everybody's mean for those who rated nothing."""
    last: DoubleArray
    """float64 [u + 1]: when each user rated last, in standard deviations from the mean time of all ratings; 0 for those who
    rated nothing, and where times are not known."""
    rated: DoubleArray
    """float64 [u + 1, d]: sum of the vectors of the rated items."""
    opinion: DoubleArray
    """float64 [u + 1, d]: the same, each times the stars above the user's mean."""

    @classmethod
    def of(cls, catalog: Catalog, ratings: Ratings) -> TasteTable:
        """Learn the item vectors, and sum up what users rated.

        Args:
            catalog: the items.
            ratings: the training part.
        """
        users, index = ratings.users, catalog.index_of(ratings.item_id)
        known = index >= 0
        user, item, given = ratings.user_index[known], index[known], ratings.rating[known].astype(np.float64)
        items = _item_vectors(catalog, user, item, len(users))
        count = np.bincount(user, minlength=len(users) + 1).astype(np.float64)
        overall = float(given.mean()) if given.size else 0.0
        total = np.bincount(user, given, minlength=len(users) + 1)
        stars = _on_grid(np.where(count > 0, total / np.maximum(count, 1), overall), _STAR_GRID)
        last = _last_times(user, ratings.timestamp[known].astype(np.float64), len(users))
        rated, opinion = np.zeros((2, len(users) + 1, items.shape[1]))
        np.add.at(rated, user, items[item])
        np.add.at(opinion, user, items[item] * (_on_grid(given, _STAR_GRID) - stars[user])[:, None])
        return cls(items, users, count, stars, last, rated, opinion)

    @property
    def space(self) -> spaces.Box:
        """Space of one user's taste."""
        return spaces.Box(-TASTE_LIMIT, TASTE_LIMIT, (len(_SCALES) * self.items.shape[1] + _COUNTS,), np.float32)

    def candidate_space(self, candidates: int) -> spaces.Box:
        """Return the space of the vectors of so many items."""
        return spaces.Box(-TASTE_LIMIT, TASTE_LIMIT, (candidates, self.items.shape[1]), np.float32)

    def place(self, user_id: IntArray) -> IntArray:
        """Return int64 [m]: the row of each user; the last one for those who rated nothing."""
        at = np.minimum(np.searchsorted(self.users, user_id), len(self.users) - 1)
        return np.where(self.users[at] == user_id, at, len(self.users))

    def replay(self, catalog: Catalog, requests: Requests, slate_size: int) -> FloatArray:
        """Return the tastes, float32 [u, width], of users whose pages stand in requests.

        Args:
            catalog: the items, as the table was made of.
            requests: with the whole history of each user.
            slate_size: slots that each page of it had.
        """
        record = TasteRecord(self, len(requests.user_id))
        record.begin(slice(None), requests.user_id)
        item_index = catalog.index_of(requests.history_item)
        for start in range(0, item_index.shape[1], slate_size):
            page = np.s_[:, start : start + slate_size]
            record.record(item_index[page], requests.history_clicked[page], requests.history_rating[page])
        return record.tastes()


class TasteRecord:
    """Tastes of users who browse, kept up to date page by page.

    Args:
        table: what stands before the first page.
        rows: users that browse at the same time.
    """

    def __init__(self, table: TasteTable, rows: int) -> None:
        self.table = table
        """What stands before the first page."""
        self.item_vectors: FloatArray = table.items.astype(np.float32)
        """float32 [n, d]: the vectors of the items."""
        width = table.items.shape[1]
        self._place = np.full(rows, len(table.users))
        self._clicked, self._passed, self._recent, self._opinion = np.zeros((4, rows, width))
        self._counts = np.zeros((rows, 3))  # clicked, passed, clicked lately

    def begin(self, rows: Rows, user_id: IntArray) -> None:
        """Let other users sit down in the given rows: of these nothing is known but what they rated."""
        self._place[rows] = self.table.place(user_id)
        for column in (self._clicked, self._passed, self._recent, self._opinion, self._counts):
            column[rows] = 0

    def record(self, item_index: IntArray, clicked: BoolArray, rating: FloatArray) -> None:
        """Take in one page of every row; a row whose slots are all blank stays as it is.

        Args:
            item_index: int64 [r, k]: catalog positions, -1 in blank slots.
            clicked: bool [r, k].
            rating: float32 [r, k]: stars, NaN where none were given.
        """
        table, shown = self.table, item_index >= 0
        turned = shown.any(axis=1)
        self._recent[turned] *= _RECENT
        self._counts[turned, 2] *= _RECENT
        row, slot = np.nonzero(clicked & shown)
        vectors = table.items[item_index[row, slot]]
        bought = np.zeros_like(self._recent)
        np.add.at(bought, row, vectors)
        self._clicked += bought
        self._recent += bought
        stars = np.nan_to_num(rating[row, slot] - table.stars[self._place[row]])
        np.add.at(self._opinion, row, vectors * _on_grid(stars, _STAR_GRID)[:, None])
        everything = (table.items[item_index] * shown[:, :, None]).sum(axis=1)
        self._passed += everything - bought
        clicks = np.bincount(row, minlength=len(shown))
        self._counts[:, 0] += clicks
        self._counts[:, 1] += shown.sum(axis=1) - clicks
        self._counts[:, 2] += clicks

    def tastes(self, rows: Rows = slice(None)) -> FloatArray:
        """Return float32 [m, width].

        Side by side: mean vector of the rated items, shrunk by five ratings; the same weighed by stars above the user's mean,
        with the items rated since; sums over the items clicked and passed by since; sum over the items
        clicked lately, which loses a fifth a page; and ratings and clicks (logarithms), slots passed by, mean stars, clicks
        lately, and the time of the last rating.
        """
        table, place = self.table, self._place[rows]
        ratings = table.ratings[place]
        clicked, passed, recent = self._counts[rows].T
        shrunk = (ratings + _PRIOR)[:, None]
        blocks = (
            table.rated[place] / shrunk,
            (table.opinion[place] + self._opinion[rows]) / (shrunk + clicked[:, None]),
            self._clicked[rows],
            self._passed[rows],
            self._recent[rows],
        )
        columns = [block * scale for block, scale in zip(blocks, _SCALES, strict=True)]
        columns.append(np.log1p(np.stack([ratings, clicked], axis=1)) / 4)
        columns.append(np.stack([passed / 100, table.stars[place] / 5, recent / 5, table.last[place]], axis=1))
        tastes: FloatArray = np.clip(np.hstack(columns), -TASTE_LIMIT, TASTE_LIMIT).astype(np.float32)
        return tastes


@one_thread
def _item_vectors(catalog: Catalog, user: IntArray, item: IntArray, users: int) -> DoubleArray:
    # It loads SciPy, which whoever only names the parts of an observation does not wait for.
    from recsim_llm.numerics.factorization import implicit_als

    _, factors = implicit_als(
        user,
        item,
        n_users=users,
        n_items=len(catalog),
        factors=_FACTORS,
        regularization=_REGULARIZATION,
        weight=_WEIGHT,
        seed=_SEED,
    )
    content = catalog.features.astype(np.float64)
    content = content - content.mean(axis=0)
    if content.shape[1] > _CONTENT:
        _, axes = np.linalg.eigh(content.T @ content)
        content = content @ axes[:, ::-1][:, :_CONTENT]
    groups = [_unit_entries(group) for group in (content, factors - factors.mean(axis=0))]
    return _on_grid(np.hstack(groups), _ITEM_GRID)


def _last_times(user: IntArray, time: DoubleArray, users: int) -> DoubleArray:
    spread = float(time.std()) if time.size else 0.0
    last = np.full(users + 1, -np.inf)
    np.maximum.at(last, user, (time - time.mean()) / spread if spread > 0 else np.zeros_like(time))
    return np.where(np.isfinite(last), last, 0.0)


def _unit_entries(vectors: DoubleArray) -> DoubleArray:
    size = float(np.sqrt(np.square(vectors).mean()))
    scaled: DoubleArray = vectors / (size if size > 0 else 1.0)
    return scaled


def _on_grid(values: npt.NDArray[np.floating], grid: float) -> DoubleArray:
    return np.rint(values.astype(np.float64) * grid) / grid
