"""A world: what recommenders are put into."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.profiles import Profile
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.ratings import Dataset
from recsim_llm.core.repetition import RatedItems
from recsim_llm.population.personas import Population

__all__ = ["Share", "World", "with_rated_items"]


class World(NamedTuple):
    """What a run or an environment simulates: items, users, and how the users behave."""

    catalog: Catalog
    """The items."""
    population: Population
    """The users; row is the user index."""
    users: UserModel
    """How they behave."""
    rated: RatedItems | None = None
    """What each user rated before the first page, by the data; None where that is not known."""


class Share(NamedTuple):
    """Some of the users of a world, to be served apart from the others."""

    population: Population
    """Who they are."""
    profile: Profile
    """What everyone may see of them, with the columns of the whole population."""


def with_rated_items(world: World, dataset: Dataset, train_share: float) -> World:
    """Return a world that knows what its users rated in the training part of the data, and no popularity but of that part.

    Args:
        world: of these data; of other items nothing is known.
        dataset: the data.
        train_share: share of each user's ratings, first in time, that came before the first page.
    """
    if not np.array_equal(world.catalog.item_id, dataset.catalog.item_id):
        return world
    known, _ = replace(dataset, catalog=world.catalog).training_part(train_share)
    catalog = replace(known.catalog, quality=world.catalog.quality)
    return world._replace(catalog=catalog, rated=RatedItems.of(known.ratings, world.population.user_id, catalog))
