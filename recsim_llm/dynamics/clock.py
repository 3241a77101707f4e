"""Simulated time: when each user comes for a first visit, and when for the next one.

Time is a number of days and, within a day, an hour from 0 to 23. A user visits at most once a day. The days between two visits
are geometric with a mean of ``gap_days``, the hour is drawn from the day's profile; both hang on (seed, user, visit) alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray

__all__ = ["HOURS", "NEVER", "USUAL_HOURS", "Clock", "Moment"]

HOURS = 24
"""Hours of a day."""
NEVER = np.iinfo(np.int64).max
"""Hour of users who do not come again."""
_NIGHT, _DAY = (2.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 2.0), (3.0, 3.0, 3.0, 3.0, 4.0, 4.0, 3.0, 3.0)
USUAL_HOURS = (*_NIGHT, *_DAY, 3.0, 4.0, 5.0, 6.0, 8.0, 8.0, 6.0, 4.0)
"""How visits are spread over a day, where nobody says otherwise: most of them in the evening. Assumed."""


class Moment(NamedTuple):
    """A step of simulated time."""

    day: int
    """From 0."""
    hour: int
    """First hour of the step, from 0."""
    first: int
    """The same in hours since the beginning."""
    after: int
    """The first hour after the step, in hours since the beginning."""

    @property
    def said(self) -> str:
        """The step in words: ``day 3``, of steps of an hour ``day 3, hour 17``."""
        return f"day {self.day}" + (f", hour {self.hour}" if self.after - self.first < HOURS else "")


class Clock:
    """When users come.

    Args:
        user_id: int64 [u]: outside ids; the dice hang on them.
        seed: of the run.
        days: length of the run.
        hours_a_step: 24 for steps of a day, 1 for steps of an hour.
        gap_days: mean days between two visits, 1 or more.
        arrive_days: first visits fall evenly into so many days, from 1.
        hours: 24 weights: how visits are spread over a day.
    """

    def __init__(
        self,
        user_id: IntArray,
        seed: int,
        *,
        days: int,
        hours_a_step: int,
        gap_days: float,
        arrive_days: int,
        hours: tuple[float, ...] = USUAL_HOURS,
    ) -> None:
        self._user_id, self._seed = user_id, seed
        self.days, self._step = days, hours_a_step
        self._stay = 1 - 1 / gap_days
        weights = np.array(hours, np.float64)
        self._by_hour = np.cumsum(weights) / weights.sum()
        everyone = np.arange(len(user_id))
        first_day = (self._dice("first day", everyone, np.zeros_like(everyone)) * arrive_days).astype(np.int64)
        self.due: IntArray = first_day * HOURS + self._hour(everyone, np.zeros_like(everyone))
        """int64 [u]: hour of each user's next visit since the beginning, ``NEVER`` for who does not come again."""

    def moments(self) -> list[Moment]:
        """Return the steps of the run, in order."""
        starts = range(0, self.days * HOURS, self._step)
        return [Moment(first // HOURS, first % HOURS, first, first + self._step) for first in starts]

    def coming(self, moment: Moment) -> IntArray:
        """Return int64 [m], ascending: the users whose next visit falls into a step, or fell into an earlier one."""
        return np.flatnonzero(self.due < moment.after)

    def come_again(self, users: IntArray, visit: IntArray) -> None:
        """Note that the visits of these users are over and that they will be back.

        Args:
            users: int64 [m]: different user indices.
            visit: int64 [m]: number of the visit that comes next.
        """
        day = self.due[users] // HOURS
        self.due[users] = (day + self._gap(users, visit)) * HOURS + self._hour(users, visit)

    def stay_away(self, users: IntArray) -> None:
        """Note that these users do not come again."""
        self.due[users] = NEVER

    def postpone(self, users: IntArray, day: int) -> None:
        """Let the first visit of these users fall on a later day than they would have come, at the same hour."""
        self.due[users] = day * HOURS + self.due[users] % HOURS

    def _gap(self, users: IntArray, visit: IntArray) -> IntArray:
        """Return int64 [m]: days until a visit: 1 + a geometric number of further ones."""
        if self._stay == 0:
            return np.ones(len(users), np.int64)
        more: IntArray = (np.log(self._dice("days between visits", users, visit)) / np.log(self._stay)).astype(np.int64)
        return 1 + more

    def _hour(self, users: IntArray, visit: IntArray) -> IntArray:
        hour = np.searchsorted(self._by_hour, self._dice("hour of a visit", users, visit), side="right")
        whole: IntArray = np.minimum(hour, HOURS - 1).astype(np.int64)
        return whole

    def _dice(self, purpose: str, users: IntArray, visit: IntArray) -> DoubleArray:
        return keyed.uniform(keyed.words(self._seed, purpose, self._user_id[users], visit))
