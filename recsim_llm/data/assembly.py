"""Checked columns into a data set: the checks that every source shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, IntArray, TextArray
from recsim_llm.core.catalog import Catalog, default_features
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.data.bad_rows import SKIP_REMEDY, RowCheck

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
    caption: TextArray | None = None
    """str [n]; None means that the table has none."""
    provider: TextArray | None = None
    """str [n]; None means that the table has none."""
    price: DoubleArray | None = None
    """float64 [n], above 0; None means that the table has none, or that nobody asked for it."""
    key: Sequence[str] | None = None
    """One a row: the table's own ids where these are texts; None means that ``item_id`` is the table's own."""


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
        caption=None if items.caption is None else list(items.caption[rows]),
        provider=None if items.provider is None else list(items.provider[rows]),
        price=None if items.price is None else items.price[rows],
        item_key=None if items.key is None else [items.key[row] for row in rows.tolist()],
    )


def assemble(
    name: str,
    catalog: Catalog,
    check: RowCheck,
    columns: RatingColumns,
    *,
    skipped: Mapping[str, int],
    unread: Mapping[str, int] | None = None,
    demographics: Mapping[str, Mapping[int, str]] | None = None,
    licence: str = "",
    feedback: Literal["explicit", "implicit"] = "explicit",
    copies_remedy: str = SKIP_REMEDY,
) -> Dataset:
    """Build the data set; interactions with unknown items are refused, and so are second ratings of one item by one user.

    Where rows are clicks or purchases, several of one user and item are one interaction, at the time of the last, that counts
    as often as it stands there. So a part of the rows that is cut off in time holds nothing of what came later.

    Args:
        name: the data set's name.
        catalog: the items; their popularity is set to the number of kept ratings, of implicit data to that of all interactions.
        check: which rows of the interactions table are kept so far.
        columns: the interactions.
        skipped: rows left out of the other tables, by reason.
        unread: fields of the other tables that could not be read, by reason.
        demographics: field to user_id to value.
        licence: terms of use.
        feedback: what rows are.
        copies_remedy: what to do about a second rating, for the error text.

    Raises:
        DataError: a row is unusable and rows may not be skipped, or no row is left.
    """
    place = catalog.index_of(columns.item_id)
    check.refuse(place < 0, column="item_id", expected="an id from the item table", reason="unknown item_id")
    key = _pair_key(columns.user_id, place, len(catalog))
    if feedback == "explicit":
        expected = "one rating for each user and item, and this user has rated the item above"
        check.refuse_copies(key, column="item_id", expected=expected, reason="duplicate rating", remedy=copies_remedy)
        rows, count = np.flatnonzero(check.keep), None
    else:
        rows, count = _last_of_each(np.flatnonzero(check.keep), key, columns.timestamp)
    ratings = Ratings(
        user_id=columns.user_id[rows],
        item_id=columns.item_id[rows],
        rating=columns.rating[rows],
        timestamp=columns.timestamp[rows],
        count=count,
    )
    return Dataset(
        name=name,
        catalog=_with_counts(catalog, place[rows], count),
        ratings=ratings,
        demographics=demographics or {},
        licence=licence,
        skipped={**skipped, **check.skipped},
        unread={**(unread or {}), **check.unread},
        feedback=feedback,
    )


def _last_of_each(rows: IntArray, key: IntArray, timestamp: IntArray) -> tuple[IntArray, IntArray | None]:
    """Return the latest of the rows of each key, in file order, and how many rows it stands for; None where each for itself."""
    _, group, count = np.unique(key[rows], return_inverse=True, return_counts=True)
    if count.max() == 1:
        return rows, None
    order = np.lexsort((rows, timestamp[rows], group))
    last = order[np.cumsum(count) - 1]
    in_file_order = np.argsort(rows[last])
    return rows[last][in_file_order], count[in_file_order].astype(np.int64)


def _with_counts(catalog: Catalog, place: IntArray, count: IntArray | None) -> Catalog:
    """Return the catalog with the number of ratings of each item as its popularity, and features that follow it."""
    counts = np.bincount(place, weights=count, minlength=len(catalog)).astype(np.float32)
    return replace(catalog, popularity=counts, features=default_features(catalog.genres, catalog.year, counts))


def _pair_key(user_id: IntArray, place: IntArray, item_count: int) -> IntArray:
    """Return one number for each (user, item) pair, int64 [r]."""
    if int(user_id.max()) >= np.iinfo(np.int64).max // (item_count + 1) - 1:
        user_id = np.unique(user_id, return_inverse=True)[1].astype(np.int64)
    return user_id * item_count + place
