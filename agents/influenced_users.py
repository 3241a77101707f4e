"""Users of any model who are moved from outside: by trends, changes of taste, friends, what they came for.

What is added is the business of ``recsim_llm.dynamics.influence``; here it meets what the user model says, so that what is
logged as a probability stays exact. Without influence nothing is wrapped.
"""

from __future__ import annotations

from typing import Self, cast

import numpy as np

from recsim_llm.agents.wrapped_users import WrappedUsers, mixed
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.bounds import Bounds, Range
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows
from recsim_llm.core.protocols import (
    ChoosesOne,
    CopiesRows,
    HearsFriends,
    RanksItems,
    TellsEngagement,
    UserModel,
    WithholdsRatings,
    declared_bounds,
)
from recsim_llm.dynamics.influence import LIMIT, Influence
from recsim_llm.errors import ConfigError
from recsim_llm.population.world import World

__all__ = ["InfluencedCopiedUsers", "InfluencedRankingUsers", "InfluencedUsers", "influence_on", "with_influence"]


class InfluencedUsers(WrappedUsers):
    """Users of whom an ``Influence`` says what is added to their clicks, their leaving and their satisfaction.

    Args:
        users: the model underneath.
        influence: of the same rows; forgets what it holds by row whenever the users are told to.
    """

    def __init__(self, users: UserModel, influence: Influence) -> None:
        super().__init__(users)
        self.influence = influence
        # Asked once: it takes longer than much of what is done for a page. Copies are of the same kind.
        self._hears, self._withholds = isinstance(users, HearsFriends), isinstance(users, WithholdsRatings)

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        super().allocate(rows, slate_size)
        self.influence.allocate(rows)

    def start(self, pages: Pages) -> None:
        """Let the model underneath begin, and know which friends liked what it is shown."""
        self._show_friends(pages)
        super().start(pages)

    def _show_friends(self, pages: Pages) -> None:
        heard = self.influence.heard
        if heard is not None and self._hears:
            friends = heard.sources(pages.rows, pages.item_index)
            cast(HearsFriends, self.users).show_friends(np.arange(heard.rows)[pages.rows], friends)

    def decide(self, pages: Pages) -> Decisions:
        """Return the click log-odds for a batch of pages, with what is added to them, drawing nothing."""
        self._show_friends(pages)
        decisions = super().decide(pages)
        log_odds = decisions.click_log_odds + self.influence.clicks(pages.rows, pages.item_index)
        return decisions._replace(click_log_odds=self._by_accident(log_odds, pages.rows))

    def _by_accident(self, log_odds: FloatArray, rows: Rows) -> FloatArray:
        share = self.influence.accidental[rows]
        return mixed(log_odds, share[:, None]) if share.any() else log_odds

    def rating_log_odds(self, pages: Pages, slot: IntArray, row: IntArray) -> FloatArray:
        """Return float32 [l - 1, c]: log-odds that the rating of each clicked slot is at most each level but the last."""
        log_odds = super().rating_log_odds(pages, slot, row)
        added = self.influence.opinions(self._rows_of(pages, row), pages.item_index.reshape(-1).take(slot))
        return log_odds if added is None else log_odds - added

    def rated(self, pages: Pages, slot: IntArray, row: IntArray) -> BoolArray:
        """Return bool [c]: which of the clicked slots users give a rating to."""
        if self._withholds:
            return cast(WithholdsRatings, self.users).rated(pages, slot, row)
        return np.ones(len(slot), np.bool_)

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:
        """Take in what was drawn for the pages last decided, and say how the users feel."""
        mood = super().update(pages, slot, row, rating)
        leaving = mood.leave_log_odds + self.influence.leaving[pages.rows]
        lost = self.influence.consume(pages.rows, slot, row, pages.item_index)
        return Mood(mood.satisfaction if lost is None else mood.satisfaction - lost, leaving)

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: log-odds that the user comes back for another visit."""
        log_odds = super().return_log_odds(rows)
        if not self.influence.harms:
            return log_odds
        return log_odds - np.float32(self.influence.regret) * self.influence.craving[rows]

    def bounds(self) -> Bounds:
        """Return the bounds of the model underneath, widened by the limits of what is added."""
        bounds = declared_bounds(self.users)
        regret = self.influence.regret
        clicks = np.array(bounds.click_log_odds, np.float32) + np.array([-LIMIT, LIMIT], np.float32)
        share = float(self.influence.accidental.max(initial=0.0))
        return bounds._replace(
            click_log_odds=Range(*(mixed(clicks, share) if share else clicks).tolist()),
            satisfaction=Range(bounds.satisfaction.low - regret, bounds.satisfaction.high),
            leave_log_odds=Range(bounds.leave_log_odds.low - LIMIT, bounds.leave_log_odds.high + LIMIT),
            return_log_odds=Range(bounds.return_log_odds.low - regret, bounds.return_log_odds.high),
        )

    @staticmethod
    def _rows_of(pages: Pages, row: IntArray) -> IntArray:
        return row if isinstance(pages.rows, slice) else pages.rows.take(row)


class InfluencedRankingUsers(InfluencedUsers):
    """Influenced users of a model that can tell what its users feel for every item."""

    def appeal(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: each row's click log-odds for every item at this moment, with what is added to them."""
        if not isinstance(self.users, RanksItems):
            raise ConfigError(f"influenced users: got {type(self.users).__name__}, expected a model with appeal(rows)")
        return self._by_accident(self.users.appeal(rows) + self.influence.appeal(rows), rows)


class InfluencedCopiedUsers(InfluencedRankingUsers):
    """Influenced users of a model that ranks items and whose users can be copied."""

    def copy_rows(self, rows: IntArray) -> Self:
        """Return users who are at this moment what those of int64 [m] rows are, in rows of their own."""
        other = self._copied(rows)
        other.influence = self.influence.copy_rows(rows)
        return other


def with_influence(world: World, influence: Influence) -> World:
    """Return the world with users who are moved from outside.

    Args:
        world: any; each row of its users must be a user index, as in runs.
        influence: of the world's items.

    Raises:
        ConfigError: these are users whose clicks are no matter of one slot alone.
    """
    if isinstance(world.users, ChoosesOne | TellsEngagement):
        raise ConfigError(
            f"clock: got {type(world.users).__name__}, whose clicks and engagement come from one draw, expected users such as "
            "choice; leave clock out"
        )
    ranking = InfluencedCopiedUsers if isinstance(world.users, CopiesRows) else InfluencedRankingUsers
    kind = ranking if isinstance(world.users, RanksItems) else InfluencedUsers
    return world._replace(users=kind(world.users, influence))


def influence_on(users: UserModel) -> Influence | None:
    """Return what moves these users from outside, whatever is wrapped around them; None where nothing does."""
    while isinstance(users, WrappedUsers):
        if isinstance(users, InfluencedUsers):
            return users.influence
        users = users.users
    return None
