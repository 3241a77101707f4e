"""The split behind the card: a training part that everything is fitted on, and held-out ratings that nothing sees.

The training part is a data set of its own: its catalog counts popularity on its own ratings and knows no intrinsic quality.
Candidates and baselines are built from it alone, so that no held-out rating can reach a score, an item's mean or a prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import ConfigError

__all__ = ["HeldOut", "Split", "hold_out"]

Split = Literal["time", "random"]
"""What is held out of each user's ratings: the last ones, or ones drawn at random."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """A data set in two parts; users and items by position in the training part."""

    training: Dataset
    """All that may be fitted on. Every user has at least one rating in it."""
    user_index: IntArray
    """int64 [h]: user of each held-out rating, a position in ``training.ratings.users``."""
    item_index: IntArray
    """int64 [h]: item of each, a position in the catalog."""
    rating: npt.NDArray[np.float64]
    """float64 [h]: stars of each."""

    @property
    def users(self) -> int:
        """Users of the training part."""
        return len(self.training.ratings.users)

    def of_users(self, users: IntArray) -> HeldOut:
        """Return the split with what is held out of some users alone, by outside id; the training part stays whole."""
        theirs = np.isin(self.training.ratings.users[self.user_index], users)
        return replace(self, user_index=self.user_index[theirs], item_index=self.item_index[theirs], rating=self.rating[theirs])

    def counts(self, *, held_out: bool) -> npt.NDArray[np.float64]:
        """Return float64 [n]: ratings of each item in the training part, with ``held_out`` those in both parts."""
        items = len(self.training.catalog)
        known = np.bincount(self.training.catalog.index_of(self.training.ratings.item_id), minlength=items)
        return (known + (np.bincount(self.item_index, minlength=items) if held_out else 0)).astype(np.float64)


def hold_out(dataset: Dataset, *, seed: int, train_share: float = 0.8, split: Split = "time") -> HeldOut:
    """Split each user's ratings.

    Args:
        dataset: all ratings.
        seed: of the random split; the split in time is the same for all.
        train_share: share of each user's ratings to fit on; rounding favours the training part, but one rating at least is
            held out of a user who has two.
        split: ``time`` holds out the last ratings, ``random`` ones drawn by the seed; neither looks at the stars.

    Raises:
        ConfigError: the share is outside (0, 1), or no user has two ratings.
    """
    ratings = dataset.ratings
    if split not in ("time", "random"):
        raise ConfigError(f"split: got {split!r}, expected time or random")
    if split == "random":
        # A random order in the place of time, and row numbers in the place of items: they tell which rows went where.
        order = keyed.words(seed, "held-out part", ratings.user_id, ratings.item_id, ratings.timestamp) >> np.uint64(1)
        rows = replace(ratings, timestamp=order.astype(np.int64), item_id=np.arange(len(ratings)))
        first, last = rows.split_by_time(train_share)
        known, late = ratings.take(first.item_id), ratings.take(last.item_id)
    else:
        known, late = ratings.split_by_time(train_share)
    return HeldOut(
        training=dataset.of_ratings(known),
        user_index=_positions(known, late),
        item_index=dataset.catalog.index_of(late.item_id),
        rating=late.rating.astype(np.float64),
    )


def _positions(known: Ratings, late: Ratings) -> IntArray:
    return np.searchsorted(known.users, late.user_id)
