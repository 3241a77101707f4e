"""The rule on repetition: what each user was shown, and which slots of a page must therefore stay blank.

Whether a recommender repeats itself is not left to the recommender: under ``repeats: forbid`` nobody is shown an item again
that was on an earlier page of the same user, nor one that the user rated before the run. Where a catalog is used up, so that
fewer items than a page holds are new to a user, just the missing number of known ones may fill the page.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Rows
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import SlateError
from recsim_llm.numerics.grouped_columns import take_runs

__all__ = ["KnownItems", "RatedItems", "Repeats"]

Repeats = Literal["forbid", "allow"]
"""Whether a user may be shown an item that the user knows already."""

_BITS = np.left_shift(1, np.arange(8)).astype(np.uint8)
# One-element arrays: NumPy converts a Python number on every call.
_THREE, _SEVEN = np.array([3]), np.array([7])


class RatedItems(NamedTuple):
    """What users rated before the first page, as bits: where a user's bytes are, and what stands in them."""

    start: IntArray
    """int64 [u + 1]: of each user index, its first entry; the last one is the number of entries."""
    byte: IntArray
    """int64 [e]: which byte of the user's row, ascending for each user."""
    bits: npt.NDArray[np.uint8]
    """uint8 [e]: what stands there."""
    first: IntArray
    """int64 [u + 1]: of each user index, its first pair; the last one is the number of pairs."""
    pair: IntArray
    """int64 [p], ascending: users with what they rated, as user index times ``catalog_size`` plus catalog position."""
    catalog_size: int
    """Items in the catalog."""
    most: int
    """Most items that a user rated."""
    ratings: Ratings
    """The ratings themselves, of these users and of others."""

    @classmethod
    def of(cls, ratings: Ratings, user_id: IntArray, catalog: Catalog) -> RatedItems:
        """Return what users rated.

        Args:
            ratings: of these users and of others; rows whose item the catalog lacks are left out.
            user_id: int64 [u]: outside ids by user index.
            catalog: the items.
        """
        order = np.argsort(user_id, kind="stable")
        place = np.minimum(np.searchsorted(user_id, ratings.user_id, sorter=order), len(order) - 1)
        user, item = order[place], catalog.index_of(ratings.item_id)
        known = (user_id[user] == ratings.user_id) & (item >= 0)
        pair, width = np.unique(user[known] * len(catalog) + item[known]), len(catalog) // 8 + 2
        user, item = np.divmod(pair, len(catalog))
        entry, where = np.unique(user * width + (item >> 3) + 1, return_inverse=True)
        bits = np.zeros(len(entry), np.uint8)
        np.bitwise_or.at(bits, where.reshape(-1), _BITS[item & 7])
        everyone = np.arange(len(user_id) + 1)
        return cls(
            start=np.searchsorted(entry, everyone * width),
            byte=entry % width,
            bits=bits,
            first=np.searchsorted(pair, everyone * len(catalog)),
            pair=pair,
            catalog_size=len(catalog),
            most=int(np.bincount(user, minlength=1).max()),
            ratings=ratings,
        )

    def take(self, user_index: IntArray) -> tuple[IntArray, IntArray, npt.NDArray[np.uint8]]:
        """Return the entries of some users: position among them int64 [e], byte int64 [e], and bits uint8 [e]."""
        at, entry = take_runs(self.start, user_index)
        return at, self.byte[entry], self.bits[entry]

    def items(self, user_index: IntArray) -> tuple[IntArray, IntArray]:
        """Return what some users rated: position among them int64 [r], ascending, and item int64 [r], ascending for each."""
        at, entry = take_runs(self.first, user_index)
        return at, self.pair[entry] - (user_index * self.catalog_size)[at]

    def holds(self, user_index: IntArray, item_index: IntArray) -> BoolArray:
        """Return bool [f]: whether users, int64 [f], rated items, int64 [f] of catalog positions."""
        if not len(self.pair):
            return np.zeros(len(item_index), np.bool_)
        pair = user_index * self.catalog_size + item_index
        there: BoolArray = self.pair[np.minimum(np.searchsorted(self.pair, pair), len(self.pair) - 1)] == pair
        return there


