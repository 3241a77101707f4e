"""One pass over a run's log: sums by recommender and user, in memory that grows with users and items, never with rows.

The Parquet files are read batch by batch and only the columns needed; a log larger than memory works. What is kept:
the sums below an arm and user, clicks by position an arm and user, satisfaction by page an arm and user (first
``PAGE_LIMIT`` pages), reward by page of a life an arm (first ``LIFE_LIMIT`` pages), and exposures and clicks an arm and item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.errors import LogError
from recsim_llm.log.columns import Columns, integers, numbers, words
from recsim_llm.log.reader import RunReader
from recsim_llm.numerics.key_counts import KeyCounts
from recsim_llm.numerics.ranking import rank_within

__all__ = ["LIFE_LIMIT", "PAGE_LIMIT", "ItemCounts", "Tally", "read_tally"]


PAGE_LIMIT = 20
"""Pages of a visit, from the first, for which satisfaction is kept page by page."""
LIFE_LIMIT = 60
"""Pages of a user's life, all visits together, from the first, for which reward is kept page by page."""
STAR_STEPS = 11
"""Bins of the rating histogram: 0, 0.5, ... 5 stars."""
STARS_MOST = (STAR_STEPS - 1) / 2
"""Most stars there can be."""
SUMS = (
    *(
        "visits",
        "visit_pages",
        "pages",
        "clicks",
        "reward",
        "discounted",
        "satisfaction",
        "satisfaction_pages",
        "invalid_slots",
    ),
    *("impressions", "impression_clicks", "stars", "rated", "liked", "judged", "watched", "watch_rows"),
    *("accounted_pages", "language_pages", "audited_pages", "disagreement", "compared_pages", "memories_dropped"),
)
"""Names of the sums an arm and user.

``discounted`` is reward times the run's discount to the power of the user's earlier pages, those of earlier visits included.
``impressions`` are slots that showed an item; ``satisfaction_pages``, ``rated``, ``judged`` and ``watch_rows`` count the rows
that hold a value behind ``satisfaction``, ``stars``, ``liked`` and ``watched``. ``accounted_pages`` are those of which the log
says who decided them, ``language_pages`` those that a language model did, ``audited_pages`` those that it was asked about
without deciding; ``disagreement`` is summed over ``compared_pages``, where two models were asked.
"""
_OPINIONS = (("rating", "stars", "rated"), ("liked", "liked", "judged"), ("watched", "watched", "watch_rows"))


