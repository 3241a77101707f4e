"""Users of any model who read the words on a page: explanations, and titles of the recommender's own.

What the words do is the business of ``recsim_llm.dynamics.presentation``; here it meets what the user model says, so that what
is logged as a probability stays exact. Users that a language model plays read the words themselves (``ReadsWords``): nothing is
added to their clicks, while trust, and what it does to staying and coming back, is kept for them alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np

from recsim_llm.agents.wrapped_users import WrappedUsers, innermost
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.bounds import Bounds, Range
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows, Slates
from recsim_llm.core.protocols import (
    ChoosesOne,
    CopiesRows,
    RanksItems,
    ReadsWords,
    TellsEngagement,
    UserModel,
    declared_bounds,
)
from recsim_llm.dynamics.influence import LIMIT
from recsim_llm.dynamics.presentation import Presentation, PresentationSettings
from recsim_llm.errors import ConfigError
from recsim_llm.population.world import World

__all__ = ["PresentedCopiedUsers", "PresentedRankingUsers", "PresentedUsers", "presented_on", "with_presentation"]


class PresentedUsers(WrappedUsers):
    """Users who take in the words on a page.

    Args:
        users: the model underneath.
        presentation: how they take them.
    """

    def __init__(self, users: UserModel, presentation: Presentation) -> None:
        super().__init__(users)
        self.presentation = presentation
        reader = innermost(users)
        self.reader: ReadsWords | None = reader if isinstance(reader, ReadsWords) else None
        """Who reads the words in its own prompt; None where they are added as numbers."""
        self._silent = False
        if self.reader is not None:
            self.reader.meet_words()

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        super().allocate(rows, slate_size)
        self.presentation.allocate(rows, slate_size)

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each row; who returns trusts as before."""
        super().begin(rows, user_index, returning)
        if not returning:
            self.presentation.begin(rows)

    def show_words(self, rows: IntArray, user_index: IntArray, item_index: IntArray, slates: Slates) -> None:
        """Put words on the pages that are decided next; arguments as of ``Presentation.show``."""
        self.presentation.show(rows, user_index, item_index, slates)
        if self.reader is not None:
            self.reader.show_words(rows, slates.explanation, slates.title)

    @property
    def knows_without(self) -> bool:
        """Whether it is known what users would have done without words: of readers only where they are asked."""
        return self.reader is None or self.presentation.settings.ask_without

    @contextmanager
    def without_words(self) -> Iterator[None]:
        """Let pages be decided as if nothing were written on them; users who read the words are asked once more for that."""
        self._silence(True)
        try:
            yield
        finally:
            self._silence(False)

    def _silence(self, silent: bool) -> None:
        self._silent = silent
        if self.reader is not None:
            self.reader.hide_words(silent)

    def decide(self, pages: Pages) -> Decisions:
        """Return the click log-odds for a batch of pages, with what words add to them, drawing nothing."""
        decisions = super().decide(pages)
        if self._silent or self.reader is not None:
            return decisions
        added = self.presentation.clicks(pages.rows, pages.item_index)
        return decisions if added is None else decisions._replace(click_log_odds=decisions.click_log_odds + added)

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:
        """Take in what was drawn for the pages last decided, and say how the users feel."""
        mood = super().update(pages, slot, row, rating)
        self.presentation.consume(pages.rows, pages.user_index, (slot, row, rating))
        lost = np.float32(self.presentation.settings.disappointment) * self.presentation.disappointment[pages.rows]
        return Mood(mood.satisfaction - lost, mood.leave_log_odds + lost)

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: log-odds that the user comes back for another visit."""
        own = self.presentation.settings
        moved = np.float32(own.loyalty) * (self.presentation.trust[rows] - np.float32(own.trust))
        log_odds: FloatArray = super().return_log_odds(rows) + moved
        return log_odds

    def bounds(self) -> Bounds:
        """Return the bounds of the model underneath, widened by the most that words can do."""
        bounds, own = declared_bounds(self.users), self.presentation.settings
        lost = own.disappointment * self.presentation.most_disappointment
        reach = 0.0 if self.reader is not None else LIMIT
        clicks, leaving, coming = bounds.click_log_odds, bounds.leave_log_odds, bounds.return_log_odds
        return bounds._replace(
            click_log_odds=Range(clicks.low - reach, clicks.high + reach),
            satisfaction=Range(bounds.satisfaction.low - lost, bounds.satisfaction.high),
            leave_log_odds=Range(leaving.low, leaving.high + lost),
            return_log_odds=Range(coming.low - own.loyalty * own.trust, coming.high + own.loyalty * (1 - own.trust)),
        )


class PresentedRankingUsers(PresentedUsers):
    """Presented users of a model that can tell what its users feel for every item."""

    def appeal(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: each row's click log-odds for every item at this moment, without words."""
        if not isinstance(self.users, RanksItems):
            raise ConfigError(f"presented users: got {type(self.users).__name__}, expected a model with appeal(rows)")
        return self.users.appeal(rows)


class PresentedCopiedUsers(PresentedRankingUsers):
    """Presented users of a model that ranks items and whose users can be copied."""

    def copy_rows(self, rows: IntArray) -> Self:
        """Return users who are at this moment what those of int64 [m] rows are, in rows of their own, without words."""
        other = self._copied(rows)
        other.presentation = self.presentation.copy_rows(rows)
        return other


def with_presentation(world: World, settings: PresentationSettings) -> World:
    """Return the world with users who take in the words on a page.

    Args:
        world: any.
        settings: how they take them.

    Raises:
        ConfigError: these are users whose clicks are no matter of one slot alone.
    """
    if isinstance(world.users, ChoosesOne | TellsEngagement):
        raise ConfigError(
            f"presentation: got {type(world.users).__name__}, whose clicks and engagement come from one draw, expected users "
            "such as choice; leave presentation out"
        )
    ranking = PresentedCopiedUsers if isinstance(world.users, CopiesRows) else PresentedRankingUsers
    kind = ranking if isinstance(world.users, RanksItems) else PresentedUsers
    return world._replace(users=kind(world.users, Presentation(settings, world.catalog, world.population)))


def presented_on(users: UserModel) -> PresentedUsers | None:
    """Return the users who take in words, whatever is wrapped around them; None where nobody does."""
    while isinstance(users, WrappedUsers):
        if isinstance(users, PresentedUsers):
            return users
        users = users.users
    return None
