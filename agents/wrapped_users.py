"""A user model around another one: everything goes through, and subclasses change what they are about."""

from __future__ import annotations

from copy import copy
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.bounds import Bounds
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows
from recsim_llm.core.protocols import (
    AnswersLater,
    BoundsPrompts,
    CopiesRows,
    HasProvenance,
    TakesRated,
    TellsDwell,
    UserModel,
    declared_bounds,
)
from recsim_llm.core.repetition import RatedItems
from recsim_llm.errors import ConfigError, ContractError

__all__ = ["WrappedUsers", "innermost", "mixed"]

_BOUND = 80.0
"""Log-odds beyond which a probability is 0 or 1 for any draw."""


class WrappedUsers:
    """Users that do what the model underneath says.

    Args:
        users: the model underneath.
    """

    def __init__(self, users: UserModel) -> None:
        self.users = users
        self.levels = users.levels
        self.provenance: dict[str, Any] = dict(users.provenance) if isinstance(users, HasProvenance) else {}
        self._ready = np.zeros(0, np.bool_)

    def prompt_tokens(self, slate_size: int) -> int:
        """Return the most tokens of a prompt about a page of that size, estimated; 0 where no language model is asked."""
        return self.users.prompt_tokens(slate_size) if isinstance(self.users, BoundsPrompts) else 0

    def least_prompt_tokens(self, slate_size: int) -> int:
        """Return the least tokens of a prompt about a page of that size, estimated; 0 where no language model is asked."""
        return self.users.least_prompt_tokens(slate_size) if isinstance(self.users, BoundsPrompts) else 0

    def take_rated(self, rated: RatedItems | None) -> None:
        """Take in what everybody rated before the first page, where that matters to the model underneath."""
        if isinstance(self.users, TakesRated):
            self.users.take_rated(rated)

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        self.users.allocate(rows, slate_size)
        self._ready = np.zeros(rows, np.bool_)

    def examination(self, user_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: probability that each position is examined."""
        return self.users.examination(user_index)

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each row."""
        self.users.begin(rows, user_index, returning)

    def start(self, pages: Pages) -> None:
        """Let the model underneath begin; where it answers at once, so do these users."""
        if isinstance(self.users, AnswersLater):
            self.users.start(pages)
        else:
            self._ready[pages.rows] = True

    def collect(self) -> IntArray:
        """Return int64 [m]: rows now ready.

        Raises:
            ContractError: no page is being worked on.
        """
        if isinstance(self.users, AnswersLater):
            return self.users.collect()
        ready = np.flatnonzero(self._ready)
        if not ready.size:
            raise ContractError("users: got collect() without a page being worked on, expected start(pages) before")
        self._ready[ready] = False
        return ready

    def decide(self, pages: Pages) -> Decisions:
        """Return the click log-odds for a batch of pages, drawing nothing."""
        return self.users.decide(pages)

    def rating_log_odds(self, pages: Pages, slot: IntArray, row: IntArray) -> FloatArray:
        """Return float32 [l - 1, c]: log-odds that the rating of each clicked slot is at most each level but the last."""
        return self.users.rating_log_odds(pages, slot, row)

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:
        """Take in what was drawn for the pages last decided, and say how the users feel."""
        return self.users.update(pages, slot, row, rating)

    def watch_log_odds(self, rating: FloatArray, user_index: IntArray) -> FloatArray:
        """Return float32 [c]: log-odds of the share watched of items that were rated so by these users."""
        return self.users.watch_log_odds(rating, user_index)

    @property
    def tells_dwell(self) -> bool:
        """Whether the model underneath says how long its users stay with what they click."""
        return isinstance(self.users, TellsDwell) and self.users.tells_dwell

    def dwell(self, dice: DoubleArray) -> DoubleArray:
        """Return float64 [c]: seconds that uniform dice give; only asked where the model underneath says them."""
        return cast(TellsDwell, self.users).dwell(dice)

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: log-odds that the user comes back for another visit."""
        return self.users.return_log_odds(rows)

    def bounds(self) -> Bounds:
        """Return the bounds of the model underneath."""
        return declared_bounds(self.users)

    def _copied(self, rows: IntArray) -> Self:
        """Return these users as they are at this moment, in rows of their own; for subclasses that can copy theirs."""
        if not isinstance(self.users, CopiesRows):
            raise ConfigError(f"users: got {type(self.users).__name__}, expected a model with copy_rows(rows)")
        other = copy(self)
        other.users, other._ready = self.users.copy_rows(rows), np.zeros(len(rows), np.bool_)
        return other


def innermost(users: UserModel) -> UserModel:
    """Return the user model under all that is wrapped around it."""
    while isinstance(users, WrappedUsers):
        users = users.users
    return users


def mixed(log_odds: FloatArray, random: npt.ArrayLike, missed: npt.ArrayLike = 0.0) -> FloatArray:
    """Return log-odds of clicks of which some are made whatever is shown, and some that are meant get lost.

    With ``p`` the probability of a meant click, a click has ``random + (1 - random) * (1 - missed) * p``.

    Args:
        log_odds: float32, any shape: of a meant click.
        random: share of clicks made whatever is shown, 0 to below 1; broadcasts.
        missed: share of meant clicks that get lost, 0 to below 1; broadcasts.
    """
    by_chance, lost = np.asarray(random, np.float64), np.asarray(missed, np.float64)
    bounded = np.clip(log_odds.astype(np.float64), -_BOUND, _BOUND)
    yes, no = 1 / (1 + np.exp(-bounded)), 1 / (1 + np.exp(bounded))
    # Both sides on their own: one minus the other would lose the digits of a rare outcome.
    clicked = by_chance + (1 - by_chance) * (1 - lost) * yes
    left_out = (1 - by_chance) * (no + lost * yes)
    result: FloatArray = (np.log(clicked) - np.log(left_out)).astype(np.float32)
    return result
