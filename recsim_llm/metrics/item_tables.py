"""What a run folder must know beside its log so that it can be judged by itself: items, users, and the held-out ratings.

``items.parquet``, ``users.parquet`` and ``held_out.parquet`` are written before the first page and depend on what the manifest
fingerprints only: data, population and train share. Nothing that serves users reads them; only this package does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray, TextArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import LogError, RecSimError
from recsim_llm.log.own_ids import ITEM_KEY, USER_KEY, make_items, make_user_keys
from recsim_llm.log.schema import LIKE_THRESHOLD
from recsim_llm.log.tables import HELD_OUT, ITEMS, PRICE, USERS, has_table, read_table, write_table
from recsim_llm.metrics.diversity import genre_shares
from recsim_llm.metrics.fairness import terciles
from recsim_llm.population.personas import Population

__all__ = ["RunTables", "find_rows", "has_tables", "read_tables", "write_tables"]


_TERCILES = ("activity", "diversity", "mainstreamness")
_NO_GROUPS = ("user_id", USER_KEY, "history_popularity", "history_genres")
_TRAIT = "trait_"  # begins the columns of traits, which users have where a scenario measures some of them by a trait
_SCHEMAS = {"items": ITEMS, "users": USERS, "held_out": HELD_OUT}


@dataclass(frozen=True, kw_only=True, eq=False)
class RunTables:
    """The three tables as columns; items and users in ascending order of their ids."""

    item_id: IntArray
    """int64 [n]."""
    genre_names: tuple[str, ...]
    """Names of the genre columns."""
    genres: BoolArray
    """bool [n, g]."""
    provider: TextArray
    """str [n], None where unknown."""
    popularity: IntArray
    """int64 [n]: ratings in the training part."""
    price: DoubleArray | None
    """float64 [n]: before any intervention; None where the data have no prices."""
    user_id: IntArray
    """int64 [u]."""
    groups: dict[str, TextArray]
    """Field to label of each user, str [u], None where unknown."""
    traits: dict[str, DoubleArray]
    """Traits by which a scenario measures some of its users, float64 [u] each."""
    history_popularity: DoubleArray
    """float64 [u], NaN where there is no history."""
    history_genres: DoubleArray
    """float64 [u, g], all 0 where there is no history."""
    held_user: IntArray
    """int64 [h]: row in ``user_id`` of each held-out rating."""
    held_item: IntArray
    """int64 [h]: row in ``item_id``."""
    held_rating: FloatArray
    """float32 [h]: stars; NaN where something was clicked or bought and no stars were given."""

    @property
    def relevant(self) -> BoolArray:
        """Bool [h]: what counts as liked: a rating of ``LIKE_THRESHOLD`` or more, and whatever was clicked or bought."""
        return ~(self.held_rating < LIKE_THRESHOLD)


def has_tables(run: Path) -> bool:
    """Tell whether a run folder holds the three tables; logs of environments do not."""
    return all(has_table(run, name) for name in _SCHEMAS)


def write_tables(
    run: Path,
    catalog: Catalog,
    population: Population,
    *,
    train: Ratings,
    later: Ratings,
    stars: bool = True,
    traits: Sequence[str] = (),
) -> None:
    """Write the three tables; equal arguments give equal bytes.

    Args:
        run: the run folder.
        catalog: the items, with their number of training ratings as popularity.
        population: the users.
        train: ratings that recommenders learn from.
        later: each user's ratings after those.
        stars: whether ratings are stars that people gave; False for clicks and purchases, whose stars only stand in for them.
        traits: of users that are written down too, a column each.
    """
    users = _users(catalog, population, train)
    for name in traits:
        users = users.append_column(f"{_TRAIT}{name}", pa.array(population.trait(name).astype(np.float64)))
    tables = {
        "items": make_items(catalog),
        "users": users,
        "held_out": _held_out(population, later, stars=stars),
    }
    for name, table in tables.items():
        write_table(run, name, table)


def read_tables(run: Path) -> RunTables:
    """Read the three tables of a run folder.

    Raises:
        LogError: one is missing, damaged, or does not fit the others.
    """
    items, users, held = (read_table(run, name, _judged_by(schema)) for name, schema in _SCHEMAS.items())
    try:
        return _joined(run, items, users, held)
    except RecSimError:
        raise
    except (pa.ArrowException, KeyError, IndexError, ValueError, TypeError) as error:
        raise LogError(
            f"{run}: got tables of items, users and ratings that do not fit ({type(error).__name__}: {error}), expected those "
            "of one run; restore the folder or start a new run"
        ) from error


def _joined(run: Path, items: pa.Table, users: pa.Table, held: pa.Table) -> RunTables:
    items, users = items.sort_by("item_id"), users.sort_by("user_id")
    item_id, user_id = items["item_id"].to_numpy(), users["user_id"].to_numpy()
    names, genres = _genre_columns(items["genres"].combine_chunks())
    traits = [name for name in users.schema.names if name.startswith(_TRAIT)]
    fields = [name for name in users.schema.names if name not in (*_NO_GROUPS, *traits)]
    return RunTables(
        item_id=item_id,
        genre_names=names,
        genres=genres,
        provider=_texts(items["provider"]),
        popularity=items["popularity"].to_numpy(),
        price=items[PRICE].to_numpy().astype(np.float64) if PRICE in items.schema.names else None,
        user_id=user_id,
        groups={name: _texts(users[name]) for name in fields},
        traits={name.removeprefix(_TRAIT): users[name].to_numpy() for name in traits},
        history_popularity=users["history_popularity"].to_numpy(),
        history_genres=_history(users["history_genres"].combine_chunks(), names),
        held_user=find_rows(held["user_id"].to_numpy(), user_id, f"{run}: held-out ratings: user"),
        held_item=find_rows(held["item_id"].to_numpy(), item_id, f"{run}: held-out ratings: item"),
        held_rating=held["rating"].to_numpy(),
    )


def find_rows(wanted: IntArray, known: IntArray, what: str) -> IntArray:
    """Return the place of each wanted id among the known ones.

    Args:
        wanted: int64 [m].
        known: int64 [n], ascending.
        what: whose ids they are, for the error.

    Raises:
        LogError: one is not known.
    """
    row = np.searchsorted(known, wanted)
    strange = wanted[np.append(known, -1)[row] != wanted]
    if len(strange):
        raise LogError(f"{what}: got id {strange[0]}, expected one of the run's tables; restore the folder or start a new run")
    return row


def _users(catalog: Catalog, population: Population, train: Ratings) -> pa.Table:
    order = np.argsort(population.user_id)
    place = np.minimum(np.searchsorted(population.user_id, train.user_id, sorter=order), len(order) - 1)
    user = order[place]
    known = population.user_id[user] == train.user_id
    user, item = user[known], catalog.index_of(train.item_id[known])
    count = np.bincount(user, minlength=len(population))
    total = np.bincount(user, catalog.popularity[item].astype(np.float64), minlength=len(population))
    shares = genre_shares(catalog.genres)
    keys = make_user_keys(population)
    columns: dict[str, Any] = {name: keys.column(name) for name in keys.schema.names}
    columns |= {f"{name}_tercile": pa.array(terciles(population.trait(name)), pa.string()) for name in _TERCILES}
    columns["history_popularity"] = pa.array(total / np.maximum(count, 1), mask=count == 0)
    by_genre = [np.bincount(user, share[item], minlength=len(population)) for share in shares.T]
    weights = np.array(by_genre, np.float64).reshape(-1, len(population)).T
    columns["history_genres"] = _maps(weights, catalog.genre_names)
    table = pa.table(columns, schema=USERS)
    for name, labels in population.demographics.items():
        table = table.append_column(name, pa.array([label or None for label in labels], pa.string()))
    return table


def _judged_by(schema: pa.Schema) -> list[str]:
    """Return the columns that metrics need; the data's own ids are none of them."""
    return [name for name in schema.names if name not in (ITEM_KEY, USER_KEY)]


