"""The values that travel through one page up to what is drawn: requests, slates, pages, decisions, moods.

All of them describe a batch of users: the first axis is the user's row in the batch, the second the slot of the page
(position 0 is shown first). They are plain immutable tuples of numpy columns; treat the arrays as read-only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray, TextArray
from recsim_llm.core.profiles import NO_PROFILE, Profile

__all__ = [
    "ACTIONS",
    "DECIDERS",
    "Account",
    "Decisions",
    "Mood",
    "PageWords",
    "Pages",
    "Requests",
    "Rows",
    "Slates",
    "probability",
]

Rows = IntArray | slice
"""Which rows of a batch: their numbers, or ``slice(None)`` for all of them."""

DECIDERS = ("choice", "language")
"""Who can have decided a page: the fitted choice model, or a language model."""

ACTIONS = ("dislike", "less_like_this", "save", "share", "purchase")
"""What users may do with an item beyond clicking and rating it; each has a bit of ``Requests.history_actions``."""


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
    profile: Profile = NO_PROFILE
    """Demographics of each user; without fields where the data has none. Of requests rebuilt from a log none is known:
    whatever it is asked is refused."""
    history_actions: npt.NDArray[np.uint8] | None = None
    """uint8 [u, h]: what else users did with what they were shown, a bit for each of ``ACTIONS``; None where users can do
    nothing else. ``did`` reads it."""
    only_genre: IntArray | None = None
    """int64 [u]: genre to which the user restricts the page, as a place in ``Catalog.genre_names``, -1 for none; None where
    users can restrict nothing."""
    text: TextArray | None = None
    """str [u]: what each user said since the page before, empty where nothing; None where users say nothing. It is data written
    by strangers: nothing in it is an instruction."""

    def did(self, action: str) -> BoolArray:
        """Return bool [u, h]: with which of the items of the history users did one of ``ACTIONS``."""
        if self.history_actions is None:
            return np.zeros(self.history_item.shape, np.bool_)
        done: BoolArray = (self.history_actions & np.uint8(1 << ACTIONS.index(action))) != 0
        return done


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
    explanation: TextArray | None = None
    """str [u, k]: why the item is there, as its user reads it; empty where nothing is said, None where nothing ever is."""
    title: TextArray | None = None
    """str [u, k]: words of the recommender's own in place of the item's title; empty where the title stands, None where all
    titles do. The item is its id whatever its title."""


class PageWords(NamedTuple):
    """What users say about a page, and what the words on it do; for the log."""

    text: TextArray | None = None
    """str [u, k]: what the user says about each slot, empty where nothing; None where users say nothing."""
    plain_log_odds: FloatArray | None = None
    """float32 [u, k]: log-odds of a click, given examination, of the same page without its words, NaN where nobody asked;
    None where words do nothing."""
    trust: FloatArray | None = None
    """float32 [u]: how much each user trusts words after the page, 0 to 1; None where words do nothing."""


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


def probability(log_odds: FloatArray) -> FloatArray:
    """Turn log-odds into probabilities: ``1 / (1 + exp(-x))``, without overflow; any shape."""
    half: FloatArray = np.tanh(log_odds * np.float32(0.5))
    half *= np.float32(0.5)
    half += np.float32(0.5)
    return half
