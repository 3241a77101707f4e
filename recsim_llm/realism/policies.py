"""The recommenders that are ranked, each with its family, and the pages that they show to users of the training part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.realism.held_out import HeldOut
from recsim_llm.recommenders import ItemKNN, Markov, MatrixFactorization, Popularity, RandomRecommender
from recsim_llm.recommenders.classics import (
    BestRated,
    GenreProfile,
    Newest,
    PairwiseFactors,
    PopularLately,
    RandomWalk,
    UserKNN,
)

__all__ = [
    "BAD",
    "FAMILIES",
    "GOOD",
    "POLICIES",
    "Policy",
    "PolicyPages",
    "discounts",
    "first_requests",
    "held_out_truth",
    "policy_pages",
    "truth_of_pages",
]


class Policy(NamedTuple):
    """A recommender that is ranked."""

    name: str
    """Its name on the card."""
    family: str
    """Recommenders of one family find the same thing; users built from it favour them."""
    build: Callable[[], Any]
    """Returns the recommender, not fitted."""


def _als_48() -> MatrixFactorization:
    return MatrixFactorization(MatrixFactorization.Settings(factors=48, regularization=1.0, weight=10.0, iterations=4))


POLICIES: tuple[Policy, ...] = (
    Policy("random", "random", RandomRecommender),
    Policy("newest", "newest", Newest),
    Policy("popularity", "popularity", Popularity),
    Policy("popular lately", "popularity", PopularLately),
    Policy("best rated", "stars", BestRated),
    Policy("genre profile", "genres", GenreProfile),
    Policy("genre profile, popular", "genres", lambda: GenreProfile(GenreProfile.Settings(popular=1.0))),
    Policy("item-kNN", "neighbours", ItemKNN),
    Policy("item-kNN, narrow", "neighbours", lambda: ItemKNN(ItemKNN.Settings(neighbours=5, shrinkage=0.0))),
    Policy("item-kNN, wide", "neighbours", lambda: ItemKNN(ItemKNN.Settings(neighbours=300, shrinkage=100.0))),
    Policy("user-kNN", "neighbours", UserKNN),
    Policy("random walk", "graph", RandomWalk),
    Policy("next item", "sequences", Markov),
    Policy("ALS", "factors", MatrixFactorization),
    Policy("ALS, 4 factors", "factors", lambda: MatrixFactorization(MatrixFactorization.Settings(factors=4))),
    Policy("ALS, 48 factors", "factors", _als_48),
    Policy("BPR", "pairwise factors", PairwiseFactors),
)
"""Seventeen recommenders of eleven families; thirteen are left without those that learn factors."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(policy.family for policy in POLICIES))
"""Families in the order of ``POLICIES``."""

BAD = "random"
"""Recommender that serves as the bad policy."""

GOOD = "item-kNN"
"""Recommender that serves as the good policy, named before anything is measured."""


class PolicyPages(NamedTuple):
    """What recommenders fitted to the training part show to its users: one page each."""

    policies: tuple[Policy, ...]
    """The recommenders, ``r`` of them."""
    user_index: IntArray
    """int64 [m]: positions in the training part's users."""
    item_index: IntArray
    """int64 [m, r, k]: catalog positions by slot."""
    asked: IntArray
    """int64 [m, w]: the different items of a user's pages, ascending, -1 where there are no more."""
    place: IntArray
    """int64 [m, r, k]: column of ``asked`` that holds the item."""

    def values(self, of_asked: DoubleArray) -> DoubleArray:
        """Return float64 [m, r]: discounted sums over pages of what is known of each asked item, float64 [m, w]."""
        users, policies, slots = self.place.shape
        on_pages = np.take_along_axis(of_asked, self.place.reshape(users, -1), axis=1).reshape(users, policies, slots)
        value: DoubleArray = on_pages @ discounts(slots)
        return value

    def number(self, name: str) -> int:
        """Return the position of a recommender.

        Raises:
            ConfigError: there is none of that name.
        """
        names = [policy.name for policy in self.policies]
        if name not in names:
            raise ConfigError(f"recommender: got {name!r}, expected {one_of(name, names)}")
        return names.index(name)