def _held_out(population: Population, later: Ratings, *, stars: bool) -> pa.Table:
    mine = np.isin(later.user_id, population.user_id)
    rating = pa.array(later.rating[mine], mask=np.full(int(mine.sum()), not stars))
    columns = {"user_id": later.user_id[mine], "item_id": later.item_id[mine], "rating": rating}
    return pa.table(columns, schema=HELD_OUT)


def _maps(weights: DoubleArray, names: tuple[str, ...]) -> pa.MapArray:
    row, column = np.nonzero(weights)
    starts = np.concatenate([[0], np.bincount(row, minlength=len(weights)).cumsum()]).astype(np.int32)
    keys = pa.array(np.array(names, object)[column], pa.string())
    return pa.MapArray.from_arrays(pa.array(starts), keys, pa.array(weights[row, column]))


def _texts(column: pa.ChunkedArray) -> TextArray:
    return np.array([*column.to_pylist(), None], object)[:-1]


def _genre_columns(column: pa.ListArray) -> tuple[tuple[str, ...], BoolArray]:
    words = column.flatten().dictionary_encode()
    names = sorted(words.dictionary.to_pylist())
    place = np.array([names.index(name) for name in words.dictionary.to_pylist()], np.int64)
    genres = np.zeros((len(column), len(names)), np.bool_)
    row = np.repeat(np.arange(len(column)), column.value_lengths().to_numpy())
    genres[row, place[words.indices.to_numpy()]] = True
    return tuple(names), genres


def _history(column: pa.MapArray, names: tuple[str, ...]) -> DoubleArray:
    place = {name: number for number, name in enumerate(names)}
    weights = np.zeros((len(column), len(names)))
    for row, entries in enumerate(column.to_pylist()):
        for name, weight in entries or ():
            weights[row, place[name]] = weight
    return weights
