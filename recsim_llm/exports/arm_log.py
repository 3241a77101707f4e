"""The log of one recommender, read in portions of whole users, page by page in the order in which it happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.conversation.transcripts import Transcript, read_transcripts
from recsim_llm.core.arrays import DoubleArray, IntArray, TextArray
from recsim_llm.dynamics.clock import HOURS
from recsim_llm.log.columns import Columns, integers, lay_out_pages
from recsim_llm.log.reader import RunReader

__all__ = ["BACK", "PORTION_SLOTS", "SEARCH", "ArmLog", "Portion"]


SEARCH, BACK = "search", "back"
"""Events of pages that were not recommended."""
PORTION_SLOTS = 2_000_000
"""Slots that are in memory together, unless a single user has more."""
_PAGES = ("user_id", "visit", "page", "slate_propensity", "reward", "invalid_slots", "stop_reason", "satisfaction")
_IMPRESSIONS = (
    *("user_id", "visit", "page", "position", "item_id"),
    *("propensity", "prefix_propensity", "clicked", "rating", "text"),
)
_WORDED = ("explanation", "shown_title")


class Portion(NamedTuple):
    """Pages of some users, ordered by user (in the order asked for), visit and page; ``p`` pages of ``k`` slots."""

    user_id: IntArray
    """int64 [p]: the users' own ids."""
    visit: IntArray
    """int64 [p]: visit number."""
    page: IntArray
    """int64 [p]: page number within the visit, from 0."""
    slate_propensity: DoubleArray
    """float64 [p]: probability of the whole page; NaN unknown."""
    reward: DoubleArray
    """float64 [p]."""
    invalid: IntArray
    """int64 [p]: blanked slots."""
    left: npt.NDArray[np.bool_]
    """bool [p]: the user ended the visit after this page."""
    out_of_pages: npt.NDArray[np.bool_]
    """bool [p]: the page budget ended it."""
    item_id: IntArray
    """int64 [p, k]: outside ids, -1 for a blank slot."""
    clicked: npt.NDArray[np.bool_]
    """bool [p, k]."""
    rating: npt.NDArray[np.float32]
    """float32 [p, k]: stars; NaN where none was given."""
    propensity: DoubleArray
    """float64 [p, k]: probability of this item at this position; NaN unknown."""
    prefix_propensity: DoubleArray
    """float64 [p, k]: probability of it given the positions before it; NaN unknown."""
    text: npt.NDArray[np.object_]
    """str or None [p, k]: what the user wrote."""
    explanation: npt.NDArray[np.object_]
    """str or None [p, k]: why the item is there, as the user read it."""
    shown_title: npt.NDArray[np.object_]
    """str or None [p, k]: the recommender's own title, as the user read it."""
    satisfaction: npt.NDArray[np.float32]
    """float32 [p]: after the page, 0 to 1."""
    hour: IntArray
    """int64 [p]: hours since the beginning of the run at which the visit began; -1 where the run has no clock."""
    how: npt.NDArray[np.object_] | None = None
    """str [p]: how the page came about, ``recommended``, ``search`` or ``back``; None in runs where all were recommended, since
    users could neither search nor look back."""
    query: npt.NDArray[np.object_] | None = None
    """str [p]: what was typed, None on pages that were not searched; None where ``how`` is."""

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """int64 [v]: the row at which each visit begins."""
        changed = (np.diff(self.user_id, prepend=-1) != 0) | (np.diff(self.visit, prepend=-1) != 0)
        return np.flatnonzero(changed)