class KnownItems:
    """What each browsing user knows already, one bit an item, and the rule that follows.

    Args:
        catalog: the items.
        rows: users that browse at the same time.
        slate_size: slots a page.
        rated: what users rated before; None where that does not matter.
    """

    def __init__(self, catalog: Catalog, *, rows: int, slate_size: int, rated: RatedItems | None) -> None:
        self._rated, self._slots, self._item_id = rated, slate_size, catalog.item_id
        # A byte to spare before each row's own takes in what blank slots, at position -1, would mark.
        self._width = len(catalog) // 8 + 2
        self._known = np.zeros(rows * self._width, np.uint8)
        self._first = np.arange(rows)[:, None] * self._width + 1
        self._on_sale = np.zeros(self._width, np.uint8)
        self.restock(catalog)
        # No row knows more items than this, so that in most visits nobody has to count.
        self._most = 0

    def restock(self, catalog: Catalog) -> None:
        """Take note of what is on sale from now on, of the same items."""
        self._on_sale[1:] = np.packbits(np.pad(catalog.on_sale, (0, 8)), bitorder="little")[: self._width - 1]
        self._on_sale_count = int(np.count_nonzero(catalog.on_sale))

    def begin(self, rows: Rows, user_index: IntArray) -> None:
        """Let other users sit down in the given rows; these know nothing but what they rated.

        Args:
            rows: row numbers [m], or ``slice(None)``.
            user_index: int64 [m].
        """
        known, most = self._by_row(), 0
        known[rows] = 0
        if self._rated is not None:
            at, byte, bits = self._rated.take(user_index)
            known[at if isinstance(rows, slice) else rows[at], byte] = bits
            most = self._rated.most
        self._most = most if isinstance(rows, slice) else max(self._most, most)

    def admit(self, item_index: IntArray, rows: Rows, blank: BoolArray | None, *, refuse: str | None) -> BoolArray | None:
        """Return which slots must stay blank; the items of all others count as shown from now on.

        Args:
            item_index: int64 [m, k]: catalog positions; -1, and whatever stands in a blank slot, breaks no rule.
            rows: row numbers [m], or ``slice(None)``.
            blank: bool [m, k]: slots that stay blank in any case; None means that none does.
            refuse: who is to blame for a slot that breaks the rule; None lets it be blank.

        Returns:
            bool [m, k], None where no slot is blank.

        Raises:
            SlateError: a slot breaks the rule and is to be refused; nothing counts as shown then.
        """
        if blank is not None:
            item_index = np.where(blank, -1, item_index)
        place = (item_index >> _THREE) + (self._first if isinstance(rows, slice) else self._first[rows])
        bit = _BITS.take(item_index & _SEVEN)
        again = (self._known.take(place) & bit) != 0
        if np.count_nonzero(again):
            again &= item_index >= 0
            if self._on_sale_count - self._most < self._slots:
                again &= np.cumsum(again, axis=1) > self._lacking(rows)[:, None]
            if np.count_nonzero(again):
                if refuse is not None:
                    self._refuse(item_index, again, refuse)
                blank = again if blank is None else blank | again
        self._most += self._slots
        np.bitwise_or.at(self._known, place.reshape(-1), bit.reshape(-1))
        return blank

    def knows(self, item_index: IntArray, rows: IntArray) -> BoolArray:
        """Return bool [m, t]: which of the items, int64 [m, t], the users of these rows know."""
        bit = _BITS.take(item_index & _SEVEN)
        there: BoolArray = (self._known.take((item_index >> _THREE) + self._first[rows]) & bit) != 0
        return there

    def barred(self, rows: Rows) -> npt.NDArray[np.uint8]:
        """Return uint8 [m, b]: for each item one bit, the lowest of the first byte for item 0, set where ``fresh`` says no."""
        return (self._by_row()[rows] | ~self._on_sale)[:, 1:]

    def fresh(self, rows: Rows) -> BoolArray:
        """Return bool [m, n]: items on sale that are new to the users of these rows."""
        new = ~self._by_row()[rows] & self._on_sale
        return np.unpackbits(new[:, 1:], axis=1, count=len(self._item_id), bitorder="little").view(np.bool_)

    def _lacking(self, rows: Rows) -> IntArray:
        """Return int64 [m]: how many slots of a page cannot be filled with new items."""
        known = np.bitwise_count(self._by_row()[rows] & self._on_sale).sum(axis=1, dtype=np.int64)
        lacking: IntArray = np.maximum(self._slots - (self._on_sale_count - known), 0)
        return lacking

    def _by_row(self) -> npt.NDArray[np.uint8]:
        return self._known.reshape(-1, self._width)

    def _refuse(self, item_index: IntArray, again: BoolArray, whom: str) -> None:
        row, position = np.argwhere(again)[0]
        raise SlateError(
            f"{whom}, row {row}, position {position}: got item {self._item_id[item_index[row, position]]}, which this user was "
            "shown or rated before, expected items new to the user; leave out those of the history and of the user's training "
            "ratings, or set invalid=count to blank and count such slots, or repeats=allow"
        )
