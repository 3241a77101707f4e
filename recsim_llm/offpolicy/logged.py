"""Logged pages as columns: what was shown, what came of it, and how likely the logging policy was to show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.errors import DataError

__all__ = ["HiddenTruth", "LoggedSlates", "rebuild_requests"]


_CHUNK = 4096


class HiddenTruth(NamedTuple):
    """What only a simulator knows; no estimator is given it."""

    examine: DoubleArray
    """float64 [n, k]: probability that the slot was examined."""
    click: DoubleArray
    """float64 [n, k]: probability that the slot was clicked, before anything was drawn (examination included)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LoggedSlates:
    """``n`` logged pages of ``k`` slots each; NaN in a propensity means unknown, never zero.

    Build it with ``read_log`` from a run, or with ``LoggedSlates.from_columns`` from anything else.
    """

    user_id: IntArray
    """int64 [n]: outside ids; intervals are by user."""
    visit: IntArray
    """int64 [n]: visit number, from 0."""
    page: IntArray
    """int64 [n]: page of the visit, from 0."""
    place: IntArray
    """int64 [n]: how many logged pages the user had seen before in the run."""
    item_id: IntArray
    """int64 [n, k]: what was shown, by position; -1 for a blanked slot."""
    clicked: BoolArray
    """bool [n, k]."""
    rating: DoubleArray
    """float64 [n, k]: stars, NaN where none were given; what later requests of the user could show."""
    reward: DoubleArray
    """float64 [n, k]: what each slot earned."""
    page_reward: DoubleArray
    """float64 [n]: what the whole page earned; need not be the sum of the slots."""
    propensity: DoubleArray
    """float64 [n, k]: probability that this item stands at this position (slot marginal)."""
    prefix_propensity: DoubleArray
    """float64 [n, k]: probability of this item here given the positions before it."""
    slate_propensity: DoubleArray
    """float64 [n]: probability of the whole slate."""
    truth: HiddenTruth | None = None
    """The simulator's own probabilities; None where there is no simulator."""

    @classmethod
    def from_columns(
        cls,
        *,
        user_id: npt.ArrayLike,
        item_id: npt.ArrayLike,
        reward: npt.ArrayLike,
        propensity: npt.ArrayLike | None = None,
        prefix_propensity: npt.ArrayLike | None = None,
        slate_propensity: npt.ArrayLike | None = None,
        visit: npt.ArrayLike | None = None,
        page: npt.ArrayLike | None = None,
        clicked: npt.ArrayLike | None = None,
        rating: npt.ArrayLike | None = None,
        page_reward: npt.ArrayLike | None = None,
    ) -> LoggedSlates:
        """Build logged pages from plain columns; what is not given of the propensities is unknown.

        Args:
            user_id: [n].
            item_id: [n, k].
            reward: [n, k].
            propensity: [n, k], slot marginals.
            prefix_propensity: [n, k].
            slate_propensity: [n].
            visit: [n]; 0 where not given.
            page: [n]; where not given, each user's pages are numbered in the order of the rows.
            clicked: [n, k]; where not given, a reward above 0 counts as a click.
            rating: [n, k]; no ratings where not given.
            page_reward: [n]; the sum of the slots where not given.

        Raises:
            DataError: shapes do not fit, a page is there twice, or a reward is not finite.
        """
        items, paid = np.asarray(item_id, np.int64), np.asarray(reward, np.float64)
        users = np.asarray(user_id, np.int64)
        visits = np.zeros(len(users), np.int64) if visit is None else np.asarray(visit, np.int64)
        return cls(
            user_id=users,
            visit=visits,
            page=_number(users, visits) if page is None else np.asarray(page, np.int64),
            place=np.full(len(users), -1),
            item_id=items,
            clicked=paid > 0 if clicked is None else np.asarray(clicked, np.bool_),
            rating=_or_unknown(rating, items.shape),
            reward=paid,
            page_reward=paid.sum(axis=-1) if page_reward is None else np.asarray(page_reward, np.float64),
            propensity=_or_unknown(propensity, items.shape),
            prefix_propensity=_or_unknown(prefix_propensity, items.shape),
            slate_propensity=_or_unknown(slate_propensity, items.shape[:1]),
        ).numbered()

    def __post_init__(self) -> None:
        if self.item_id.ndim != 2 or 0 in self.item_id.shape:
            raise DataError(f"logged slates: got item_id of shape {self.item_id.shape}, expected [pages, slots], both above 0")
        pages = len(self.item_id)
        by_page = ("user_id", "visit", "page", "place", "page_reward", "slate_propensity")
        for name in (field.name for field in fields(self) if field.name != "truth"):
            shape = getattr(self, name).shape
            expected = (pages,) if name in by_page else self.item_id.shape
            if shape != expected:
                raise DataError(f"logged slates, {name}: got shape {shape}, expected {expected}; give one entry a page or slot")
        for name in ("reward", "page_reward"):
            column = getattr(self, name)
            if not np.isfinite(column).all():
                raise DataError(
                    f"logged slates, {name}: got {column[~np.isfinite(column)][0]}, expected finite numbers; leave out pages "
                    "whose reward is unknown"
                )

    def __len__(self) -> int:
        return len(self.item_id)

    @property
    def slots(self) -> int:
        """Slots a page."""
        return int(self.item_id.shape[1])

    def take(self, rows: BoolArray | IntArray) -> LoggedSlates:
        """Return some of the pages, by mask or position; what users saw before is then no longer known from the log."""
        columns = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "truth"}
        truth = None if self.truth is None else HiddenTruth(*(column[rows] for column in self.truth))
        return replace(self, **columns, truth=truth)

    def numbered(self) -> LoggedSlates:
        """Return the same pages in the order of user, visit and page, with ``place`` counted.

        Raises:
            DataError: a page of a user is there twice.
        """
        order = np.lexsort((self.page, self.visit, self.user_id))
        ordered = self.take(order)
        key = np.stack([ordered.user_id, ordered.visit, ordered.page])
        twice = np.flatnonzero((key[:, 1:] == key[:, :-1]).all(axis=0))
        if twice.size:
            user, visit, page = key[:, twice[0]]
            raise DataError(
                f"logged slates: got page {page} of visit {visit} of user {user} twice, expected it once; number the visits"
            )
        return replace(ordered, place=_number(ordered.user_id, np.zeros(len(order), np.int64)))


