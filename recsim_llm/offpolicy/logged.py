"""Logged pages as columns: what was shown, what came of it, and how likely the logging policy was to show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_flags, as_numbers, as_whole_numbers
from recsim_llm.core.pages import Requests
from recsim_llm.errors import DataError

__all__ = ["CHANCES", "HiddenTruth", "LoggedSlates", "rebuild_requests"]


CHANCES = (0.0, 1.0 + 1e-6)
"""What a probability may be: a product of float32 factors can come out a little above 1."""
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

    Build it with ``read_log`` from a run, or with ``LoggedSlates.from_columns`` from anything else. Pages stay in the order in
    which they are given, so that they go with any other column of the same rows, such as the target's (``TargetView``).

    Raises:
        DataError: shapes do not fit, an id is no whole number, a reward is not finite, or a propensity is outside 0 to 1.
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
        """Build logged pages from plain columns, in the order of the rows; what is not given of the propensities is unknown.

        Args:
            user_id: [n], whole numbers.
            item_id: [n, k], whole numbers; -1 for a blank slot.
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
        items = as_whole_numbers("logged slates, item_id", item_id, ("pages", "slots"), least=-1)
        users = as_whole_numbers("logged slates, user_id", user_id, (len(items),))
        visits = np.zeros(len(users), np.int64) if visit is None else _by_page("visit", visit, len(users))
        paid = _paid("reward", reward, items.shape)
        return cls(
            user_id=users,
            visit=visits,
            page=_number(users, visits) if page is None else _by_page("page", page, len(users)),
            place=np.full(len(users), -1),
            item_id=items,
            clicked=paid > 0 if clicked is None else as_flags("logged slates, clicked", clicked, items.shape),
            rating=_or_unknown("rating", rating, items.shape),
            reward=paid,
            page_reward=paid.sum(axis=-1) if page_reward is None else _paid("page_reward", page_reward, (len(items),)),
            propensity=_or_unknown("propensity", propensity, items.shape),
            prefix_propensity=_or_unknown("prefix_propensity", prefix_propensity, items.shape),
            slate_propensity=_or_unknown("slate_propensity", slate_propensity, items.shape[:1]),
        ).numbered()

    def __post_init__(self) -> None:
        items = as_whole_numbers("logged slates, item_id", self.item_id, ("pages", "slots"), least=-1)
        if 0 in items.shape:
            raise DataError(
                f"logged slates: got item_id of shape {items.shape}, expected [pages, slots], both above 0; give a page or more"
            )
        columns: dict[str, IntArray | DoubleArray | BoolArray] = {"item_id": items}
        for name, least in (("user_id", 0), ("visit", 0), ("page", 0), ("place", -1)):
            given = getattr(self, name)
            columns[name] = as_whole_numbers(f"logged slates, {name}", given, (len(items),), least=least)
        columns["clicked"] = as_flags("logged slates, clicked", self.clicked, items.shape)
        columns["rating"] = _or_unknown("rating", self.rating, items.shape)
        columns["reward"] = _paid("reward", self.reward, items.shape)
        columns["page_reward"] = _paid("page_reward", self.page_reward, (len(items),))
        for name, shape in (
            ("propensity", items.shape),
            ("prefix_propensity", items.shape),
            ("slate_propensity", items.shape[:1]),
        ):
            columns[name] = _or_unknown(name, getattr(self, name), shape, CHANCES)
        for name, column in columns.items():
            object.__setattr__(self, name, column)

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
        """Return the same pages in the same order, with ``place`` counted by visit and page.

        Raises:
            DataError: a page of a user is there twice.
        """
        order = self.order()
        key = np.stack([self.user_id, self.visit, self.page])[:, order]
        twice = np.flatnonzero((key[:, 1:] == key[:, :-1]).all(axis=0))
        if twice.size:
            user, visit, page = key[:, twice[0]]
            raise DataError(
                f"logged slates: got page {page} of visit {visit} of user {user} twice, expected it once; number the visits"
            )
        place = np.empty(len(order), np.int64)
        place[order] = _counted(key[0])
        return replace(self, place=place)

    def order(self) -> IntArray:
        """Return int64 [n]: the rows by user, visit and page, for ``take``."""
        return np.lexsort((self.page, self.visit, self.user_id))


def rebuild_requests(logged: LoggedSlates, chunk: int = _CHUNK) -> Iterator[tuple[IntArray, Requests]]:
    """Rebuild what the logging policy was asked: who, which page, and what the user was shown in the run before.

    Args:
        logged: all pages of its users from their first one on, in any order.
        chunk: pages at a time.

    Yields:
        Rows int64 [m] and their requests.

    Raises:
        DataError: earlier pages of a user are missing.
    """
    order = logged.order()
    if not np.array_equal(logged.place[order], _counted(logged.user_id[order])):
        raise DataError(
            "requests: got pages without all earlier pages of their users, or a part of a log, expected the whole log; ask "
            "the target policy first, then take the pages"
        )
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    slots = logged.slots
    for place in range(int(logged.place.max()) + 1):
        same = np.flatnonzero(logged.place == place)
        for start in range(0, len(same), chunk):
            rows = same[start : start + chunk]
            before = order[(rank[rows][:, None] - place) + np.arange(place)]
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
    number = np.empty(len(order), np.int64)
    number[order] = _counted(user[order], visit[order])
    return number


def _counted(*sorted_keys: IntArray) -> IntArray:
    """Return int64 [n]: how many of the rows before each have the same keys, which are sorted."""
    new = np.ones(len(sorted_keys[0]), np.bool_)
    new[1:] = np.any([np.diff(key) != 0 for key in sorted_keys], axis=0)
    first = np.flatnonzero(new)
    return np.asarray(np.arange(len(new)) - np.repeat(first, np.diff(np.append(first, len(new)))))


def _by_page(name: str, column: npt.ArrayLike, pages: int) -> IntArray:
    return as_whole_numbers(f"logged slates, {name}", column, (pages,), least=0)


def _paid(name: str, column: npt.ArrayLike, shape: tuple[int, ...]) -> DoubleArray:
    return as_numbers(f"logged slates, {name}", column, shape)


def _or_unknown(
    name: str, column: npt.ArrayLike | None, shape: tuple[int, ...], bounds: tuple[float, float] = (-np.inf, np.inf)
) -> DoubleArray:
    if column is None:
        return np.full(shape, np.nan)
    return as_numbers(f"logged slates, {name}", column, shape, bounds=bounds, unknown=True)
