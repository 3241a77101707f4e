"""A world: what recommenders are put into."""

from __future__ import annotations

from typing import NamedTuple

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.protocols import UserModel
from recsim_llm.population.personas import Population

__all__ = ["World"]


class World(NamedTuple):
    """What a run or an environment simulates: items, users, and how the users behave."""

    catalog: Catalog
    """The items."""
    population: Population
    """The users; row is the user index."""
    users: UserModel
    """How they behave."""
