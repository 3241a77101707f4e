"""What every user of an arm saw last, as numpy columns by user index: the pages of the visit that is going on, or was last."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import Slates, probability

__all__ = ["LastPages", "SeenPage"]

_MOST_BYTES = 128 << 20
_SLOT_BYTES, _PAGE_BYTES = 33, 15
_EXAMINED, _CLICKED = np.uint8(1), np.uint8(2)
_NAN = np.float32(np.nan)


class SeenPage(NamedTuple):
    """A page as one user saw it; columns by position."""

    page: int
    """Number within the visit, from 0."""
    recommender: int
    """Position in the scenario of the recommender that made it."""
    item_index: IntArray
    """Catalog positions, -1 where the slot is blank."""
    columns: dict[str, Any]
    """float32 each, by name: ``propensity`` (with which the recommender put the item there), ``examine_prob``, ``click_prob``
    (given that the slot is examined), ``rating``, ``watched``; NaN where unknown. bool: ``examined``, ``clicked``.
    int64: ``friend``, the id of a friend who liked the item, as the page tells; -1 for none."""
    satisfaction: float
    """After the page, 0 to 1."""
    leave_prob: float
    """With which the visit was ended after it."""
    left: bool
    """Whether it was."""
    reward: float
    """What the page paid."""


class LastPages:
    """Keeps the last pages of everyone.

    Args:
        catalog: the items, for what is shown of each once.
        users: how many.
        slate_size: slots a page.
        max_pages: page budget of a visit. Where all pages of all visits would take more than 128 MB, only the last ones of each
            visit are kept.
    """

    def __init__(self, catalog: Catalog, *, users: int, slate_size: int, max_pages: int) -> None:
        a_page = users * (slate_size * _SLOT_BYTES + _PAGE_BYTES)
        self.kept = int(np.clip(_MOST_BYTES // a_page, 1, max_pages))
        """Pages of a visit that are kept."""
        shape = (users, self.kept, slate_size)
        self._item = np.full(shape, -1, np.int32)
        self._floats = {
            name: np.full(shape, _NAN) for name in ("propensity", "examine_prob", "click_prob", "rating", "watched")
        }
        self._flags = np.zeros(shape, np.uint8)
        self._friend = np.full(shape, -1, np.int64)
        self._moods = {name: np.full(shape[:2], _NAN) for name in ("satisfaction", "leave_prob", "reward")}
        self._left = np.zeros(shape[:2], np.bool_)
        self._recommender = np.zeros(shape[:2], np.int16)
        self.count: IntArray = np.zeros(users, np.int64)
        """int64 [u]: pages of each user's visit so far."""
        self.visit: IntArray = np.full(users, -1, np.int64)
        """int64 [u]: number of that visit, -1 before the first."""
        self.pages: IntArray = np.zeros(users, np.int64)
        """int64 [u]: pages of all visits."""
        self.clicks: IntArray = np.zeros(users, np.int64)
        """int64 [u]: clicks on them."""
        self.shown = np.zeros(len(catalog), np.bool_)
        """bool [n]: items that anybody was shown."""

    def take(
        self,
        feedback: Feedback,
        slates: Slates | None,
        reward: DoubleArray,
        friend_id: IntArray | None = None,
        *,
        recommender: int,
    ) -> None:
        """Take in one page of a batch of users; arguments as of ``VisitLog.page``, and who made it."""
        pages = feedback.pages
        user, place, item = pages.user_index, pages.page % self.kept, pages.item_index
        at = (user, place)
        self._item[at] = item
        propensity = None if slates is None else slates.propensity
        self._floats["propensity"][at] = _NAN if propensity is None else propensity
        self._floats["examine_prob"][at] = np.where(item < 0, np.float32(0), feedback.examine)
        self._floats["click_prob"][at] = probability(feedback.decisions.click_log_odds)
        self._floats["rating"][at] = feedback.ratings()
        self._floats["watched"][at] = feedback.by_slot(feedback.watched)
        self._flags[at] = feedback.examined * _EXAMINED + feedback.clicked * _CLICKED
        if friend_id is not None:
            self._friend[at] = friend_id
        self._moods["satisfaction"][at] = probability(feedback.mood.satisfaction)
        self._moods["leave_prob"][at] = probability(feedback.mood.leave_log_odds)
        self._moods["reward"][at] = reward
        self._left[at], self._recommender[at] = feedback.left, recommender
        self.count[user], self.visit[user] = pages.page + 1, pages.visit
        self.pages[user] += 1
        self.clicks[user] += np.bincount(feedback.row, minlength=len(user))
        self.shown[item[item >= 0]] = True

    def of(self, user: int) -> list[SeenPage]:
        """Return the pages of a user's visit that are kept, in order.

        Args:
            user: user index.
        """
        count = int(self.count[user])
        return [self._seen(user, page) for page in range(max(count - self.kept, 0), count)]

    def _seen(self, user: int, page: int) -> SeenPage:
        at = (user, page % self.kept)
        columns: dict[str, Any] = {name: column[at].copy() for name, column in self._floats.items()}
        columns["examined"], columns["clicked"] = (self._flags[at] & flag > 0 for flag in (_EXAMINED, _CLICKED))
        columns["friend"] = self._friend[at].copy()
        moods = {name: float(column[at]) for name, column in self._moods.items()}
        item = self._item[at].astype(np.int64)
        return SeenPage(page, int(self._recommender[at]), item, columns, left=bool(self._left[at]), **moods)
