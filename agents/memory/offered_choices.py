"""Choices between two items: one that a user took, and one that the user is not known to have taken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset, Ratings
from recsim_llm.errors import DataError

__all__ = ["Choices", "dense_part", "draw_choices", "rank_in_time"]

_TRIES = 8


class Choices(NamedTuple):
    """Pairs of items put to users."""

    user: IntArray
    """int64 [c]: positions of the users."""
    taken: IntArray
    """int64 [c]: positions of the items that they took."""
    refused: IntArray
    """int64 [c]: of items that they never rated, drawn as often as these are rated."""

    def take(self, rows: IntArray | BoolArray) -> Choices:
        """Return those at positions, int64 [r], or where a mask, bool [c], holds."""
        return Choices(*(column[rows] for column in self))


def draw_choices(training: Dataset, taken: Ratings, *, seed: int, number: int) -> Choices:
    """Put a refused item beside each taken one; where eight draws find none, the item itself, which says nothing.

    Args:
        training: says who rated what, and how often items are rated.
        taken: ratings whose items were taken, of users of the training part.
        seed: of the draws.
        number: another one draws other items.
    """
    catalog, ratings = training.catalog, training.ratings
    user, item = np.searchsorted(ratings.users, taken.user_id), catalog.index_of(taken.item_id)
    pool, size = catalog.index_of(ratings.item_id), len(catalog)
    known = np.unique(np.concatenate([ratings.user_index * size + pool, user * size + item]))
    word = keyed.words(seed, "refused item", taken.user_id, taken.item_id, number)
    place = keyed.uniform(keyed.absorb(word[:, None], np.arange(_TRIES)))
    drawn = pool[(place * len(pool)).astype(np.int64)]
    free = ~np.isin(user[:, None] * size + drawn, known)
    refused = drawn[np.arange(len(drawn)), free.argmax(axis=1)]
    # A row whose draws were all rated stays, so that turns are those of the ratings; nobody can tell an item from itself.
    return Choices(user, item, np.where(free.any(axis=1), refused, item))


def rank_in_time(ratings: Ratings) -> IntArray:
    """Return int64 [r]: 0 for a user's first rating in time, 1 for the second, and so on; equal times keep their order."""
    order = np.lexsort((np.arange(len(ratings)), ratings.timestamp, ratings.user_index))
    user = ratings.user_index[order]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(user, user)
    return rank


def dense_part(
    dataset: Dataset, *, seed: int, users: int, items: int | None, train_share: float = TRAIN_SHARE
) -> tuple[Dataset, Ratings]:
    """Return few users and the items that are rated most, so that the users' choices meet in them: what they took, and later.

    Which items these are the training part says. Of those who took some of them in both parts, and not all of them, users are
    drawn by the seed.

    Args:
        dataset: all ratings.
        seed: of the users.
        users: most users.
        items: most items; None: all.
        train_share: share of each user's ratings to learn from.

    Raises:
        ConfigError: a number is out of range, or no user has two ratings.
        DataError: there is no such user.
    """
    check_whole_number("item agents, users", users, least=1)
    if items is not None:
        check_whole_number("item agents, items", items, least=2)
    training, later = dataset.training_part(train_share)
    count = np.bincount(training.catalog.index_of(training.ratings.item_id), minlength=len(training.catalog))
    chosen = training.catalog.item_id[np.argsort(-count, kind="stable")[:items]]
    known, new = (one.take(np.isin(one.item_id, chosen)) for one in (training.ratings, later))
    every = dataset.ratings.take(np.isin(dataset.ratings.item_id, chosen))
    rated, times = np.unique(np.unique(np.stack([every.user_id, every.item_id]), axis=1)[0], return_counts=True)
    able = np.intersect1d(known.user_id, np.intersect1d(rated[times < len(chosen)], new.user_id))
    if not len(able):
        raise DataError(
            f"item agents: got nobody who took some of the {len(chosen)} items rated most, others later, and not all of them, "
            "expected at least one user; use more data"
        )
    drawn = able[keyed.words(seed, "item agents", able).argsort(kind="stable")[:users]]
    return training.of_ratings(known.take(np.isin(known.user_id, drawn))), new.take(np.isin(new.user_id, drawn))
