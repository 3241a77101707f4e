"""The values that travel through one page: requests, slates, pages, decisions, feedback.

All of them describe a batch of users: the first axis is the user's row in the batch, the second the slot of the page
(position 0 is shown first). They are plain immutable tuples of numpy columns; treat the arrays as read-only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from recsim_llm.core.protocols import UserModel

__all__ = [
    "DECIDERS",
    "WATCH_NOISE",
    "Account",
    "Decisions",
    "Feedback",
    "Mood",
    "Pages",
    "Requests",
    "Slates",
    "probability",
]

Rows = IntArray | slice

DECIDERS = ("choice", "language")
"""Who can have decided a page: the fitted choice model, or a language model."""

WATCH_NOISE = np.float32(0.5)
"""Scale of the logistic noise of the share watched, on the log-odds scale. Assumed."""


class Requests(NamedTuple):
    """All that a recommender may know now about each user of a batch; never personas, tastes or targets."""

    user_id: IntArray
    """int64 [u]: outside ids."""
    visit: IntArray
    """int64 [u]: which visit this is for the user, from 0."""
    page: IntArray
    """int64 [u]: which page of the visit is asked for, from 0."""
    history_item: IntArray
    """int64 [u, h]: item ids shown to the user so far in the run, oldest first, -1 where there is none."""
    history_clicked: BoolArray
    """bool [u, h]: which of them were clicked."""
    history_rating: FloatArray
    """float32 [u, h]: stars given; NaN where the item was not rated."""


class Slates(NamedTuple):
    """What a recommender answers: items by position, with the probabilities of the choice."""

    item_id: IntArray
    """int64 [u, k]: outside ids by position."""
    propensity: FloatArray | None = None
    """float32 [u, k]: probability that this item stands at this position (slot marginal); None or NaN means unknown."""
    prefix_propensity: FloatArray | None = None
    """float32 [u, k]: probability of this item here given the positions before it; None or NaN means unknown."""
    slate_propensity: npt.NDArray[np.float64] | None = None
    """float64 [u]: probability of the whole slate; None or NaN means unknown."""


class Pages(NamedTuple):
    """Slates as shown, in terms of item positions in the catalog."""

    rows: Rows
    """Which rows of the user model browse: positions, or ``slice(None)`` for all of them."""
    user_index: IntArray
    """int64 [u]: positions in the population."""
    visit: IntArray
    """int64 [u]: visit number, from 0."""
    page: IntArray
    """int64 [u]: page number within the visit, from 0."""
    item_index: IntArray
    """int64 [u, k]: positions in the catalog; -1 marks an empty slot."""


class Account(NamedTuple):
    """How a batch of decisions came about, for the log."""

    decided_by: npt.NDArray[np.int8]
    """int8 [u]: position in ``DECIDERS``."""
    disagreement: FloatArray
    """float32 [u]: how far two ways to the decision lay apart; NaN where it was not measured."""
    memories_dropped: npt.NDArray[np.int16]
    """int16 [u]: memories left out of the prompt because they did not fit its token budget."""


class Decisions(NamedTuple):
    """What a user model says about a batch of pages, before anything is drawn."""

    click_log_odds: FloatArray
    """float32 [u, k]: log-odds of a click on the slot, given that it is examined."""
    account: Account | None = None
    """How the decisions came about; None where there is one way only."""


class Mood(NamedTuple):
    """How users feel after a page, and how likely they are to leave."""

    satisfaction: FloatArray
    """float32 [u]: on the user model's own log-odds scale; ``probability`` maps it to 0..1."""
    leave_log_odds: FloatArray
    """float32 [u]: log-odds of ending the visit after this page."""


class Feedback(NamedTuple):
    """What was drawn for a batch of pages, beside what it was drawn from."""

    pages: Pages
    """What was shown."""
    decisions: Decisions
    """What the user model said."""
    draws: FloatArray
    """float32 [u, 2, k + 1]: the dice of the pages, see ``recsim_llm.core.dice.VisitDice``."""
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

    @property
    def given(self) -> FloatArray:
        """float32 [c]: stars that the user gave each clicked slot, NaN where it kept them back."""
        return self.rating if self.rated is None else np.where(self.rated, self.rating, np.float32(np.nan))

    @property
    def watched(self) -> FloatArray:
        """float32 [c]: share watched of each clicked item, 0 to 1, drawn with the page's own noise."""
        log_odds = self.users.watch_log_odds(self.rating, self.pages.user_index.take(self.row))
        return probability(log_odds + WATCH_NOISE * self.draws[:, 1, -1].take(self.row))

    @property
    def examined(self) -> BoolArray:
        """Bool [u, k]: which slots the user looked at."""
        return self.draws[:, 0, :-1] < np.inf

    def ratings(self) -> FloatArray:
        """Return float32 [u, k]: stars given by slot, NaN where nothing was clicked or no rating given."""
        return self.by_slot(self.given)

    def by_slot(self, values: FloatArray) -> FloatArray:
        """Return float32 [u, k]: one value for each clicked slot put in its place, NaN elsewhere."""
        dense = np.full(self.clicked.shape, np.nan, np.float32)
        dense.reshape(-1)[self.slot] = values
        return dense


def probability(log_odds: FloatArray) -> FloatArray:
    """Turn log-odds into probabilities: ``1 / (1 + exp(-x))``, without overflow; any shape."""
    half: FloatArray = np.tanh(log_odds * np.float32(0.5))
    half *= np.float32(0.5)
    half += np.float32(0.5)
    return half
