"""Who comes in which episode of a row, and which dice its visits have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.dice import VisitDice, seed_words
from recsim_llm.core.kernel import Kernel
from recsim_llm.core.pages import Rows

__all__ = ["Arrivals"]

_ARRIVAL = np.uint64(keyed.purpose_word("arrival"))
_EPISODE = np.uint64(keyed.purpose_word("episode"))
_LOOK_AHEAD = 32


class _Coming(NamedTuple):
    """The beginning of some episodes."""

    user_index: IntArray
    """int64 [m]: who comes."""
    seed: keyed.Words
    """uint64 [m]: what everything that happens then is drawn from."""
    word: keyed.Words
    """uint64 [m]: the seed's word."""
    dice: VisitDice
    """Of the first visits."""


class Arrivals:
    """Brings users to a batch of rows, episode after episode.

    Who comes in episode ``e`` of a row is a keyed draw from (row's seed, e). Episode 0 has the row's own seed, and so the dice
    that a run of that seed has for this user, visit for visit; each later one has a seed drawn from (row's seed, e).

    Args:
        kernel: of the rows.
        people: how many users there are to come.
    """

    def __init__(self, kernel: Kernel, people: int) -> None:
        self._kernel, self._people = kernel, people
        rows = len(kernel.user_index)
        self._row_seed, self._row_word = np.zeros(rows, np.uint64), np.zeros(rows, np.uint64)
        self._episode = np.zeros(rows, np.int64)
        self.seed = np.zeros(rows, np.uint64)
        """uint64 [r]: of the episode that each row is in."""
        self.word = np.zeros(rows, np.uint64)
        """uint64 [r]: that seed's word."""
        self._ahead: tuple[int, _Coming] | None = None

    def give_seeds(self, rows: Rows, seeds: npt.ArrayLike) -> None:
        """Give rows new seeds; their next episode is number 0."""
        self._row_seed[rows], self._row_word[rows] = seeds, seed_words(seeds)
        self._episode[rows] = 0
        self._ahead = None

    def next_episode(self, rows: Rows, user_index: IntArray | None) -> tuple[IntArray, VisitDice]:
        """Go on to the rows' next episode; return who comes, int64 [m], or was asked for, and the dice of the first visit."""
        coming = self._coming(rows, user_index)
        self.seed[rows], self.word[rows] = coming.seed, coming.word
        self._episode[rows] += 1
        return coming.user_index, coming.dice

    def dice(self, rows: IntArray, visit: IntArray) -> VisitDice:
        """Return the dice of later visits, int64 [m], of the users who sit in these rows."""
        return self._kernel.dice(self._kernel.user_index[rows], visit, self.word[rows])

    def _coming(self, rows: Rows, user_index: IntArray | None) -> _Coming:
        episode = self._episode[rows]
        if len(self._episode) > 1 or user_index is not None:
            return self._laid_out(self._row_seed[rows], self._row_word[rows], episode, user_index=user_index)
        # One row: lay out the coming episodes together, since for few rows the calls cost more than the dice.
        first = int(episode[0]) - int(episode[0]) % _LOOK_AHEAD
        if self._ahead is None or self._ahead[0] != first:
            self._ahead = (first, self._laid_out(self._row_seed, self._row_word, np.arange(first, first + _LOOK_AHEAD)))
        at = slice(int(episode[0]) - first, int(episode[0]) - first + 1)
        coming = self._ahead[1]
        return _Coming(coming.user_index[at], coming.seed[at], coming.word[at], coming.dice.take(at))

    def _laid_out(
        self, row_seed: keyed.Words, row_word: keyed.Words, episode: IntArray, *, user_index: IntArray | None = None
    ) -> _Coming:
        if user_index is None:
            draw = keyed.uniform(keyed.absorb(row_word + _ARRIVAL, episode))
            user_index = (draw * self._people).astype(np.int64)
        seed = np.where(episode == 0, row_seed, keyed.absorb(row_word + _EPISODE, episode))
        word = seed_words(seed)
        return _Coming(user_index, seed, word, self._kernel.dice(user_index, np.zeros_like(user_index), word))
