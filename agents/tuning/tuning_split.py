"""Whom a model learns from, whom it is watched on while it learns, and whom it is tested on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset
from recsim_llm.errors import DataError

__all__ = ["TuningSplit", "split_users", "users_part"]

_PARTS = 10
_TEST, _VALIDATION = 2, 3  # parts up to which users are tested on, and watched

FEWEST_USERS = 10
"""Users below which nobody can be kept apart."""


class TuningSplit(NamedTuple):
    """Outside ids of users, int64, ascending; nobody is in two of them."""

    training: IntArray
    """Learned from: about 70%."""
    validation: IntArray
    """Watched while learning, to keep the best weights: about 10%."""
    test: IntArray
    """Never looked at before the end: about 20%."""


def split_users(dataset: Dataset, seed: int) -> TuningSplit:
    """Deal the users out; where a user goes depends on the user's id and the seed alone.

    Raises:
        DataError: there are too few users.
    """
    users = dataset.ratings.users
    part = keyed.words(seed, "tuning split", users) % np.uint64(_PARTS)
    split = TuningSplit(users[part >= _VALIDATION], users[(part >= _TEST) & (part < _VALIDATION)], users[part < _TEST])
    if len(users) < FEWEST_USERS or any(len(one) == 0 for one in split):
        raise DataError(
            f"tune: got {len(users)} users, which leaves {len(split.training)} to learn from, {len(split.validation)} to watch "
            f"and {len(split.test)} to test on, expected some of each; use data with more users, 100 or more"
        )
    return split


def users_part(dataset: Dataset, users: IntArray) -> Dataset:
    """Return the data of some users as far as a model may know them: the first 80% of each one's ratings.

    The catalog's popularity counts these ratings alone.
    """
    known, _ = dataset.training_part(TRAIN_SHARE)
    return known.of_ratings(known.ratings.take(np.isin(known.ratings.user_id, users)))
