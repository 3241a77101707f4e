"""Any pair of tables as a data set: interactions, and items where there are any, in CSV, TSV or Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset
from recsim_llm.data.assembly import ItemColumns, RatingColumns, assemble, build_catalog
from recsim_llm.data.bad_rows import LOWEST_STARS, MOST_STARS, SKIP_REMEDY, RowCheck
from recsim_llm.data.column_values import is_list, parse_decimals, parse_labels, place_labels, shown
from recsim_llm.data.movielens_words import split_genres
from recsim_llm.data.table_files import read_table
from recsim_llm.errors import ConfigError, DataError, one_of

__all__ = ["id_labels", "load_tables"]

_INTERACTIONS = ("user_id", "item_id", "rating", "timestamp")
_ITEMS = ("item_id", "title", "genres", "year", "description", "provider")
_ITEM_ID_THERE = "items.item_id"
_NAMES = (*_INTERACTIONS, *_ITEMS[1:], _ITEM_ID_THERE)
_OTHER_SCALE_SHARE = 0.2
_LAST_YEAR = 9_999
_REMEDY = "rename the column, or name it with columns={our name: name in the file}"

Scale = tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Items:
    """The catalog, and what translates the interactions' item ids into its own."""

    catalog: Catalog
    labels: tuple[str, ...] | None
    skipped: Mapping[str, int]


def load_tables(
    interactions: str | Path,
    items: str | Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    skip_bad_rows: bool = False,
    genre_separator: str = "|",
    rating_scale: Scale | None = None,
    constant_rating: float | None = None,
    string_ids: bool | None = None,
    name: str | None = None,
) -> Dataset:
    """Load a table of interactions and, where given, a table of items.

    The suffix tells the kind: ``.csv`` (comma), ``.tsv`` (tab), either with ``.gz``, or ``.parquet``. Timestamps are
    seconds or milliseconds since 1970 (a number above 1e11 is read as milliseconds) or ISO 8601 dates, UTC where no
    offset is given; without a timestamp column they are 0. Only ``user_id``, ``item_id`` and ``rating`` must be there.

    Ids that are texts become positions in the sorted order of the distinct labels; ``id_labels`` returns these labels.
    Item labels are numbered over the item table, or over the interactions where there is none.

    Args:
        interactions: file with one row an interaction.
        items: file with one row an item; without it, items are those of the interactions, titled by their ids.
        columns: our name (``user_id``, ``item_id``, ``rating``, ``timestamp``, ``title``, ``genres``, ``year``,
            ``description``, ``provider``) to the file's; ``items.item_id`` where the item table names ids otherwise.
        skip_bad_rows: leave unusable rows out and count them in ``Dataset.skipped`` instead of raising.
        genre_separator: what stands between genres in one field; Parquet lists of texts need none.
        rating_scale: lowest and highest rating of another scale, mapped linearly onto 1 to 5.
        constant_rating: stars for every row of data without ratings (clicks, purchases); no rating column is then read.
        string_ids: whether ids are texts; None goes by each column's first value: a plain whole number means numbers.
        name: the data set's name; the interactions file's own name where None.

    Raises:
        ConfigError: an option cannot work.
        DataError: a file is missing or unreadable, lacks a column, or holds a row that cannot be used.
    """
    names = _checked_names(columns, has_items=items is not None)
    _check_options(rating_scale, constant_rating)
    path = Path(interactions)
    wanted = {ours: names[ours] for ours in _INTERACTIONS if ours != "rating" or constant_rating is None}
    optional = {"rating", "timestamp"} - set(columns or {})
    check = RowCheck(read_table(path, wanted, optional=optional, remedy=_REMEDY), skip=skip_bad_rows)
    user_id, _ = check.ids("user_id", labels=string_ids)
    rating = _stars(check, rating_scale, constant_rating)
    timestamp = check.times("timestamp") if check.has("timestamp") else np.zeros(len(user_id), dtype=np.int64)
    if items is None:
        found, item_id = _items_of_interactions(check, string_ids)
    else:
        given = set(columns or {})
        found = _read_items(Path(items), names, given, genre_separator, labels=string_ids, skip=skip_bad_rows)
        item_id = _item_ids(check, found.labels)
    rows = RatingColumns(user_id=user_id, item_id=item_id, rating=rating, timestamp=timestamp)
    return assemble(name or path.name.split(".")[0], found.catalog, check, rows, skipped=found.skipped)


def id_labels(table: str | Path, column: str) -> tuple[str, ...]:
    """Return the labels that ``load_tables`` numbers: the label at position k belongs to id k.

    Args:
        table: the interactions file for user ids, the item file (or interactions where there is none) for item ids.
        column: the file's own name of the column.

    Raises:
        DataError: the file is missing or unreadable, or lacks the column.
    """
    raw = read_table(Path(table), {"label": column}, remedy="name a column that is there")
    return parse_labels(raw.columns["label"])[0].names


def _checked_names(columns: Mapping[str, str] | None, *, has_items: bool) -> dict[str, str]:
    given = dict(columns or {})
    for ours in given:
        if ours not in _NAMES:
            raise ConfigError(f"columns: got name {ours!r}, expected {one_of(ours, _NAMES)}")
        if not has_items and ours not in _INTERACTIONS:
            raise ConfigError(f"columns: got {ours!r} but no item table, expected one; pass items= or drop the name")
    names = {ours: given.get(ours, ours) for ours in _NAMES}
    names[_ITEM_ID_THERE] = given.get(_ITEM_ID_THERE, names["item_id"])
    return names


