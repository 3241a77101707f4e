"""What each user adds to a count: tables with a row a user, whose sums the measures of behaviour are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.realism.behaviour.browsers import Browsed
from recsim_llm.realism.behaviour.session_distances import action_features, moments

__all__ = ["DEEPEST", "MOST_EVENTS", "MOST_PAGES", "SessionTables", "dwell_grid", "session_features"]

DEEPEST = 20
"""Rank from which on clicks count as this rank, as in SimEval-IR."""

MOST_PAGES = 50
"""Pages of a session that are told apart; longer sessions count as this long."""

MOST_EVENTS = 300
"""Events of a session that are told apart."""

_DWELL_VALUES = 400


@dataclass(frozen=True, kw_only=True, eq=False)
class SessionTables:
    """Counts of one set of sessions: what was shown, and what was done with it."""

    log: Exposures
    """The pages, ``p`` of them."""
    done: Browsed
    """What was done."""

    @cached_property
    def user(self) -> IntArray:
        """int64 [n]: position of each row's user in ``log.users``."""
        return np.searchsorted(self.log.users, self.log.user_id)

    @cached_property
    def user_of_page(self) -> IntArray:
        """int64 [p]."""
        return np.searchsorted(self.log.users, self.log.pages.user_id)

    @cached_property
    def acted(self) -> BoolArray:
        """Whether something on each page was clicked, bool [p]."""
        return np.logical_or.reduceat(self.done.clicked, self.log.pages.first)

    def clicks_by_rank(self) -> DoubleArray:
        """Return float64 [u, 20]: clicks by rank, from 1."""
        rows = self.done.clicked & (self.log.position >= 0)
        return self._table(self.user[rows], np.minimum(self.log.position[rows], DEEPEST - 1), DEEPEST)

    def rate_at(self, position: int) -> DoubleArray:
        """Return float64 [u, 2]: clicks and impressions at a position, from 0."""
        here = self.log.position == position
        clicks = self._count(self.user[here & self.done.clicked])
        return np.column_stack([clicks, self._count(self.user[here])])

    def action_rate(self) -> DoubleArray:
        """Return float64 [u, 2]: pages with a click, and pages."""
        return np.column_stack([self._count(self.user_of_page[self.acted]), self._count(self.user_of_page)])

    def user_rates(self) -> DoubleArray:
        """Return float64 [u, 3]: 1, the share of a user's pages with a click, and its square."""
        both = self.action_rate()
        rate = both[:, 0] / both[:, 1]
        return np.column_stack([np.ones(len(rate)), rate, rate**2])

    def lengths(self, longest: int) -> DoubleArray:
        """Return float64 [u, longest + 1]: sessions by events: a query, a page and, if one was made, a click event a page."""
        pages, clicked, _ = self._sessions
        return self._table(self._user_of_session, np.minimum(2 * pages + clicked, longest), longest + 1)

    def features(self) -> DoubleArray:
        """Return float64 [u, 57]: sums of ``moments`` of each session's ``ACTION_FEATURES``."""
        each = moments(action_features(*self._sessions))
        table = np.zeros((len(self.log.users), each.shape[1]))
        np.add.at(table, self._user_of_session, each)
        return table

    def departures(self, pages: int = MOST_PAGES) -> DoubleArray:
        """Return float64 [u, 2 pages]: pages that were reached, then those at which users left, by number of the page.

        Where users tell the chance of leaving, as many leave as it lets expect.
        """
        number = np.minimum(self.log.pages.page, pages - 1)
        left = self._table(self.user_of_page, number, pages, 0.0 if self.done.leaves is None else self.done.leaves)
        return np.hstack([self._table(self.user_of_page, number, pages), left])

    def hazard_at(self, page: int) -> DoubleArray:
        """Return float64 [u, 2]: departures after a page of the session, from 0, and how often it was reached."""
        counts = self.departures()
        return counts[:, [MOST_PAGES + page, page]]

    def dwell(self, grid: DoubleArray) -> DoubleArray:
        """Return float64 [u, g]: clicks by the value of the grid, ascending, to which their dwell time is nearest."""
        dwell = np.full(len(self.log), np.nan) if self.done.dwell is None else self.done.dwell
        rows = self.done.clicked & ~np.isnan(dwell)
        middle = 0.5 * (grid[1:] + grid[:-1])
        return self._table(self.user[rows], np.searchsorted(middle, dwell[rows]), len(grid))

    def session_features(self) -> DoubleArray:
        """Return float64 [s, 11]: ``ACTION_FEATURES``; clicks a page, on the first and on the last; mean rank of clicks."""
        pages, _, _ = self._sessions
        ends = np.cumsum(pages)
        clicks = np.add.reduceat(self.done.clicked.astype(np.float64), self.log.pages.first)
        ranks = np.where(self.done.clicked, self.log.position + 1.0, 0.0)
        of_session = (
            np.add.reduceat(column, ends - pages) for column in (clicks, np.add.reduceat(ranks, self.log.pages.first))
        )
        total, rank = of_session
        columns = (total / pages, clicks[ends - pages], clicks[ends - 1], rank / np.maximum(total, 1.0))
        return np.column_stack([action_features(*self._sessions), *columns])

    @cached_property
    def _sessions(self) -> tuple[IntArray, IntArray, BoolArray]:
        """Pages, pages with a click, and whether the last page has one, [s] each."""
        last = np.flatnonzero(self.log.pages.last_of_session)
        first = np.append(0, last[:-1] + 1)
        return last - first + 1, np.add.reduceat(self.acted.astype(np.int64), first), self.acted[last]

    @cached_property
    def _user_of_session(self) -> IntArray:
        return self.user_of_page[self.log.pages.last_of_session]

    def _count(self, user: IntArray) -> DoubleArray:
        return np.bincount(user, minlength=len(self.log.users)).astype(np.float64)

    def _table(self, user: IntArray, place: IntArray, width: int, weight: BoolArray | DoubleArray | float = 1.0) -> DoubleArray:
        users = len(self.log.users)
        weights = np.broadcast_to(np.asarray(weight, np.float64), user.shape)
        return np.bincount(user * width + place, weights, users * width).reshape(users, width).astype(np.float64)


def session_features(log: Exposures, done: Browsed) -> DoubleArray:
    """Return float64 [s, 11]: what a session's structure can be told by, see ``SessionTables.session_features``."""
    return SessionTables(log=log, done=done).session_features()


def dwell_grid(log: Exposures) -> DoubleArray:
    """Return float64 [g]: the log's own dwell times, ascending; of many different ones 400 quantiles. Empty without any."""
    if log.dwell is None:
        return np.empty(0)
    known = log.dwell[log.clicked & ~np.isnan(log.dwell)]
    values = np.unique(known)
    if len(values) > _DWELL_VALUES:
        values = np.unique(np.quantile(known, np.linspace(0.0, 1.0, _DWELL_VALUES), method="inverted_cdf"))
    return values
