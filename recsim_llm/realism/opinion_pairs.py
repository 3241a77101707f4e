"""Liked against disliked: items of which a user gave a held-out rating, high or low, asked about without it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.realism.held_out import HeldOut
from recsim_llm.realism.page_scores import pair_areas

__all__ = ["DISLIKED_BELOW", "Opinions", "draw_opinions", "opinion_areas"]

DISLIKED_BELOW = 3.0
"""Stars below which an item counts as disliked."""
_FEWEST = 2


class Opinions(NamedTuple):
    """Liked and disliked items of users who have two of each."""

    user_index: IntArray
    """int64 [m]."""
    item_index: IntArray
    """int64 [m, n]: -1 where there are no more."""
    liked: BoolArray
    """bool [m, n]."""


def draw_opinions(held: HeldOut, liked: BoolArray, kept: BoolArray, most: int, *, seed: int, users: int | None) -> Opinions:
    """Draw at most ``most`` liked and as many disliked items of each user who has two of each.

    Args:
        held: the split.
        liked: bool [h]: held-out ratings that count as liked.
        kept: bool [h]: held-out ratings of users who take part.
        most: items of either sort.
        seed: of users, items and their order.
        users: most users; None takes all.
    """
    disliked = (held.rating < DISLIKED_BELOW) & kept & ~liked
    counts = [np.bincount(held.user_index[rows], minlength=held.users) for rows in (liked, disliked)]
    able = np.flatnonzero((counts[0] >= _FEWEST) & (counts[1] >= _FEWEST))
    drawn = keyed.words(seed, "card users", held.training.ratings.users[able]).argsort(kind="stable")
    chosen = np.sort(able[drawn[:users]])
    item, mask = np.full((len(chosen), 2 * most), -1, np.int64), np.zeros((len(chosen), 2 * most), np.bool_)
    outside = held.training.ratings.users
    for row, user in enumerate(chosen.tolist()):
        parts = [np.unique(held.item_index[rows & (held.user_index == user)]) for rows in (liked, disliked)]
        words = [keyed.words(seed, "taste opinions", outside[user], part) for part in parts]
        own = [part[np.argsort(word, kind="stable")[:most]] for part, word in zip(parts, words, strict=True)]
        both, label = np.concatenate(own), np.repeat([True, False], [len(part) for part in own])
        order = np.argsort(keyed.words(seed, "taste order", outside[user], both), kind="stable")
        item[row, : len(both)], mask[row, : len(both)] = both[order], label[order]
    return Opinions(chosen, item, mask)


def opinion_areas(opinions: Opinions, score: DoubleArray) -> DoubleArray:
    """Return float64 [m]: each user's share of pairs of a liked and a disliked item in the right order, ties counting half."""
    filled = opinions.item_index >= 0
    return pair_areas(score, opinions.liked & filled, ~opinions.liked & filled)
