"""What every user model must keep to, as checks that run."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows, probability
from recsim_llm.core.protocols import ChoosesOne, TellsEngagement, UserModel
from recsim_llm.errors import ContractError
from recsim_llm.population.personas import Population
from recsim_llm.testing.calls import checked_call

__all__ = ["check_user_model"]

_USERS = 6
_SLOTS = 5
_PAGES = 3
_ALL = slice(None)
_OWN_ROW = "let each row depend on its own user, pages and feedback only"


def check_user_model(users: UserModel, catalog: Catalog, population: Population) -> None:
    """Check that a user model keeps the contract of ``recsim_llm.core.protocols.UserModel``.

    A few users browse three pages with made-up clicks, again and again. Checked: star levels ascend; shapes and float32
    throughout; examination within 0 to 1; log-odds finite, those of the ratings ascending by level; a user behaves the same in
    any row, in any order, in any company, and after ``begin`` as if nothing had been; returning users and empty slots are
    served; pages are left as they were; who chooses one item of a page examines all of it, and its chances sum to at most 1;
    engagement is at least 0. The model is left with rows of its own that mean nothing: call ``allocate`` before use.

    Args:
        users: the user model.
        catalog: the items that it knows.
        population: the users that it knows.

    Raises:
        ContractError: the first breach.
    """
    trial = _Trial(users, catalog)
    who = np.arange(min(_USERS, len(population)))
    trial.check_levels()
    trial.check_examination(who)
    first = trial.browse(who)
    trial.same(trial.browse(who), first, "on a second first visit", "let begin(returning=False) forget the visit before")
    order = keyed.words(0, "order", who).argsort()
    trial.same(trial.browse(who[order]), first[order], "with users in another order", _OWN_ROW)
    twins = np.zeros_like(who)
    trial.same(trial.browse(twins), first[twins], "with the same user in every row", _OWN_ROW)
    trial.same(trial.browse(who, spare=3), first, "when only some of the rows browse", _OWN_ROW)
    trial.check_return(who)
    trial.check_empty_slot(who)


class _Trial:
    """Drives a user model as the kernel does, and checks all that can be checked on a single call."""

    def __init__(self, users: UserModel, catalog: Catalog) -> None:
        self._users = users
        self._chooses_one = isinstance(users, ChoosesOne) and users.chooses_one
        self._engaging = users if isinstance(users, TellsEngagement) else None
        self._items = len(catalog)
        self._slots = min(_SLOTS, len(catalog))
        self._name = type(users).__name__

    def check_levels(self) -> None:
        levels = np.asarray(self._users.levels)
        if levels.ndim != 1 or len(levels) < 2 or not (np.diff(levels) > 0).all():
            raise ContractError(f"{self._name}: got levels {levels}, expected at least two star levels, ascending; sort them")

    def check_examination(self, who: IntArray) -> None:
        self._users.allocate(len(who), self._slots)
        examine = checked_call(self._name, "examination", (who,), lambda: self._users.examination(who))
        in_order = (self._slots + 1,) if np.ndim(examine) == 3 else ()
        self._column("examination", examine, (len(who), self._slots, *in_order))
        if not ((examine >= 0) & (examine <= 1)).all():
            wrong = examine[~((examine >= 0) & (examine <= 1))][0]
            raise ContractError(f"{self._name}: got examination {wrong}, expected probabilities from 0 to 1; clip them")
        if self._chooses_one and (examine < 1).any():
            raise ContractError(
                f"{self._name}: got examination {examine.min()} of users who choose one item of a page, expected 1 for every "
                "slot; let the choice itself depend on the position"
            )

    def check_return(self, who: IntArray) -> None:
        """Serve a second visit of the same users."""
        self.browse(who)
        self._users.begin(_ALL, who, True)
        self._visit(_ALL, who)

    def check_empty_slot(self, who: IntArray) -> None:
        """Serve pages with a blank slot."""
        self._users.allocate(len(who), self._slots)
        self._users.begin(_ALL, who, False)
        pages = self._pages(_ALL, who, 0)
        pages.item_index[:, -1] = -1
        self._page(pages, np.zeros(pages.item_index.shape, np.bool_))

    def browse(self, who: IntArray, spare: int = 0) -> FloatArray:
        """Return float32 [m, values]: all that a first visit of these users shows, one row a user.

        Args:
            who: int64 [m]: user indices.
            spare: further rows, whose users have begun a visit but do not browse.
        """
        self._users.allocate(len(who) + spare, self._slots)
        self._users.begin(_ALL, np.concatenate([who, np.resize(who[::-1], spare)]), False)
        return self._visit(np.arange(len(who)) if spare else _ALL, who)

    def same(self, got: FloatArray, expected: FloatArray, when: str, remedy: str) -> None:
        if not np.array_equal(got, expected, equal_nan=True):
            row, column = np.argwhere(~((got == expected) | np.isnan(got) & np.isnan(expected)))[0]
            raise ContractError(
                f"{self._name}: got {got[row, column]} {when}, expected {expected[row, column]} as before (row {row}); {remedy}"
            )

    def _visit(self, rows: Rows, who: IntArray) -> FloatArray:
        shown = []
        for page in range(_PAGES):
            pages = self._pages(rows, who, page)
            clicked = self._dice("click", pages) % np.uint64(3) == 0
            if self._chooses_one:
                clicked &= clicked.cumsum(axis=1) == 1
            shown.append(self._page(pages, clicked))
        stay = checked_call(self._name, "return_log_odds", (), lambda: self._users.return_log_odds(rows))
        shown.append(self._column("return_log_odds", stay, (len(who),))[:, None])
        return np.concatenate(shown, axis=1)

    def _page(self, pages: Pages, clicked: BoolArray) -> FloatArray:
        """Return float32 [m, values] of one page."""
        users, count = self._users, len(pages.user_index)
        decisions = checked_call(self._name, "decide", pages[1:], lambda: users.decide(pages))
        self._type("decide", decisions, Decisions)
        odds = self._column("click_log_odds", decisions.click_log_odds, clicked.shape).copy()
        if self._chooses_one and (probability(odds).sum(axis=1) > 1 + 1e-5).any():
            raise ContractError(
                f"{self._name}: got chances that sum to {probability(odds).sum(axis=1).max()} on a page of which users choose "
                "one item, expected at most 1; divide them by their sum"
            )
        slot = np.flatnonzero(clicked)
        row = slot // clicked.shape[1]
        cuts = checked_call(
            self._name, "rating_log_odds", (*pages[1:], slot, row), lambda: users.rating_log_odds(pages, slot, row)
        )
        self._column("rating_log_odds", cuts, (len(users.levels) - 1, len(slot)))
        if not (np.diff(cuts, axis=0) >= 0).all():
            raise ContractError(
                f"{self._name}: got rating_log_odds that fall, expected them ascending along axis 0; sort the cuts"
            )
        place = self._dice("rating", pages).reshape(-1)[slot] % np.uint64(len(users.levels))
        rating = np.asarray(users.levels)[place.astype(np.int64)]
        watch = checked_call(
            self._name, "watch_log_odds", (rating,), lambda: users.watch_log_odds(rating, pages.user_index[row])
        )
        self._column("watch_log_odds", watch, (len(slot),))
        engaged = self._engagement(pages, slot, row)
        inputs = (*pages[1:], clicked, slot, row, rating)
        mood = checked_call(self._name, "update", inputs, lambda: users.update(pages, slot, row, rating))
        self._type("update", mood, Mood)
        by_slot = np.full((clicked.size, len(cuts) + 2), np.nan, np.float32)
        by_slot[slot] = np.vstack([cuts, watch[None], engaged[None]]).T
        moods = [self._column(name, getattr(mood, name), (count,))[:, None] for name in Mood._fields]
        return np.concatenate([odds, by_slot.reshape(count, -1), *moods], axis=1)

    def _engagement(self, pages: Pages, slot: IntArray, row: IntArray) -> DoubleArray:
        """Return float64 [c]: how much each clicked item is engaged with, zeros where users do not tell."""
        users = self._engaging
        if users is None:
            return np.zeros(len(slot))
        draw = self._dice("watch", pages)[row, 0] >> np.uint64(41)
        noise = keyed.log_odds(draw.astype(np.float32))
        engaged: DoubleArray = checked_call(
            self._name, "engagement", (*pages[1:], slot, row, noise), lambda: users.engagement(pages, slot, row, noise)
        )
        right = engaged.dtype == np.float64 and engaged.shape == slot.shape and np.isfinite(engaged).all()
        if not right or (engaged < 0).any():
            raise ContractError(
                f"{self._name}: got engagement {engaged}, expected float64 of shape {slot.shape}, finite and at least 0; "
                "convert it"
            )
        return engaged

    def _pages(self, rows: Rows, who: IntArray, page: int) -> Pages:
        start = 7 * who[:, None] + 5 * page
        items = (start + np.arange(self._slots)) % self._items
        return Pages(rows, who, np.zeros_like(who), np.full_like(who, page), items)

    def _dice(self, purpose: str, pages: Pages) -> keyed.Words:
        return keyed.words(0, purpose, pages.user_index[:, None], pages.page[:, None], np.arange(self._slots))

    def _type(self, verb: str, got: object, expected: type) -> None:
        if not isinstance(got, expected):
            got_name = type(got).__name__
            raise ContractError(
                f"{self._name}: got {got_name} from {verb}, expected {expected.__name__}; see recsim_llm.core.pages"
            )

    def _column(self, name: str, got: Any, shape: tuple[int, ...]) -> FloatArray:
        column = np.asarray(got)
        if column.dtype != np.float32 or column.shape != shape:
            got_type = f"{column.dtype} of shape {column.shape}"
            raise ContractError(f"{self._name}: got {name} {got_type}, expected float32 of shape {shape}; convert it")
        if not np.isfinite(column).all():
            raise ContractError(
                f"{self._name}: got {name} {column[~np.isfinite(column)][0]}, expected finite numbers; bound them"
            )
        return column
