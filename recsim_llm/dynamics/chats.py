"""Chats: two friends talk about an item that one of them consumed, and what the one thinks of it moves the other's interest.

At each barrier (the end of a step of the clock) every friendship of which one or both consumed something chats with a fixed
probability, about one of these items, drawn evenly. For listener ``u`` and item ``i`` the click log-odds become

    c(u, i) <- clip(memory ** days * c(u, i) + strength * sum over chats of (stars - 3) / 2, -limit, limit),

so that a friend may also talk somebody out of an item (negative word of mouth moves sales more than positive: Chevalier &
Mayzlin 2006, *Journal of Marketing Research* 43; here both weigh alike). What was said is decided before it is put into words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.checked_columns import as_places, check_number
from recsim_llm.dynamics.word_of_mouth import FORGOTTEN, HeardItems
from recsim_llm.numerics.sorted_keys import find
from recsim_llm.population.friendships import Friendships

__all__ = ["Chats", "Said", "opinion"]

_NEUTRAL, _HALF_RANGE = 3.0, 2.0


class Said(NamedTuple):
    """Who said what to whom in the chats of one step, ascending by listener, item and speaker."""

    user_index: IntArray
    """int64 [c]: who listened."""
    item_index: IntArray
    """int64 [c]: what it was about, as a catalog position."""
    friend_index: IntArray
    """int64 [c]: who had consumed it and spoke of it, as a user index."""
    stars: DoubleArray
    """float64 [c]: what the speaker thinks of it; NaN where users have no opinion in stars."""


class Chats(HeardItems):
    """Friends who talk two by two; the row is the user index.

    Args:
        friendships: who knows whom.
        user_id: int64 [u]: outside ids by user index.
        items: of the catalog.
        share: of the friendships of which one or both consumed something in a step, that chat about it.
        strength: log-odds that a friend who gives five stars adds, and one who gives one star takes.
        memory: share of what was said that is left after a day, 0 to below 1.
        limit: most that all chats together can add or take, log-odds.
        seed: of who chats, and about what.
    """

    def __init__(
        self,
        friendships: Friendships,
        *,
        user_id: IntArray,
        items: int,
        share: float,
        strength: float,
        memory: float,
        limit: float,
        seed: int,
    ) -> None:
        check_number("social, chats, share", share, above=0.0)
        check_number("social, chats, strength", strength, above=FORGOTTEN)
        self._seed, self._share = seed, share
        self._strength, self._memory, self._limit = np.float32(strength), memory, np.float32(limit)
        one, other = friendships.pairs
        # By id, so that the same friends have the same dice in whatever order users stand.
        first = user_id[one] < user_id[other]
        self._one, self._other = np.where(first, one, other), np.where(first, other, one)
        super().__init__(len(friendships), items, user_id)

    def talk(self, row: IntArray, item: IntArray, stars: FloatArray, *, step: int, days: float = 1.0) -> Said:
        """Let friends chat about what was consumed since the last time; what was said before fades.

        Args:
            row: int64 [c]: user indices of who consumed something, in any order; a pair may stand there twice.
            item: int64 [c]: catalog positions of what they consumed.
            stars: float [c]: what they think of it, NaN where they have no opinion; of a pair that stands twice the best.
            step: number of the step.
            days: time since the last chats, 0 or more.

        Returns:
            What was said.
        """
        rows = as_places("row", row, ("consumed",), self.rows, blank=False)
        items = as_places("item", item, rows.shape, self.items, blank=False)
        consumed, best = _best_of_each(rows * self.items + items, np.asarray(stars, np.float64))
        said = self._said(consumed, best, step)
        self._fade(np.float32(self._memory**days))
        self._take_in(said)
        return said

    def _said(self, consumed: IntArray, stars: DoubleArray, step: int) -> Said:
        """Return the chats about int64 [d] different pairs of a user and an item, ascending, as ``user * items + item``."""
        begin = np.searchsorted(consumed, np.arange(self.rows + 1) * self.items)
        count = np.diff(begin)
        talking = np.flatnonzero(count[self._one] + count[self._other] > 0)
        talking = talking[self._dice("chat", talking, step) < self._share]
        one, other = self._one[talking], self._other[talking]
        topic = (self._dice("chat about", talking, step) * (count[one] + count[other])).astype(np.int64)
        of_one = topic < count[one]
        speaker, listener = np.where(of_one, one, other), np.where(of_one, other, one)
        entry = begin[speaker] + np.where(of_one, topic, topic - count[one])
        item = consumed[entry] % self.items
        order = np.lexsort((speaker, item, listener))
        return Said(listener[order], item[order], speaker[order], stars[entry[order]])

    def _dice(self, purpose: str, pair: IntArray, step: int) -> DoubleArray:
        ids = (self._user_id[self._one[pair]], self._user_id[self._other[pair]])
        return keyed.uniform(keyed.words(self._seed, purpose, *ids, np.full(len(pair), step)))

    def _take_in(self, said: Said) -> None:
        if not len(said.user_index):
            return
        key = said.user_index * self.items + said.item_index
        first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        moved = self._strength * np.add.reduceat(opinion(said.stars), first).astype(np.float32)
        known = find(self._key, key[first])
        old, new = known[known >= 0], known < 0
        self._shift[old] = np.clip(self._shift[old] + moved[~new], -self._limit, self._limit)
        friend = said.friend_index[first]
        self._insert(key[first][new], np.clip(moved[new], -self._limit, self._limit), friend[new])


def opinion(stars: DoubleArray) -> DoubleArray:
    """Return float64, shape of ``stars``: from -1 at one star to 1 at five, and 1 where there are none (NaN)."""
    said: DoubleArray = np.nan_to_num(np.clip((stars - _NEUTRAL) / _HALF_RANGE, -1.0, 1.0), nan=1.0)
    return said


def _best_of_each(key: IntArray, stars: DoubleArray) -> tuple[IntArray, DoubleArray]:
    """Return int64 [d], ascending: each key once, and float64 [d]: the most stars that stand beside it."""
    order = np.lexsort((stars, key))
    key, stars = key[order], stars[order]
    last = np.append(key[1:] != key[:-1], True)[: len(key)]
    return key[last], stars[last]