class ItemCounts(NamedTuple):
    """What an arm did with the items that it showed at all."""

    item_id: IntArray
    """int64 [n]: outside ids, ascending."""
    shown: IntArray
    """int64 [n]: exposures of each."""
    clicked: IntArray
    """int64 [n]: clicks on each."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """What the log amounts to; axes are arms in the manifest's order, then users by ascending id."""

    arms: tuple[str, ...]
    """Names of the recommenders."""
    user_id: IntArray
    """int64 [u]: users seen in any arm, ascending."""
    sums: dict[str, DoubleArray]
    """float64 [arms, u] by the names in ``SUMS``."""
    shown_at: npt.NDArray[np.int32]
    """int32 [arms, u, k]: items shown at each position."""
    clicked_at: npt.NDArray[np.int32]
    """int32 [arms, u, k]: of them clicked."""
    satisfaction_at: DoubleArray
    """float64 [arms, u, min(max_pages, PAGE_LIMIT)]: satisfaction after each page of a visit, summed over visits."""
    rows_at: npt.NDArray[np.int32]
    """int32, same shape: pages with a satisfaction."""
    reward_at: DoubleArray
    """float64 [arms, LIFE_LIMIT, 3]: over users, the sum of the rewards of each page of their lives, counted over all visits,
    that of their squares, and how many came to that page."""
    visit_pages: IntArray
    """int64 [arms, max_pages + 1]: visits by their number of pages."""
    capped_visits: IntArray
    """int64 [arms]: visits that the page budget ended."""
    stars: IntArray
    """int64 [arms, STAR_STEPS]: ratings by half star."""
    items: tuple[ItemCounts, ...]
    """By arm: exposures and clicks of each item that was shown at all."""
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By metric: smallest and largest possible value in this run; those that are missing have the limits of every run."""

    @property
    def rated(self) -> bool:
        """Whether users of this run give ratings; users of clicks and purchases do not. Without a click nobody can tell."""
        return bool(self.sums["rated"].any() or not self.sums["clicks"].any())

    def of(self, arm: int) -> dict[str, DoubleArray]:
        """Return float64 [u] each: the sums of an arm, by name."""
        return {name: table[arm] for name, table in self.sums.items()}


def read_tally(run: RunReader) -> Tally:
    """Add up a run's log.

    Raises:
        LogError: the log is empty, cannot be read, or does not fit the manifest.
    """
    users = KeyCounts()
    for batch in run.batches("pages", ["user_id"]):
        users.add(integers(batch, "user_id"))
    user_id, _ = users.merged()
    if len(user_id) == 0:
        raise LogError(f"{run.folder}: got a log without pages, expected at least one; start or resume the run first")
    adder = _Adder(run, user_id)
    adder.add_pages()
    adder.add_visits()
    adder.add_impressions()
    return adder.tally()


def _limits(run: RunReader) -> dict[str, tuple[float, float]]:
    """Return what a run of these pages, visits and stars can amount to."""
    visits = float(run.manifest.get("visits", np.inf))
    settings = run.manifest.get("settings") or {}
    # A dialogue ends with what is accepted.
    talks = bool(settings.get("conversation"))
    pages, slots = float(run.max_pages), 1.0 if talks else float(run.slate_size)
    clicks = visits * (1.0 if talks else pages * slots)
    data = run.manifest.get("data")
    stars = data.get("stars") if isinstance(data, Mapping) else None
    known = stars if isinstance(stars, list) and [type(star) for star in stars] == [float, float] else (0.0, STARS_MOST)
    rewards = {"reward_per_user": (0.0, clicks), "discounted_return": (0.0, clicks), "reward_per_page": (0.0, slots)}
    return {
        **(rewards if settings.get("reward") == "clicks" else {}),
        "clicks_per_user": (0.0, clicks),
        "visits_per_user": (0.0, visits),
        "pages_per_visit": (0.0, pages),
        "clicks_per_page": (0.0, slots),
        "mean_rating": (known[0], known[1]),
    }


class _Adder:
    """Holds the tables while the log goes by."""

    def __init__(self, run: RunReader, user_id: IntArray) -> None:
        self._run, self._user_id = run, user_id
        self._arms, self._slots, self._max_pages = run.arms, run.slate_size, run.max_pages
        arms, slots, max_pages = self._arms, self._slots, self._max_pages
        cells, self._page_limit = len(arms) * len(user_id), min(max_pages, PAGE_LIMIT)
        self._sums = {name: np.zeros(cells) for name in SUMS}
        self._shown_at, self._clicked_at = np.zeros(cells * slots, np.int32), np.zeros(cells * slots, np.int32)
        self._satisfaction_at = np.zeros(cells * self._page_limit)
        self._rows_at = np.zeros(cells * self._page_limit, np.int32)
        self._lived = np.zeros(cells, np.int64)
        self._reward_at = np.zeros((3, len(arms) * LIFE_LIMIT))
        self._visit_pages = np.zeros(len(arms) * (max_pages + 1), np.int64)
        self._capped = np.zeros(len(arms), np.int64)
        self._stars = np.zeros(len(arms) * STAR_STEPS, np.int64)
        self._shown = [KeyCounts() for _ in arms]
        self._clicked = [KeyCounts() for _ in arms]

    def add_pages(self) -> None:
        columns = ["arm", "user_id", "page", "clicks", "invalid_slots", "reward", "satisfaction"]
        columns += ["decided_by", "disagreement", "memories_dropped"]
        for batch in self._run.batches("pages", columns):
            arm, cell = self._rows(batch)
            satisfaction = numbers(batch, "satisfaction")
            known, ones = ~np.isnan(satisfaction), np.ones(len(cell))
            sums: Columns = {name: numbers(batch, name) for name in ("clicks", "invalid_slots", "reward")}
            sums |= {"pages": ones, "satisfaction": np.nan_to_num(satisfaction), "satisfaction_pages": known}
            sums["discounted"] = self._live_on(arm, cell, sums["reward"])
            self._add(cell, sums | _account(batch))
            page = self._within(batch, "page", self._max_pages)
            early = known & (page < self._page_limit)
            place = cell[early] * self._page_limit + page[early]
            _scatter(place, [(self._satisfaction_at, satisfaction[early]), (self._rows_at, ones[early])])

    def _live_on(self, arm: IntArray, cell: IntArray, reward: DoubleArray) -> DoubleArray:
        """Count pages on users' lives, in whose order they come; return float64 [n]: their discounted rewards."""
        age = self._lived[cell] + rank_within(cell)
        early = age < LIFE_LIMIT
        columns = [column[early] for column in (reward, reward**2, np.ones(len(cell)))]
        _scatter(arm[early] * LIFE_LIMIT + age[early], list(zip(self._reward_at, columns, strict=True)))
        _scatter(cell, [(self._lived, np.ones(len(cell)))])
        discounted: DoubleArray = reward * self._run.discount**age
        return discounted

    def add_visits(self) -> None:
        for batch in self._run.batches("visits", ["arm", "user_id", "pages", "stop_reason"]):
            arm, cell = self._rows(batch)
            pages = self._within(batch, "pages", self._max_pages + 1)
            self._add(cell, {"visits": np.ones(len(cell)), "visit_pages": pages.astype(np.float64)})
            self._visit_pages += np.bincount(arm * (self._max_pages + 1) + pages, minlength=len(self._visit_pages))
            reason = words(batch, "stop_reason")
            self._capped += np.bincount(arm[reason == "max_pages"], minlength=len(self._arms))

    def add_impressions(self) -> None:
        columns = ["arm", "user_id", "position", "item_id", "clicked", "watched", "rating", "liked"]
        for batch in self._run.batches("impressions", columns):
            arm, cell = self._rows(batch)
            item = integers(batch, "item_id")
            shown, clicked = item >= 0, numbers(batch, "clicked")
            sums: Columns = {"impressions": shown, "impression_clicks": clicked}
            for column, total, rows in _OPINIONS:
                values = numbers(batch, column)
                sums |= {total: np.nan_to_num(values), rows: ~np.isnan(values)}
            self._add(cell, sums)
            place = cell * self._slots + self._within(batch, "position", self._slots)
            _scatter(place, [(self._shown_at, shown), (self._clicked_at, clicked)])
            self._add_ratings(arm, numbers(batch, "rating"))
            for number in range(len(self._arms)):
                mine = shown & (arm == number)
                self._shown[number].add(item[mine])
                self._clicked[number].add(item[mine & (clicked == 1.0)])

    def tally(self) -> Tally:
        arms, users = len(self._arms), len(self._user_id)
        return Tally(
            arms=self._arms,
            user_id=self._user_id,
            sums={name: table.reshape(arms, users) for name, table in self._sums.items()},
            shown_at=self._shown_at.reshape(arms, users, self._slots),
            clicked_at=self._clicked_at.reshape(arms, users, self._slots),
            satisfaction_at=self._satisfaction_at.reshape(arms, users, self._page_limit),
            rows_at=self._rows_at.reshape(arms, users, self._page_limit),
            reward_at=np.moveaxis(self._reward_at.reshape(3, arms, LIFE_LIMIT), 0, -1),
            visit_pages=self._visit_pages.reshape(arms, -1),
            capped_visits=self._capped,
            stars=self._stars.reshape(arms, STAR_STEPS),
            items=tuple(_item_counts(*counts) for counts in zip(self._shown, self._clicked, strict=True)),
            limits=_limits(self._run),
        )

    def _rows(self, batch: pa.RecordBatch) -> tuple[IntArray, IntArray]:
        """Return for each row the number of its arm and of its cell (arm, user) in the tables."""
        arm, user = self._run.arm_numbers(batch), integers(batch, "user_id")
        index = np.minimum(np.searchsorted(self._user_id, user), len(self._user_id) - 1)
        stranger = user[self._user_id[index] != user]
        if len(stranger):
            raise LogError(
                f"{self._run.folder}: got rows of user {stranger[0]}, who has no row in pages, expected users of the pages "
                "alone; restore the file or start a new run"
            )
        return arm, arm * len(self._user_id) + index

    def _within(self, batch: pa.RecordBatch, name: str, limit: int) -> IntArray:
        values = integers(batch, name)
        if len(values) and not 0 <= values.min() <= values.max() < limit:
            wrong = values.min() if values.min() < 0 else values.max()
            raise LogError(
                f"{self._run.folder}: got {name} {wrong}, expected 0 to {limit - 1} by the manifest; restore the manifest that "
                "this log was written with, or start a new run"
            )
        return values

    def _add(self, cell: IntArray, sums: Columns) -> None:
        _scatter(cell, [(self._sums[name], values) for name, values in sums.items()])

    def _add_ratings(self, arm: IntArray, rating: DoubleArray) -> None:
        rated = ~np.isnan(rating)
        step = np.rint(rating[rated] * 2.0).astype(np.int64)
        if len(step) and not 0 <= step.min() <= step.max() < STAR_STEPS:
            wrong = rating[rated][(step < 0) | (step >= STAR_STEPS)][0]
            raise LogError(
                f"{self._run.folder}: got a rating of {wrong:g} stars, expected 0 to 5; the log is damaged: restore it, or "
                "start a new run"
            )
        self._stars += np.bincount(arm[rated] * STAR_STEPS + step, minlength=len(self._stars))


def _item_counts(shown: KeyCounts, clicked: KeyCounts) -> ItemCounts:
    item_id, exposures = shown.merged()
    clicks = np.zeros_like(exposures)
    of_item, counts = clicked.merged()
    clicks[np.searchsorted(item_id, of_item)] = counts
    return ItemCounts(item_id, exposures, clicks)


def _account(batch: pa.RecordBatch) -> Columns:
    """Return the sums that say how decisions came about."""
    decider = words(batch, "decided_by")
    disagreement = numbers(batch, "disagreement")
    return {
        "accounted_pages": decider != None,  # noqa: E711 - element by element
        "language_pages": decider == "language",
        "audited_pages": (decider == "choice") & ~np.isnan(disagreement),
        "disagreement": np.nan_to_num(disagreement),
        "compared_pages": ~np.isnan(disagreement),
        "memories_dropped": np.nan_to_num(numbers(batch, "memories_dropped")),
    }


def _scatter(place: IntArray, columns: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> None:
    """Add each column's values to its table at ``place``; places may repeat."""
    unique, inverse = np.unique(place, return_inverse=True)
    for table, values in columns:
        added = np.bincount(inverse, weights=values, minlength=len(unique))
        table[unique] += added.astype(table.dtype)
