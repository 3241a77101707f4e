"""Pages of items that a user rated, in the held-out part, among items that the user never rated.

Agent4Rec (Zhang et al. 2024, "On generative agents in recommendation", section 4.1) shows each user 20 items, of which
1 in 1 + m were really consumed, m = 1, 2, 3, 9. Which others stand beside them decides how hard the test is: uniform ones are
mostly obscure, so that popularity alone does well; popularity-matched ones are drawn in proportion to their number of ratings.
Drawn so, they can still be more or less popular than the consumed ones, who are what a user had not rated yet; the nearest
ones are not: there popularity alone is at chance, whatever the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.realism.held_out import HeldOut

__all__ = ["CARD_KINDS", "KINDS", "RATIOS", "Kind", "TastePages", "column_ratio", "count_positives", "taste_pages"]

Kind = Literal["uniform", "matched", "matched by all", "nearest"]
"""How the items beside the consumed ones are drawn, see ``KINDS``."""

KINDS: dict[Kind, str] = {
    "uniform": "uniform negatives",
    "matched": "popularity-matched negatives",
    "matched by all": "negatives matched by all counts",
    "nearest": "negatives nearest in popularity",
}
"""Kinds of negatives in words: drawn uniformly; in proportion to training ratings; to ratings in both parts; one a positive,
that which is nearest to it in training ratings. Training counts know nothing of the held-out part, but make every item without
training ratings a sure positive, which no user model can know; all counts mend that, and so do the nearest."""

CARD_KINDS: tuple[Kind, ...] = ("uniform", "matched", "matched by all")
"""Kinds that the realism card asks about."""

RATIOS = (1, 2, 3, 9)
"""Negatives for each positive."""


class TastePages(NamedTuple):
    """For each user the items of all ratios together, in an order that says nothing about them."""

    user_index: IntArray
    """int64 [m]."""
    item_index: IntArray
    """int64 [m, n]: all different within a row."""
    taken: BoolArray
    """bool [m, n]: rated in the held-out part."""
    rank: IntArray
    """int64 [m, n]: place among the row's positives, or among its negatives; a ratio takes the first of each."""
    page_items: int
    """Items a page of one ratio."""

    def page(self, ratio: int) -> BoolArray:
        """Return bool [m, n]: which columns make up the page with ``ratio`` negatives for each positive."""
        positives = count_positives(self.page_items, ratio)
        return self.rank < np.where(self.taken, positives, self.page_items - positives)


def count_positives(page_items: int, ratio: int) -> int:
    """Return how many items of a page are positives, rounded, at least one."""
    return max(1, round(page_items / (1 + ratio)))


def column_ratio(ratio: int) -> str:
    """Return a ratio in words."""
    return f"1:{ratio}"


