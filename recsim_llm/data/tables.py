"""Any pair of tables as a data set: interactions, and items where there are any, in text files or Parquet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Unpack

import numpy as np
import pyarrow as pa

from recsim_llm.core.arrays import DoubleArray, IntArray, TextArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset
from recsim_llm.data.assembly import ItemColumns, RatingColumns, assemble, build_catalog
from recsim_llm.data.bad_rows import CLICKS_REMEDY, SKIP_REMEDY, RowCheck
from recsim_llm.data.column_values import has_leading_zeros, parse_decimals, parse_labels, parse_times, place_labels, shown
from recsim_llm.data.genre_lists import read_genres
from recsim_llm.data.rating_scales import read_stars
from recsim_llm.data.table_files import RawTable, read_table
from recsim_llm.data.table_settings import TableOptions, TableSettings
from recsim_llm.errors import ConfigError, one_of

__all__ = [
    "INTERACTION_COLUMNS",
    "ITEM_COLUMNS",
    "ITEM_ID_THERE",
    "PRICE",
    "id_labels",
    "load_tables",
    "read_tables",
    "table_names",
]

INTERACTION_COLUMNS = ("user_id", "item_id", "rating", "timestamp")
"""This package's names of the columns of interactions."""
ITEM_COLUMNS = ("item_id", "title", "genres", "year", "description", "caption", "provider")
"""Likewise, of items."""
ITEM_ID_THERE = "items.item_id"
"""Name in ``columns`` of the item table's ids, where it names them otherwise than the interactions."""

PRICE = "price"
"""Name in ``columns`` of the items' prices, which are read where they are asked for by name alone."""

_NAMES = (*INTERACTION_COLUMNS, *ITEM_COLUMNS[1:], PRICE, ITEM_ID_THERE)
_LAST_YEAR = 9_999
_DATE = re.compile(r"^(\d{4})-\d{2}\b.*$", re.DOTALL)
_REMEDY = (
    "rename the column, or name it with --column NAME=THEIRS, in a scenario columns: {NAME: THEIRS}, in Python "
    "columns={'NAME': 'THEIRS'}"
)
_WESTERN = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Items:
    """The catalog, and what translates the interactions' item ids into its own."""

    catalog: Catalog
    labels: tuple[str, ...] | None
    check: RowCheck | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)


def load_tables(
    interactions: str | Path, items: str | Path | None = None, *, name: str | None = None, **options: Unpack[TableOptions]
) -> Dataset:
    """Load a table of interactions and, where given, a table of items.

    The suffix tells text (``.csv``, ``.tsv``, ``.txt``, each also with ``.gz``) from ``.parquet``; the header of a text file
    tells whether comma, semicolon, tab or bar stands between fields, the whole file in which encoding it is. Only ``user_id``,
    ``item_id`` and, in explicit data, ``rating`` must be there; see ``TableSettings`` for all options.

    Timestamps are seconds, milli-, micro- or nanoseconds since 1970 or ISO 8601 dates, UTC where no offset is given; without a
    timestamp column they are 0. A time, year, text or genre list that cannot be read costs its row nothing: it is
    left out and counted in ``Dataset.unread``.

    Ids that are texts (one in the column is enough) become positions in the sorted order of the distinct labels; the labels are
    ``Dataset.user_keys`` and ``Catalog.item_key``. The item table decides for items, where there is one. In implicit data,
    rows of one user and item become one, at the time of the last; ``Ratings.count`` says how many they were.

    Args:
        interactions: file with one row an interaction.
        items: file with one row an item; without it, items are those of the interactions, titled by their ids.
        name: the data set's name; the interactions file's own name where None.
        options: fields of ``TableSettings``.

    Raises:
        ConfigError: an option cannot work.
        DataError: a file is missing or unreadable, lacks a column, does not say what its ratings, ids or genres mean, or holds
            a row that cannot be used.
    """
    path = Path(interactions)
    settings = TableSettings.of(options)
    return read_tables(path, None if items is None else Path(items), settings, name=name or path.name.split(".")[0])


def read_tables(interactions: Path, items: Path | None, settings: TableSettings, *, name: str) -> Dataset:
    """Load tables by settings; see ``load_tables``."""
    names = table_names(settings, has_items=items is not None)
    optional = {"timestamp", "rating"} - set(settings.columns)
    wanted = {ours: names[ours] for ours in INTERACTION_COLUMNS if ours != "rating" or settings.constant_rating is None}
    check = RowCheck(read_table(interactions, wanted, optional=optional, remedy=_REMEDY), skip=settings.skip_bad_rows)
    user_id, users = check.ids("user_id", labels=settings.string_ids)
    rating = read_stars(check, settings)
    timestamp = check.times("timestamp") if check.has("timestamp") else np.zeros(len(user_id), dtype=np.int64)
    if items is None:
        found, item_id = _items_of_interactions(check, settings)
    else:
        found = _read_items(items, names, settings)
        item_id = _item_ids(check, found.labels)
    rows = RatingColumns(user_id=user_id, item_id=item_id, rating=rating, timestamp=timestamp)
    dataset = assemble(
        name,
        found.catalog,
        check,
        rows,
        skipped=found.skipped,
        unread=found.unread,
        feedback="implicit" if settings.implicit else "explicit",
        copies_remedy=f"{CLICKS_REMEDY}; otherwise {SKIP_REMEDY}",
    )
    tables = [check.table] if found.check is None else [check.table, found.check.table]
    keys = {} if users is None else {int(number): users[number] for number in dataset.ratings.users}
    notes = [*map(_encoding_note, tables), _time_note(check, timestamp)]
    return replace(dataset, user_keys=keys, notes=tuple(filter(None, notes)))


