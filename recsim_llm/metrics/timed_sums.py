"""Sums of a run by arm, time and user: what series and contrasts are taken of.

Filled row by row in the order of the log, so that results do not depend, to the last bit, on how the log is cut into batches.
Memory grows with arms, times, users and items, never with rows; only what is wanted is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.metrics.genre_members import GenreMembers
from recsim_llm.metrics.item_tables import RunTables
from recsim_llm.metrics.streaming import PageBatch, PageRows, VisitRows
from recsim_llm.metrics.sums import OVERLAP_USERS, overlap_sample

__all__ = ["GROUPS_LEFT_OUT", "TimedSums"]

GROUPS_LEFT_OUT = 50
"""Groups of users, each of which is left out once, to see how much a property of everyone depends on who they are."""
_GENRES = ("genres_clicked", "genres_shown")
_SETS = ("sets_clicked", "sets_shown")
_ITEMS = "items_shown"


class TimedSums:
    """Sums of some users and some items.

    Args:
        tables: of the run.
        arms: how many recommenders.
        times: how many points in time.
        members: bool [u], the users.
        items: bool [n], the items.
        wanted: what is kept: names of sums, ``genres_clicked``, ``genres_shown``, ``sets_clicked``, ``sets_shown`` and
            ``items_shown``.
        seed: of the users whose choices are compared, and of the groups that are left out.
    """

    def __init__(
        self,
        tables: RunTables,
        *,
        arms: int,
        times: int,
        members: BoolArray,
        items: BoolArray,
        wanted: frozenset[str],
        seed: int,
    ) -> None:
        self._users, self._arms, self.times, self.members, self.items = len(tables.user_id), arms, times, members, items
        self._count, genres = len(tables.item_id), tables.genres.shape[1]
        self._wanted, rows = wanted, arms * times * self._users
        totals = wanted.difference(_GENRES, _SETS, (_ITEMS,))
        self._totals = {name: np.zeros(rows) for name in totals}
        self._genres = {name: np.zeros((rows, genres), np.float32) for name in wanted.intersection(_GENRES)}
        self._spread = GenreMembers(tables.genres)
        self._sets: dict[str, list[IntArray]] = {name: [] for name in wanted.intersection(_SETS)}
        self._sample = np.full(self._users, -1, np.int64)
        self._sample[members] = overlap_sample(tables.user_id[members], seed)
        self.groups = min(GROUPS_LEFT_OUT, int(members.sum()))
        order = np.flatnonzero(members)[
            np.argsort(keyed.words(seed, "groups left out", tables.user_id[members]), kind="stable")
        ]
        self._group = np.zeros(self._users, np.int64)
        self._group[order] = np.arange(len(order)) % max(self.groups, 1)
        shape = (arms * times * self.groups, self._count) if _ITEMS in wanted else (0, 0)
        self._shown = np.zeros(shape, np.int32)

    def add_visits(self, rows: VisitRows, time: IntArray) -> None:
        """Add visits, each at its time; -1 leaves one out, here as elsewhere."""
        kept, place = self._places(rows.cell, time)
        known = ~np.isnan(rows.returned)
        columns = {"visits": np.ones(len(time)), "visit_pages": rows.pages, "return_known": known}
        self._add(kept, place, **columns, returned=np.nan_to_num(rows.returned))
        if "active" in self._totals:
            self._totals["active"][place] = 1.0

    def add_events(self, cell: IntArray, time: IntArray, name: str) -> None:
        """Add an event for each row, under a name of its own."""
        kept, place = self._places(cell, time)
        self._add(kept, place, **{name: np.ones(len(cell))})

    def add_pages(self, rows: PageRows, time: IntArray) -> None:
        """Add rows of the table of pages."""
        kept, place = self._places(rows.cell, time)
        known = ~np.isnan(rows.satisfaction)
        columns = {"pages": np.ones(len(time)), "reward": rows.reward, "satisfaction_pages": known}
        columns |= {"trust": np.nan_to_num(rows.trust), "trust_pages": ~np.isnan(rows.trust)}
        self._add(kept, place, **columns, satisfaction=np.nan_to_num(rows.satisfaction))

    def add_impressions(self, batch: PageBatch, time: IntArray) -> None:
        """Add pages with their slots."""
        kept, place = self._places(batch.cell, time)
        shown = batch.item >= 0
        mine = shown & self.items[batch.item]
        clicked, rating = mine & batch.clicked, np.where(mine, batch.rating, np.nan)
        liked, watched = (np.where(mine, column, np.nan) for column in (batch.liked, batch.watched))
        columns: dict[str, Any] = {"impressions": mine, "impression_clicks": clicked, "clicks": clicked}
        columns |= {"all_impressions": shown, "chosen_impressions": mine, "all_clicks": shown & batch.clicked}
        columns |= {"chosen_ranks": mine * (np.arange(mine.shape[1]) + 1)}
        columns |= {"chosen_pages": mine.any(axis=1, keepdims=True), "filled_pages": shown.any(axis=1, keepdims=True)}
        for name, known, values in (("stars", "rated", rating), ("liked", "judged", liked), ("watched", "watch_rows", watched)):
            columns |= {name: np.nan_to_num(values), known: ~np.isnan(values)}
        self._add(kept, place, **{name: column.sum(axis=1) for name, column in columns.items() if name in self._totals})
        page, slot = np.nonzero(mine[kept])
        item, row, taken = batch.item[kept][page, slot], place[page], clicked[kept][page, slot]
        for name, table in self._genres.items():
            some = taken if name == "genres_clicked" else slice(None)
            self._spread.add(table, row[some], item[some])
        for name, keys in self._sets.items():
            self._add_set(keys, row, item, taken if name == "sets_clicked" else np.ones(len(item), np.bool_))
        if len(self._shown):
            moment, user = np.divmod(row, self._users)
            np.add.at(self._shown, (moment * self.groups + self._group[user], item), 1)

    def total(self, arm: int, name: str, first: int, last: int) -> DoubleArray:
        """Return float64 [u]: a sum of an arm over a window of time, both ends included; of ``active`` whether it ever was."""
        table = self._totals[name].reshape(self._arms, self.times, self._users)[arm, first : last + 1]
        total: DoubleArray = table.max(axis=0, initial=0.0) if name == "active" else table.sum(axis=0)
        return total

    def genres(self, arm: int, name: str, first: int, last: int) -> DoubleArray:
        """Return float64 [u, g]: how much of each genre each user clicked or was shown in a window."""
        table = self._genres[name].reshape(self._arms, self.times, self._users, self._genres[name].shape[1])
        total: DoubleArray = table[arm, first : last + 1].sum(axis=0, dtype=np.float64)
        return total

    def sets(self, arm: int, name: str, first: int, last: int) -> tuple[IntArray, BoolArray]:
        """Return int64 [s] and bool [s, m]: users who are compared, and which items each clicked or was shown in a window."""
        keys = self._merged(name)
        moment, rest = np.divmod(keys, OVERLAP_USERS * self._count)
        row, item = np.divmod(rest, self._count)
        mine = (moment >= arm * self.times + first) & (moment <= arm * self.times + min(last, self.times - 1))
        _, column = np.unique(item[mine], return_inverse=True)
        user = np.flatnonzero(self._sample >= 0)
        sets = np.zeros((len(user), int(column.max(initial=-1)) + 1), np.bool_)
        sets[row[mine], column] = True
        return user[np.argsort(self._sample[user])], sets

    def exposures(self, arm: int, first: int, last: int) -> IntArray:
        """Return int64 [groups, m]: how often each of the items was shown to each group of users in a window."""
        table = self._shown.reshape(self._arms, self.times, self.groups, self._count)
        total: IntArray = table[arm, first : last + 1].sum(axis=0, dtype=np.int64)[:, self.items]
        return total

    def _places(self, cell: IntArray, time: IntArray) -> tuple[BoolArray, IntArray]:
        """Return which rows count, and the places of those in the tables."""
        arm, user = np.divmod(cell, self._users)
        kept = (time >= 0) & (time < self.times) & self.members[user]
        return kept, ((arm * self.times + time) * self._users + user)[kept]

    def _add(self, kept: BoolArray, place: IntArray, **columns: npt.NDArray[Any]) -> None:
        for name, values in columns.items():
            if name in self._totals:
                np.add.at(self._totals[name], place, values[kept].astype(np.float64))

    def _add_set(self, keys: list[IntArray], row: IntArray, item: IntArray, some: BoolArray) -> None:
        moment, user = np.divmod(row[some], self._users)
        sampled = self._sample[user] >= 0
        place = (moment * OVERLAP_USERS + self._sample[user]) * self._count + item[some]
        keys.append(np.unique(place[sampled]))

    def _merged(self, name: str) -> IntArray:
        keys = self._sets[name]
        if len(keys) != 1:
            keys[:] = [np.unique(np.concatenate([np.empty(0, np.int64), *keys]))]
        return keys[0]
