"""Which files of a folder are the tables: by their names where they have the usual ones, else by their columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from recsim_llm.data.table_files import TABLE_SUFFIXES, column_names, nearest
from recsim_llm.data.table_settings import TableSettings
from recsim_llm.data.tables import ITEM_COLUMNS, ITEM_ID_THERE, table_names
from recsim_llm.errors import ConfigError, DataError

__all__ = ["find_tables"]

_MOST_FILES = 200
_MOST_SHOWN = 8


def find_tables(folder: Path, settings: TableSettings) -> tuple[Path, Path | None, tuple[str, ...]]:
    """Return the table of interactions, the one of items where there is one, and a line that says what was taken by columns.

    ``interactions`` and ``items`` with any suffix of a table come first. A folder without ``interactions`` may hold exactly one
    table with the columns of users and items; the table of items is then the only other one with the items' ids.

    Args:
        folder: where they lie.
        settings: names of columns, and whether ratings are needed.

    Raises:
        ConfigError: the folder holds no table.
        DataError: no table has the columns, or several do; or columns of items are named, and the file that may hold them
            cannot be read.
    """
    interactions, items = _named(folder, "interactions"), _named(folder, "items")
    item_columns = any(ours in (*ITEM_COLUMNS[1:], ITEM_ID_THERE) for ours in settings.columns)
    if interactions is not None and (items is not None or not item_columns):
        return interactions, items, ()
    names = table_names(settings, has_items=True)
    tables = {path: _columns(path, names) for path in _tables(folder)}
    found = interactions or _only_interactions(folder, tables, names, implicit=settings.implicit)
    items = items or _only_items(tables, names, without=found)
    if items is None and item_columns:
        _refuse_unreadable(tables, names)
    taken = f"read {found.name} as interactions" + ("" if items is None else f" and {items.name} as items")
    return found, items, (f"{taken}, by their columns",)


def _named(folder: Path, stem: str) -> Path | None:
    found = [folder / (stem + suffix) for suffix in TABLE_SUFFIXES if (folder / (stem + suffix)).is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{folder}: got {names}, expected one of them; remove the others")
    return found[0] if found else None


def _tables(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    found = [path for path in paths[:_MOST_FILES] if path.name.lower().endswith(TABLE_SUFFIXES) and path.stat().st_size > 0]
    if not found:
        raise ConfigError(
            f"data: got folder {str(folder)!r} without files of a known kind, expected a MovieLens folder, Coat's, or one with "
            "interactions.csv, .tsv, .txt or .parquet (and items likewise); check the path"
        )
    return found


def _columns(path: Path, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return a table's columns; none where it cannot be read, since it need not be one of those looked for."""
    try:
        return column_names(path, _keys(names))
    except DataError:
        return ()


def _keys(names: Mapping[str, str]) -> Collection[str]:
    """Return the columns of users and items, by which a header is told from other lines."""
    return (names["user_id"], names["item_id"])


def _only_interactions(
    folder: Path, tables: Mapping[Path, tuple[str, ...]], names: Mapping[str, str], *, implicit: bool
) -> Path:
    fitting = [path for path, columns in tables.items() if set(_keys(names)) <= set(columns)]
    rated = [path for path in fitting if names["rating"] in tables[path]]
    if not implicit and len(fitting) > 1 and rated:
        fitting = rated
    if len(fitting) == 1:
        return fitting[0]
    user, item = _keys(names)
    if fitting:
        raise DataError(
            f"{folder}: got {len(fitting)} tables with columns {user!r} and {item!r} ({_listed(fitting)}), expected one; "
            "name it interactions with its suffix, or move the others away"
        )
    shown = "; ".join(
        f"{path.name} with {_listed(columns) or 'nothing that can be read'}"
        for path, columns in list(tables.items())[:_MOST_SHOWN]
    )
    raise DataError(
        f"{folder}: got {shown}, expected one table with columns {user!r} and {item!r}; {_hint(tables, names)}name yours with "
        "--column user_id=THEIRS --column item_id=THEIRS, in a scenario columns: {user_id: THEIRS, item_id: THEIRS}, in "
        "Python columns={'user_id': 'THEIRS', 'item_id': 'THEIRS'}"
    )


def _hint(tables: Mapping[Path, tuple[str, ...]], names: Mapping[str, str]) -> str:
    every = [column for columns in tables.values() for column in columns]
    near = {ours: nearest(names[ours], every) for ours in ("user_id", "item_id") if names[ours] not in every}
    said = " and ".join(f"{found!r} for {ours}" for ours, found in near.items() if found)
    return f"did you mean {said}? " if said else ""


def _only_items(tables: Mapping[Path, tuple[str, ...]], names: Mapping[str, str], *, without: Path) -> Path | None:
    more = {names[ours] for ours in ITEM_COLUMNS[1:]}
    fitting = [
        path
        for path, columns in tables.items()
        if path != without and names[ITEM_ID_THERE] in columns and names["user_id"] not in columns and more & set(columns)
    ]
    if len(fitting) > 1:
        raise DataError(
            f"{without.parent}: got {len(fitting)} tables of items ({_listed(fitting)}), expected one; name it items with its "
            "suffix, or move the others away"
        )
    return fitting[0] if fitting else None


def _refuse_unreadable(tables: Mapping[Path, tuple[str, ...]], names: Mapping[str, str]) -> None:
    """Say why a file cannot be read where the table of items is missing: it may be that one."""
    for path, columns in tables.items():
        if not columns:
            column_names(path, _keys(names))


def _listed(things: Collection[Path] | Collection[str]) -> str:
    names = [(thing.name if isinstance(thing, Path) else thing)[:40] for thing in things]
    return ", ".join(names[:_MOST_SHOWN]) + (", …" if len(names) > _MOST_SHOWN else "")
