"""What users did beyond clicks in a run, read from its folder alone: how often, the funnel, and obedience."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.log.columns import Columns
from recsim_llm.log.reader import RunReader
from recsim_llm.metrics.funnel import Funnel, measure_funnel
from recsim_llm.metrics.item_tables import RunTables, find_rows
from recsim_llm.metrics.obedience import Obedience, judge_refusals, sum_refusals
from recsim_llm.metrics.user_parts import PART_ROWS, Among, UserSums, split_users
from recsim_llm.statistics import Estimate, ratio_estimate, share_estimate

__all__ = ["ArmActions", "measure_actions"]

_NOT_RECOMMENDED = ("search", "back")
_PAGE = ("user_id", "visit", "page")
_STEPS = ("shown", "clicks", "saves", "purchases", "saved_purchases")


@dataclass(frozen=True, kw_only=True)
class ArmActions:
    """What users did beyond clicks under one recommender; intervals by user."""

    arm: str
    """Its name."""
    counts: Mapping[str, int]
    """How often each action was taken, of those that users might take."""
    page_share: Mapping[str, Estimate]
    """Share of the pages that were searched or looked at again."""
    clicks_per_page: Mapping[str, Estimate]
    """Clicks on a page by how it came about: ``recommended``, ``search``, ``back``."""
    funnel: Funnel | None
    """From what is shown to what is bought; None where users cannot save or buy."""
    obedience: Obedience | None
    """Whether less was shown of what users asked to see less of; None where they cannot ask."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def measure_actions(log: RunReader, tables: RunTables, *, part_rows: int = PART_ROWS) -> tuple[ArmActions, ...] | None:
    """Measure what users did beyond clicks under each recommender that was served.

    Args:
        log: of the run.
        tables: beside it.
        part_rows: impressions that are in memory together, about; changes memory and time, never the result.

    Returns:
        One an arm; None where users can do nothing else.

    Raises:
        LogError: the log and the tables do not fit each other.
    """
    allowed = (log.manifest.get("settings") or {}).get("actions")
    if not allowed:
        return None
    names = tuple(name for name, settings in allowed.items() if settings is not None)
    return tuple(_measure(log, tables, arm, names, part_rows=part_rows) for arm in log.begun_arms)


def _measure(log: RunReader, tables: RunTables, arm: str, names: tuple[str, ...], *, part_rows: int) -> ArmActions:
    counts, sums, refusals = Counter[str](), UserSums(len(tables.user_id)), [np.empty((0, 2, 8))]
    for among in split_users(log, tables, arm, part_rows):
        part = _Part(log, tables, arm, names, among=among)
        part.count(counts)
        sums.add(part.sums())
        if "less_like_this" in names:
            refusals.append(part.refusals())
    ways = [name for name in _NOT_RECOMMENDED if name in names]
    return ArmActions(
        arm=arm,
        counts={name: counts[name] for name in names},
        page_share={name: share_estimate(sums[f"pages {name}"], sums["pages"]) for name in ways},
        clicks_per_page={
            name: ratio_estimate(sums[f"clicks {name}"], sums[f"pages {name}"], bounds=(0.0, np.inf))
            for name in ("recommended", *ways)
        },
        funnel=measure_funnel(**{name: sums[name] for name in _STEPS}) if {"save", "purchase"} & set(names) else None,
        obedience=judge_refusals(np.concatenate(refusals)) if "less_like_this" in names else None,
    )


