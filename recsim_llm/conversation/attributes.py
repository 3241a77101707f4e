"""What can be asked about: attributes of a catalog's items, and which item has which value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog

__all__ = ["Attributes", "find_attributes"]

_MOST_PROVIDERS = 25
_FAME = ("little known", "known", "well known")


@dataclass(frozen=True, kw_only=True, eq=False)
class Attributes:
    """The attributes of a catalog; their values stand one after another in one list, by *value index*."""

    names: tuple[str, ...]
    """Of the attributes, such as ``genre`` and ``decade``."""
    value_names: tuple[str, ...]
    """Of all values, those of one attribute together."""
    attribute: IntArray
    """int64 [v]: of each value, the place of its attribute in ``names``."""
    members: BoolArray
    """bool [n, v]: which items have which values; an item may have several values of an attribute, or none."""

    def values_of(self, attribute: int) -> IntArray:
        """Return int64: the values of one attribute."""
        return np.flatnonzero(self.attribute == attribute)

    @cached_property
    def of(self) -> BoolArray:
        """Bool [a, v]: which values belong to which attribute."""
        own: BoolArray = self.attribute[None] == np.arange(len(self.names))[:, None]
        return own

    @cached_property
    def main(self) -> BoolArray:
        """Bool [n, v]: of each item and attribute one value, the one that fewest items have; the first of equals."""
        main = np.zeros(self.members.shape, np.bool_)
        count = self.members.sum(axis=0)
        for attribute in range(len(self.names)):
            values = self.values_of(attribute)
            own = np.where(self.members[:, values], count[values], len(self.members) + 1)
            best = own.argmin(axis=1)
            there = self.members[:, values].any(axis=1)
            main[np.flatnonzero(there), values[best[there]]] = True
        return main

    def shares(self, weights: DoubleArray) -> DoubleArray:
        """Return weights of values scaled so that those of each attribute sum to 1, or are all 0; float64 [m, v]."""
        total = weights @ self.of.T.astype(np.float64)
        share: DoubleArray = weights / np.maximum(total, 1e-300)[:, self.attribute]
        return share


def find_attributes(catalog: Catalog) -> Attributes:
    """Return what can be asked about the items of a catalog.

    ``genre``; ``decade`` of the release; ``provider``, where there are 2 to 25 of them; ``fame``, the third of the catalog in
    which an item's popularity lies. An attribute without at least two values is left out, and so is a value without items.
    """
    names: list[str] = []
    values: list[str] = []
    attribute: list[int] = []
    columns: list[BoolArray] = []
    for name, labels, members in _candidates(catalog):
        there = [place for place in range(len(labels)) if members[:, place].any()]
        if len(there) < 2:
            continue
        attribute += [len(names)] * len(there)
        values += [labels[place] for place in there]
        columns.append(members[:, there])
        names.append(name)
    return Attributes(
        names=tuple(names),
        value_names=tuple(values),
        attribute=np.array(attribute, np.int64),
        members=np.hstack(columns) if columns else np.zeros((len(catalog), 0), np.bool_),
    )


def _candidates(catalog: Catalog) -> Iterator[tuple[str, tuple[str, ...], BoolArray]]:
    yield "genre", catalog.genre_names, catalog.genres
    decade = np.where(catalog.year > 0, catalog.year // 10 * 10, -1)
    decades = np.unique(decade[decade > 0])
    yield "decade", tuple(f"{year}s" for year in decades.tolist()), decade[:, None] == decades[None]
    if catalog.provider is not None:
        known = sorted({str(name) for name in catalog.provider if name})
        if len(known) <= _MOST_PROVIDERS:
            yield "provider", tuple(known), catalog.provider[:, None] == np.array(known, object)[None]
    order = np.argsort(np.argsort(catalog.popularity, kind="stable"), kind="stable")
    third = order * len(_FAME) // max(len(catalog), 1)
    if np.ptp(catalog.popularity) > 0:
        yield "fame", _FAME, third[:, None] == np.arange(len(_FAME))[None]
