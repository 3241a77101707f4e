"""Single visits of a log, page by page: which ones to look at, and their rows.

Nothing here grows with the log: a draw keeps one visit for each number of clicks and of pages that occurs, and only the rows of
the visits wanted are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.keyed import words
from recsim_llm.log.columns import integers
from recsim_llm.log.reader import RunReader

__all__ = ["Drawn", "VisitKey", "VisitRows", "draw_visits", "more_of_slots", "read_visits"]

_PURPOSE = "sample visit"
_SLOTS = ("position", "item_id", "propensity", "examine_prob", "click_prob", "examined", "clicked", "rating")
_PAGES = ("page", "clicks", "satisfaction", "leave_prob", "next_action", "stop_reason")


class VisitKey(NamedTuple):
    """Which visit."""

    arm: str
    """Name of the recommender."""
    user_id: int
    """Outside id of the user."""
    visit: int
    """Number of the visit, from 0."""


@dataclass(frozen=True, kw_only=True)
class VisitRows:
    """The rows of one visit."""

    key: VisitKey
    """Which one."""
    pages: tuple[Mapping[str, Any], ...]
    """A row a page, in order: columns of ``PAGES``."""
    slots: tuple[tuple[Mapping[str, Any], ...], ...]
    """By page, a row a slot, in order of position: columns of ``IMPRESSIONS``."""


class Drawn(NamedTuple):
    """A visit that was drawn."""

    key: VisitKey
    """Which one."""
    value: int
    """Its number of clicks, or of pages."""
    among: int
    """Visits that have the same number, among which it was drawn."""


def draw_visits(
    run: RunReader, arm: str, seed: int, *, among: Collection[VisitKey] | None = None
) -> tuple[Drawn, Drawn] | None:
    """Draw a typical and a long visit of an arm: one with the median number of clicks, and one with the most pages.

    Of visits with equal numbers the one whose keyed word is smallest is taken, which is a function of seed, user and visit
    alone: neither files nor batches nor other arms change it.

    Args:
        run: the run, finished or not; only visits that are over count.
        arm: name of the arm.
        seed: of the run.
        among: the only visits wanted; None takes all.

    Returns:
        The typical one and the longest one; None where no visit is over.

    Raises:
        LogError: the log cannot be read.
    """
    wanted = None if among is None else {(key.user_id, key.visit) for key in among if key.arm == arm}
    tables = {name: _Table() for name in ("clicks", "pages")}
    for batch in run.batches("visits", ["user_id", "visit", *tables], arm=arm):
        user, visit = integers(batch, "user_id"), integers(batch, "visit")
        kept = np.ones(len(user), np.bool_)
        if wanted is not None:
            kept[:] = [pair in wanted for pair in zip(user.tolist(), visit.tolist(), strict=True)]
        word = words(seed, _PURPOSE, user, visit)
        for name, table in tables.items():
            table.add(integers(batch, name)[kept], word[kept], user[kept], visit[kept])
    if not tables["clicks"].counts:
        return None
    typical, longest = tables["clicks"].median(), max(tables["pages"].counts)
    return tables["clicks"].drawn(arm, typical), tables["pages"].drawn(arm, longest)


def read_visits(run: RunReader, wanted: Iterable[VisitKey]) -> dict[VisitKey, VisitRows]:
    """Read the rows of some visits, in one pass over the log of each of their arms.

    Args:
        run: the run.
        wanted: the visits; those of which the log holds nothing are left out.

    Raises:
        LogError: the log cannot be read.
    """
    by_arm: dict[str, set[VisitKey]] = defaultdict(set)
    for key in wanted:
        by_arm[key.arm].add(key)
    found: dict[VisitKey, VisitRows] = {}
    of_slots = ("page", *_SLOTS, *more_of_slots(run))
    for keys in by_arm.values():
        pages, slots = (_rows(run, table, keys) for table in (("pages", _PAGES), ("impressions", of_slots)))
        for key in sorted(keys & pages.keys()):
            of_page: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
            for row in slots[key]:
                of_page[row["page"]].append(row)
            ordered = sorted(pages[key], key=lambda row: int(row["page"]))
            shown = tuple(tuple(sorted(of_page[row["page"]], key=lambda slot: int(slot["position"]))) for row in ordered)
            found[key] = VisitRows(key=key, pages=tuple(ordered), slots=shown)
    return found


def more_of_slots(run: RunReader) -> tuple[str, ...]:
    """Return further columns of slots: who liked what, what is written beside it, and what users say about it."""
    settings = run.manifest.get("settings") or {}
    friends = ("friend_id",) if "friendships" in run.manifest else ()
    written = ("explanation", "shown_title") if settings.get("presentation") is not None else ()
    return (*friends, *written, *(("text",) if settings.get("remarks") is not None else ()))


def _rows(
    run: RunReader, table: tuple[str, tuple[str, ...]], keys: Collection[VisitKey]
) -> dict[VisitKey, list[Mapping[str, Any]]]:
    name, columns = table
    arm = next(iter(keys)).arm
    among = {column: np.array(sorted({getattr(key, column) for key in keys}), np.int64) for column in ("user_id", "visit")}
    found: dict[VisitKey, list[Mapping[str, Any]]] = defaultdict(list)
    for batch in run.batches(name, ["user_id", "visit", *columns], arm=arm, among=among):
        for row in batch.to_pylist():
            key = VisitKey(arm, row["user_id"], row["visit"])
            if key in keys:
                found[key].append(row)
    return found


class _Table:
    """For each value that occurs: how many visits have it, and the one of them with the smallest word."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = defaultdict(int)
        self._first: dict[int, tuple[int, int, int]] = {}

    def add(self, values: IntArray, word: np.ndarray[Any, np.dtype[np.uint64]], user: IntArray, visit: IntArray) -> None:
        order = np.lexsort([word, values])
        unique, start, counts = np.unique(values[order], return_index=True, return_counts=True)
        for value, place, count in zip(unique.tolist(), order[start].tolist(), counts.tolist(), strict=True):
            candidate = (int(word[place]), int(user[place]), int(visit[place]))
            self._first[value] = min(self._first.get(value, candidate), candidate)
            self.counts[value] += count

    def median(self) -> int:
        """Return the lower median, which is a value that occurs."""
        half, passed = (sum(self.counts.values()) + 1) // 2, 0
        for value in sorted(self.counts):
            passed += self.counts[value]
            if passed >= half:
                break
        return value

    def drawn(self, arm: str, value: int) -> Drawn:
        _, user, visit = self._first[value]
        return Drawn(VisitKey(arm, user, visit), value, self.counts[value])
