"""What words did in a run, on pages and from users, read from its folder alone: persuasion, faithfulness, trust, obedience."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsim_llm.core.arrays import DoubleArray, IntArray, TextArray
from recsim_llm.dynamics.reasons import ReasonReader
from recsim_llm.dynamics.remarks import VIOLENT
from recsim_llm.log.columns import Columns
from recsim_llm.log.reader import RunReader
from recsim_llm.log.tables import RATED_BEFORE, has_table, read_table
from recsim_llm.metrics.faithfulness import Explained, Faithfulness, Past, judge_faithfulness, sum_faithfulness
from recsim_llm.metrics.item_tables import RunTables, find_rows
from recsim_llm.metrics.persuasion import Persuasion, judge_persuasion, sum_persuasion
from recsim_llm.metrics.spoken_obedience import SpokenObedience, SpokenPages, judge_requests, sum_requests
from recsim_llm.metrics.user_parts import PART_ROWS, Among, UserSums, split_users
from recsim_llm.statistics import Estimate, mean_estimate, ratio_estimate

__all__ = ["ArmWords", "VisitWords", "measure_words"]

_PAGE = ("user_id", "visit", "page")
_SLOT = ("position", "item_id", "examined", "clicked", "rating", "text")
_VISIT = ("trust", "pages", "gained", "slots")
_WORDED = ("click_prob", "plain_click_prob", "explanation", "shown_title")


@dataclass(frozen=True, kw_only=True)
class VisitWords:
    """What words did in one visit of everybody; intervals by user."""

    visit: int
    """Number of the visit, from 0."""
    trust: Estimate
    """Mean trust after the pages of the visit."""
    lift: Estimate
    """How much likelier a click was for the words, a slot with words."""


@dataclass(frozen=True, kw_only=True)
class ArmWords:
    """What words did under one recommender."""

    arm: str
    """Its name."""
    persuasion: Persuasion | None
    """What words on pages did to clicks; None where nobody read any."""
    faithfulness: Faithfulness | None
    """Whether explanations are true; None where nobody read any."""
    visits: tuple[VisitWords, ...]
    """Visit by visit; empty where nobody read words."""
    remarks: int | None
    """Slots about which users said something; None where they say nothing."""
    obedience: SpokenObedience | None
    """Whether what users ask for in words is done; None where they say nothing."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def measure_words(log: RunReader, tables: RunTables, *, part_rows: int = PART_ROWS) -> tuple[ArmWords, ...] | None:
    """Measure what words did under each recommender that was served.

    Args:
        log: of the run.
        tables: beside it.
        part_rows: impressions that are in memory together, about; changes memory and time, never the result.

    Returns:
        One an arm; None where nobody reads or says anything.

    Raises:
        LogError: the log and the tables do not fit each other.
    """
    settings = log.manifest.get("settings") or {}
    read, said = settings.get("presentation") is not None, settings.get("remarks") is not None
    if not (read or said):
        return None
    items = read_table(log.folder, "items", ["item_id", "title", "year"]).sort_by("item_id")
    title = np.array([*items["title"].to_pylist(), None], object)[:-1]
    year = np.array([-1 if year is None else year for year in items["year"].to_pylist()], np.int64)
    known = _Known(log, tables, title, year, read, said)
    return tuple(_measure(known, arm, part_rows) for arm in log.begun_arms)


class _Known(NamedTuple):
    """What is the same for every recommender."""

    log: RunReader
    tables: RunTables
    title: TextArray
    year: IntArray
    read: bool
    said: bool


def _measure(known: _Known, arm: str, part_rows: int) -> ArmWords:
    users = len(known.tables.user_id)
    sums, requests, visits = UserSums(users), np.zeros((users, 10)), set[int]()
    for among in split_users(known.log, known.tables, arm, part_rows):
        part = _Part(known, arm, among)
        if known.read:
            sums.add(part.persuasion() | part.faithfulness())
            visits |= part.add_visits(sums)
        if known.said:
            sums.add({"remarks": part.remarks()})
            requests += part.requests()
    return ArmWords(
        arm=arm,
        persuasion=judge_persuasion(sums) if known.read else None,
        faithfulness=judge_faithfulness(sums) if known.read else None,
        visits=tuple(_visit(sums, visit) for visit in sorted(visits)),
        remarks=int(sums["remarks"].sum()) if known.said else None,
        obedience=judge_requests(requests) if known.said else None,
    )


def _visit(sums: UserSums, visit: int) -> VisitWords:
    trust, count, gained, slots = (sums[f"visit {visit} {name}"] for name in _VISIT)
    return VisitWords(
        visit=visit,
        trust=mean_estimate(trust[count > 0] / count[count > 0], bounds=(0.0, 1.0)),
        lift=ratio_estimate(gained, slots, bounds=(-1.0, 1.0)),
    )