class _Part:
    """The log of one arm with some of its users, as grids of pages and slots."""

    def __init__(self, log: RunReader, tables: RunTables, arm: str, names: tuple[str, ...], *, among: Among) -> None:
        self._names, self._tables, self._folder = names, tables, log.folder
        shown = log.columns("impressions", [*_PAGE, "position", "item_id", "examined", "clicked"], arm=arm, among=among)
        order = np.lexsort([shown[name] for name in ("position", *reversed(_PAGE))])
        slots = log.slate_size
        grid = {name: column[order].reshape(-1, slots) for name, column in shown.items()}
        self._page = {name: grid[name][:, 0].astype(np.int64) for name in _PAGE}
        self._item = self._rows_of(grid["item_id"])
        self._clicked, self._examined = grid["clicked"].astype(np.bool_), grid["examined"].astype(np.bool_)
        self._user = find_rows(self._page["user_id"], tables.user_id, f"{log.folder}: user_id")
        events = log.columns("events", ["event", *_PAGE, "item_id"], arm=arm, among=among)
        self._events = {name: column[np.isin(events["event"], names)] for name, column in events.items()}
        self._at = self._pages_of(self._events)

    def count(self, counts: Counter[str]) -> None:
        """Add how often each action was taken."""
        counts.update(self._events["event"].tolist())

    def sums(self) -> dict[str, DoubleArray]:
        """Return, by user, pages and clicks by how a page came about, and the steps of the funnel."""
        how = {name: self._how(name) for name in _NOT_RECOMMENDED if name in self._names}
        how = {"recommended": ~np.logical_or.reduce([np.zeros(len(self._user), np.bool_), *how.values()])} | how
        clicks = self._clicked.sum(axis=1)
        saved, bought = self._did("save"), self._did("purchase")
        steps = (self._item >= 0, self._clicked, saved, bought, saved & bought)
        by_page = {"pages": np.ones(len(self._user))}
        by_page |= {f"pages {name}": on for name, on in how.items()} | {
            f"clicks {name}": clicks * on for name, on in how.items()
        }
        by_page |= {name: step.sum(axis=1) for name, step in zip(_STEPS, steps, strict=True)}
        users = len(self._tables.user_id)
        return {name: np.bincount(self._user, values, users).astype(np.float64) for name, values in by_page.items()}

    def refusals(self) -> DoubleArray:
        """Return what ``sum_refusals`` does."""
        refused = self._did("less_like_this")
        passed = self._examined & ~self._clicked & ~refused & (self._item >= 0)
        other = self._how("search") | self._how("back") | self._restricted()
        marked = {"refused": refused, "passed": passed, "recommended": ~other}
        return sum_refusals(self._user, self._page["visit"], self._item, **marked, genres=self._tables.genres)

    def _how(self, name: str) -> BoolArray:
        """Return bool [p]: pages that were searched, or looked at again."""
        there = np.zeros(len(self._user), np.bool_)
        there[self._at[self._events["event"] == name]] = True
        return there

    def _restricted(self) -> BoolArray:
        """Return bool [p]: pages of visits from when the user asked for one genre, of which nobody could show less."""
        along = np.arange(len(self._user))
        changed = np.append(True, (np.diff(self._user) != 0) | (np.diff(self._page["visit"]) != 0))[: len(along)]
        first = np.maximum.accumulate(np.where(changed, along, 0)) if len(along) else along
        begun = np.maximum.accumulate(np.where(self._how("filter"), along, -1)) if len(along) else along
        restricted: BoolArray = begun >= first
        return restricted

    def _did(self, name: str) -> BoolArray:
        """Return bool [p, k]: with which items users did one of ``ACTIONS``."""
        mine = self._events["event"] == name
        at, item = self._at[mine], self._rows_of(self._events["item_id"][mine])
        done = np.zeros(self._item.shape, np.bool_)
        np.logical_or.at(done, at, self._item[at] == item[:, None])
        return done

    def _rows_of(self, item_id: Any) -> IntArray:
        ids = item_id.astype(np.int64)
        rows = np.full(ids.shape, -1, np.int64)
        rows[ids >= 0] = find_rows(ids[ids >= 0], self._tables.item_id, f"{self._folder}: item_id")
        return rows

    def _pages_of(self, events: Columns) -> IntArray:
        """Return int64 [e]: which of the pages each event was on; pages are in order."""
        visits, pages = (int(self._page[name].max(initial=0)) + 1 for name in _PAGE[1:])
        user = find_rows(events["user_id"], self._tables.user_id, f"{self._folder}: user_id")
        page = (self._user * visits + self._page["visit"]) * pages + self._page["page"]
        event = (user * visits + events["visit"]) * pages + events["page"]
        return find_rows(event.astype(np.int64), page, f"{self._folder}: page of an event")
