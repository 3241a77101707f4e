"""Checked columns into a data set: the checks that every source shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import IntArray, TextArray
from recsim_llm.core.catalog import Catalog, default_features
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.data.bad_rows import RowCheck

__all__ = ["ItemColumns", "RatingColumns", "assemble", "build_catalog"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemColumns:
    """Items as they stand in a table, bad rows included."""

    item_id: IntArray
    """int64 [n]."""
    title: Sequence[str] | TextArray
    """str [n]."""
    genres: Sequence[Sequence[str]]
    """Genre names of each item."""
    year: IntArray
    """int64 [n]; -1 means unknown."""
    description: TextArray | None = None
    """str [n]; None means that the table has none."""
    provider: TextArray | None = None
    """str [n]; None means that the table has none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RatingColumns:
    """Interactions as they stand in a table, bad rows included."""

    user_id: IntArray
    """int64 [r]."""
    item_id: IntArray
    """int64 [r]; -1 for an item that the item table lacks."""
    rating: npt.NDArray[np.float32]
    """float32 [r]: stars."""
    timestamp: IntArray
    """int64 [r]: seconds since 1970-01-01 UTC."""


def build_catalog(check: RowCheck, items: ItemColumns) -> Catalog:
    """Build a catalog of the kept rows; items named a second time are refused.

    Raises:
        DataError: an item stands there twice and rows may not be skipped, or no row is left.
    """
    expected = "every item once"
    check.refuse_copies(items.item_id, column="item_id", expected=expected, reason="duplicate item_id")
    rows = np.flatnonzero(check.keep)
    return Catalog.from_columns(
        item_id=items.item_id[rows],
        title=[str(items.title[row]) for row in rows.tolist()],
        genres=[items.genres[row] for row in rows.tolist()],
        year=items.year[rows],
        description=None if items.description is None else list(items.description[rows]),
        provider=None if items.provider is None else list(items.provider[rows]),
    )


def assemble(
    name: str,
    catalog: Catalog,
    check: RowCheck,
    columns: RatingColumns,
    *,
    skipped: Mapping[str, int],
    demographics: Mapping[str, Mapping[int, str]] | None = None,
    licence: str = "",
) -> Dataset:
    """Build the data set; ratings of unknown items and second ratings of one item by one user are refused.

    Args:
        name: the data set's name.
        catalog: the items; their popularity is set to the number of kept ratings.
        check: which rows of the interactions table are kept so far.
        columns: the interactions.
        skipped: rows left out of the other tables, by reason.
        demographics: field to user_id to value.
        licence: terms of use.

    Raises:
        DataError: a row is unusable and rows may not be skipped, or no row is left.
    """
    place = catalog.index_of(columns.item_id)
    check.refuse(place < 0, column="item_id", expected="an id from the item table", reason="unknown item_id")
    expected = "one rating for each user and item, and this user has rated the item above"
    key = _pair_key(columns.user_id, place, len(catalog))
    check.refuse_copies(key, column="item_id", expected=expected, reason="duplicate rating")
    kept = check.keep
    ratings = Ratings(
        user_id=columns.user_id[kept],
        item_id=columns.item_id[kept],
        rating=columns.rating[kept],
        timestamp=columns.timestamp[kept],
    )
    return Dataset(
        name=name,
        catalog=_with_counts(catalog, place[kept]),
        ratings=ratings,
        demographics=demographics or {},
        licence=licence,
        skipped={**skipped, **check.skipped},
    )


def _with_counts(catalog: Catalog, place: IntArray) -> Catalog:
    """Return the catalog with the number of ratings of each item as its popularity, and features that follow it."""
    counts = np.bincount(place, minlength=len(catalog)).astype(np.float32)
    return replace(catalog, popularity=counts, features=default_features(catalog.genres, catalog.year, counts))


def _pair_key(user_id: IntArray, place: IntArray, item_count: int) -> IntArray:
    """Return one number for each (user, item) pair, int64 [r]."""
    if int(user_id.max()) >= np.iinfo(np.int64).max // (item_count + 1) - 1:
        user_id = np.unique(user_id, return_inverse=True)[1].astype(np.int64)
    return user_id * item_count + place
