"""What a run amounts to for its metrics: sums by arm and user, exposures by item, and the choices of a sample of users.

Everything is added row by row in the order of the log, so that results do not depend, to the last bit, on how the log is cut
into batches. Memory grows with arms, users and items, never with rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.metrics import relevance
from recsim_llm.metrics.behaviour import WATCHED
from recsim_llm.metrics.diversity import genre_diversity, most_popular, self_information, serendipitous
from recsim_llm.metrics.exposure import long_tail
from recsim_llm.metrics.genre_members import GenreMembers
from recsim_llm.metrics.item_tables import RunTables
from recsim_llm.metrics.streaming import PageBatch, PageRows
from recsim_llm.numerics.ranking import rank_within

__all__ = ["OVERLAP_USERS", "PARTS", "RANKING", "TOTALS", "Sums", "overlap_sample"]


PARTS = 4
"""Equal parts into which a user's clicks are cut, in order of time, to see whether their genres narrow."""
OVERLAP_USERS = 500
"""Users whose choices are compared pair by pair; where there are more, that many are drawn by the seed."""
RANKING = {
    "ndcg": relevance.ndcg,
    "recall": relevance.recall,
    "precision": relevance.precision,
    "mrr": relevance.reciprocal_rank,
    "hit_rate": relevance.hit_rate,
}
"""Measures of the first page against held-out truth."""
TOTALS = (
    *("pages", "clicks", "slots", "invalid", "reward", "satisfaction", "satisfaction_pages", "impressions", "known_examined"),
    *(
        "examined",
        "watched",
        "watch_known",
        "rated",
        "liked",
        "judged",
        "tail",
        "tail_clicks",
        "popularity",
        "information",
        "serendipitous",
    ),
    *("diversity", "diversity_pages"),
)
"""Names of the sums an arm and user: how often something happened, and for ``reward``, ``satisfaction``, ``popularity``,
``information`` and ``diversity`` the total of what was found. ``known_examined``, ``watch_known``, ``judged``,
``satisfaction_pages`` and ``diversity_pages`` count where that is known; ``slots`` are all slots, ``invalid`` those whose item
was unknown, retired or repeated."""
_HALVES = 3  # the early half, the late half, and the odd click between
_MERGE_AT = 1 << 20


def overlap_sample(user_id: IntArray, seed: int) -> IntArray:
    """Return int64 [u]: which of the users whose choices are compared each one is, -1 for those who are none.

    Args:
        user_id: int64 [u].
        seed: of the draw.
    """
    order = np.argsort(keyed.words(seed, "overlap users", user_id), kind="stable")
    sample = np.full(len(user_id), -1, np.int64)
    sample[np.sort(order[:OVERLAP_USERS])] = np.arange(min(len(user_id), OVERLAP_USERS))
    return sample


