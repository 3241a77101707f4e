"""Poisoned words: what somebody has a recommender read of an item, which nobody else reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import TextArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.dynamics.selection import ItemSelection

__all__ = ["TextPoison", "with_poison"]


class TextPoison(FrozenSettings):
    """Words that stand in the place of some items' descriptions and captions, where a recommender reads these.

    Users read the items' own words, as where a shop shows other texts than it feeds to its recommender.
    """

    items: ItemSelection
    """Whose words are replaced."""
    text: str = Field(min_length=1, max_length=2000)
    """The words: praise, words of what many like, or an instruction. Language policies read the first 120 characters."""


def with_poison(poison: TextPoison, catalog: Catalog, *, seed: int) -> Catalog:
    """Return the catalog as the poisoned recommender reads it.

    Args:
        poison: what is written where.
        catalog: the items.
        seed: of items that are drawn.

    Raises:
        ConfigError: no item is meant, or one is unknown.
    """
    chosen = poison.items.mask(catalog, keyed.words(seed, "poisoned words"))

    def written(own: TextArray | None) -> TextArray:
        words = np.full(len(catalog), "", object) if own is None else np.array(own, object)
        words[chosen] = poison.text
        return words

    return replace(catalog, description=written(catalog.description), caption=written(catalog.caption))