def id_labels(table: str | Path, column: str) -> tuple[str, ...]:
    """Return the labels that ``load_tables`` numbers: the label at position k belongs to id k.

    Args:
        table: the interactions file for user ids, the item file (or interactions where there is none) for item ids.
        column: the file's own name of the column.

    Raises:
        DataError: the file is missing or unreadable, or lacks the column.
    """
    raw = read_table(Path(table), {"label": column}, remedy="name a column that is there")
    return parse_labels(raw.columns["label"], every=False)[0].names


def table_names(settings: TableSettings, *, has_items: bool) -> dict[str, str]:
    """Return this package's column names to the files'.

    Raises:
        ConfigError: a name is none of this package's, or belongs to items where there is no table of them.
    """
    for ours in settings.columns:
        if ours not in _NAMES:
            raise ConfigError(f"columns: got name {ours!r}, expected {one_of(ours, _NAMES)}; rename or drop it")
        if not has_items and ours not in INTERACTION_COLUMNS:
            raise ConfigError(f"columns: got {ours!r} but no item table, expected one; add items.csv or drop the name")
    names = {ours: settings.columns.get(ours, ours) for ours in _NAMES}
    names[ITEM_ID_THERE] = settings.columns.get(ITEM_ID_THERE, names["item_id"])
    return names


def _read_items(path: Path, names: Mapping[str, str], settings: TableSettings) -> _Items:
    wanted = {ours: names[ours] for ours in ITEM_COLUMNS} | {"item_id": names[ITEM_ID_THERE]}
    if PRICE in settings.columns:
        wanted |= {PRICE: names[PRICE]}
    optional = set(ITEM_COLUMNS[1:]) - set(settings.columns)
    check = RowCheck(read_table(path, wanted, optional=optional, remedy=_REMEDY), skip=settings.skip_bad_rows)
    item_id, known = check.ids("item_id", labels=settings.string_ids)
    columns = ItemColumns(
        item_id=item_id,
        title=_titles(check, item_id, known),
        genres=read_genres(check, settings.genre_separator) if check.has("genres") else [[] for _ in item_id],
        year=_years(check) if check.has("year") else np.full(len(item_id), -1, dtype=np.int64),
        description=check.words("description") if check.has("description") else None,
        caption=check.words("caption") if check.has("caption") else None,
        provider=check.words("provider") if check.has("provider") else None,
        price=_prices(check) if check.has(PRICE) else None,
        key=None if known is None else [known[number] for number in item_id],
    )
    catalog = build_catalog(check, columns)
    return _Items(catalog=catalog, labels=known, check=check, skipped=check.skipped, unread=check.unread)


def _items_of_interactions(check: RowCheck, settings: TableSettings) -> tuple[_Items, IntArray]:
    item_id, known = check.ids("item_id", labels=settings.string_ids)
    distinct = np.unique(item_id[check.keep])
    no_genres: list[list[str]] = [[] for _ in distinct]
    keys = None if known is None else [known[number] for number in distinct]
    titles = _titles_from_ids(distinct, known)
    catalog = Catalog.from_columns(item_id=distinct, title=titles, genres=no_genres, item_key=keys)
    return _Items(catalog=catalog, labels=known), item_id


def _titles(check: RowCheck, item_id: IntArray, labels: tuple[str, ...] | None) -> list[str] | TextArray:
    return check.words("title") if check.has("title") else _titles_from_ids(item_id, labels)


def _titles_from_ids(item_id: IntArray, labels: tuple[str, ...] | None) -> list[str]:
    return [f"item {number}" if labels is None else labels[number] for number in item_id]


def _item_ids(check: RowCheck, labels: tuple[str, ...] | None) -> IntArray:
    """Return the interactions' item ids as the item table numbers them, int64 [r], -1 where it lacks the label."""
    raw = check.table.columns["item_id"]
    if labels is not None:
        return place_labels(raw, labels)
    expected = "a whole number without zeros before it, as in the item table"
    check.refuse(has_leading_zeros(raw), column="item_id", expected=expected, reason="bad item_id")
    return check.whole_numbers("item_id")


def _years(check: RowCheck) -> IntArray:
    texts = [_DATE.sub(r"\1", text.strip()) for text in check.words("year")]
    blank = np.array([text.lower() in ("", "nan") for text in texts], dtype=np.bool_)
    numbers, bad = parse_decimals(pa.array(texts, pa.string()))
    bad |= (numbers < 0) | (numbers > _LAST_YEAR) | (numbers != np.floor(numbers))
    check.lose(bad & ~blank, "bad year")
    return np.where(bad | blank, -1, numbers).astype(np.int64)


def _prices(check: RowCheck) -> DoubleArray:
    prices, bad = parse_decimals(check.table.columns[PRICE])
    check.refuse(bad | ~(prices > 0), column=PRICE, expected="a number above 0, such as 12.90", reason="bad price")
    return np.where(bad | ~(prices > 0), 1.0, prices)


def _time_note(check: RowCheck, timestamp: IntArray) -> str:
    """Say that no time could be read, where a table has times: what came first and last is then the order of its rows."""
    if not check.has("timestamp") or timestamp.any() or not parse_times(check.table.columns["timestamp"])[1].all():
        return ""
    return (
        f"{check.table.name}: timestamp: got {shown(check.table.columns['timestamp'], 0)}, expected seconds since 1970 or "
        "2024-12-31T23:59:59; no time could be read, so the order of the rows stands for it; rewrite the column"
    )


def _encoding_note(table: RawTable) -> str:
    known = None if table.layout is None else _WESTERN.get(table.layout.encoding or "")
    return f"{table.name} is not UTF-8; it was read as {known}, so look at its letters" if known else ""