def taste_pages(
    held: HeldOut,
    kind: Kind,
    *,
    page_items: int = 20,
    most_users: int | None = None,
    seed: int,
    user_seed: int | None = None,
    ratios: Sequence[int] = RATIOS,
    positive: BoolArray | None = None,
) -> TastePages:
    """Draw pages for every user who has enough held-out items, half a page.

    The same users and positives come with every kind. Negatives were rated in neither part, and are drawn without
    replacement by exponential keys (Efraimidis & Spirakis 2006, algorithm A). The stars play no part.

    Args:
        held: the split.
        kind: of negatives.
        page_items: items a page.
        most_users: take that many users; None takes all.
        seed: of items and their order.
        user_seed: of the users taken; None takes ``seed``.
        ratios: negatives for each positive that pages are made for; 1 alone needs the fewest items.
        positive: bool [h]: held-out ratings that may be positives; None for all. The others are never negatives.

    Returns:
        The pages; without rows where nobody has enough items.
    """
    most, fewest = count_positives(page_items, min(ratios)), count_positives(page_items, max(ratios))
    negatives = page_items - fewest
    kept = np.ones(len(held.user_index), np.bool_) if positive is None else positive
    users = _users(held, kept, (most, negatives), most_users, seed=seed if user_seed is None else user_seed)
    weight = _weight(held, kind)
    counts = held.counts(held_out=False)
    items = np.zeros((len(users), most + negatives), np.int64)
    rank = np.concatenate([np.arange(most), np.arange(negatives)])
    known = held.training.catalog.index_of(held.training.ratings.item_id)
    theirs, rated, liked = (
        _by_user(held.training.ratings.user_index, known, held.users),
        _by_user(held.user_index, held.item_index, held.users),
        _by_user(held.user_index[kept], held.item_index[kept], held.users),
    )
    outside = held.training.ratings.users
    for row, user in enumerate(users.tolist()):
        word = keyed.words(seed, "taste items", outside[user], np.arange(len(weight)))
        own = np.unique(liked[user])
        items[row, :most] = own[np.argsort(word[own], kind="stable")[:most]]
        free = weight.copy()
        free[theirs[user]] = free[rated[user]] = 0.0
        draw = keyed.absorb(word, list(KINDS).index(kind))
        if kind == "nearest":
            items[row, most:] = _nearest(np.flatnonzero(free), counts, np.resize(items[row, :most], negatives), draw)
        else:
            items[row, most:] = _draw(free, draw, negatives)
    order = np.argsort(keyed.words(seed, "taste order", outside[users][:, None], items), axis=1, kind="stable")
    taken = np.broadcast_to(np.arange(items.shape[1]) < most, items.shape)
    along = [np.take_along_axis(np.broadcast_to(values, items.shape), order, axis=1) for values in (items, taken, rank)]
    return TastePages(users, along[0], along[1], along[2], page_items)


def _draw(weight: npt.NDArray[np.float64], word: npt.NDArray[np.uint64], size: int) -> IntArray:
    with np.errstate(divide="ignore"):
        key = np.where(weight > 0, -np.log(keyed.uniform(word)) / weight, np.inf)
    near = np.argpartition(key, size - 1)[:size]
    return near[np.argsort(key[near], kind="stable")]


def _weight(held: HeldOut, kind: Kind) -> npt.NDArray[np.float64]:
    """Return float64 [n]: in proportion to which negatives are drawn; what weighs nothing is none."""
    items = len(held.training.catalog)
    weight = np.ones(items) if kind in ("uniform", "nearest") else held.counts(held_out=kind == "matched by all")
    retired = held.training.catalog.retired
    return weight if retired is None else np.where(retired, 0.0, weight)


def _nearest(free: IntArray, counts: npt.NDArray[np.float64], positives: IntArray, word: npt.NDArray[np.uint64]) -> IntArray:
    """Return for each positive the free item nearest to it in log counts, of equals a random one, each taken once."""
    height, left = np.log1p(counts), np.ones(len(free), np.bool_)
    chosen = []
    for item in positives.tolist():
        apart = np.where(left, np.abs(height[free] - height[item]), np.inf)
        ties = np.flatnonzero(apart == apart.min())
        place = int(ties[np.argmin(word[free[ties]])])
        left[place] = False
        chosen.append(int(free[place]))
    return np.array(chosen, np.int64)


def _users(held: HeldOut, kept: BoolArray, page: tuple[int, int], most_users: int | None, *, seed: int) -> IntArray:
    """Return the users with enough held-out items, and enough others that somebody rated to draw from."""
    most, negatives = page
    user, item = held.user_index[kept], held.item_index[kept]
    pairs = np.unique(user * len(held.training.catalog) + item) // len(held.training.catalog)
    enough = np.bincount(pairs, minlength=held.users) >= most
    rated = np.bincount(held.training.ratings.user_index, minlength=held.users) + np.bincount(
        held.user_index, minlength=held.users
    )
    enough &= np.count_nonzero(held.counts(held_out=False)) - rated >= negatives
    users = np.flatnonzero(enough)
    if most_users is not None and len(users) > most_users:
        order = keyed.words(seed, "card users", held.training.ratings.users[users]).argsort(kind="stable")
        users = np.sort(users[order[:most_users]])
    return users


def _by_user(user: IntArray, item: IntArray, users: int) -> list[IntArray]:
    order = np.argsort(user, kind="stable")
    return np.split(item[order], np.cumsum(np.bincount(user, minlength=users))[:-1])
