"""Personas: who a user is. One frozen record a user, one set of columns a population."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import FloatArray, TextArray
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, DataError, one_of

__all__ = ["TRAITS", "Persona", "Population", "Trait"]


class Trait(NamedTuple):
    """What a trait means and where its number comes from."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str


TRAITS: tuple[Trait, ...] = (
    Trait("activity", "ratings", 0, np.inf, "number of ratings the user gave"),
    Trait("conformity", "stars^2", 0, np.inf, "mean squared deviation of the user's ratings from the items' mean ratings"),
    Trait("diversity", "genres", 0, np.inf, "smallest number of genres that covers 80% of the history's genre mentions"),
    Trait("rating_mean", "stars", 0.5, 5, "mean rating"),
    Trait("rating_spread", "stars", 0, 4.5, "standard deviation of the ratings"),
    Trait("mainstreamness", "share", 0, 1, "mean popularity percentile of the items in the history"),
    Trait("patience", "items", 0, np.inf, "median number of ratings a sitting; a sitting ends with an hour's pause"),
    Trait("pickiness", "share", 0, 1, "share of ratings below the user's most frequent rating"),
    Trait("position_bias", "factor", 0, np.inf, "exponent on the examination curve: 0 reads everything, 1 follows the curve"),
)
"""Every trait of a persona, in column order."""


@dataclass(frozen=True, kw_only=True)
class Persona:
    """Who one user is."""

    user_id: int
    """Outside id."""
    activity: float
    """Ratings given."""
    conformity: float
    """Mean squared deviation from the items' mean ratings, stars squared; small means conforming."""
    diversity: float
    """Genres needed to cover 80% of the history."""
    rating_mean: float
    """Stars."""
    rating_spread: float
    """Standard deviation in stars."""
    mainstreamness: float
    """Mean popularity percentile of what the user consumed, 0 to 1."""
    patience: float
    """Median ratings a sitting."""
    pickiness: float
    """Share of ratings below the user's most frequent one, 0 to 1."""
    position_bias: float
    """Exponent on the examination curve."""
    taste: Mapping[str, float]
    """Genre to taste: how much more (above 0) or less often than others the user picks it, natural log of the ratio."""
    rates: bool = True
    """Whether the user gives stars; else what is of ratings here says nothing."""
    demographics: Mapping[str, str] = field(default_factory=dict)
    """Field to value, for instance ``{"age": "25-34"}``; empty where unknown."""

    @property
    def taste_strength(self) -> float:
        """How decided the user's taste is: root mean square of ``taste``; 0: picks every genre as often as others do."""
        return math.sqrt(sum(taste * taste for taste in self.taste.values()) / len(self.taste)) if self.taste else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Many personas as columns; the row is the *user index*."""

    user_id: npt.NDArray[np.int64]
    """int64 [u]: unique outside ids, 0 or more."""
    traits: FloatArray
    """float32 [u, len(TRAITS)]: one column a trait, in the order of ``TRAITS``."""
    genre_names: tuple[str, ...]
    """Names of the taste columns."""
    taste: FloatArray
    """float32 [u, g]: log ratio of the user's share of a genre to the population's."""
    demographics: Mapping[str, npt.NDArray[np.object_]] = field(default_factory=dict)
    """Field to str [u]; an empty string means unknown."""
    vectors: Mapping[str, FloatArray] = field(default_factory=dict)
    """Fitted hidden state by name, float32 [u, d]: what a user model needs beyond traits; never shown to policies."""
    user_key: TextArray | None = None
    """str [u]: the data's own ids where these are texts (``0007``), empty for users whom the data does not name; None means
    that ``user_id`` is the data's own."""
    rates: bool = True
    """Whether the users give stars; users of clicks and purchases do not, and their traits of ratings say nothing."""
    usual_patience: float | None = None
    """Median patience of everyone of whom these users are a part; None where they are not apart from anybody."""

    def __post_init__(self) -> None:
        count = len(self.user_id)
        if count == 0:
            raise DataError("population: got no users, expected at least one")
        if len(np.unique(self.user_id)) != count:
            raise DataError("population: got a user_id twice, expected unique ids; drop one of the rows")
        expected = {"traits": (count, len(TRAITS)), "taste": (count, len(self.genre_names))}
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise DataError(f"population {name}: got shape {getattr(self, name).shape}, expected {shape}")
        for name, column in (*self.demographics.items(), *self.vectors.items()):
            if len(column) != count:
                raise DataError(f"population column {name!r}: got {len(column)} rows, expected {count}")
        if self.user_key is not None and len(self.user_key) != count:
            raise DataError(f"population column 'user_key': got {len(self.user_key)} rows, expected {count}")

    def __len__(self) -> int:
        return len(self.user_id)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, traits, tastes and fitted vectors."""
        digest = hashlib.sha256()
        for column in (self.user_id, self.traits, self.taste, *(self.vectors[name] for name in sorted(self.vectors))):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def trait(self, name: str) -> FloatArray:
        """Return float32 [u]: one trait of every user.

        Raises:
            ConfigError: there is no such trait.
        """
        for column, trait in enumerate(TRAITS):
            if trait.name == name:
                return self.traits[:, column]
        raise ConfigError(f"trait: got {name!r}, expected {one_of(name, [trait.name for trait in TRAITS])}")

    def take(self, index: npt.NDArray[np.int64]) -> Population:
        """Return the population of the given user indices, in that order."""
        return Population(
            user_id=self.user_id[index],
            traits=self.traits[index],
            genre_names=self.genre_names,
            taste=self.taste[index],
            demographics={name: column[index] for name, column in self.demographics.items()},
            vectors={name: column[index] for name, column in self.vectors.items()},
            user_key=None if self.user_key is None else self.user_key[index],
            rates=self.rates,
        )

    def apart(self, index: npt.NDArray[np.int64]) -> Population:
        """Return some of the users, who are to do what they do among everyone."""
        usual = float(np.median(self.trait("patience"))) if self.usual_patience is None else self.usual_patience
        return replace(self.take(index), usual_patience=usual)

    def known_in(self, dataset: Dataset) -> Population:
        """Return the same users as a data set knows them: with their own ids there, and whether they give stars."""
        keys, rates = dataset.user_keys, dataset.feedback == "explicit"
        if not keys and rates:
            return self
        own = np.array([keys.get(user, "") for user in self.user_id.tolist()], object) if keys else self.user_key
        return replace(self, user_key=own, rates=rates)

    def persona(self, user_index: int) -> Persona:
        """Return one user as a record."""
        return Persona(
            user_id=int(self.user_id[user_index]),
            **{trait.name: float(self.traits[user_index, column]) for column, trait in enumerate(TRAITS)},
            rates=self.rates,
            taste={name: float(value) for name, value in zip(self.genre_names, self.taste[user_index], strict=True)},
            demographics={name: str(column[user_index]) for name, column in self.demographics.items() if column[user_index]},
        )