class ArmLog:
    """What a finished arm logged.

    Args:
        log: the run.
        arm: name of the arm.
    """

    def __init__(self, log: RunReader, arm: str) -> None:
        self.run, self.arm, self.slate_size = log.folder, arm, log.slate_size
        self._log = log
        self.timed = (log.manifest.get("settings") or {}).get("clock") is not None
        self.calls_tools = any("tool_calls" in segment.files and segment.arm in (arm, None) for segment in log.segments)
        """Whether visits have times."""
        allowed = (log.manifest.get("settings") or {}).get("actions") or {}
        self.asks = any(allowed.get(name) is not None for name in (SEARCH, BACK))
        """Whether users could search or look back, so that not every page was recommended."""
        settings = log.manifest.get("settings") or {}
        self.worded = settings.get("presentation") is not None
        """Whether users read words on pages."""
        self.talks = settings.get("conversation") is not None
        """Whether they talk instead of browsing."""
        self.remarked = settings.get("remarks") is not None
        """Whether users say a word about pages."""

    def keys(self, key: str) -> tuple[IntArray, IntArray]:
        """Return the distinct values of ``user_id`` or ``visit``, ascending, and the pages of each, int64 [n] each."""
        parts = [
            np.unique(integers(batch, key), return_counts=True) for batch in self._log.batches("pages", [key], arm=self.arm)
        ]
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        values, place = np.unique(np.concatenate([value for value, _ in parts]), return_inverse=True)
        counts = np.concatenate([count for _, count in parts])
        return values, np.bincount(place, weights=counts, minlength=len(values)).astype(np.int64)

    def shown(self) -> tuple[int, int]:
        """Return the number of slots that showed an item, and of blank ones."""
        items, blank = 0, 0
        for batch in self._log.batches("impressions", ["item_id"], arm=self.arm):
            known = int(np.count_nonzero(integers(batch, "item_id") >= 0))
            items, blank = items + known, blank + len(batch) - known
        return items, blank

    def portions(self, order: IntArray | None = None, *, key: str = "user_id") -> Iterator[Portion]:
        """Yield the whole log; it is read once for each portion, and a portion is what is in memory.

        Args:
            order: int64 [n]: positions in ``keys(key)``, in the order wanted; None takes them ascending.
            key: ``user_id`` for portions of whole users, or ``visit`` where each visit of a log has a number of its own.

        Raises:
            LogError: pages and impressions do not fit together, or a file cannot be read.
        """
        values, pages = self.keys(key)
        order = np.arange(len(values)) if order is None else order
        rank = np.empty(len(values), np.int64)
        rank[order] = np.arange(len(order))
        number = np.cumsum(pages[order]) * self.slate_size // PORTION_SLOTS
        for one in np.unique(number):
            wanted = np.sort(order[number == one])
            yield self._portion(values[wanted], rank[wanted], key)

    def transcripts(self, order: Callable[[IntArray], IntArray]) -> Iterator[Transcript]:
        """Yield the arm's conversations that are over.

        Args:
            order: returns numbers int64 [u] of user ids int64 [u], by which they are sorted.

        Raises:
            LogError: nobody talks in the run, or a file cannot be read.
        """
        talks = (self._log.manifest.get("settings") or {}).get("conversation")
        users = np.unique(self._log.columns("dialogues", ["user_id"], arm=self.arm)["user_id"]).astype(np.int64)
        return read_transcripts(self._log, self.arm, users[np.argsort(order(users), kind="stable")] if talks else users)

    def _hours(self, user_id: IntArray, visit: IntArray, among: Mapping[str, IntArray]) -> IntArray:
        """Return int64 [p]: when the visits of pages began."""
        if not self.timed:
            return np.full(len(user_id), -1)
        visits = self._log.columns("visits", ("user_id", "visit", "day", "hour"), arm=self.arm, among=among)
        most = 1 + max(int(visits["visit"].max(initial=0)), int(visit.max(initial=0)))
        users, place = np.unique(np.concatenate([visits["user_id"], user_id]), return_inverse=True)
        known, wanted = np.split(place.reshape(-1), [len(visits["visit"])])
        hours = np.full(len(users) * most, -1)
        hours[known * most + visits["visit"]] = HOURS * visits["day"].astype(np.int64) + visits["hour"]
        found: IntArray = hours[wanted * most + visit]
        return found

    def _came_about(self, pages: Columns, among: Mapping[str, IntArray]) -> tuple[TextArray, TextArray] | tuple[None, None]:
        """Return how each page came about, and what was typed; nothing where users could only take what was recommended."""
        if not self.asks:
            return None, None
        names = ("event", "subject", "user_id", "visit", "page")
        events = self._log.columns("events", names, arm=self.arm, among=among)
        place = {key: row for row, key in enumerate(zip(*(pages[name].tolist() for name in names[2:]), strict=True))}
        how, query = np.full(len(place), "recommended", object), np.full(len(place), None, object)
        for event, subject, *key in zip(*(events[name].tolist() for name in names), strict=True):
            if event in (SEARCH, BACK):
                how[place[tuple(key)]], query[place[tuple(key)]] = event, subject
        return how, query

    def _portion(self, values: IntArray, rank: IntArray, key: str) -> Portion:
        pages = self._log.columns("pages", _PAGES, arm=self.arm, among={key: values})
        names = (*_IMPRESSIONS, *(_WORDED if self.worded else ()))
        shown = self._log.columns("impressions", names, arm=self.arm, among={key: values})
        for columns in (pages, shown):
            columns["place"] = rank[np.searchsorted(values, columns[key])]
        whose = f"{self.run}: arm {self.arm!r}"
        # The users' own ids are no part of the key, but must agree all the same.
        by = ("place", "user_id", "visit", "page")
        pages, table = lay_out_pages(pages, shown, key=by, slate_size=self.slate_size, what=whose)
        how, query = self._came_about(pages, {key: values})
        return Portion(
            user_id=pages["user_id"],
            visit=pages["visit"],
            page=pages["page"],
            slate_propensity=pages["slate_propensity"],
            reward=pages["reward"],
            invalid=pages["invalid_slots"].astype(np.int64),
            left=pages["stop_reason"] == "left",
            out_of_pages=pages["stop_reason"] == "max_pages",
            item_id=table["item_id"],
            clicked=table["clicked"] == 1,
            rating=table["rating"].astype(np.float32),
            propensity=table["propensity"],
            prefix_propensity=table["prefix_propensity"],
            text=table["text"],
            **{name: table.get(name, np.full(table["item_id"].shape, None, object)) for name in _WORDED},
            satisfaction=pages["satisfaction"].astype(np.float32),
            hour=self._hours(pages["user_id"], pages["visit"], among={key: values}),
            how=how,
            query=query,
        )
