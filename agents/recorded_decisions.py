"""What one arm of a run recorded, as columns by user, visit and page; what replay users answer from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.dice import DiceTable, seed_words
from recsim_llm.core.feedback import WATCH_NOISE
from recsim_llm.core.pages import DECIDERS, Account
from recsim_llm.errors import ConfigError, LogError, one_of
from recsim_llm.log.columns import lay_out_pages
from recsim_llm.log.reader import RunReader, open_run
from recsim_llm.population.personas import Population

__all__ = ["CERTAIN", "Lookup", "Recorded", "read_recorded", "to_log_odds"]

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


def to_log_odds(probability: npt.NDArray[Any]) -> FloatArray:
    """Return float32: log-odds of probabilities, within ``CERTAIN``; NaN stays."""
    value = probability.astype(np.float64)
    bound = 1 / (1 + np.exp(CERTAIN))
    inner = np.clip(value, bound, 1 - bound)
    odds: FloatArray = (np.log(inner) - np.log1p(-inner)).astype(np.float32)
    return odds


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
    log = open_run(run)
    arm = _arm(log, arm)
    shown = _columns(log, "impressions", arm, _IMPRESSIONS, population=population)
    pages = _columns(log, "pages", arm, _PAGES, population=population)
    visits = _columns(log, "visits", arm, ("user_id", "visit", "return_prob"), population=population)
    levels = np.union1d(_HALF_STARS, shown["rating"][~np.isnan(shown["rating"])]).astype(np.float32)
    whose = f"{run}: arm {arm!r} and these users"
    if not len(pages["page"]):
        raise LogError(f"{whose}: got no page, expected at least one; see `recsim-llm resume`")
    key = ("user_index", "visit", "page")
    pages, by_slot = lay_out_pages(pages, shown, key=key, slate_size=log.slate_size, what=whose)
    item_index = catalog.index_of(by_slot["item_id"])
    if ((item_index < 0) & (by_slot["item_id"] >= 0)).any():
        raise LogError(f"{run}: got a log of other items than this catalog holds, expected the run's own")
    chance, blank = _given_examination(by_slot, item_index), item_index < 0
    return Recorded(
        arm=arm,
        levels=levels,
        user_index=pages["user_index"],
        visit=pages["visit"],
        page=pages["page"],
        item_index=item_index,
        click_log_odds=to_log_odds(chance),
        rating=by_slot["rating"],
        satisfaction=to_log_odds(pages["satisfaction"]),
        leave_log_odds=to_log_odds(pages["leave_prob"]),
        account=_account(pages),
        examine=_examination(whose, by_slot, pages["user_index"], blank, users=len(population)),
        return_log_odds=Lookup((visits["user_index"], visits["visit"]), to_log_odds(visits["return_prob"])),
        watch_log_odds=_watch(by_slot, pages, DiceTable(population.user_id, log.slate_size), int(log.manifest["seed"])),
    )


def _arm(log: RunReader, arm: str | None) -> str:
    if arm is None and len(log.arms) == 1:
        return log.arms[0]
    if arm not in log.arms:
        raise ConfigError(f"replay parameter 'arm': got {arm!r}, expected {one_of(arm, log.arms)}")
    return arm


def _columns(
    log: RunReader, table: str, arm: str, names: tuple[str, ...], *, population: Population
) -> dict[str, npt.NDArray[Any]]:
    """Return columns of an arm's table, for the users of the population, beside their ``user_index``.

    Numbers are int64 or float32 with NaN for null; names of deciders are their positions, -1 for null.
    """
    columns = log.columns(table, names, arm=arm, among={"user_id": population.user_id})
    for name, column in columns.items():
        if column.dtype == np.float64:
            columns[name] = column.astype(np.float32)
    if "decided_by" in columns:
        place = {name: number for number, name in enumerate(DECIDERS)}
        columns["decided_by"] = np.array([place.get(name, -1) for name in columns["decided_by"]], np.int64)
    order = np.argsort(population.user_id, kind="stable")
    columns["user_index"] = order[np.searchsorted(population.user_id, columns["user_id"], sorter=order)]
    return columns


def _given_examination(by_slot: Mapping[str, Any], item_index: IntArray) -> FloatArray:
    """Return float32 [p, k]: click probability given examination; NaN where there is no item or nobody looks."""
    examine = by_slot["examine_prob"].astype(np.float64)
    known = (item_index >= 0) & (examine > 0)
    return np.where(known, by_slot["click_prob"] / np.where(known, examine, 1.0), np.nan)


def _account(pages: Mapping[str, Any]) -> Account | None:
    if (pages["decided_by"] < 0).any():
        return None
    types = (np.int8, np.float32, np.int16)
    return Account(*(pages[name].astype(kind) for name, kind in zip(Account._fields, types, strict=True)))


def _examination(whose: str, by_slot: Mapping[str, Any], user_index: IntArray, blank: BoolArray, *, users: int) -> FloatArray:
    examine = np.full((users, blank.shape[1]), np.nan, np.float32)
    row, slot = np.nonzero(~blank)
    examine[user_index[row], slot] = by_slot["examine_prob"][row, slot]
    if (examine[user_index[row], slot] != by_slot["examine_prob"][row, slot]).any():
        raise LogError(
            f"{whose}: got users whose look at a position hangs on clicks above (examination_table), expected one chance on "
            "every page; run the scenario again with its seed instead"
        )
    return examine


def _watch(by_slot: Mapping[str, Any], pages: Mapping[str, Any], dice: DiceTable, seed: int) -> Lookup:
    """Return, by user and stars, the log-odds of the share watched: the recorded share less the noise that the dice gave it."""
    row, slot = np.nonzero(~np.isnan(by_slot["watched"]) & ~np.isnan(by_slot["rating"]))
    user, visit, page = (pages[name][row] for name in ("user_index", "visit", "page"))
    watched, rating = by_slot["watched"][row, slot], by_slot["rating"][row, slot]
    # Near 0 and 1 the recorded share has lost digits: take each user's clearest one at each number of stars.
    order = np.lexsort([np.abs(watched - 0.5), rating, user])
    pairs = np.stack([user[order], rating[order]])
    first = order[np.flatnonzero(np.diff(pairs, axis=1, prepend=-1).any(axis=0))]
    user, visit, page = user[first], visit[first], page[first]
    word = dice.visit_words(seed_words([seed]), user, visit)
    everywhere = np.ones((len(first), by_slot["watched"].shape[1]), np.float32)
    noise = dice.lay_out(word, everywhere, page, 1)[:, 0, 1, -1]
    return Lookup((user, rating[first]), to_log_odds(watched[first]) - WATCH_NOISE * noise)
