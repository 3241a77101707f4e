"""The split behind the measure of cold items: nothing that anybody did with them is in the training part.

All ratings of the cold items are held out, and the last ones of each user's others, so that it shows what a warm-up of the cold
items costs the rest. The training part's items stand in an order drawn anew: recommenders put equal scores in the order of the
catalog, and that of the data often tells what is old and popular.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset, Ratings
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.realism.held_out import HeldOut

__all__ = ["ColdItems", "draw_cold_items", "hold_out_items", "in_random_order"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ColdItems:
    """A data set without anything that was done with some of its items."""

    held: HeldOut
    """The training part, and what is held out: all ratings of the cold items, and the last of each user's others."""
    item_index: IntArray
    """int64 [c]: the cold items, positions in the training part's catalog, ascending."""


def hold_out_items(
    dataset: Dataset, *, seed: int, draw: int = 0, share: float = 0.1, train_share: float = TRAIN_SHARE
) -> ColdItems:
    """Hold out all ratings of some items.

    Args:
        dataset: all ratings.
        seed: puts the rated items in the order in which draws take them, and the catalog in another.
        draw: which share of that order is cold, from 0: draws of one seed have no item in common.
        share: of the rated items.
        train_share: share of each user's other ratings, first in time, to fit on.

    Raises:
        ConfigError: a share is outside (0, 1), or there are no items left for the draw.
        DataError: nobody has rated both a cold item and another.
    """
    ratings = dataset.ratings
    cold_id = draw_cold_items(ratings, seed=seed, draw=draw, share=share)
    cold = np.isin(ratings.item_id, cold_id)
    if cold.all():
        raise DataError("cold items: got data in which nothing else was rated, expected ratings of others; lower the share")
    known, late = ratings.take(~cold).split_by_time(train_share)
    training = replace(dataset, catalog=in_random_order(dataset.catalog, seed)).of_ratings(known)
    return ColdItems(
        held=_held(training, late, ratings.take(cold & np.isin(ratings.user_id, known.users))),
        item_index=np.sort(training.catalog.index_of(cold_id)),
    )


def _held(training: Dataset, late: Ratings, cold: Ratings) -> HeldOut:
    users = np.concatenate([late.user_id, cold.user_id])
    return HeldOut(
        training=training,
        user_index=np.searchsorted(training.ratings.users, users),
        item_index=training.catalog.index_of(np.concatenate([late.item_id, cold.item_id])),
        rating=np.concatenate([late.rating, cold.rating]).astype(np.float64),
    )


def in_random_order(catalog: Catalog, seed: int, number: int = 0) -> Catalog:
    """Return the same items in an order drawn by a seed; an odd number gives the order before it from the end."""
    order = keyed.words(seed, "order of the catalog", catalog.item_id, number // 2).argsort(kind="stable")
    order = order[::-1] if number % 2 else order
    optional = ("description", "caption", "provider", "quality", "retired", "item_key")
    columns = ["item_id", "title", "genres", "year", "popularity", "features"]
    columns += [name for name in optional if getattr(catalog, name) is not None]
    return replace(catalog, **{name: getattr(catalog, name)[order] for name in columns})


def draw_cold_items(ratings: Ratings, *, seed: int, draw: int = 0, share: float = 0.1) -> IntArray:
    """Return int64 [c]: ids of items that were rated and shall count as new; arguments as of ``hold_out_items``.

    Raises:
        ConfigError: a share is outside (0, 1), or there are no items left for the draw.
    """
    if not 0 < share < 1:
        raise ConfigError(f"share of cold items: got {share}, expected a number between 0 and 1, for instance 0.1")
    rated = np.unique(ratings.item_id)
    size = max(1, round(share * len(rated)))
    if not 0 <= draw < len(rated) // size:
        raise ConfigError(
            f"draws: got number {draw + 1} of {share:g} of the items each, expected {len(rated) // size} at most, since "
            "no two draws share an item; lower the share or the draws"
        )
    order = keyed.words(seed, "cold items", rated).argsort(kind="stable")
    return rated[order[draw * size : (draw + 1) * size]]
