"""Which users and which items something is about, as a scenario says it: every condition given must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.population.personas import TRAITS, Population

__all__ = ["ItemSelection", "UserSelection"]


class UserSelection(FrozenSettings):
    """Some of the users; without conditions all of them."""

    share: float | None = Field(default=None, gt=0, le=1)
    """Share of the users, drawn by the seed and the user's id."""
    trait: str | None = None
    """Name of a trait, with ``above`` or ``below``."""
    likes: str | None = None
    """Name of a genre, with ``above`` or ``below``: by how much the user's taste is for it."""
    above: float | None = Field(default=None, ge=0, lt=1)
    """Only users above this quantile of the trait or of the taste."""
    below: float | None = Field(default=None, gt=0, le=1)
    """Only users at or below this quantile."""
    demographics: dict[str, str] = Field(default_factory=dict)
    """Field to the value wanted."""
    users: list[int] | None = Field(default=None, min_length=1)
    """Outside ids."""

    @field_validator("trait")
    @classmethod
    def _trait_is_known(cls, trait: str | None) -> str | None:
        known = [one.name for one in TRAITS]
        if trait is not None and trait not in known:
            raise ValueError(f"expected {one_of(trait, known)}")
        return trait

    def mask(self, population: Population, word: keyed.Words) -> BoolArray:
        """Return bool [u]: who is meant.

        Args:
            population: the users.
            word: uint64 [1]: of what this is for, with the seed absorbed.

        Raises:
            ConfigError: a genre or a field is unknown, a quantile has nothing to be of, or nobody is meant.
        """
        chosen = self.matching(population, word)
        if not chosen.any():
            raise ConfigError(f"who: got {_given(self)}, which is nobody of {len(population)} users, expected at least one")
        return chosen

    def matching(self, population: Population, word: keyed.Words) -> BoolArray:
        """Return bool [u]: who meets the conditions, be it nobody; arguments and errors else as of ``mask``."""
        chosen = np.ones(len(population), np.bool_)
        if self.users is not None:
            chosen &= np.isin(population.user_id, np.array(self.users))
        if self.share is not None:
            chosen &= keyed.uniform(keyed.absorb(word, population.user_id)) < self.share
        for field, value in self.demographics.items():
            if field not in population.demographics:
                raise ConfigError(f"demographics: got {field!r}, expected {_known(field, list(population.demographics))}")
            chosen &= np.asarray(population.demographics[field] == value, np.bool_)
        self.check_quantiles()
        for values in self._measured(population):
            if self.above is not None:
                chosen &= values > np.quantile(values, self.above)
            if self.below is not None:
                chosen &= values <= np.quantile(values, self.below)
        return chosen

    def check_quantiles(self) -> None:
        """See to it that there is something for a quantile to be of.

        Raises:
            ConfigError: there is not.
        """
        measured = self.trait is not None or self.likes is not None
        if measured == (self.above is None and self.below is None):
            got = "trait or likes without above or below" if measured else "above or below without trait or likes"
            raise ConfigError(f"who: got {got}, expected both; for instance {{trait: patience, below: 0.25}}")

    def _measured(self, population: Population) -> list[npt.NDArray[np.floating]]:
        values: list[npt.NDArray[np.floating]] = []
        if self.trait is not None:
            values.append(population.trait(self.trait))
        if self.likes is not None:
            if self.likes not in population.genre_names:
                raise ConfigError(f"likes: got {self.likes!r}, expected {one_of(self.likes, population.genre_names)}")
            values.append(population.taste[:, population.genre_names.index(self.likes)])
        return values


class ItemSelection(FrozenSettings):
    """Some of the items; without conditions all of them."""

    share: float | None = Field(default=None, gt=0, le=1)
    """Share of the items, drawn by the seed and the item's id."""
    genre: str | None = None
    """Items of this genre."""
    provider: str | None = None
    """Items of this provider."""
    popular: float | None = Field(default=None, gt=0, le=1)
    """Only this share of the items, those with the most ratings."""
    rare: float | None = Field(default=None, gt=0, le=1)
    """Only this share of the items, those with the fewest ratings."""
    items: list[int] | None = Field(default=None, min_length=1)
    """Outside ids."""

    def mask(self, catalog: Catalog, word: keyed.Words) -> BoolArray:
        """Return bool [n]: which items are meant; arguments as of ``UserSelection.mask``.

        Raises:
            ConfigError: a genre, a provider or an id is unknown, or nothing is meant.
        """
        chosen = self._named(catalog)
        if self.share is not None:
            chosen &= keyed.uniform(keyed.absorb(word, catalog.item_id)) < self.share
        # By rank, so that equal numbers of ratings do not make the share larger.
        rank = np.argsort(np.argsort(-catalog.popularity, kind="stable"), kind="stable")
        if self.popular is not None:
            chosen &= rank < self.popular * len(catalog)
        if self.rare is not None:
            chosen &= rank >= (1 - self.rare) * len(catalog)
        if not chosen.any():
            raise ConfigError(f"items: got {_given(self)}, which is none of {len(catalog)} items, expected at least one")
        return chosen

    def _named(self, catalog: Catalog) -> BoolArray:
        """Return bool [n]: the items that have what is named."""
        chosen = np.ones(len(catalog), np.bool_)
        if self.items is not None:
            places = catalog.index_of(np.array(self.items))
            if places.min() < 0:
                raise ConfigError(f"items: got {self.items[int(np.argmin(places))]}, expected ids of the catalog; leave it out")
            chosen &= np.isin(np.arange(len(catalog)), places)
        if self.genre is not None:
            if self.genre not in catalog.genre_names:
                raise ConfigError(f"genre: got {self.genre!r}, expected {one_of(self.genre, catalog.genre_names)}")
            chosen &= catalog.genres[:, catalog.genre_names.index(self.genre)]
        if self.provider is not None:
            providers = [] if catalog.provider is None else sorted(set(catalog.provider.tolist()))
            if self.provider not in providers:
                raise ConfigError(f"provider: got {self.provider!r}, expected {_known(self.provider, providers)}")
            chosen &= np.asarray(catalog.provider == self.provider, np.bool_)
        return chosen


def _known(name: str, known: Sequence[str]) -> str:
    return one_of(name, known) if known else "none, since the data say nothing of them"


def _given(selection: FrozenSettings) -> Mapping[str, Any]:
    return selection.model_dump(exclude_unset=True)
