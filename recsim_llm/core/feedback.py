"""What was drawn for a page, beside what it was drawn from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.pages import Decisions, Mood, Pages, probability
from recsim_llm.core.protocols import TellsEngagement, UserModel
from recsim_llm.errors import ConfigError

__all__ = ["WATCH_NOISE", "Feedback"]

WATCH_NOISE = np.float32(0.5)
"""Scale of the logistic noise of the share watched, on the log-odds scale. Assumed."""


class Feedback(NamedTuple):
    """What was drawn for a batch of pages, beside what it was drawn from."""

    pages: Pages
    """What was shown."""
    decisions: Decisions
    """What the user model said."""
    draws: FloatArray
    """float32 [u, 2 or 3, k + 1]: the dice of the pages, see ``recsim_llm.core.dice.VisitDice``."""
    clicked: BoolArray
    """bool [u, k]."""
    slot: IntArray
    """int64 [c]: flat positions (row * k + position) of the clicked slots, ascending."""
    row: IntArray
    """int64 [c]: row of each clicked slot."""
    rating: FloatArray
    """float32 [c]: what the user thinks of each clicked slot, stars; ``given`` holds what is told."""
    mood: Mood
    """How the users feel after the page."""
    left: BoolArray
    """bool [u]: the user ended the visit after this page."""
    users: UserModel
    """The user model that decided."""
    rated: BoolArray | None = None
    """bool [c]: which clicked slots the user gave a rating; None means all of them."""
    engaged: DoubleArray | None = None
    """float64 [c]: how much each clicked item was engaged with; None of users who do not tell, see ``TellsEngagement``."""
    looked: FloatArray | None = None
    """float32 [u, k]: chance with which each slot was examined given the clicks above; None where it does not hang on them."""
    dwell: DoubleArray | None = None
    """float64 [c]: seconds with each clicked item; None of users who do not tell, see ``TellsDwell``."""

    @property
    def examine(self) -> FloatArray:
        """float32 [u, k]: chance with which each slot was examined; blank slots count like others."""
        return self.users.examination(self.pages.user_index) if self.looked is None else self.looked

    @property
    def given(self) -> FloatArray:
        """float32 [c]: stars that the user gave each clicked slot, NaN where it kept them back."""
        return self.rating if self.rated is None else np.where(self.rated, self.rating, np.float32(np.nan))

    @property
    def watched(self) -> FloatArray:
        """float32 [c]: share watched of each clicked item, 0 to 1, drawn with the page's own noise.

        Of users who tell their engagement it is that, as a share of the most that counts.
        """
        if self.engaged is not None and isinstance(self.users, TellsEngagement):
            return np.minimum(self.engaged / self.users.most_engagement, 1.0).astype(np.float32)
        log_odds = self.users.watch_log_odds(self.rating, self.pages.user_index.take(self.row))
        return probability(log_odds + WATCH_NOISE * self.draws[:, 1, -1].take(self.row))

    @property
    def engagement(self) -> DoubleArray:
        """float64 [c]: how much each clicked item was engaged with, on the user model's own scale.

        Raises:
            ConfigError: the users do not tell.
        """
        if self.engaged is None:
            raise ConfigError(
                f"engagement: got {type(self.users).__name__}, who do not tell it, expected users such as recsim-lts; take the "
                "reward watch, the share watched"
            )
        return self.engaged

    @property
    def examined(self) -> BoolArray:
        """Bool [u, k]: which slots the user looked at."""
        return self.draws[:, 0, :-1] < np.inf

    def ratings(self) -> FloatArray:
        """Return float32 [u, k]: stars given by slot, NaN where nothing was clicked or no rating given."""
        return self.by_slot(self.given)

    def by_slot(self, values: FloatArray | DoubleArray) -> FloatArray:
        """Return float32 [u, k]: one value for each clicked slot put in its place, NaN elsewhere."""
        dense = np.full(self.clicked.shape, np.nan, np.float32)
        dense.reshape(-1)[self.slot] = values
        return dense