class Sums:
    """Tables that fill while the log goes by: first all pages, then all impressions.

    Args:
        tables: of the run.
        arms: how many recommenders.
        slots: slots a page.
        expected: size of the popularity list of serendipity.
        seed: of the users whose choices are compared.
    """

    def __init__(self, tables: RunTables, arms: int, *, slots: int, expected: int, seed: int) -> None:
        users, cells = len(tables.user_id), arms * len(tables.user_id)
        self._tables, self.arms, self.users, self._slots = tables, arms, users, slots
        self._information = self_information(tables.popularity)
        self._expected = most_popular(tables.popularity, expected)
        self._tail = long_tail(tables.popularity)
        self.members = GenreMembers(tables.genres)
        relevant = tables.relevant
        self._relevant = np.unique(tables.held_user[relevant] * len(tables.item_id) + tables.held_item[relevant])
        self.relevant_items = np.bincount(self._relevant // len(tables.item_id), minlength=users)
        self._sample = overlap_sample(tables.user_id, seed)
        self.totals = {name: np.zeros(cells) for name in TOTALS}
        self.ranking = {name: np.full(cells, np.nan) for name in RANKING}
        self.exposures = np.zeros((arms, len(tables.item_id)), np.int64)
        self.attention = np.zeros((arms, len(tables.item_id)))
        self.at_position = {name: np.zeros((cells, slots), np.int32) for name in ("shown", "examined", "clicked")}
        self.genres_shown = np.zeros((cells, tables.genres.shape[1]))
        self.genres_chosen = np.zeros((cells, tables.genres.shape[1]))
        self.genres_by_part = np.zeros((cells, PARTS, tables.genres.shape[1]), np.float32)
        self._ranked = np.zeros(cells, np.int64)
        self._chosen = np.empty(0, np.int64)
        self._pending: list[IntArray] = []
        self._waiting = 0

    def add_pages(self, rows: PageRows) -> None:
        """Add rows of the table of pages."""
        known = ~np.isnan(rows.satisfaction)
        ones = np.ones(len(rows.cell))
        self._add(rows.cell, pages=ones, slots=ones * self._slots, clicks=rows.clicks, invalid=rows.invalid)
        self._add(rows.cell, reward=rows.reward, satisfaction=np.nan_to_num(rows.satisfaction), satisfaction_pages=known)

    def add_impressions(self, batch: PageBatch) -> None:
        """Add pages with their slots; all pages of the run must have been added before."""
        shown = batch.item >= 0
        self._add_items(batch, shown)
        self._add_opinions(batch, shown)
        self._add_positions(batch, shown)
        diversity = genre_diversity(batch.item, self._tables.genres)
        self._add(batch.cell, diversity=np.nan_to_num(diversity), diversity_pages=~np.isnan(diversity))
        page, slot = np.nonzero(shown)
        self.members.add(self.genres_shown, batch.cell[page], batch.item[page, slot])
        self._add_clicks(batch)
        self._rank(batch)

    def of(self, arm: int, name: str) -> DoubleArray:
        """Return float64 [u]: one of the totals of an arm."""
        total: DoubleArray = self.totals[name].reshape(self.arms, self.users)[arm]
        return total

    def table(self, arm: int, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an arm's rows of a table by cell, [u, ...]."""
        rows: npt.NDArray[Any] = table.reshape(self.arms, self.users, *table.shape[1:])[arm]
        return rows

    def chosen(self, arm: int) -> tuple[BoolArray, BoolArray, BoolArray]:
        """Return bool [s, m] each: which items the sampled users clicked, in all, in the early and in the late half."""
        self._merge()
        items, size = len(self._tables.item_id), min(self.users, OVERLAP_USERS)
        half, item = np.divmod(self._chosen, items)
        row, half = np.divmod(half, _HALVES)
        owner, row = np.divmod(row, size)
        mine = owner == arm
        _, column = np.unique(item[mine], return_inverse=True)
        sets = np.zeros((_HALVES, size, int(column.max(initial=-1)) + 1), np.bool_)
        sets[half[mine], row[mine], column] = True
        return sets[0] | sets[1] | sets[2], sets[0], sets[1]

    def _add_items(self, batch: PageBatch, shown: BoolArray) -> None:
        tail, item = self._tail[batch.item] & shown, batch.item
        lucky = serendipitous(item, batch.clicked, self._expected)
        self._add(batch.cell, impressions=_count(shown), tail=_count(tail), tail_clicks=_count(tail & batch.clicked))
        self._add(batch.cell, popularity=_sum(self._tables.popularity[item], shown), serendipitous=_count(lucky))
        self._add(batch.cell, information=_sum(self._information[item], shown))
        page, slot = np.nonzero(shown)
        place = (batch.arm[page], item[page, slot])
        np.add.at(self.exposures, place, 1)
        # Without a probability of a look, a slot that was shown counts whole.
        look = batch.examine_prob[page, slot]
        np.add.at(self.attention, place, np.where(np.isnan(look), 1.0, look))

    def _add_opinions(self, batch: PageBatch, shown: BoolArray) -> None:
        looked, watched = shown & ~np.isnan(batch.examined), ~np.isnan(batch.watched)
        self._add(batch.cell, known_examined=_count(looked), examined=_count(looked & (batch.examined > 0)))
        self._add(batch.cell, watch_known=_count(watched), watched=_count(watched & (batch.watched >= WATCHED)))
        self._add(batch.cell, rated=_count(~np.isnan(batch.rating)))
        self._add(batch.cell, judged=_count(~np.isnan(batch.liked)), liked=_count(batch.liked == 1.0))

    def _add_positions(self, batch: PageBatch, shown: BoolArray) -> None:
        happened = {"shown": shown, "examined": shown & (batch.examined == 1.0), "clicked": shown & batch.clicked}
        for name, table in self.at_position.items():
            np.add.at(table, batch.cell, happened[name].astype(np.int32))

    def _add_clicks(self, batch: PageBatch) -> None:
        """Add clicked items by part and half of each user's clicks; pages come in order of time."""
        page, slot = np.nonzero(batch.clicked & (batch.item >= 0))
        cell, item = batch.cell[page], batch.item[page, slot]
        rank = self._ranked[cell] + rank_within(cell)
        np.add.at(self._ranked, cell, 1)
        self.members.add(self.genres_chosen, cell, item)
        clicks = self.totals["clicks"][cell].astype(np.int64)
        part = rank // np.maximum(clicks // PARTS, 1)
        kept = (part < PARTS) & (clicks >= PARTS)
        flat = self.genres_by_part.reshape(self.genres_by_part.shape[0] * PARTS, self.genres_by_part.shape[2])
        self.members.add(flat, cell[kept] * PARTS + part[kept], item[kept])
        half = np.minimum(rank // np.maximum(clicks // 2, 1), 2)
        half[clicks < 2] = 2
        arm, user = np.divmod(cell, self.users)
        size, row = min(self.users, OVERLAP_USERS), self._sample[user]
        keys = (((arm * size + row) * _HALVES + half) * len(self._tables.item_id) + item)[row >= 0]
        self._pending.append(np.unique(keys))
        self._waiting += len(self._pending[-1])
        if self._waiting > max(len(self._chosen), _MERGE_AT):
            self._merge()

    def _rank(self, batch: PageBatch) -> None:
        """Judge the first page of each user's first visit: every recommender has then seen the same of the user."""
        first = np.flatnonzero(batch.first)
        cell, item = batch.cell[first], batch.item[first]
        user = cell % self.users
        key = user[:, None] * len(self._tables.item_id) + item
        relevant = (item >= 0) & np.isin(key, self._relevant)
        for name, measure in RANKING.items():
            self.ranking[name][cell] = measure(relevant, self.relevant_items[user])

    def _add(self, cell: IntArray, **columns: npt.NDArray[Any]) -> None:
        for name, values in columns.items():
            np.add.at(self.totals[name], cell, values.astype(np.float64))

    def _merge(self) -> None:
        self._chosen = np.unique(np.concatenate([self._chosen, *self._pending]))
        self._pending, self._waiting = [], 0


def _count(mask: BoolArray) -> IntArray:
    count: IntArray = np.count_nonzero(mask, axis=1)
    return count


def _sum(values: npt.NDArray[Any], shown: BoolArray) -> DoubleArray:
    total: DoubleArray = np.where(shown, values, 0).sum(axis=1, dtype=np.float64)
    return total
