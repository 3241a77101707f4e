"""Word of mouth: who consumed an item and liked it raises the interest of friends in it.

At each barrier (the end of a step of the clock) everyone tells all friends what they liked in that step. For user ``u`` and
item ``i`` the click log-odds rise by

    w(u, i) <- min(limit, memory ** days * w(u, i) + strength * number of friends of u who now tell of i),

a sparse product of the friendship graph with the table of what was liked: a linear threshold model with forgetting
(Granovetter 1978, *American Journal of Sociology* 83) inside a choice model, as peers enter a utility (Manski 1993, *Review
of Economic Studies* 60). What has faded below ``FORGOTTEN`` is dropped, so that memory is bounded.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.checked_columns import as_places, check_number
from recsim_llm.core.pages import Rows
from recsim_llm.numerics.sorted_keys import distinct, find
from recsim_llm.population.friendships import Friendships

__all__ = ["FORGOTTEN", "HeardItems", "Told", "WordOfMouth"]

Number = TypeVar("Number", np.float32, np.int32)

FORGOTTEN = 0.01
"""Log-odds below which what was heard is forgotten; they change a probability by 0.0025 at most."""


class Told(NamedTuple):
    """Who was told of what by whom in one exchange, ascending by user, item and friend."""

    user_index: IntArray
    """int64 [t]: who was told."""
    item_index: IntArray
    """int64 [t]: of which item, as a catalog position."""
    friend_index: IntArray
    """int64 [t]: the friend who told, as a user index."""


class HeardItems:
    """What each row of a batch has heard of items, as log-odds of a click.

    Args:
        rows: of the batch.
        items: of the catalog.
        user_id: int64 [u]: outside ids by user index.
    """

    def __init__(self, rows: int, items: int, user_id: IntArray) -> None:
        self.rows, self.items, self._user_id = rows, items, user_id
        self.forget()

    def __len__(self) -> int:
        """Return how many pairs of a user and an item are remembered."""
        return len(self._key)

    def forget(self) -> None:
        """Forget everything that was heard."""
        self._key = np.zeros(0, np.int64)
        self._shift = np.zeros(0, np.float32)
        self._friend = np.zeros(0, np.int32)

    def shift(self, rows: Rows, item_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: by how much the click log-odds rise, 0 where nothing was heard and for blank slots.

        Args:
            rows: int64 [m], or ``slice(None)`` for all rows.
            item_index: int64 [m, k]: catalog positions, -1 for a blank slot.
        """
        return _at(self._shift, self._find(rows, item_index), np.float32(0.0))

    def sources(self, rows: Rows, item_index: IntArray) -> IntArray:
        """Return int64 [m, k]: id of the friend who told of the item first, -1 where nobody did; arguments as of ``shift``.

        Of several friends who tell in the same step, keyed dice say who was first.
        """
        friend = _at(self._friend, self._find(rows, item_index), np.int32(-1))
        return np.where(friend < 0, -1, self._user_id[friend])

    def appeal_shift(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: by how much the click log-odds of every item of the catalog rise."""
        numbers = self._numbers(rows)
        place, entry = self._entries(numbers)
        table = np.zeros((len(numbers), self.items), np.float32)
        table[place, self._key[entry] % self.items] = self._shift[entry]
        return table

    def copy_rows(self, rows: IntArray) -> HeardItems:
        """Return what these rows have heard, in rows 0 to m - 1 of a batch of their own, who hear nothing further.

        Args:
            rows: int64 [m], each as often as wanted.
        """
        place, entry = self._entries(rows)
        other = HeardItems(len(rows), self.items, self._user_id)
        other._key = place * self.items + self._key[entry] % self.items
        other._shift, other._friend = self._shift[entry], self._friend[entry]
        return other

    def _numbers(self, rows: Rows) -> IntArray:
        return np.arange(self.rows)[rows] if isinstance(rows, slice) else rows

    def _find(self, rows: Rows, item_index: IntArray) -> IntArray:
        key = self._numbers(rows)[:, None] * self.items + item_index
        key[item_index < 0] = -1
        return find(self._key, key)

    def _entries(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Return what is remembered of these rows: int64 [e] places in ``rows``, and int64 [e] places in the columns."""
        begin, end = (np.searchsorted(self._key, at * self.items) for at in (rows, rows + 1))
        count = end - begin
        place = np.repeat(np.arange(len(rows)), count)
        return place, np.arange(len(place)) + (begin - (np.cumsum(count) - count))[place]

    def _fade(self, kept: np.float32) -> None:
        faded = self._shift * kept
        stays = np.abs(faded) >= FORGOTTEN
        self._key, self._shift, self._friend = self._key[stays], faded[stays], self._friend[stays]

    def _insert(self, key: IntArray, shift: FloatArray, friend: IntArray) -> None:
        at = np.searchsorted(self._key, key) + np.arange(len(key))
        before = np.ones(len(self._key) + len(key), np.bool_)
        before[at] = False
        for name, values in (("_key", key), ("_shift", shift), ("_friend", friend)):
            column = getattr(self, name)
            grown = np.empty(len(before), column.dtype)
            grown[at], grown[before] = values, column
            setattr(self, name, grown)


class WordOfMouth(HeardItems):
    """Users who tell their friends what they liked; the row is the user index.

    Args:
        friendships: who knows whom.
        user_id: int64 [u]: outside ids by user index.
        items: of the catalog.
        strength: log-odds that one friend who liked an item adds.
        memory: share of what was heard that is left after a day, 0 to below 1.
        limit: most that all friends together can add, log-odds.
        seed: of who told first.
    """

    def __init__(
        self,
        friendships: Friendships,
        *,
        user_id: IntArray,
        items: int,
        strength: float,
        memory: float,
        limit: float,
        seed: int,
    ) -> None:
        check_number("social, strength", strength, above=FORGOTTEN)
        check_number("social, memory", memory, above=-1e-300, below=1.0)
        check_number("social, limit", limit, above=FORGOTTEN)
        self.friendships, self._seed = friendships, seed
        self._strength, self._memory, self._limit = np.float32(strength), memory, np.float32(limit)
        super().__init__(len(friendships), items, user_id)

    def exchange(self, liked_row: IntArray, liked_item: IntArray, *, sent: Told | None = None, days: float = 1.0) -> Told:
        """Let users tell their friends what they liked since the last exchange; what was heard before fades.

        The order of the rows does not matter, and a row that stands twice counts once.

        Args:
            liked_row: int64 [l]: user indices of who consumed something and liked it.
            liked_item: int64 [l]: catalog positions of what they liked.
            sent: what was sent to one friend each, in any order; it counts beside what that friend tells all others too.
            days: time since the last exchange, 0 or more.

        Returns:
            Who was told of what by whom.
        """
        row = as_places("liked_row", liked_row, ("likes",), self.rows, blank=False)
        item = as_places("liked_item", liked_item, row.shape, self.items, blank=False)
        teller, item = np.divmod(distinct(row * self.items + item), self.items)
        self._fade(np.float32(self._memory**days))
        place, friend = self.friendships.of(teller)
        told, item, teller = friend, item[place], teller[place]
        if sent is not None:
            told, item, teller = (np.concatenate(both) for both in zip((told, item, teller), sent, strict=True))
        order = np.lexsort((teller, told * self.items + item))
        news = Told(told[order], item[order], teller[order])
        self._hear(news)
        return news

    def _hear(self, news: Told) -> None:
        if not len(news.user_index):
            return
        key = news.user_index * self.items + news.item_index
        first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        count = np.diff(np.append(first, len(key)))
        friend, rise = self._first_friend(news, first, count), self._strength * count.astype(np.float32)
        known = find(self._key, key[first])
        old, new = known[known >= 0], known < 0
        self._shift[old] = np.minimum(self._shift[old] + rise[~new], self._limit)
        self._insert(key[first][new], np.minimum(rise[new], self._limit), friend[new])

    def _first_friend(self, news: Told, first: IntArray, count: IntArray) -> IntArray:
        """Return int64: of the friends who tell the same user of the same item, the one whose dice fall lowest."""
        user, friend = self._user_id[news.user_index], self._user_id[news.friend_index]
        dice = keyed.words(self._seed, "told first", friend, user, news.item_index)
        # No two of them have the same dice: with all other coordinates equal, words of different friends differ. A friend who
        # tells twice, by sending the item too, stands in one group with the same dice.
        group = np.repeat(np.arange(len(first)), count)
        order = np.lexsort((dice, group))
        found: IntArray = news.friend_index[order[first]]
        return found


def _at(column: npt.NDArray[Number], place: IntArray, missing: Number) -> npt.NDArray[Number]:
    """Return the column's values at these places, and ``missing`` where there is none (-1)."""
    if not len(column):
        return np.full(place.shape, missing)
    return np.where(place < 0, missing, column[place])
