"""The catalog: items as columns, addressed by id outside and by position inside."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray, TextArray
from recsim_llm.core.checked_columns import as_flags, as_numbers, as_texts, as_whole_numbers
from recsim_llm.errors import DataError

__all__ = ["Catalog", "default_features"]


_DENSE_LOOKUP_LIMIT = 8
_LEAST_PRICE = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalog:
    """Items as columns; every column has one entry an item, in the same order.

    ``item_id`` is the outside name of an item; its place in the columns, the *item index*, is what arrays inside the
    package hold. Titles appear only at the edge: nothing is ever looked up by title.
    """

    item_id: IntArray
    """int64 [n]: unique, non-negative outside ids."""
    title: TextArray
    """str [n]: display titles."""
    genre_names: tuple[str, ...]
    """Names of the genre columns."""
    genres: BoolArray
    """bool [n, len(genre_names)]: which genres an item has; a row may be empty."""
    year: IntArray
    """int64 [n]: release year; -1 means unknown."""
    popularity: FloatArray
    """float32 [n]: non-negative demand weight, for instance the number of ratings; only ratios matter."""
    features: FloatArray
    """float32 [n, f]: what a policy may see of an item and what embedding actions are scored against."""
    description: TextArray | None = None
    """str [n]: prose; None means that the data has none."""
    caption: TextArray | None = None
    """str [n]: what an item's picture or sound shows, in words; None means that the data has none."""
    provider: TextArray | None = None
    """str [n]: studio, seller or publisher; None means that the data has none."""
    quality: FloatArray | None = None
    """float32 [n] in 0..1: intrinsic quality where it is known (invented catalogs); never shown to policies."""
    retired: BoolArray | None = None
    """bool [n]: items that may no longer be shown; None means that all may be."""
    price: FloatArray | None = None
    """float32 [n], above 0: what each item costs now, in any currency; None means that the data has no prices."""
    item_key: TextArray | None = None
    """str [n]: the data's own ids where these are texts (``SKU-MUG``); None means that ``item_id`` is the data's own."""
    _lookup: IntArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ids = as_whole_numbers("catalog, item_id", self.item_id, ("items",), least=0)
        if not len(ids):
            raise DataError("catalog: got no items, expected at least one; check the item table")
        size = (len(ids),)
        columns: dict[str, npt.NDArray[Any] | None] = {
            "item_id": ids,
            "title": as_texts("catalog, title", self.title, size),
            "genres": as_flags("catalog, genres", self.genres, (*size, len(self.genre_names))),
            "year": as_whole_numbers("catalog, year", self.year, size),
            "popularity": _as_floats("popularity", self.popularity, size, bounds=(0.0, np.inf)),
            "features": _as_floats("features", self.features, (*size, "features")),
        }
        for name in ("description", "caption", "provider", "item_key"):
            texts = getattr(self, name)
            columns[name] = None if texts is None else as_texts(f"catalog, {name}", texts, size, unknown=name != "item_key")
        if self.quality is not None:
            columns["quality"] = _as_floats("quality", self.quality, size, bounds=(0.0, 1.0))
        if self.price is not None:
            columns["price"] = _as_floats("price", self.price, size, bounds=(_LEAST_PRICE, np.inf))
        if self.retired is not None:
            columns["retired"] = as_flags("catalog, retired", self.retired, size)
        for name, column in columns.items():
            object.__setattr__(self, name, column)
        object.__setattr__(self, "_lookup", self._build_lookup())

    @classmethod
    def from_columns(
        cls,
        *,
        item_id: npt.ArrayLike,
        title: Sequence[str],
        genres: Sequence[Sequence[str]],
        year: npt.ArrayLike | None = None,
        popularity: npt.ArrayLike | None = None,
        features: npt.ArrayLike | None = None,
        description: Sequence[str] | None = None,
        caption: Sequence[str] | None = None,
        provider: Sequence[str] | None = None,
        quality: npt.ArrayLike | None = None,
        price: npt.ArrayLike | None = None,
        item_key: Sequence[str] | None = None,
    ) -> Catalog:
        """Build a catalog from plain columns; genres come as one list of names an item.

        Args:
            item_id: unique non-negative integers.
            title: one title an item.
            genres: the genre names of each item, in any order.
            year: release years, -1 where unknown.
            popularity: demand weights; equal where not given.
            features: float [n, f]; where not given, genres scaled to unit length, scaled year and log popularity.
            description: one text an item.
            caption: what each item's picture or sound shows, in words.
            provider: one provider name an item.
            quality: 0 to 1.
            price: above 0.
            item_key: the data's own ids where these are texts.

        Raises:
            DataError: an id is repeated, negative or no whole number, a column holds what it cannot, or columns differ in
                length.
        """
        ids = np.ascontiguousarray(as_whole_numbers("catalog, item_id", item_id, ("items",), least=0))
        names, multi_hot = _multi_hot(_genre_lists(genres, len(ids)))
        size = (len(ids),)
        years = np.full(size, -1, np.int64) if year is None else as_whole_numbers("catalog, year", year, size)
        weight = np.ones(size, np.float32)
        if popularity is not None:
            weight = _as_floats("popularity", popularity, size, bounds=(0.0, np.inf))
        if features is None:
            features = default_features(multi_hot, years, weight) if len(ids) else np.empty((0, 0))
        return cls(
            item_id=ids,
            title=as_texts("catalog, title", title, size),
            genre_names=names,
            genres=multi_hot,
            year=years,
            popularity=weight,
            features=_as_floats("features", features, (*size, "features")),
            description=None if description is None else as_texts("catalog, description", description, size, unknown=True),
            caption=None if caption is None else as_texts("catalog, caption", caption, size, unknown=True),
            provider=None if provider is None else as_texts("catalog, provider", provider, size, unknown=True),
            quality=None if quality is None else _as_floats("quality", quality, size, bounds=(0.0, 1.0)),
            price=None if price is None else _as_floats("price", price, size),
            item_key=None if item_key is None else as_texts("catalog, item_key", item_key, size),
        )

    def __len__(self) -> int:
        return len(self.item_id)

    def index_of(self, item_id: npt.ArrayLike) -> IntArray:
        """Return the item index of each id, -1 where the catalog does not know it; any shape."""
        ids = as_whole_numbers("item_id", item_id, (...,))
        if len(self._lookup) > 0:
            known = (ids >= 0) & (ids < len(self._lookup))
            return np.where(known, self._lookup[np.where(known, ids, 0)], -1)
        order = self._order
        place = np.minimum(np.searchsorted(self.item_id, ids, sorter=order), len(self) - 1)
        found = order[place]
        return np.where(self.item_id[found] == ids, found, -1)

    def with_features(self, features: npt.ArrayLike) -> Catalog:
        """Return the same catalog with other observable features, float [n, f]."""
        return replace(self, features=_as_floats("features", features, (len(self), "features")))

    def with_popularity(self, popularity: npt.ArrayLike) -> Catalog:
        """Return the same catalog with other demand weights; default feature columns follow them, others stay.

        Args:
            popularity: float [n], for instance counts in the training part of the ratings.
        """
        weight = _as_floats("popularity", popularity, (len(self),), bounds=(0.0, np.inf))
        columns, standing = self.features, default_features(self.genres, self.year, self.popularity)
        width = standing.shape[1]
        if np.array_equal(columns[:, :width], standing):
            columns = np.hstack([default_features(self.genres, self.year, weight), columns[:, width:]])
        return replace(self, popularity=weight, features=np.ascontiguousarray(columns))

    def genres_of(self, item_index: int) -> list[str]:
        """Return the genre names of one item, in the order of ``genre_names``."""
        return [name for name, has in zip(self.genre_names, self.genres[item_index], strict=True) if has]

    @cached_property
    def on_sale(self) -> BoolArray:
        """Which items may be shown, bool [n]."""
        return np.ones(len(self), np.bool_) if self.retired is None else ~self.retired

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, titles, genres, years, popularity and prices: equal for equal catalogs."""
        digest = hashlib.sha256()
        for column in (self.item_id, self.genres, self.year, self.popularity, self.features):
            digest.update(np.ascontiguousarray(column).tobytes())
        for text in (self.title, self.description, self.provider):
            digest.update("\x1f".join(map(str, text)).encode() if text is not None else b"\x00")
        digest.update("\x1f".join(self.genre_names).encode())
        if self.caption is not None:
            digest.update(b"caption\x1e" + "\x1f".join(map(str, self.caption)).encode())
        if self.item_key is not None:
            digest.update("\x1f".join(self.item_key).encode())
        if self.price is not None:
            digest.update(b"price" + self.price.tobytes())
        return digest.hexdigest()

    @cached_property
    def _order(self) -> IntArray:
        return np.argsort(self.item_id, kind="stable")

    def _build_lookup(self) -> IntArray:
        ids = self.item_id
        values, counts = np.unique(ids, return_counts=True)
        if counts.max() > 1:
            raise DataError(f"catalog: got item_id {values[counts > 1][0]} twice, expected unique ids; drop one of the rows")
        if ids.max() > _DENSE_LOOKUP_LIMIT * len(ids) + 1_000_000:
            return np.empty(0, np.int64)
        lookup = np.full(int(ids.max()) + 1, -1, np.int64)
        lookup[ids] = np.arange(len(ids))
        return lookup


def _as_floats(
    name: str, values: npt.ArrayLike, shape: tuple[int | str, ...], bounds: tuple[float, float] = (-np.inf, np.inf)
) -> FloatArray:
    numbers = as_numbers(f"catalog, {name}", values, shape, bounds=bounds)
    return np.ascontiguousarray(numbers, dtype=np.float32)


def _genre_lists(genres: Iterable[Iterable[str]], count: int) -> list[list[str]]:
    """Return the genres as lists of names; a text, which would be read letter by letter, is refused."""
    if isinstance(genres, str | Mapping) or not isinstance(genres, Iterable):
        raise DataError(f"catalog, genres: got {type(genres).__name__}, expected a list of names an item; write [['Drama']]")
    genres = list(genres)
    if len(genres) != count:
        raise DataError(f"catalog, genres: got {len(genres)} rows, expected {count}, one for each item_id; give each a list")
    for row, names in enumerate(genres):
        listed = not isinstance(names, str) and isinstance(names, Iterable)
        if not listed or not all(isinstance(name, str) for name in names):
            raise DataError(f"catalog, genres: got {names!r} at {row}, expected a list of names; write ['Drama'] or []")
    return [list(names) for names in genres]


def _multi_hot(genres: list[list[str]]) -> tuple[tuple[str, ...], BoolArray]:
    """Return the names of all genres, in the order of the alphabet, and bool [n, g]: which of them each item has."""
    names = tuple(sorted({name for row in genres for name in row}))
    place = {name: column for column, name in enumerate(names)}
    multi_hot = np.zeros((len(genres), len(names)), dtype=np.bool_)
    for row, row_names in enumerate(genres):
        multi_hot[row, [place[name] for name in row_names]] = True
    return names, multi_hot


def default_features(genres: BoolArray, year: IntArray, popularity: FloatArray) -> FloatArray:
    """Return observable item features: unit-length genre rows, scaled year, scaled log popularity.

    Args:
        genres: bool [n, g].
        year: int64 [n], -1 where unknown (then the mean year stands in, scaled value 0).
        popularity: float32 [n].

    Returns:
        float32 [n, g + 2]; the last two columns have mean 0 and standard deviation 1 where they vary.
    """
    length = np.sqrt(np.maximum(genres.sum(axis=1, keepdims=True), 1))
    known = year >= 0
    mean_year = year[known].mean() if known.any() else 0.0
    columns = [genres / length, _standardise(np.where(known, year, mean_year)), _standardise(np.log1p(popularity))]
    return np.ascontiguousarray(np.column_stack(columns), dtype=np.float32)


def _standardise(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    spread = float(values.std())
    standard: npt.NDArray[np.float64] = (values - values.mean()) / (spread if spread > 0 else 1.0)
    return standard
