"""Which users and items a series is of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from recsim_llm.core.arrays import BoolArray
from recsim_llm.errors import ConfigError, LogError, one_of
from recsim_llm.metrics.exposure import long_tail
from recsim_llm.metrics.fairness import shares_below
from recsim_llm.metrics.item_tables import RunTables
from recsim_llm.metrics.series_settings import ItemGroup, SeriesSettings, UserGroup

__all__ = ["check_groups", "item_mask", "named_traits", "user_mask"]


def user_mask(group: UserGroup | None, tables: RunTables) -> BoolArray:
    """Return bool [u]: who belongs to a group; everyone where there is none.

    Raises:
        LogError: the run's tables lack what tells.
    """
    if group is None:
        return np.ones(len(tables.user_id), np.bool_)
    if group.field is not None:
        return np.asarray(_column(tables.groups, group.field) == group.value, np.bool_)
    share = shares_below(_column(tables.traits, str(group.trait)))
    low, high = group.above or 0.0, group.below or 1.0
    return np.asarray((share > low) & (share < high), np.bool_)


def item_mask(group: ItemGroup | None, tables: RunTables) -> BoolArray:
    """Return bool [n]: which items belong to a group; all where there is none."""
    if group is None:
        return np.ones(len(tables.item_id), np.bool_)
    if group.genre is not None:
        place = tables.genre_names.index(group.genre) if group.genre in tables.genre_names else None
        return np.zeros(len(tables.item_id), np.bool_) if place is None else tables.genres[:, place]
    if group.provider is not None:
        return np.asarray(tables.provider == group.provider, np.bool_)
    if group.ids is not None:
        return np.isin(tables.item_id, group.ids)
    if group.popularity == "none":
        return np.asarray(tables.popularity == 0, np.bool_)
    tail = long_tail(tables.popularity)
    return tail if group.popularity == "tail" else ~tail


def named_traits(series: Mapping[str, SeriesSettings]) -> tuple[str, ...]:
    """Return the traits by which series pick users, each once."""
    return tuple(dict.fromkeys(one.users.trait for one in series.values() if one.users and one.users.trait))


def check_groups(
    series: Mapping[str, SeriesSettings], *, items: Mapping[str, Collection[object]], users: Mapping[str, Collection[object]]
) -> None:
    """See to it that the data have every group that is measured, before anything is run.

    Args:
        series: by name.
        items: what ``genre``, ``provider`` and ``ids`` may be.
        users: the traits, under ``trait``, and each demographic field with its values.

    Raises:
        ConfigError: a genre, provider, item, trait, field or value is not there; names the first.
    """
    fields = [name for name in users if name != "trait"]
    for name, one in series.items():
        place = f"measure.series.{name}"
        if one.items is not None:
            for key in ("genre", "provider"):
                _known(getattr(one.items, key), items[key], f"{place}.items.{key}")
            for number in one.items.ids or ():
                if number not in items["ids"]:
                    raise ConfigError(f"{place}.items.ids: got {number}, expected item_id of the data's items")
        if one.users is not None:
            _known(one.users.trait, users["trait"], f"{place}.users.trait")
            _known(one.users.field, fields, f"{place}.users.field")
            if one.users.field is not None:
                _known(one.users.value, users[one.users.field], f"{place}.users.value")


def _known(got: str | None, known: Collection[object], place: str) -> None:
    if got is not None and got not in known:
        expected = one_of(got, sorted(map(str, known))) if known else "none, since the data have none; leave it out"
        raise ConfigError(f"{place}: got {got!r}, expected {expected}")


def _column(columns: Mapping[str, Any], name: str) -> Any:
    if name not in columns:
        raise LogError(f"users.parquet: got no column of {name!r}, by which users are measured; start a new run")
    return columns[name]
