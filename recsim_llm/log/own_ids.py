"""The data's own ids beside the log: ``items.parquet`` and ``users.parquet`` say which text stands behind which number.

The log itself holds numbers, so that its rows are small and its bytes the same whatever the ids look like. Both tables are
written before the first page; a log without them, as other tools write, is read with its numbers as ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import LogError
from recsim_llm.log.columns import integers
from recsim_llm.log.tables import ITEMS, PRICE, USER_KEYS, has_table, read_table, write_table
from recsim_llm.population.personas import Population

__all__ = [
    "ITEM_KEY",
    "OWN_IDS",
    "USER_KEY",
    "KeyTable",
    "add_keys",
    "join_lookups",
    "make_items",
    "make_user_keys",
    "read_keys",
    "write_lookups",
]

ITEM_KEY = "item_key"
"""Name of the column of items' own ids."""
USER_KEY = "user_key"
"""Name of the column of users' own ids."""
OWN_IDS = {ITEM_KEY: ("items", "item_id"), USER_KEY: ("users", "user_id")}
"""Columns of own ids: the table that holds each, and the column of numbers that it stands for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KeyTable:
    """What translates the ids of a log into the data's own."""

    run: Path
    """The run folder."""
    table: str
    """``items`` or ``users``."""
    known: IntArray
    """int64 [n]: ids, ascending."""
    own: pa.StringArray
    """str [n]: the data's own id of each."""

    def of(self, ids: IntArray) -> pa.DictionaryArray:
        """Return the data's own ids, str [m], null for a blank slot (-1); numbers as texts where these are the data's own.

        Raises:
            LogError: an id is not in the table.
        """
        place = np.clip(np.searchsorted(self.known, ids), 0, max(len(self.known) - 1, 0))
        strange = (self.known[place] != ids) & (ids >= 0) if len(self.known) else ids >= 0
        if strange.any():
            raise LogError(
                f"{self.run}: got id {ids[strange][0]} in the log, expected one of {self.table}.parquet; restore the folder or "
                "start a new run"
            )
        return pa.DictionaryArray.from_arrays(pa.array(place.astype(np.int32), mask=ids < 0), self.own)


def read_keys(run: Path, name: str) -> KeyTable | None:
    """Read the table of ``item_key`` or ``user_key``; None where the folder has none.

    Raises:
        LogError: the table cannot be read.
    """
    table, id_name = OWN_IDS[name]
    if not has_table(run, table):
        return None
    content = read_table(run, table, [id_name]).sort_by(id_name)
    known: IntArray = content[id_name].to_numpy()
    keys = content[name].to_pylist() if name in content.schema.names else [None] * len(known)
    own = [str(one) if key is None else key for one, key in zip(known.tolist(), keys, strict=True)]
    return KeyTable(run=run, table=table, known=known, own=pa.array(own, pa.string()))


def add_keys(batch: pa.RecordBatch, keys: Mapping[str, KeyTable | None]) -> pa.RecordBatch:
    """Return a batch with the data's own ids beside the numbers; without a table the numbers are the ids."""
    for name, table in keys.items():
        ids = integers(batch, OWN_IDS[name][1])
        batch = batch.append_column(name, _as_texts(ids) if table is None else table.of(ids))
    return batch


def make_items(catalog: Catalog) -> pa.Table:
    """Return the table ``items`` of a catalog."""
    row, column = np.nonzero(catalog.genres)
    starts = np.concatenate([[0], np.bincount(row, minlength=len(catalog)).cumsum()]).astype(np.int32)
    providers = [None] * len(catalog) if catalog.provider is None else catalog.provider
    columns = {
        "item_id": catalog.item_id,
        "title": pa.array(catalog.title, pa.string()),
        "year": pa.array(catalog.year.astype(np.int32), mask=catalog.year < 0),
        "genres": pa.ListArray.from_arrays(starts, pa.array(np.array(catalog.genre_names, object)[column], pa.string())),
        "provider": pa.array([name or None for name in providers], pa.string()),
        "popularity": np.rint(catalog.popularity).astype(np.int64),
        ITEM_KEY: pa.nulls(len(catalog), pa.string()) if catalog.item_key is None else pa.array(catalog.item_key, pa.string()),
    }
    table = pa.table(columns, schema=ITEMS)
    return table if catalog.price is None else table.append_column(PRICE, pa.array(catalog.price))


def make_user_keys(population: Population) -> pa.Table:
    """Return the users of a population with the data's own ids."""
    keys = [None] * len(population) if population.user_key is None else population.user_key
    columns = {"user_id": population.user_id, USER_KEY: pa.array([key or None for key in keys], pa.string())}
    return pa.table(columns, schema=USER_KEYS)


def write_lookups(run: Path, catalog: Catalog, population: Population) -> None:
    """Write what translates ids, for a log that has no other tables; equal arguments give equal bytes."""
    write_table(run, "items", make_items(catalog))
    write_table(run, "users", make_user_keys(population))


def join_lookups(out: Path, folders: Sequence[Path]) -> None:
    """Give the folder of joined runs of different users what translates its ids; runs without tables give it none.

    Args:
        out: the folder.
        folders: the runs, of the same items.
    """
    if not all(has_table(folder, name) for folder in folders for name, _ in OWN_IDS.values()):
        return
    write_table(out, "items", read_table(folders[0], "items"))
    users = [read_table(folder, "users", ["user_id"]) for folder in folders]
    write_table(out, "users", pa.concat_tables(users, promote_options="default"))


def _as_texts(ids: IntArray) -> pa.DictionaryArray:
    distinct, place = np.unique(ids, return_inverse=True)
    own = pa.array([str(one) for one in distinct.tolist()], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(place.astype(np.int32), mask=ids < 0), own)
