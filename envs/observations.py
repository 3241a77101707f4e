"""Observations: what a policy may see, and the spaces that hold it.

Every part describes the observable side only. Nothing here reads personas, fitted tastes, satisfaction or dice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Rows
from recsim_llm.core.profiles import make_profile
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import KnownItems
from recsim_llm.envs.user_tastes import TasteRecord, TasteTable
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population

__all__ = ["PARTS", "Observation", "Observer", "candidate_spaces", "feature_bounds"]

PARTS = ("page", "summary", "history", "profile", "candidates", "visit", "taste", "fresh")
"""Names of the parts that an observation can have."""

_ZERO = np.array([0])

Observation = dict[str, npt.NDArray[np.generic]]


class Observer:
    """Keeps what a policy may see of each row.

    Args:
        parts: which of ``PARTS`` to show.
        catalog: the items, for their observable features.
        population: the users, for their demographics only.
        rows: users that browse at the same time.
        slate_size: slots a page.
        max_pages: page budget of a visit.
        history_pages: how many of the last pages ``history`` shows.
        candidates: size of the offered candidate set, 0 for none.
        ratings: what users of the data rated before the first page; None where nobody knows.
        known: what the rows' users know already; None where nobody minds.
    """

    def __init__(
        self,
        *,
        parts: Sequence[str],
        catalog: Catalog,
        population: Population,
        rows: int,
        slate_size: int,
        max_pages: int,
        history_pages: int,
        candidates: int,
        ratings: Ratings | None = None,
        known: KnownItems | None = None,
    ) -> None:
        unknown = [part for part in parts if part not in PARTS]
        if unknown or not parts:
            raise ConfigError(f"observation: got {unknown or parts}, expected some of {', '.join(PARTS)}")
        if "candidates" in parts and not candidates:
            raise ConfigError("observation: got 'candidates' with another action, expected action='candidates'")
        if history_pages < 1:
            raise ConfigError(f"history_pages: got {history_pages}, expected 1 or more")
        self.parts = tuple(parts)
        self._features = np.hstack([catalog.features, np.ones((len(catalog), 1), np.float32)])
        self._profile = _profile_columns(population) if "profile" in parts else None
        self._taste = TasteRecord(_taste_table(catalog, ratings), rows) if "taste" in parts else None
        self._user_id = population.user_id
        self._known, self._on_sale = known, catalog.on_sale.view(np.int8)
        self._fresh = "fresh" in parts
        width = catalog.features.shape[1]
        self.space = spaces.Dict(self._spaces(catalog, slate_size * history_pages, candidates))
        self._budget = max_pages
        self._page, self._visit, self._summary, self._history = (
            part in parts for part in ("page", "visit", "summary", "history")
        )
        self._history_pages = history_pages
        self._shape = (rows, history_pages * slate_size)
        self._mean = np.zeros((rows, width), np.float32)
        self._sum = np.zeros((rows, width + 1), np.float32)
        self.begin(ALL_ROWS)

    def begin(self, rows: Rows) -> None:
        """Forget what the rows' earlier episodes showed; within one, all that was seen stays, whatever visit it belongs to."""
        self._mean[rows] = 0
        self._sum[rows] = 0
        if isinstance(rows, slice):
            # New arrays: the old ones were handed out as observations.
            self._item = np.full(self._shape, -1, np.int64)
            self._clicked = np.zeros(self._shape, np.int8)
            self._rating = np.zeros(self._shape, np.float32)
        else:
            self._item[rows] = -1
            self._clicked[rows] = 0
            self._rating[rows] = 0

    @property
    def item_vectors(self) -> npt.NDArray[np.float32]:
        """float32 [n, d]: vectors of the items that ``taste`` is made of, for policies that score items.

        Raises:
            ConfigError: ``taste`` is not observed.
        """
        if self._taste is None:
            raise ConfigError("item_vectors: got an observation without 'taste', expected observation=['taste', ...]")
        return self._taste.item_vectors

    def seat(self, rows: Rows, user_index: IntArray) -> None:
        """Forget the lives of those who sat in the rows before.

        Args:
            rows: row numbers [m], or ``slice(None)``.
            user_index: int64 [m]: who sits there now.
        """
        if self._taste is not None:
            self._taste.begin(rows, self._user_id[user_index])

    def part_from_observations(self) -> None:
        """Go on with arrays of its own: what was handed out is not to change when some rows begin anew."""
        self._item, self._clicked, self._rating = self._item.copy(), self._clicked.copy(), self._rating.copy()

    def record(self, feedback: Feedback) -> None:
        """Take in one page of every row."""
        clicked, slot = feedback.clicked, feedback.slot
        if self._taste is not None:
            self._taste.record(feedback.pages.item_index, clicked, feedback.ratings())
        if slot.size and self._summary:
            self._average(feedback.pages.item_index.reshape(-1).take(slot), feedback.row)
        if self._history:
            rating: npt.NDArray[np.float32] = np.zeros(clicked.shape, np.float32)
            if slot.size:
                rating.reshape(-1)[slot] = np.nan_to_num(feedback.given)
            item, seen = feedback.pages.item_index, clicked.view(np.int8)
            if self._history_pages == 1:
                # Copies, since the page belongs to the feedback.
                self._item, self._clicked, self._rating = item.copy(), seen.copy(), rating
            else:
                self._item = self._append(self._item, item)
                self._clicked = self._append(self._clicked, seen)
                self._rating = self._append(self._rating, rating)

    def observe(
        self,
        page: IntArray,
        user_index: IntArray,
        candidates: IntArray | None,
        rows: Rows | int = ALL_ROWS,
        *,
        visit: IntArray | None = None,
    ) -> Observation:
        """Return the observation of the given rows, once after each change; it shares memory with no other observation.

        Args:
            page: int64 [r]: pages shown to each row.
            user_index: int64 [r]: who sits there.
            candidates: int64 [r, c]: what the rows are offered, if anything.
            rows: which rows; a number stands for one row, observed without the first axis.
            visit: int64 [r]: number of each row's visit, where that is observed.
        """
        seen: Observation = {}
        if self._page:
            seen["page"] = self._share(page, rows)
        if self._visit and visit is not None:
            number = np.reshape(visit[rows], (*np.shape(page[rows]), 1))
            seen["visit"] = (number / (number + 1)).astype(np.float32)
        if self._summary:
            seen["summary"] = self._mean[rows].copy()
        if self._history:
            past = (self._item[rows], self._clicked[rows], self._rating[rows])
            # One page is replaced as a whole; of more pages, the older ones are needed again.
            item, clicked, rating = past if self._history_pages == 1 else [column.copy() for column in past]
            seen["history_item"], seen["history_clicked"], seen["history_rating"] = item, clicked, rating
        if self._profile is not None:
            seen["profile"] = self._profile.take(user_index[rows], axis=0)
        self._observe_life(seen, rows)
        if candidates is not None:
            offered = candidates[rows]
            seen["candidate_item"] = offered.copy()
            seen["candidate_features"] = self._features.take(offered, axis=0)[..., :-1]
            if self._taste is not None:
                seen["candidate_vectors"] = self._taste.item_vectors.take(offered, axis=0)
        return seen

    def _share(self, page: IntArray, rows: Rows | int) -> npt.NDArray[np.float32]:
        if not isinstance(rows, int):
            return (page[rows] / self._budget).astype(np.float32)[:, None]
        # One number is divided faster by Python.
        share = np.empty(1, np.float32)
        share[0] = page.item(rows) / self._budget
        return share

    def _observe_life(self, seen: Observation, rows: Rows | int) -> None:
        """Add what goes beyond the pages of this episode's last ones: tastes, and what is new to the users."""
        if self._taste is not None:
            taste = self._taste.tastes(slice(rows, rows + 1) if isinstance(rows, int) else rows)
            seen["taste"] = taste[0] if isinstance(rows, int) else taste
        if self._fresh:
            seen["fresh"] = self._fresh_items(rows)

    def _fresh_items(self, rows: Rows | int) -> npt.NDArray[np.int8]:
        if self._known is not None:
            fresh = self._known.fresh(np.array([rows]) if isinstance(rows, int) else rows).view(np.int8)
            return fresh[0] if isinstance(rows, int) else fresh
        shape = () if isinstance(rows, int) else (len(np.arange(self._shape[0])[rows]),)
        return np.broadcast_to(self._on_sale, (*shape, len(self._on_sale))).copy()

    def _append(self, history: npt.NDArray[Any], page: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.concatenate([history[:, page.shape[1] :], page], axis=1)

    def _average(self, item: IntArray, row: IntArray) -> None:
        """Move the mean of each row that clicked towards the items it clicked now."""
        features = self._features.take(item, axis=0)
        if len(self._sum) == 1:
            # Not add.reduce, which may round differently from the sums of many rows.
            self._sum += np.add.reduceat(features, _ZERO, axis=0)
            np.divide(self._sum[:, :-1], self._sum[:, -1:], out=self._mean)
            return
        # Rows ascend, so each row's clicks are a run: sum the runs.
        start = np.flatnonzero(np.diff(row, prepend=-1))
        clicker = row.take(start)
        total = self._sum.take(clicker, axis=0)
        total += np.add.reduceat(features, start, axis=0)
        self._sum[clicker] = total
        self._mean[clicker] = total[:, :-1] / total[:, -1:]

    def _spaces(self, catalog: Catalog, history: int, candidates: int) -> dict[str, spaces.Space[Any]]:
        items, (low, high) = len(catalog), feature_bounds(catalog)
        space: dict[str, spaces.Space[Any]] = {}
        for part in self.parts:
            if part in ("page", "visit"):
                space[part] = spaces.Box(0, 1, (1,), np.float32)
            elif part == "summary":
                space["summary"] = spaces.Box(low, high, dtype=np.float32)
            elif part == "history":
                space["history_item"] = spaces.Box(-1, items - 1, (history,), np.int64)
                space["history_clicked"] = spaces.Box(0, 1, (history,), np.int8)
                space["history_rating"] = spaces.Box(0, 5, (history,), np.float32)
            elif part == "profile":
                width = 0 if self._profile is None else self._profile.shape[1]
                space["profile"] = spaces.Box(0, 1, (width,), np.float32)
            elif part == "fresh":
                space["fresh"] = spaces.MultiBinary(items)
            elif part == "candidates":
                space |= candidate_spaces(catalog, candidates)
        if self._taste is not None:
            space["taste"] = self._taste.table.space
            if "candidates" in self.parts:
                space["candidate_vectors"] = self._taste.table.candidate_space(candidates)
        return space


def candidate_spaces(catalog: Catalog, candidates: int) -> dict[str, spaces.Space[Any]]:
    """Return the spaces of the part ``candidates`` for sets of so many."""
    low, high = feature_bounds(catalog)
    return {
        "candidate_item": spaces.Box(0, len(catalog) - 1, (candidates,), np.int64),
        "candidate_features": spaces.Box(np.tile(low, (candidates, 1)), np.tile(high, (candidates, 1)), dtype=np.float32),
    }


def feature_bounds(catalog: Catalog) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return bounds of each feature, float32 [f] each, with 0 between them.

    They are whole numbers, since a mean of features stays within those even after rounding; and different ones.
    """
    low = np.floor(np.minimum(catalog.features.min(axis=0), 0))
    high = np.maximum(np.ceil(catalog.features.max(axis=0)), low + 1)
    return low.astype(np.float32), high.astype(np.float32)


def _taste_table(catalog: Catalog, ratings: Ratings | None) -> TasteTable:
    if ratings is None:
        raise ConfigError("observation: got 'taste' in a world without ratings, expected data that has some; leave 'taste' out")
    return TasteTable.of(catalog, ratings)


def _profile_columns(population: Population) -> npt.NDArray[np.float32]:
    columns = make_profile(population.demographics, len(population)).columns
    if not columns.shape[1]:
        raise ConfigError("observation: got 'profile' for users without demographics, expected data that has some")
    return columns
