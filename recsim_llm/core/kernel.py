"""The page kernel: the one path on which a slate becomes feedback.

Environments, scenario runs and tests all drive this class. For a batch of users it shows a page, asks the user model for its
decisions, draws with keyed dice (``recsim_llm.core.dice``), and tells the user model what happened.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.dice import DiceTable, VisitDice
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import Pages, Rows
from recsim_llm.core.protocols import ChoosesOne, CopiesRows, TellsDwell, TellsEngagement, UserModel, WithholdsRatings
from recsim_llm.core.reading_order import read_in_order
from recsim_llm.errors import ConfigError

__all__ = ["ALL_ROWS", "Kernel", "choose_one"]

ALL_ROWS = slice(None)
_NEVER = np.float32(np.inf)
# One-element arrays: NumPy converts a Python number on every call.
_ONE = np.array([1])
_NO_RATINGS = np.empty(0, np.float32)


class Kernel:
    """Browse pages with a batch of users.

    Args:
        users: the user model; the kernel drives its rows from here on.
        user_id: int64 [population]: outside ids by user index; the dice hang on them.
        rows: number of users that browse at the same time.
        slate_size: slots a page.
        max_pages: pages after which callers cut a visit off; only the layout of the dice depends on it, not their values.
    """

    def __init__(self, *, users: UserModel, user_id: IntArray, rows: int, slate_size: int, max_pages: int) -> None:
        for name, value in (("rows", rows), ("slate_size", slate_size), ("max_pages", max_pages)):
            if value < 1:
                raise ConfigError(f"{name}: got {value}, expected 1 or more")
        self.users = users
        self.slate_size = slate_size
        users.allocate(rows, slate_size)
        self._in_order = users.examination(np.empty(0, np.int64)).ndim == 3
        self.user_index = np.zeros(rows, np.int64)
        self.visit = np.zeros(rows, np.int64)
        self.page = np.zeros(rows, np.int64)
        self._table = DiceTable(user_id, slate_size)
        self._visit_word = np.zeros(rows, np.uint64)
        # Short blocks waste fewer dice on users who leave; for few rows the calls cost more than the dice.
        self._block = min(max_pages, 6 if rows >= 64 else 32)
        self._many_blocks = self._block < max_pages
        # Page after page of row after row: what ``step`` takes from. Kept in this one form, since a view beside it would be an
        # array of its own in a copy of the kernel.
        self._draws = np.empty((rows * self._block, 2 + self._in_order, slate_size + 1), np.float32)
        self._first = np.arange(rows) * self._block
        self._slots = np.array([slate_size])
        self._levels = users.levels
        self._withholding: WithholdsRatings | None = users if isinstance(users, WithholdsRatings) else None
        self._engaging: TellsEngagement | None = users if isinstance(users, TellsEngagement) else None
        self._dwelling: TellsDwell | None = users if isinstance(users, TellsDwell) and users.tells_dwell else None
        self._chooses_one = isinstance(users, ChoosesOne) and users.chooses_one

    def dice(self, user_index: IntArray, visit: IntArray, seed_word: keyed.Words) -> VisitDice:
        """Lay out the dice of visits that are about to begin; any number of visits, in any order.

        Args:
            user_index: int64 [m]: who browses.
            visit: int64 [m]: visit number, a coordinate of the dice.
            seed_word: uint64 [m] or [1]: from ``dice.seed_words``.
        """
        word = self._table.visit_words(seed_word, user_index, visit)
        return VisitDice(word, self._table.lay_out(word, self.users.examination(user_index), 0, self._block))

    def begin(self, rows: Rows, user_index: IntArray, visit: IntArray, dice: VisitDice, *, returning: bool = False) -> None:
        """Start visits in the given rows.

        Args:
            rows: row numbers [m], or ``ALL_ROWS``.
            user_index: int64 [m]: who browses there.
            visit: int64 [m]: visit number.
            dice: of these users' visits, from ``dice``.
            returning: the rows hold the same users as before, who keep what they learned about themselves.
        """
        self.user_index = _with(self.user_index, rows, user_index)
        self.visit = _with(self.visit, rows, visit)
        self.page = _with(self.page, rows, 0)
        self._visit_word[rows] = dice.word
        self._by_row()[rows] = dice.draws
        self.users.begin(rows, user_index, returning)

    def copy_rows(self, rows: IntArray, seed_word: keyed.Words) -> Kernel:
        """Return a kernel whose rows hold copies of users as they are at this moment, who meet other dice.

        Args:
            rows: int64 [m]: whom to copy, each as often as wanted.
            seed_word: uint64 [m]: of the copies' dice, from ``dice.seed_words`` or made like those; never the run's own.

        Raises:
            ConfigError: the user model cannot copy its users.
        """
        if not isinstance(self.users, CopiesRows):
            raise ConfigError(
                f"users: got {type(self.users).__name__}, whose rows cannot be copied, expected a model with copy_rows(rows), "
                "such as choice users"
            )
        other = copy(self)
        other.users = users = self.users.copy_rows(rows)
        other._withholding = users if isinstance(users, WithholdsRatings) else None
        other._engaging = users if isinstance(users, TellsEngagement) else None
        other._dwelling = users if isinstance(users, TellsDwell) and users.tells_dwell else None
        other.user_index, other.visit, other.page = self.user_index[rows], self.visit[rows], self.page[rows]
        other._visit_word = self._table.visit_words(seed_word, other.user_index, other.visit)
        other._first = np.arange(len(rows)) * self._block
        first, examine = other.page - other.page % self._block, other.users.examination(other.user_index)
        laid_out = self._table.lay_out(other._visit_word, examine, first, self._block)
        other._draws = laid_out.reshape(-1, *laid_out.shape[2:])
        return other

    def pages(self, item_index: IntArray, rows: Rows = ALL_ROWS) -> Pages:
        """Return the pages that ``step`` would show now; for user models that want to begin earlier."""
        if isinstance(rows, slice):
            return Pages(rows, self.user_index, self.visit, self.page, item_index)
        return Pages(rows, self.user_index[rows], self.visit[rows], self.page[rows], item_index)

    def step(self, item_index: IntArray, rows: Rows = ALL_ROWS, empty: BoolArray | None = None) -> Feedback:
        """Show one page to each of the given rows and draw what the users do.

        Args:
            item_index: int64 [m, k]: catalog positions, each valid and unique within its row except where empty.
            rows: row numbers [m], or ``ALL_ROWS``.
            empty: bool [m, k]: slots that are blank, so that nobody examines them; None means that none is.
        """
        everyone = isinstance(rows, slice)
        pages = self.pages(item_index, rows)
        page, first = pages.page, self._first
        place = (first if everyone else first[rows]) + (page % self._block if self._many_blocks else page)
        draws = self._draws.take(place, axis=0)
        bar = draws[:, 0, :-1]
        if empty is not None:
            bar[empty] = _NEVER
        decisions = self.users.decide(pages)
        looked = None
        if self._in_order:
            clicked, looked = read_in_order(decisions.click_log_odds, draws, self.users.examination(pages.user_index))
        else:
            clicked = choose_one(decisions.click_log_odds, bar) if self._chooses_one else decisions.click_log_odds > bar
        slot = clicked.reshape(-1).nonzero()[0]
        row = slot // self._slots if slot.size else slot
        rating = self._rate(pages, draws, slot, row) if slot.size else _NO_RATINGS
        engaged = None if self._engaging is None else self._engaging.engagement(pages, slot, row, draws[:, 1, -1].take(row))
        mood = self.users.update(pages, slot, row, rating)
        left = mood.leave_log_odds > draws[:, 0, -1]
        after = page + _ONE
        self.page = after if everyone else _with(self.page, rows, after)
        if self._many_blocks:
            self._renew_dice(rows, after)
        rated = None if self._withholding is None else self._withholding.rated(pages, slot, row)
        dwell = None if self._dwelling is None else self._dwelling.dwell(self._dwell_shares(pages, slot, row))
        told = (rated, engaged, looked, dwell)
        return Feedback(pages, decisions, draws, clicked, slot, row, rating, mood, left, self.users, *told)

    def _dwell_shares(self, pages: Pages, slot: IntArray, row: IntArray) -> DoubleArray:
        """Return float64 [c]: uniform dice of clicked slots, of their own beside those of the visit."""
        at = row if isinstance(pages.rows, slice) else pages.rows.take(row)
        word = keyed.absorb(keyed.absorb(self._visit_word.take(at), pages.page.take(row)), slot % self.slate_size)
        return keyed.uniform(keyed.absorb(word, keyed.purpose_word("dwell")))

    def _rate(self, pages: Pages, draws: FloatArray, slot: IntArray, row: IntArray) -> FloatArray:
        noise = draws[:, 1, :-1].reshape(-1).take(slot)
        exceeded = noise > self.users.rating_log_odds(pages, slot, row)
        level: IntArray = np.add.reduce(exceeded, axis=0, dtype=np.intp)
        return self._levels.take(level)

    def _by_row(self) -> FloatArray:
        """Return the dice as float32 [r, block, 2 or 3, k + 1], to be written to."""
        return self._draws.reshape(-1, self._block, *self._draws.shape[1:])

    def _renew_dice(self, rows: Rows, page: IntArray) -> None:
        """Lay out the next block of dice for the rows that have used up theirs."""
        due = np.flatnonzero(page % self._block == 0)
        if due.size:
            at = due if isinstance(rows, slice) else rows[due]
            examine = self.users.examination(self.user_index[at])
            self._by_row()[at] = self._table.lay_out(self._visit_word[at], examine, page[due], self._block)


def choose_one(log_odds: FloatArray, bar: FloatArray) -> BoolArray:
    """Draw which slot of each page is clicked, if any, from the dice of its slots.

    Slot after slot with the hazard ``h_i = p_i / (1 - p_1 - ... - p_{i-1})``: that slot i is the first hit has the probability
    ``h_i (1 - h_1) ... (1 - h_{i-1}) = p_i``, so that the draw is exact, and every slot keeps its own dice.

    Args:
        log_odds: float32 [u, k]: of the probability that the slot is the one; the probabilities of a page sum to at most 1.
        bar: float32 [u, k]: standard logistic draws, +inf where nothing is to be seen.

    Returns:
        bool [u, k]: at most one a row.
    """
    chance: DoubleArray = np.where(bar < _NEVER, 1 / (1 + np.exp(-log_odds.astype(np.float64))), 0.0)
    left = 1 - np.cumsum(chance, axis=1)
    # What is left after the last slot is nothing where something is always chosen; rounding must not make it less.
    with np.errstate(divide="ignore"):
        hazard = np.log(chance) - np.log(np.maximum(left, 1e-15))
    hit = hazard > bar
    first: BoolArray = hit & (np.cumsum(hit, axis=1) == 1)
    return first


def _with(column: IntArray, rows: Rows, values: IntArray | int) -> IntArray:
    """Return a changed copy: pages that were handed out keep the old array."""
    changed = column.copy()
    changed[rows] = values
    return changed