def policy_pages(
    training: Dataset, user_index: IntArray, *, page_size: int = 10, seed: int, policies: Sequence[Policy] = POLICIES
) -> PolicyPages:
    """Fit recommenders to the training part and take the first page of each for each user.

    Args:
        training: the training part; nothing else is known to them.
        user_index: int64 [m]: whom they serve; none of the items a user rated in it is shown.
        page_size: slots a page.
        seed: of whatever is random in a recommender.
        policies: the recommenders.

    Raises:
        ConfigError: the catalog has fewer items than a page.
    """
    if page_size > len(training.catalog):
        raise ConfigError(f"page size: got {page_size}, expected at most {len(training.catalog)}, the items in the catalog")
    requests = first_requests(training.ratings.users[user_index])
    shown = []
    for policy in policies:
        recommender = policy.build()
        recommender.fit(training.catalog, training.ratings, seed)
        shown.append(training.catalog.index_of(recommender.recommend(requests, page_size).item_id))
    items = np.stack(shown, axis=1)
    flat = items.reshape(len(items), -1)
    rows = [np.unique(row, return_inverse=True) for row in flat]
    asked = np.full((len(items), max((len(different) for different, _ in rows), default=1)), -1, np.int64)
    place = np.zeros(flat.shape, np.int64)
    for row, (different, back) in enumerate(rows):
        asked[row, : len(different)], place[row] = different, back
    return PolicyPages(tuple(policies), user_index, items, asked, place.reshape(items.shape))


def held_out_truth(pages: PolicyPages, held: HeldOut) -> dict[str, DoubleArray]:
    """Return what held-out ratings say of each page, float64 [m, r] by name of the measure; stars play no part.

    The measures are those of ``truth_of_pages``.
    """
    return truth_of_pages(pages.user_index, pages.item_index, held)


def truth_of_pages(user_index: IntArray, item_index: IntArray, held: HeldOut) -> dict[str, DoubleArray]:
    """Return what held-out ratings say of pages, float64 [m, r] by name of the measure; stars play no part.

    ``NDCG``: discounted sum of held-out items on the page over the largest possible one (Järvelin & Kekäläinen 2002, with
    binary gains and logarithm to base 2). ``recall``: held-out items on the page over what the page could hold of them.

    Args:
        user_index: int64 [m]: positions in the training part's users.
        item_index: int64 [m, r, k]: catalog positions by slot, -1 where a slot is empty.
        held: the split.
    """
    slots, items = item_index.shape[2], len(held.training.catalog)
    taken = np.unique(held.user_index * items + held.item_index)
    hit = np.isin(user_index[:, None, None] * items + item_index, taken) & (item_index >= 0)
    own = np.bincount(taken // items, minlength=held.users)[user_index]
    possible = np.minimum(own, slots)
    best = np.concatenate([[0.0], np.cumsum(discounts(slots))])[possible]
    weighted = hit.astype(np.float64) @ discounts(slots)
    scale = np.maximum(best, np.finfo(np.float64).tiny)[:, None], np.maximum(possible, 1)[:, None]
    return {"NDCG": weighted / scale[0], "recall": hit.sum(axis=2) / scale[1]}


def discounts(slots: int) -> DoubleArray:
    """Return float64 [k]: what a hit at each position is worth, ``1 / log2(position + 1)`` with positions from 1."""
    return np.asarray(1.0 / np.log2(np.arange(slots) + 2.0))


def first_requests(user_id: IntArray) -> Requests:
    """Return the requests of users, int64 [u], who were shown nothing yet."""
    zero, nothing = np.zeros(len(user_id), np.int64), np.full((len(user_id), 1), -1, np.int64)
    return Requests(user_id, zero, zero, nothing, np.zeros(nothing.shape, np.bool_), np.full(nothing.shape, np.nan, np.float32))