class _Part:
    """The log of one arm with some of its users, its slots in the order in which each user saw them."""

    def __init__(self, known: _Known, arm: str, among: Among) -> None:
        log, tables = known.log, known.tables
        self._log, self._tables, self._arm, self._among = log, tables, arm, among
        self._title, self._year = known.title, known.year
        self._social = known.read and "friendships" in log.manifest
        friend = ("friend_id",) if self._social else ()
        wanted = [*_PAGE, *_SLOT, *(_WORDED if known.read else ()), *friend]
        shown = log.columns("impressions", wanted, arm=arm, among=among)
        order = np.lexsort([shown[name] for name in ("position", *reversed(_PAGE))])
        self._slot: Columns = {name: column[order] for name, column in shown.items()}
        self._slot["clicked"] = self._slot["clicked"].astype(np.bool_)
        self._user = self._users(self._slot["user_id"])
        self._item = self._items(self._slot["item_id"])
        self._count = len(tables.user_id)

    def remarks(self) -> DoubleArray:
        """Return float64 [u]: slots about which each user said something."""
        said = self._slot["text"] != None  # noqa: E711 (a column)
        return np.bincount(self._user, said, self._count).astype(np.float64)

    def _worded(self) -> Any:
        return (self._slot["explanation"] != None) | (self._slot["shown_title"] != None)  # noqa: E711 (columns)

    def persuasion(self) -> dict[str, DoubleArray]:
        """Return what ``sum_persuasion`` does."""
        slot = self._slot
        columns = {name: slot[name] for name in ("click_prob", "plain_click_prob", "clicked", "rating")}
        return sum_persuasion(self._user, self._worded(), **columns, users=self._count)

    def faithfulness(self) -> dict[str, DoubleArray]:
        """Return what ``sum_faithfulness`` does."""
        slot, tables, place = self._slot, self._tables, self._order()
        reader = ReasonReader(
            title=self._title,
            genre_names=tables.genre_names,
            genres=tables.genres,
            year=self._year,
            provider=tables.provider,
            popularity=tables.popularity,
        )
        told = slot["explanation"] != None  # noqa: E711 (a column)
        friend = ~np.isnan(slot["friend_id"].astype(np.float64))[told] if self._social else None
        explained = Explained(
            user=self._user[told], order=place[told], item=self._item[told], text=slot["explanation"][told], friend=friend
        )
        return sum_faithfulness(reader, explained, self._past(place), genres=tables.genres, users=self._count)

    def _past(self, place: IntArray) -> Past:
        """Return what users consumed before the run and in it."""
        clicked = self._slot["clicked"]
        parts = {"user": self._user[clicked], "order": place[clicked], "item": self._item[clicked]}
        rating = self._slot["rating"][clicked]
        if has_table(self._log.folder, "rated_before"):
            before = read_table(self._log.folder, "rated_before", RATED_BEFORE.names)
            if self._among is not None:
                before = before.filter(pc.is_in(before["user_id"], pa.array(self._among["user_id"])))
            user, item = (before.column(name).to_numpy() for name in ("user_id", "item_id"))
            earlier = {"user": self._users(user), "order": np.full(len(user), -1), "item": self._items(item)}
            parts = {name: np.concatenate([earlier[name], part]) for name, part in parts.items()}
            rating = np.concatenate([before.column("rating").to_numpy(), rating])
        return Past(**parts, rating=rating)

    def _order(self) -> IntArray:
        """Return int64 [s]: the place of each slot's page among all pages of its user."""
        slot = self._slot
        new = np.append(True, np.diff(self._user) != 0)[: len(self._user)]
        page = new | np.append(True, (np.diff(slot["visit"]) != 0) | (np.diff(slot["page"]) != 0))[: len(new)]
        number = np.cumsum(page)
        first = np.maximum.accumulate(np.where(new, number, 0)) if len(number) else number
        place: IntArray = number - first
        return place

    def add_visits(self, sums: UserSums) -> set[int]:
        """Add, by user and visit, trust and what words did to clicks; return the visits that there are."""
        pages = self._log.columns("pages", ["user_id", "visit", "trust"], arm=self._arm, among=self._among)
        user = self._users(pages["user_id"])
        known = self._worded() & ~np.isnan(self._slot["plain_click_prob"])
        gained = self._slot["click_prob"] - self._slot["plain_click_prob"]
        visits: set[int] = set(np.unique(pages["visit"]).tolist())
        for visit in visits:
            mine, slots = pages["visit"] == visit, known & (self._slot["visit"] == visit)
            columns = (
                np.bincount(user[mine], pages["trust"][mine], self._count),
                np.bincount(user[mine], minlength=self._count),
                np.bincount(self._user[slots], gained[slots], self._count),
                np.bincount(self._user[slots], slots[slots], self._count),
            )
            named = zip(_VISIT, columns, strict=True)
            sums.add({f"visit {visit} {name}": column.astype(np.float64) for name, column in named})
        return visits

    def requests(self) -> DoubleArray:
        """Return what ``sum_requests`` does."""
        slots, slot = self._log.slate_size, self._slot
        shown = self._item.reshape(-1, slots)
        examined = slot["examined"].astype(np.bool_).reshape(-1, slots)
        pages = SpokenPages(
            user=self._user.reshape(-1, slots)[:, 0],
            visit=slot["visit"].reshape(-1, slots)[:, 0],
            item=shown,
            passed=examined & ~slot["clicked"].reshape(-1, slots) & (shown >= 0),
            text=slot["text"].reshape(-1, slots),
        )
        names = self._tables.genre_names
        return sum_requests(
            pages,
            genre_names=names,
            genres=self._tables.genres,
            year=self._year,
            violent=np.isin(np.array(names, object), VIOLENT),
            users=self._count,
        )

    def _users(self, user_id: Any) -> IntArray:
        return find_rows(user_id.astype(np.int64), self._tables.user_id, f"{self._log.folder}: user_id")

    def _items(self, item_id: Any) -> IntArray:
        ids = item_id.astype(np.int64)
        rows = np.full(ids.shape, -1, np.int64)
        rows[ids >= 0] = find_rows(ids[ids >= 0], self._tables.item_id, f"{self._log.folder}: item_id")
        return rows
