"""What one arm of a run recorded, as columns by user, visit and page; what replay users answer from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.dice import DiceTable, seed_words
from recsim_llm.core.pages import DECIDERS, WATCH_NOISE, Account, BoolArray, FloatArray, IntArray
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.population.personas import Population

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CERTAIN", "Lookup", "Recorded", "log_odds_of", "read_manifest", "read_recorded"]

CERTAIN = 17.0
"""Log-odds beyond every draw of the dice, which have 23 bits."""

_HALF_STARS = np.arange(1, 11) / 2
_IMPRESSIONS = ("user_id", "visit", "page", "position", "item_id", "examine_prob", "click_prob", "watched", "rating")
_PAGES = ("user_id", "visit", "page", "satisfaction", "leave_prob", *Account._fields)


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """The decisions of one arm, sorted by user, visit and page; log-odds are float32 and NaN where nothing is known."""

    arm: str
    """Name of the arm."""
    levels: FloatArray
    """float32 [l]: half stars, and whatever else was given."""
    user_index: IntArray
    """int64 [p]: positions in the population."""
    visit: IntArray
    """int64 [p]."""
    page: IntArray
    """int64 [p]."""
    item_index: IntArray
    """int64 [p, k]: what was shown, -1 where blank."""
    click_log_odds: FloatArray
    """float32 [p, k]: given examination; NaN where nobody could look."""
    rating: FloatArray
    """float32 [p, k]: stars, NaN without."""
    satisfaction: FloatArray
    """float32 [p]: log-odds scale."""
    leave_log_odds: FloatArray
    """float32 [p]."""
    account: Account | None
    """How the decisions came about, rows as above; None where the log does not say."""
    examine: FloatArray
    """float32 [population, k]: probability that a position is examined; NaN where no item was shown to the user there."""
    return_log_odds: Lookup
    """By user index and visit: log-odds of another visit after it."""
    watch_log_odds: Lookup
    """By user index and stars: log-odds of the share watched of items rated so."""


class Lookup:
    """Numbers by key.

    Args:
        keys: key columns [n]; of equal keys the first row counts.
        values: float32 [n].
    """

    def __init__(self, keys: tuple[npt.NDArray[Any], ...], values: FloatArray) -> None:
        self._known = [np.unique(column) for column in keys]
        self._key, self._row = np.unique(self._encoded(keys)[0], return_index=True)
        self._values = np.append(values, np.float32(np.nan))

    def rows(self, *keys: npt.NDArray[Any]) -> IntArray:
        """Return int64 [m]: the row of each key, -1 where there is none."""
        wanted, known = self._encoded(keys)
        if not self._key.size:
            return np.full(len(wanted), -1)
        place = np.minimum(np.searchsorted(self._key, wanted), len(self._key) - 1)
        return np.where(known & (self._key[place] == wanted), self._row[place], -1)

    def values(self, *keys: npt.NDArray[Any]) -> FloatArray:
        """Return float32 [m]: the number of each key, NaN where there is none."""
        return self._values[self.rows(*keys)]

    def _encoded(self, keys: tuple[npt.NDArray[Any], ...]) -> tuple[IntArray, BoolArray]:
        """Return one number a key, and whether each of its parts occurs at all."""
        number, known = np.zeros(len(keys[0]), np.int64), np.ones(len(keys[0]), np.bool_)
        for values, column in zip(self._known, keys, strict=True):
            if values.size:
                place = np.minimum(np.searchsorted(values, column), len(values) - 1)
                known &= values[place] == column
                number = number * len(values) + place
        return number, known


def log_odds_of(probability: npt.NDArray[Any]) -> FloatArray:
    """Return float32: log-odds of probabilities, within ``CERTAIN``; NaN stays."""
    value = probability.astype(np.float64)
    bound = 1 / (1 + np.exp(CERTAIN))
    inner = np.clip(value, bound, 1 - bound)
    odds: FloatArray = (np.log(inner) - np.log1p(-inner)).astype(np.float32)
    return odds


def read_manifest(run: Path) -> dict[str, Any]:
    """Return the manifest of a run.

    Raises:
        LogError: the folder is no run, or the log of an environment.
    """
    try:
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        settings, seed = manifest["settings"], manifest["seed"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LogError(f"run folder: got {run} without a readable manifest.json, expected that of a run") from error
    if not settings or seed is None:
        raise LogError(f"run folder: got {run}, the log of an environment, expected that of `recsim-llm run`")
    return dict(manifest)


def read_recorded(run: Path, arm: str | None, catalog: Catalog, population: Population) -> Recorded:
    """Read what an arm recorded of the users of a population.

    Args:
        run: run folder.
        arm: name of the arm; None takes the only one.
        catalog: the items, the same as in the run.
        population: users of the run, or some of them.

    Raises:
        ConfigError: the run has no such arm, or more than one and none is named.
        LogError: the log is damaged, or of other items.
    """
    manifest = read_manifest(run)
    arm = _arm(manifest, arm)
    place, slots = manifest["arms"].index(arm), int(manifest["slate_size"])
    shown = _columns(run, "impressions", place, _IMPRESSIONS, population)
    pages = _columns(run, "pages", place, _PAGES, population)
    visits = _columns(run, "visits", place, ("user_id", "visit", "return_prob"), population)
    count = len(pages["page"])
    if count == 0 or len(shown["page"]) != count * slots:
        got = f"{len(shown['page'])} impressions of {count} pages"
        raise LogError(f"{run}: got {got} for arm {arm!r} and these users, expected {slots} a page; see `recsim-llm resume`")
    order = np.lexsort([shown[name] for name in ("position", "page", "visit", "user_index")])
    by_slot = {name: column[order].reshape(count, slots) for name, column in shown.items()}
    pages = _sorted(pages)
    keys = [np.array_equal(pages[name], by_slot[name][:, 0]) for name in ("user_index", "visit", "page")]
    item_index = catalog.index_of(by_slot["item_id"])
    if not all(keys) or ((item_index < 0) & (by_slot["item_id"] >= 0)).any():
        raise LogError(f"{run}: got a log of other pages or items than its tables or this catalog hold, expected the run's own")
    chance, blank = _given_examination(by_slot, item_index), item_index < 0
    return Recorded(
        arm=arm,
        levels=np.union1d(_HALF_STARS, shown["rating"][~np.isnan(shown["rating"])]).astype(np.float32),
        user_index=pages["user_index"],
        visit=pages["visit"],
        page=pages["page"],
        item_index=item_index,
        click_log_odds=log_odds_of(chance),
        rating=by_slot["rating"],
        satisfaction=log_odds_of(pages["satisfaction"]),
        leave_log_odds=log_odds_of(pages["leave_prob"]),
        account=_account(pages),
        examine=_examination(by_slot, blank, len(population)),
        return_log_odds=Lookup((visits["user_index"], visits["visit"]), log_odds_of(visits["return_prob"])),
        watch_log_odds=_watch(by_slot, DiceTable(population.user_id, slots), int(manifest["seed"])),
    )


def _arm(manifest: Mapping[str, Any], arm: str | None) -> str:
    arms = [str(name) for name in manifest["arms"]]
    if arm is None and len(arms) == 1:
        return arms[0]
    if arm not in arms:
        raise ConfigError(f"replay parameter 'arm': got {arm!r}, expected one of {', '.join(arms)}")
    return arm


def _columns(run: Path, table: str, place: int, names: tuple[str, ...], population: Population) -> dict[str, Any]:
    """Return columns of an arm's table, for the users of the population, beside their ``user_index``."""
    import pyarrow as pa
    import pyarrow.dataset as dataset

    files = sorted(str(path) for path in (run / table).glob(f"{place:02d}-*.parquet"))
    if not files:
        raise LogError(f"{run}: got no {table} of the arm, expected some; finish the run with `recsim-llm resume`")
    try:
        source = dataset.dataset(files, format="parquet")
        wanted = dataset.field("user_id").isin(pa.array(population.user_id))
        read = source.to_table(columns=[name for name in names if name in source.schema.names], filter=wanted)
    except (OSError, pa.ArrowException) as error:
        raise LogError(f"{run}: got {error}, expected the {table} of a run") from error
    columns = {name: _numbers(read.column(name)) for name in read.schema.names}
    order = np.argsort(population.user_id, kind="stable")
    columns["user_index"] = order[np.searchsorted(population.user_id, columns["user_id"], sorter=order)]
    return columns


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return a column as numbers: int64, or floats with NaN for null; names of deciders as their positions, -1 for null."""
    import pyarrow.types as types

    if types.is_dictionary(column.type):
        place = {name: number for number, name in enumerate(DECIDERS)}
        return np.array([place.get(name, -1) for name in column.to_pylist()], np.int64)
    if types.is_integer(column.type) and column.null_count == 0:
        return np.asarray(column.to_numpy(), np.int64)
    return np.asarray(column.to_numpy(), np.float32)


def _sorted(columns: dict[str, Any]) -> dict[str, Any]:
    order = np.lexsort([columns[name] for name in ("page", "visit", "user_index") if name in columns])
    return {name: column[order] for name, column in columns.items()}


def _given_examination(by_slot: Mapping[str, Any], item_index: IntArray) -> FloatArray:
    """Return float32 [p, k]: click probability given examination; NaN where there is no item or nobody looks."""
    examine = by_slot["examine_prob"].astype(np.float64)
    known = (item_index >= 0) & (examine > 0)
    return np.where(known, by_slot["click_prob"] / np.where(known, examine, 1.0), np.nan)


def _account(pages: Mapping[str, Any]) -> Account | None:
    if any(name not in pages for name in Account._fields) or (pages["decided_by"] < 0).any():
        return None
    types = (np.int8, np.float32, np.int16)
    return Account(*(pages[name].astype(kind) for name, kind in zip(Account._fields, types, strict=True)))


def _examination(by_slot: Mapping[str, Any], blank: BoolArray, users: int) -> FloatArray:
    examine = np.full((users, blank.shape[1]), np.nan, np.float32)
    row, slot = np.nonzero(~blank)
    examine[by_slot["user_index"][row, slot], slot] = by_slot["examine_prob"][row, slot]
    return examine


def _watch(by_slot: Mapping[str, Any], dice: DiceTable, seed: int) -> Lookup:
    """Return, by user and stars, the log-odds of the share watched: the recorded share less the noise that the dice gave it."""
    row, slot = np.nonzero(~np.isnan(by_slot["watched"]) & ~np.isnan(by_slot["rating"]))
    user, visit, page = (by_slot[name][row, slot] for name in ("user_index", "visit", "page"))
    watched, rating = by_slot["watched"][row, slot], by_slot["rating"][row, slot]
    # Near 0 and 1 the recorded share has lost digits: take each user's clearest one at each number of stars.
    order = np.lexsort([np.abs(watched - 0.5), rating, user])
    pairs = np.stack([user[order], rating[order]])
    first = order[np.flatnonzero(np.diff(pairs, axis=1, prepend=-1).any(axis=0))]
    user, visit, page = user[first], visit[first], page[first]
    word = dice.visit_words(seed_words([seed]), user, visit)
    everywhere = np.ones((len(first), by_slot["watched"].shape[1]), np.float32)
    noise = dice.lay_out(word, everywhere, page, 1)[:, 0, 1, -1]
    return Lookup((user, rating[first]), log_odds_of(watched[first]) - WATCH_NOISE * noise)
