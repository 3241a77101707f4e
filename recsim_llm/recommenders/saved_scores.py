"""Scores that another program computed and saved: a recommender for every library that cannot run here."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field

from recsim_llm.core.array_files import read_arrays
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.checked_columns import as_labels, as_numbers
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError, DataError, one_of
from recsim_llm.recommenders.scoring import ScoringRecommender, unknown_last

__all__ = ["SavedScores"]

_COLUMNS = ("user_id", "item_id", "score")


class _Table(NamedTuple):
    """Scores as a file holds them, by its own users and items."""

    users: list[str]
    """The users' own ids, in the order of rows."""
    items: list[str]
    """The items' own ids, in the order of columns."""
    scores: FloatArray | sp.csr_array
    """float32 [users, items]; NaN where unknown, or sparse where most are."""


class SavedScores(ScoringRecommender):
    """Recommends by a table of scores that was saved by another program, RecBole for instance.

    The table is a file of one of two forms; ids are the data's own, numbers or texts:

    - ``.npz``: arrays ``user_id`` [u], ``item_id`` [n], ``score`` [u, n], NaN where there is no score;
    - ``.parquet``: columns ``user_id``, ``item_id``, ``score``, one row a pair; other pairs have no score.

    Larger is better, within a user; what has no score follows by popularity, and so does everything for users whom the table
    does not have. Scores stand still during the run.
    """

    class Settings(FrozenSettings):
        """Settings of ``SavedScores``."""

        file: str = Field(min_length=1)
        """Path of the table, from the current folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = self.Settings.given(settings)
        self._table = _read(Path(self.settings.file))
        self._keys: Mapping[int, str] = {}

    def name_users(self, user_keys: Mapping[int, str]) -> None:
        """Take in the data's own ids by ``Requests.user_id``; empty where these are the data's own.

        Args:
            user_keys: of all users of the data.
        """
        self._keys = user_keys

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Find the table's users and items in the data.

        Args:
            catalog: the items.
            ratings: the training ratings; they decide between items without scores.
            seed: not used.

        Raises:
            DataError: the table has no item of the catalog, or no user of the ratings.
        """
        super().fit(catalog, ratings, seed)
        self._row = {user: row for row, user in enumerate(self._table.users)}
        column = {item: place for place, item in enumerate(self._table.items)}
        own = catalog.item_id.tolist() if catalog.item_key is None else catalog.item_key
        places = np.array([column.get(str(item), -1) for item in own], np.int64)
        self._items, self._columns = np.flatnonzero(places >= 0), places[places >= 0]
        self._check_overlap("item", len(self._items), self._table.items, str(own[0]))
        found = int(np.count_nonzero(self._rows(ratings.users) >= 0))
        self._check_overlap("user", found, self._table.users, self._key_of(int(ratings.users[0])))
        self._order = self._known.popularity_order

    def _score(self, requests: Requests) -> FloatArray:
        rows = self._rows(requests.user_id)
        scores = np.full((len(rows), len(self._known.catalog)), np.nan, np.float32)
        known = np.flatnonzero(rows >= 0)
        scores[np.ix_(known, self._items)] = _dense(self._table.scores, rows[known])[:, self._columns]
        return unknown_last(scores, self._order)

    def _rows(self, user_id: IntArray) -> IntArray:
        return np.array([self._row.get(self._key_of(user), -1) for user in user_id.tolist()], np.int64)

    def _key_of(self, user: int) -> str:
        return self._keys.get(user, str(user))

    def _check_overlap(self, what: str, found: int, ids: list[str], expected: str) -> None:
        if not found:
            raise DataError(
                f"scores {self.settings.file!r}: got {what}_id {', '.join(map(repr, ids[:3]))}, none of which the data has, "
                f"expected its own ids, as {expected!r}; save the ids that the data has, not those inside the other program"
            )


def _dense(scores: FloatArray | sp.csr_array, rows: IntArray) -> FloatArray:
    """Return float32 [u, n] of some rows, NaN where unknown."""
    if isinstance(scores, np.ndarray):
        taken: FloatArray = scores[rows]
        return taken
    part = scores[rows]
    found = np.full(part.shape, np.nan, np.float32)
    found[np.repeat(np.arange(len(rows)), np.diff(part.indptr)), part.indices] = part.data
    return found


def _read(path: Path) -> _Table:
    """Read a table of scores.

    Raises:
        ConfigError: there is no such file, or its name has another ending.
        DataError: it is no such table.
    """
    readers = {".npz": _read_npz, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise ConfigError(f"scores: got file {str(path)!r}, expected a name that ends in .npz or .parquet; save it as one")
    if not path.is_file():
        raise ConfigError(f"scores: got no file {str(path)!r}, expected a table of scores; paths begin in the current folder")
    return readers[path.suffix](path)


def _read_npz(path: Path) -> _Table:
    what = f"scores {str(path)!r}"
    if not zipfile.is_zipfile(path):
        raise DataError(f"{what}: got no .npz file, expected one with {', '.join(_COLUMNS)}; write it by numpy.savez")
    try:
        columns = read_arrays(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{what}: got arrays that cannot be read, cut off or of Python objects ({error}), expected arrays of numbers and "
            "texts; write it by numpy.savez, with ids as numbers or as str"
        ) from error
    _check_names(what, [*columns])
    users, items = (_labels(f"{what}, {name}", columns[name]) for name in _COLUMNS[:2])
    for name, ids in (("user_id", users), ("item_id", items)):
        if len(set(ids)) < len(ids):
            raise DataError(f"{what}, {name}: got an id twice, expected each once; leave the others out")
    scores = as_numbers(f"{what}, score", columns["score"], (len(users), len(items)), unknown=True)
    return _Table(users, items, scores.astype(np.float32))


def _read_parquet(path: Path) -> _Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    what = f"scores {str(path)!r}"
    try:
        _check_names(what, pq.read_schema(path).names)
        table = pq.read_table(path, columns=list(_COLUMNS))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{what}: got {' '.join(str(error).split())}, expected a Parquet file; write it again") from error
    user, item = (_labels(f"{what}, {name}", table[name].to_numpy()) for name in _COLUMNS[:2])
    score = as_numbers(f"{what}, score", table["score"].to_numpy(), (len(user),))
    (users, row), (items, column) = (np.unique(np.array(ids, str), return_inverse=True) for ids in (user, item))
    pairs = row * len(items) + column
    if len(np.unique(pairs)) < len(pairs):
        raise DataError(f"{what}: got a pair of user and item twice, expected each once; leave the others out")
    scores = sp.csr_array((score.astype(np.float32), (row, column)), shape=(len(users), len(items)))
    return _Table(users.tolist(), items.tolist(), scores)


def _check_names(what: str, names: list[str]) -> None:
    for name in _COLUMNS:
        if name not in names:
            raise DataError(f"{what}: got no {name!r}, expected {', '.join(_COLUMNS)}; got {one_of(name, names)}")


def _labels(what: str, ids: npt.NDArray[Any]) -> list[str]:
    """Return ids as the texts that they are compared by."""
    labels = as_labels(what, ids, ("ids",))
    if labels.dtype.kind == "f":
        raise DataError(f"{what}: got {labels[0]}, expected whole numbers or texts; convert them")
    return [str(label) for label in labels.tolist()]
