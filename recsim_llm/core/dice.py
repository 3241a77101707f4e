"""The dice of a visit: every draw that its pages can need, laid out before the first page.

For each page of a visit and each slot on it one 64-bit word is made from (seed, user_id, visit, page, slot) and cut into three
draws: examination (18 bits), click (23 bits) and opinion, the noise of the rating (23 bits). Slot number ``k``, one past the
last, holds the page's own draws: leaving, and the watch share. Nothing else enters, so two recommenders that serve the
same user meet the same dice, whatever they show (common random numbers), and nothing depends on the order of work.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import FloatArray, IntArray

__all__ = ["DiceTable", "VisitDice", "seed_words"]

_NEVER = np.float32(np.inf)
_CLICK_SHIFT = np.uint64(18)
_OPINION_SHIFT = np.uint64(41)
_EXAMINE_MASK = np.uint64(2**18 - 1)
_CLICK_MASK = np.uint64(2**23 - 1)


class VisitDice(NamedTuple):
    """Draws for ``m`` visits over their first ``b`` pages, and the words from which later pages follow."""

    word: keyed.Words
    """uint64 [m]."""
    draws: FloatArray
    """float32 [m, b, 2, k + 1], on the log-odds scale; [m, b, 3, k + 1] of users who read a page in order.

    ``[..., 0, :k]``: a slot is clicked when its log-odds exceed this; +inf where the slot is not examined.
    ``[..., 0, k]``: the user leaves when the leaving log-odds exceed this.
    ``[..., 1, :k]``: standard logistic noise of the rating.
    ``[..., 1, k]``: standard logistic noise of the share watched.
    ``[..., 2, :k]``: uniform whole numbers below ``2**18``: a slot is examined when its chance is greater than their share of
    that; there only where examination hangs on the clicks above, and row 0 holds no +inf then.
    """

    def take(self, visit: slice) -> VisitDice:
        """Return the dice of some of the visits."""
        return VisitDice(self.word[visit], self.draws[visit])


class DiceTable:
    """Makes dice for a population.

    Args:
        user_id: int64 [population]: outside ids by user index.
        slate_size: slots a page.
    """

    def __init__(self, user_id: IntArray, slate_size: int) -> None:
        self._user_word = keyed.words(0, "user", user_id)
        self._slot_steps = keyed.steps(np.arange(slate_size + 1))

    def visit_words(self, seed_word: keyed.Words, user_index: IntArray, visit: IntArray) -> keyed.Words:
        """Return uint64 [m]: one word a visit; ``seed_word`` comes from ``seed_words``."""
        word = self._user_word.take(user_index)
        word ^= seed_word
        word += keyed.steps(visit)
        return keyed.mix(word)

    def lay_out(self, visit_word: keyed.Words, examine: FloatArray, first_page: int | IntArray, pages: int) -> FloatArray:
        """Return the draws of ``pages`` pages from ``first_page`` on, as ``VisitDice.draws``.

        Args:
            visit_word: uint64 [m] from ``visit_words``.
            examine: float32 [m, k]: probability that each position is examined; [m, k, k + 1] where it hangs on clicks
                above, so that it cannot be drawn beforehand.
            first_page: number of the block's first page; one for all visits, or int64 [m].
            pages: pages in the block.
        """
        number = np.reshape(first_page, (-1, 1)) + np.arange(pages)
        page_word = keyed.mix(visit_word[:, None] + keyed.steps(number))
        word = keyed.mix(page_word[:, :, None] + self._slot_steps)
        draws = np.empty((*word.shape[:2], examine.ndim, word.shape[2]), np.float32)
        draws[:, :, 0] = (word >> _CLICK_SHIFT) & _CLICK_MASK
        draws[:, :, 1] = word >> _OPINION_SHIFT
        keyed.log_odds(draws[:, :, :2])
        word &= _EXAMINE_MASK
        if examine.ndim == 3:
            draws[:, :, 2] = word
            return draws
        limit = np.full((len(examine), 1, word.shape[2]), 2**18, np.uint64)
        limit[:, 0, :-1] = np.rint(examine * np.float32(2**18))
        np.copyto(draws[:, :, 0], _NEVER, where=word >= limit)
        return draws


def seed_words(seed: npt.ArrayLike) -> keyed.Words:
    """Return uint64 [n]: one word a seed, to be combined with users' words."""
    return keyed.words(0, "seed", seed)
