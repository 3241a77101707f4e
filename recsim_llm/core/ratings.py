"""Ratings as columns, the data set they come in, and splits by time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.checked_columns import as_numbers, as_whole_numbers, check_choice
from recsim_llm.errors import ConfigError, DataError

__all__ = ["TRAIN_SHARE", "Dataset", "Ratings"]

TRAIN_SHARE = 0.8
"""Of each user's ratings, the first ones in time, that come before the first page where nothing is said: recommenders learn
from them, and the popularity in the catalog counts them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ratings:
    """Interactions as columns, one entry a rating, in file order."""

    user_id: npt.NDArray[np.int64]
    """int64 [r]: outside ids of users, 0 or more."""
    item_id: npt.NDArray[np.int64]
    """int64 [r]: outside ids of items."""
    rating: npt.NDArray[np.float32]
    """float32 [r]: stars on the data's own scale, within 0.5 to 5."""
    timestamp: npt.NDArray[np.int64]
    """int64 [r]: seconds since 1970-01-01 UTC; 0 everywhere when the data has no times, and where a row's own is unknown."""
    count: npt.NDArray[np.int64] | None = None
    """int64 [r]: how often the user took the item, up to and with the row's time; None means once each."""

    def __post_init__(self) -> None:
        users = as_whole_numbers("ratings, user_id", self.user_id, ("ratings",), least=0)
        if len(users) == 0:
            raise DataError("ratings: got no rows, expected at least one; check the interactions table")
        stars = as_numbers("ratings, rating", self.rating, users.shape).astype(np.float32)
        object.__setattr__(self, "user_id", users)
        object.__setattr__(self, "item_id", as_whole_numbers("ratings, item_id", self.item_id, users.shape, least=0))
        object.__setattr__(self, "rating", stars)
        object.__setattr__(self, "timestamp", as_whole_numbers("ratings, timestamp", self.timestamp, users.shape))
        if self.count is not None:
            object.__setattr__(self, "count", as_whole_numbers("ratings, count", self.count, users.shape, least=1))

    def __len__(self) -> int:
        return len(self.user_id)

    @cached_property
    def users(self) -> npt.NDArray[np.int64]:
        """int64 [u]: the distinct user ids, ascending; a user's place here is the *user index*."""
        return np.unique(self.user_id)

    @cached_property
    def user_index(self) -> npt.NDArray[np.int64]:
        """int64 [r]: position of each row's user in ``users``."""
        return np.searchsorted(self.users, self.user_id)

    @cached_property
    def levels(self) -> npt.NDArray[np.float32]:
        """float32 [l]: the distinct star levels, ascending."""
        return np.unique(self.rating)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the columns."""
        digest = hashlib.sha256()
        for column in (self.user_id, self.item_id, self.rating, self.timestamp, *(() if self.count is None else (self.count,))):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Ratings:
        """Return the rows picked by a mask or by positions."""
        return Ratings(
            user_id=self.user_id[rows],
            item_id=self.item_id[rows],
            rating=self.rating[rows],
            timestamp=self.timestamp[rows],
            count=None if self.count is None else self.count[rows],
        )

    def followed_by(self, later: Ratings) -> Ratings:
        """Return these rows and then others."""
        names = ("user_id", "item_id", "rating", "timestamp")
        columns = {name: np.concatenate([getattr(self, name), getattr(later, name)]) for name in names}
        if self.count is None and later.count is None:
            return Ratings(**columns)
        counts = [np.ones(len(one), np.int64) if one.count is None else one.count for one in (self, later)]
        return Ratings(**columns, count=np.concatenate(counts))

    def split_by_time(self, train_share: float) -> tuple[Ratings, Ratings]:
        """Split each user's history in time: the first ``train_share`` of it, and the rest.

        The later part has ``floor((1 - train_share) * n)`` rows, at least one where the user has two or more; equal
        times keep file order.

        Args:
            train_share: share of each user's rows that comes first, strictly between 0 and 1.

        Raises:
            ConfigError: the share is outside (0, 1), or no user has two ratings.
        """
        if not 0 < train_share < 1:
            raise ConfigError(f"train_share: got {train_share}, expected a number between 0 and 1, for instance 0.8")
        order = np.lexsort((np.arange(len(self)), self.timestamp, self.user_index))
        counts = np.bincount(self.user_index)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        rank = np.arange(len(self)) - np.repeat(starts, counts)
        held = np.floor((1 - train_share) * counts + 1e-9).astype(np.int64)
        held = np.where(counts >= 2, np.maximum(held, 1), 0)
        later = np.zeros(len(self), dtype=np.bool_)
        later[order] = rank >= np.repeat(counts - held, counts)
        if not later.any():
            raise ConfigError(
                f"split by time: got {len(counts)} users with one rating each, expected one or more with two, to hold out the "
                "later; use data with more ratings a user"
            )
        return self.take(~later), self.take(later)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A catalog, its ratings, what is known about the users, and where it all came from."""

    name: str
    """Short name, for instance ``ml-latest-small`` or ``fictional``."""
    catalog: Catalog
    """The items."""
    ratings: Ratings
    """The interactions; every item_id is in the catalog."""
    demographics: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """Field (``gender``, ``age``, ``occupation``, ``region``) to user_id to value; empty where the data has none."""
    licence: str = ""
    """One paragraph: under which terms the data may be used; empty means unknown."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Rows left out, by reason: bad ones where they may be skipped, and those that say that nothing was rated."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """Optional fields (a time, a year, genres, a text) that could not be read, by reason; their rows are kept without them."""
    notes: tuple[str, ...] = ()
    """What else was decided in reading: which files were taken, in which encoding; one line each."""
    user_keys: Mapping[int, str] = field(default_factory=dict)
    """User_id to the data's own id where these are texts (``0007``); empty means that ``user_id`` is the data's own."""
    feedback: Literal["explicit", "implicit"] = "explicit"
    """``explicit``: people gave stars. ``implicit``: rows are clicks or purchases, and stars only stand in for them."""

    def __post_init__(self) -> None:
        check_choice("feedback", self.feedback, ("explicit", "implicit"))
        unknown = np.flatnonzero(self.catalog.index_of(self.ratings.item_id) < 0)
        if len(unknown):
            raise DataError(
                f"data set: got item_id {self.ratings.item_id[unknown[0]]}, which the catalog lacks, expected ratings of its "
                "items; leave such ratings out, or add the items"
            )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over catalog, ratings and the users' own ids."""
        own = "".join(f"\x1e{user}\x1f{key}" for user, key in sorted(self.user_keys.items()))
        return hashlib.sha256((self.catalog.fingerprint + self.ratings.fingerprint + own).encode()).hexdigest()

    def training_part(self, train_share: float) -> tuple[Dataset, Ratings]:
        """Split the ratings in time into a data set that may be learned from, and what came later.

        The first one's catalog is what may be known by then: popularity counts its own ratings only, and intrinsic quality,
        which nobody is told, is left out.

        Args:
            train_share: as for ``Ratings.split_by_time``.

        Raises:
            ConfigError: the share is outside (0, 1), or no user has two ratings.
        """
        train, later = self.ratings.split_by_time(train_share)
        return self.of_ratings(train), later

    def of_ratings(self, ratings: Ratings) -> Dataset:
        """Return a data set of some of these ratings, with a catalog that knows of no others, nor of intrinsic quality."""
        counts = np.bincount(self.catalog.index_of(ratings.item_id), weights=ratings.count, minlength=len(self.catalog))
        return replace(self, catalog=replace(self.catalog.with_popularity(counts), quality=None), ratings=ratings)
