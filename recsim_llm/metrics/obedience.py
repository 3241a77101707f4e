"""Obedience: whether a recommender shows less of what users asked it to show less of.

A user who refuses an item is followed: of the slots of the recommended pages after that, which share shows similar items,
against the slots of the pages up to then, the refused item itself left out? Time alone changes such shares, and so do clicks:
as much as with items of the same page that were passed over, not refused, and like nothing that the user refused. With shares
``after`` and ``before``, summed over refusals with the slots after each of them as weights,

    obedience = 1 - (after / before of refused items) / (after / before of items passed over)

is near 0 for a recommender that is deaf and 1 for one that never shows such items again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_flags, as_places, as_whole_numbers
from recsim_llm.statistics import Estimate, ratio_estimate, weighted_contrast

__all__ = ["SIMILAR", "Obedience", "judge_refusals", "sum_refusals"]

SIMILAR = 0.7
"""Least cosine of the genres of similar items: of two genres and one of them it is 0.71, of two pairs with one common 0.5."""
_WINDOWS = ("before", "visit", "later")


@dataclass(frozen=True, kw_only=True, eq=False)
class Obedience:
    """What became of requests for less of something."""

    refusals: int
    """Requests after which the user saw another recommended page."""
    before: Estimate
    """Share of slots with similar items on the pages up to the request, the refused item left out."""
    visit: Estimate
    """The same of the pages that followed in the visit."""
    later: Estimate
    """The same of the pages of later visits."""
    passed_before: Estimate
    """``before`` of items of the same pages that were passed over, refused by nobody."""
    passed_after: Estimate
    """Of these, the share after the page, in the visit and later."""
    obedience: Estimate
    """1: no similar item was shown again; 0: as if nothing had been said."""


def sum_refusals(
    user: npt.ArrayLike,
    visit: npt.ArrayLike,
    item: npt.ArrayLike,
    *,
    refused: npt.ArrayLike,
    passed: npt.ArrayLike,
    recommended: npt.ArrayLike,
    genres: npt.ArrayLike,
) -> DoubleArray:
    """Add up by user what was shown before and after refusals; of a few users at a time, since each user stands alone.

    Args:
        user: int [p]: who saw each page; the pages of a user stand together.
        visit: int [p]: in which visit.
        item: int [p, k]: rows of ``genres``, -1 for a blank slot.
        refused: bool [p, k]: where the user asked for less.
        passed: bool [p, k]: what was examined and neither clicked nor refused.
        recommended: bool [p]: pages that the recommender filled, which alone are judged.
        genres: bool [n, g].

    Returns:
        float64 [users who refused something, 2, 8], for ``judge_refusals``; those of many users one below the other.

    Raises:
        DataError: the columns do not fit each other.
    """
    table = as_flags("genres", genres, ("items", "genres")).astype(np.float64)
    who = as_whole_numbers("user", user, ("pages",))
    number = as_whole_numbers("visit", visit, who.shape)
    shown = as_places("item", item, (len(who), "slots"), len(table))
    no, over = (as_flags(name, column, shown.shape) for name, column in (("refused", refused), ("passed", passed)))
    judged = as_flags("recommended", recommended, who.shape)
    table /= np.maximum(np.sqrt(table.sum(axis=1, keepdims=True)), 1.0)
    starts = np.flatnonzero(np.append(True, np.diff(who) != 0)[: len(who)])
    sums = [
        _User(number[rows], shown[rows], judged[rows], table).sums(no[rows], over[rows])
        for rows in map(slice, starts, [*starts[1:], len(who)])
        if no[rows].any()
    ]
    return np.array(sums, np.float64).reshape(-1, 2, 8)


def judge_refusals(sums: DoubleArray) -> Obedience:
    """Return what became of refusals.

    Args:
        sums: float64 [users, 2, 8], as ``sum_refusals`` returns it.
    """
    refused, passed = sums[:, 0].T, sums[:, 1].T

    def share(above: DoubleArray, below: DoubleArray) -> Estimate:
        return ratio_estimate(above, below, bounds=(0.0, 1.0))

    return Obedience(
        refusals=int(refused[0].sum()),
        before=share(refused[2], refused[1]),
        visit=share(refused[4], refused[5]),
        later=share(refused[6], refused[7]),
        passed_before=share(passed[2], passed[1]),
        passed_after=share(passed[3], passed[1]),
        obedience=_against(refused, passed),
    )


class _User:
    """The pages of one user."""

    def __init__(self, visit: IntArray, item: IntArray, judged: BoolArray, table: DoubleArray) -> None:
        self._visit, self._item, self._table = visit, item, table
        self._there = (item >= 0) & judged[:, None]

    def sums(self, refused: BoolArray, passed: BoolArray) -> DoubleArray:
        """Return float64 [2, 8]: of refused items and of those passed over, what ``_sums`` tells."""
        page, slot = np.nonzero(refused)
        disliked = self._similar(self._item[page, slot])
        # What resembles something refused is no measure of what would have come without a word.
        free = passed & refused.any(axis=1, keepdims=True) & ~disliked.any(axis=0)
        page_passed, slot_passed = np.nonzero(free)
        # Slots with something refused are left out there: that they show nothing similar is no news.
        return np.stack(
            [
                self._sums(page, self._item[page, slot], self._there),
                self._sums(page_passed, self._item[page_passed, slot_passed], self._there & ~refused),
            ]
        )

    def _similar(self, item: IntArray) -> BoolArray:
        """Return bool [e, p, k]: which slots show items similar to each of int64 [e] items, blank ones never."""
        cosine = self._table[item] @ self._table[self._item.reshape(-1)].T
        alike: BoolArray = (cosine.reshape(len(item), *self._item.shape) >= SIMILAR) & (self._item >= 0)
        return alike

    def _sums(self, page: IntArray, item: IntArray, there: BoolArray) -> DoubleArray:
        """Return float64 [8]: events, weight, weighted share before, similar after, and similar and all of visit and later."""
        others = there & (self._item != item[:, None, None])
        similar = self._similar(item) & others
        along = np.arange(len(self._visit))
        before = along <= page[:, None]
        visit = ~before & (self._visit == self._visit[page][:, None])
        later = ~before & ~visit
        shown, alike = others.sum(axis=2), similar.sum(axis=2)
        count = {name: (shown * window).sum(axis=1) for name, window in zip(_WINDOWS, (before, visit, later), strict=True)}
        found = {name: (alike * window).sum(axis=1) for name, window in zip(_WINDOWS, (before, visit, later), strict=True)}
        known = (count["before"] > 0) & (count["visit"] + count["later"] > 0)
        count, found = ({name: column[known] for name, column in part.items()} for part in (count, found))
        weight, after = count["visit"] + count["later"], found["visit"] + found["later"]
        share = weight * found["before"] / np.maximum(count["before"], 1)
        following = [part[name] for name in _WINDOWS[1:] for part in (found, count)]
        columns = (known[known], weight, share, after, *following)
        return np.array([column.sum() for column in columns], np.float64)


def _against(refused: DoubleArray, passed: DoubleArray) -> Estimate:
    users = int(np.count_nonzero(refused[1]))
    if refused[1].sum() and refused[2].sum() and not refused[3].sum():
        return Estimate(value=1.0, users=users)
    above = [refused[3], refused[2], passed[3], passed[2]]
    below = [refused[1], refused[1], passed[1], passed[1]]
    kept = weighted_contrast(above, below, [1.0, -1.0, -1.0, 1.0], logarithmic=True)
    if kept.value is None:
        return Estimate(value=None, users=users)
    low, high = (None if end is None else 1.0 - end for end in (kept.high, kept.low))
    return Estimate(value=1.0 - kept.value, low=low, high=high, users=users)