def rebuild_requests(logged: LoggedSlates, chunk: int = _CHUNK) -> Iterator[tuple[IntArray, Requests]]:
    """Rebuild what the logging policy was asked: who, which page, and what the user was shown in the run before.

    Args:
        logged: all pages of its users from their first one on, in the order of ``read_log`` or ``from_columns``.
        chunk: pages at a time.

    Yields:
        Rows int64 [m] and their requests.

    Raises:
        DataError: earlier pages of a user are missing.
    """
    if not np.array_equal(logged.place, _number(logged.user_id, np.zeros(len(logged), np.int64))):
        raise DataError(
            "requests: got pages without all earlier pages of their users, in another order, or a part of a log, expected "
            "the whole log; ask the target policy first, then take the pages"
        )
    slots = logged.slots
    for place in range(int(logged.place.max()) + 1):
        same = np.flatnonzero(logged.place == place)
        for start in range(0, len(same), chunk):
            rows = same[start : start + chunk]
            before = (rows[:, None] - place) + np.arange(place)
            shape = (len(rows), place * slots)
            yield (
                rows,
                Requests(
                    user_id=logged.user_id[rows],
                    visit=logged.visit[rows],
                    page=logged.page[rows],
                    history_item=logged.item_id[before].reshape(shape),
                    history_clicked=logged.clicked[before].reshape(shape),
                    history_rating=logged.rating[before].reshape(shape).astype(np.float32),
                ),
            )


def _number(user: IntArray, visit: IntArray) -> IntArray:
    """Return int64 [n]: how many earlier rows have the same user and visit."""
    order = np.lexsort((visit, user))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(user[order]) != 0) | (np.diff(visit[order]) != 0)
    first = np.flatnonzero(new)
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return number


def _or_unknown(column: npt.ArrayLike | None, shape: tuple[int, ...]) -> DoubleArray:
    return np.full(shape, np.nan) if column is None else np.asarray(column, np.float64)