def _check_options(scale: Scale | None, constant: float | None) -> None:
    if scale is not None and constant is not None:
        raise ConfigError("got both rating_scale and constant_rating, expected one of them; a constant needs no scale")
    if scale is not None and not scale[0] < scale[1]:
        raise ConfigError(f"rating_scale: got {scale}, expected (lowest, highest), for instance (0, 10)")
    if constant is not None and not LOWEST_STARS <= constant <= MOST_STARS:
        raise ConfigError(f"constant_rating: got {constant}, expected stars from {LOWEST_STARS:g} to {MOST_STARS:g}")


def _read_items(
    path: Path, names: Mapping[str, str], given: set[str], separator: str, *, labels: bool | None, skip: bool
) -> _Items:
    wanted = {ours: names[ours] for ours in _ITEMS} | {"item_id": names[_ITEM_ID_THERE]}
    optional = set(_ITEMS[1:]) - given
    check = RowCheck(read_table(path, wanted, optional=optional, remedy=_REMEDY), skip=skip)
    item_id, known = check.ids("item_id", labels=labels)
    titles = check.words("title") if check.has("title") else _titles_from_ids(item_id, known)
    genres = _genres(check, separator) if check.has("genres") else [[] for _ in item_id]
    year = _years(check) if check.has("year") else np.full(len(item_id), -1, dtype=np.int64)
    columns = ItemColumns(
        item_id=item_id,
        title=titles,
        genres=genres,
        year=year,
        description=check.words("description") if check.has("description") else None,
        provider=check.words("provider") if check.has("provider") else None,
    )
    return _Items(catalog=build_catalog(check, columns), labels=known, skipped=check.skipped)


def _items_of_interactions(check: RowCheck, labels: bool | None) -> tuple[_Items, IntArray]:
    item_id, known = check.ids("item_id", labels=labels)
    distinct = np.unique(item_id[check.keep])
    no_genres: list[list[str]] = [[] for _ in distinct]
    catalog = Catalog.from_columns(item_id=distinct, title=_titles_from_ids(distinct, known), genres=no_genres)
    return _Items(catalog=catalog, labels=known, skipped={}), item_id


def _titles_from_ids(item_id: IntArray, labels: tuple[str, ...] | None) -> list[str]:
    return [f"item {number}" if labels is None else labels[number] for number in item_id]


def _item_ids(check: RowCheck, labels: tuple[str, ...] | None) -> IntArray:
    """Return the interactions' item ids as the item table numbers them, int64 [r], -1 where it lacks the label."""
    if labels is None:
        return check.whole_numbers("item_id", remedy=f"{SKIP_REMEDY} (string_ids=True if ids are labels)")
    return place_labels(check.table.columns["item_id"], labels)


def _stars(check: RowCheck, scale: Scale | None, constant: float | None) -> npt.NDArray[np.float32]:
    if constant is not None:
        return np.full(check.table.row_count, constant, dtype=np.float32)
    if not check.has("rating"):
        raise DataError(
            f"{check.table.name}: rating: got no such column, expected one; name it with columns={{'rating': ...}}, or "
            "pass constant_rating=5 for data without ratings (clicks, purchases)"
        )
    low, high = scale or (LOWEST_STARS, MOST_STARS)
    numbers, bad = parse_decimals(check.table.columns["rating"])
    outside = ~bad & ((numbers < low) | (numbers > high))
    if scale is None and outside.mean() > _OTHER_SCALE_SHARE:
        _refuse_scale(check, numbers[~bad], int(np.argmax(outside)))
    remedy = SKIP_REMEDY if scale else f"{SKIP_REMEDY}, or pass rating_scale=(low, high) for another scale"
    expected = f"a number from {low:g} to {high:g}"
    check.refuse(bad | outside, column="rating", expected=expected, reason="bad rating", remedy=remedy)
    return (numbers if scale is None else 1 + 4 * (numbers - low) / (high - low)).astype(np.float32)


def _refuse_scale(check: RowCheck, numbers: npt.NDArray[np.float64], row: int) -> None:
    """Raise even where bad rows may be skipped: dropping every high rating would bend the data without a word."""
    low, high = numbers.min(), numbers.max()
    raise DataError(
        f"{check.table.place(row)}: rating: got {shown(check.table.columns['rating'], row)}, expected a number from "
        f"{LOWEST_STARS:g} to {MOST_STARS:g}; the file's ratings go from {low:g} to {high:g}, so pass their scale, for "
        f"instance rating_scale=({low:g}, {high:g})"
    )


def _genres(check: RowCheck, separator: str) -> list[list[str]]:
    raw = check.table.columns["genres"]
    if is_list(raw):
        return [[name for name in names or () if name] for names in raw.to_pylist()]
    return [split_genres(text, separator) for text in check.words("genres")]


def _years(check: RowCheck) -> IntArray:
    blank = np.array([text.strip().lower() in ("", "nan") for text in check.words("year")], dtype=np.bool_)
    numbers, bad = parse_decimals(check.table.columns["year"])
    bad |= (numbers < 0) | (numbers > _LAST_YEAR) | (numbers != np.floor(numbers))
    check.refuse(bad & ~blank, column="year", expected="a year or nothing", reason="bad year")
    return np.where(bad | blank, -1, numbers).astype(np.int64)
