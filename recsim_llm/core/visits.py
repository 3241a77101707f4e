"""Visits page by page: the page loop that environments, runs and recorded visits share.

The caller decides who comes and what is shown, and keeps what it wants to observe or write. Here a page is shown through the
kernel, paid for, and counted against the page budget; which slots must stay blank, and how the pages of a visit add up, is said
here too.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import NamedTuple

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.batches import spread_feedback
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.dice import VisitDice
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import Rows, probability
from recsim_llm.core.protocols import AnswersLater, TakesRated, UserModel
from recsim_llm.core.repetition import KnownItems, RatedItems, Repeats
from recsim_llm.numerics.ranking import repeated_slots

__all__ = ["PageOutcome", "Reward", "VisitTotals", "Visits", "blank_slots", "draw_return"]

_RETURN = np.array([keyed.purpose_word("return")], np.uint64)

Reward = Callable[[Feedback, Catalog], DoubleArray]
"""What a policy is paid for a page: ``(feedback, catalog) -> float64 [u]``."""


class PageOutcome(NamedTuple):
    """What came of one page of a batch of users."""

    feedback: Feedback
    """What was shown and drawn."""
    reward: DoubleArray
    """float64 [u]: what the page pays."""
    invalid: IntArray
    """int64 [u]: slots of the page that stayed blank."""
    out_of_pages: BoolArray
    """bool [u]: the page budget is used up, whether the user left or not."""

    @property
    def ended(self) -> BoolArray:
        """Bool [u]: the visit is over, since the user left or the page budget is used up."""
        return self.feedback.left | self.out_of_pages


class Visits:
    """Visits of a batch of users under one page budget, one reward and one rule on repetition.

    Args:
        users: the user model, whose rows are driven from here on.
        user_id: int64 [population]: outside ids by user index.
        catalog: the items.
        reward: what a page pays.
        rows: number of users that browse at the same time.
        slate_size: slots a page.
        max_pages: page budget of a visit.
        repeats: whether users may be shown what they know already; see ``recsim_llm.core.repetition``.
        rated: what users rated before the first page, which is then not new to them; None where nobody knows.

    Raises:
        ConfigError: a number is below 1.
    """

    def __init__(
        self,
        *,
        users: UserModel,
        user_id: IntArray,
        catalog: Catalog,
        reward: Reward,
        rows: int,
        slate_size: int,
        max_pages: int,
        repeats: Repeats,
        rated: RatedItems | None,
    ) -> None:
        if isinstance(users, TakesRated):
            users.take_rated(rated)
        self.kernel = Kernel(users=users, user_id=user_id, rows=rows, slate_size=slate_size, max_pages=max_pages)
        """Who sits in each row, at which visit and page."""
        forbid = repeats == "forbid"
        self.known = KnownItems(catalog, rows=rows, slate_size=slate_size, rated=rated) if forbid else None
        """What users know already; None where that does not matter."""
        self._catalog, self._reward = catalog, reward
        # A blank page for everyone costs less than leaving some rows out, unless users are asked about it one by one.
        self._blanks_idle = not isinstance(users, AnswersLater)
        # One-element array: NumPy converts a Python number on every call.
        self._last = np.array([max_pages])
        # Whole pages are the rule, so that this column is made once; it is handed out.
        self._none_invalid = np.zeros(rows, np.int64)
        self._none_invalid.flags.writeable = False

    def copy_rows(self, rows: IntArray, seed_word: keyed.Words) -> Visits:
        """Return visits of copies of users, as they are at this moment; arguments as of ``Kernel.copy_rows``.

        What the copies know already is not kept: the rule on repetition is the caller's business there.
        """
        other = copy(self)
        other.kernel, other.known = self.kernel.copy_rows(rows, seed_word), None
        other._none_invalid = np.zeros(len(rows), np.int64)
        return other

    def begin(self, rows: Rows, user_index: IntArray, visit: IntArray, dice: VisitDice, *, returning: bool = False) -> None:
        """Start visits in the given rows; arguments as of ``Kernel.begin``."""
        self.kernel.begin(rows, user_index, visit, dice, returning=returning)
        if self.known is not None and not returning:
            self.known.begin(rows, user_index)

    def admit(
        self, item_index: IntArray, rows: Rows = ALL_ROWS, blank: BoolArray | None = None, *, refuse: str | None
    ) -> BoolArray | None:
        """Apply the rule on repetition to pages that are about to be shown; arguments as of ``KnownItems.admit``."""
        return blank if self.known is None else self.known.admit(item_index, rows, blank, refuse=refuse)

    def show(
        self,
        item_index: IntArray,
        rows: Rows = ALL_ROWS,
        blank: BoolArray | None = None,
        *,
        idle: IntArray | None = None,
    ) -> PageOutcome:
        """Show one page, which ``admit`` has admitted, to each of the given rows.

        Args:
            item_index: int64 [m, k]: catalog positions; what stands in blank slots means nothing.
            rows: row numbers [m], or ``ALL_ROWS``.
            blank: bool [m, k], as ``admit`` returns it; None means that no slot is blank.
            idle: int64 [i]: of ``ALL_ROWS``, those whose users are gone for good. In the outcome their page is blank without
                counting as invalid, and what else it says about these rows means nothing.

        Returns:
            What came of it; its columns may be shared and are not to be changed.
        """
        everyone = isinstance(rows, slice)
        if blank is not None:
            invalid = np.add.reduce(blank, axis=1, dtype=np.int64)
        else:
            invalid = self._none_invalid if everyone else self._none_invalid[: len(item_index)]
        shown = item_index if blank is None else np.where(blank, -1, item_index)
        if idle is not None:
            step = self._step_blank if self._blanks_idle else self._step_others
            feedback = step(shown, blank, idle)
            invalid = invalid.copy()
            invalid[idle] = 0
        else:
            feedback = self.kernel.step(shown, rows, blank)
        page = self.kernel.page if everyone else self.kernel.page[rows]
        return PageOutcome(feedback, self._reward(feedback, self._catalog), invalid, page >= self._last)

    def _step_blank(self, shown: IntArray, blank: BoolArray | None, idle: IntArray) -> Feedback:
        """Show a page to all rows, a blank one to the idle ones."""
        blank = np.zeros(shown.shape, np.bool_) if blank is None else blank.copy()
        blank[idle] = True
        # The dice end with the page budget; a blank page needs none.
        self.kernel.page[idle] = 0
        return self.kernel.step(np.where(blank, -1, shown), ALL_ROWS, blank)

    def _step_others(self, shown: IntArray, blank: BoolArray | None, idle: IntArray) -> Feedback:
        """Show a page to all rows but the idle ones: their users need not be asked, which would cost something."""
        on = np.ones(len(shown), np.bool_)
        on[idle] = False
        rows = np.flatnonzero(on)
        return spread_feedback(self.kernel.step(shown[rows], rows, None if blank is None else blank[rows]), rows, len(on))


class VisitTotals:
    """Clicks and reward of the visits in progress.

    Args:
        rows: number of users that browse at the same time.
    """

    def __init__(self, rows: int) -> None:
        self._total = np.zeros((2, rows))

    def add(self, page: IntArray, gained: DoubleArray, rows: Rows = ALL_ROWS) -> DoubleArray:
        """Add one page or more of each of the given rows; page 0 begins a visit.

        Args:
            page: int64 [p, m]: page numbers, in the order in which they were shown.
            gained: float64 [2, p, m]: clicks and reward of each page.
            rows: row numbers [m], or ``ALL_ROWS``.

        Returns:
            float64 [2, p, m]: clicks and reward of the row's visit by the end of each page.
        """
        sums = np.cumsum(gained, axis=1)
        start = np.maximum.accumulate(np.where(page == 0, np.arange(len(page))[:, None], -1), axis=0)
        earlier = np.take_along_axis(sums - gained, np.maximum(start, 0)[None], axis=1)
        total: DoubleArray = sums - np.where(start >= 0, earlier, -self._total[:, None, rows])
        self._total[:, rows] = total[:, -1]
        return total


def draw_return(
    users: UserModel, rows: Rows, *, seed: keyed.Words, user_id: IntArray, visit: IntArray
) -> tuple[FloatArray, BoolArray]:
    """Return how likely users who ended a visit are to come back for another one, and who does.

    Args:
        users: the user model.
        rows: its rows [m] whose visit is over.
        seed: uint64 [m] or [1]: of the dice.
        user_id: int64 [m]: who sits there.
        visit: int64 [m] or [1]: number of the visit that is over.

    Returns:
        float32 [m]: the probability; bool [m]: what was drawn.
    """
    chance = probability(users.return_log_odds(rows))
    word = keyed.absorb(keyed.absorb(keyed.absorb(_RETURN, seed), user_id), visit)
    return chance, keyed.uniform(word) < chance


def blank_slots(item_index: IntArray, retired: BoolArray | None) -> BoolArray | None:
    """Return which slots must stay blank: without an item, or with one that is retired or stands before on the same page.

    Args:
        item_index: int64 [u, k]: catalog positions, -1 where there is no item.
        retired: bool [n]: items that are not on sale any more; None means that all are.

    Returns:
        bool [u, k], None where no slot is blank.
    """
    blank = repeated_slots(item_index)
    # Position -1 reads the last item's entry; that slot is blank in any case.
    for bad in (item_index < 0 if item_index.min() < 0 else None, None if retired is None else retired[item_index]):
        if bad is not None and np.count_nonzero(bad):
            blank = bad if blank is None else blank | bad
    return blank
