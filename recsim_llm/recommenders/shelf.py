"""A recommender that fills pages from a part of the catalog: one shop of several that share their users."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.dynamics.selection import ItemSelection
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders.wrapping import Wrapper

__all__ = ["Shelf"]


class Shelf(Wrapper):
    """Shows some of the items alone, as another recommender ranks them; it learns from all ratings, or from those of its items.

    To the base all other items are retired. With ``learn: shelf`` it is what a shop of its own would have; with ``all`` it also
    knows what its users took elsewhere.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth; when fitted, if there are no such
            items, or no ratings to learn from.
    """

    class Settings(FrozenSettings):
        """Settings of ``Shelf``."""

        items: ItemSelection
        """Which items are shown: ``{provider: NAME}``, ``{genre: NAME}``, ..."""
        base: str = "mf"
        """Name of the recommender that ranks them, or ``module:class``."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""
        learn: Literal["all", "shelf"] = "all"
        """From which ratings of the training part the base learns: ``all``, or those of the items that are shown."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._base = self._open("Shelf, base", self.settings.base, self.settings.base_settings)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base to the items that are shown, and to what may be learned from."""
        self._items = self.settings.items.mask(catalog, keyed.words(seed, "shelf", 0))
        if self.settings.learn == "shelf":
            own = np.isin(ratings.item_id, catalog.item_id[self._items])
            if not own.any():
                raise ConfigError("shelf: got no rating of the items that are shown, expected some; set learn: all")
            ratings = ratings.take(own)
        super().fit(self._narrowed(catalog), ratings, seed)

    def restock(self, catalog: Catalog) -> None:
        """Tell the base what is on sale from now on, of the items that are shown."""
        super().restock(self._narrowed(catalog))

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the base's pages.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` of the items are on sale.
        """
        self._check_size(k)
        return self._base.recommend(requests, k)

    def _narrowed(self, catalog: Catalog) -> Catalog:
        return replace(catalog, retired=~(catalog.on_sale & self._items))
