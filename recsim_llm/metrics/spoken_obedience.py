"""Whether recommenders do what users ask for in words: less of a genre, nothing violent, something newer.

A request is about a set of items, those of which less is wanted. It is obeyed where the user's next page shows none of
them. That alone says little: a page changes anyway. So, as ``recsim_llm.metrics.obedience`` does, what became of them is
held against what became of the genres of items that were passed over on the same page and of which nobody said anything:

    obedience = 1 - (next / before of what less was wanted of) / (next / before of the others)

is near 0 for a recommender that is deaf and 1 for one that shows nothing of the kind again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray
from recsim_llm.dynamics.remarks import Asking, read_requests, unwanted_items
from recsim_llm.statistics import Estimate, ratio_estimate, share_estimate, weighted_contrast

__all__ = ["SpokenObedience", "SpokenPages", "judge_requests", "sum_requests"]


@dataclass(frozen=True, kw_only=True)
class SpokenObedience:
    """What became of what users asked for; intervals by user."""

    requests: int
    """Requests after which the user saw another page of the visit."""
    obeyed: Estimate
    """Share of them after which the next page showed nothing of which less was wanted."""
    before: Estimate
    """Share of the slots of the page that are such items."""
    after: Estimate
    """The same of the next page."""
    others_before: Estimate
    """``before`` of the other genres of items passed over on the page."""
    others_after: Estimate
    """``after`` of these."""
    obedience: Estimate
    """1: nothing of the kind was shown again; 0: as if nothing had been said."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SpokenPages:
    """The pages of one arm, in the order in which each user saw them."""

    user: IntArray
    """int64 [p]: rows of the users; the pages of a user stand together."""
    visit: IntArray
    """int64 [p]."""
    item: IntArray
    """int64 [p, k]: positions of items, -1 where blank."""
    passed: BoolArray
    """bool [p, k]: what was examined and not clicked."""
    text: TextArray
    """str [p, k]: what users said; None where nothing."""


def sum_requests(
    pages: SpokenPages, *, genre_names: tuple[str, ...], genres: BoolArray, year: IntArray, violent: BoolArray, users: int
) -> DoubleArray:
    """Add up by user what was shown before and after requests; of a few users at a time, if need be.

    Args:
        pages: of one arm.
        genre_names: names of the genre columns.
        genres: bool [n, g].
        year: int64 [n], -1 where unknown.
        violent: bool [g].
        users: how many there are.

    Returns:
        float64 [users, 10], for ``judge_requests``; those of different users may be added.
    """
    sums = np.zeros((users, 10))
    follows = np.append((pages.user[1:] == pages.user[:-1]) & (pages.visit[1:] == pages.visit[:-1]), False)[: len(pages.user)]
    for page, slot in np.argwhere(np.vectorize(bool, otypes=[bool])(pages.text) & follows[:, None]).tolist():
        for asking in read_requests(pages.text[page, slot], genre_names):
            unwanted = unwanted_items(asking, genres=genres, year=year, violent=violent)
            here, then = (_shown(pages.item[at], unwanted) for at in (page, page + 1))
            if asking.kind == "more" or not here[0] or not here[1] or not then[1]:
                continue
            user = pages.user[page]
            sums[user, 8:] += (then[0] == 0, 1)
            sums[user, :4] += (then[0], then[1], here[0], here[1])
            for genre in _others(pages.item[page][pages.passed[page]], asking, genres, violent):
                here, then = (_shown(pages.item[at], genres[:, genre]) for at in (page, page + 1))
                sums[user, 4:8] += (then[0], then[1], here[0], here[1])
    return sums


def judge_requests(sums: DoubleArray) -> SpokenObedience:
    """Return what became of requests.

    Args:
        sums: float64 [users, 10], as ``sum_requests`` returns them.
    """
    return SpokenObedience(
        requests=int(sums[:, 9].sum()),
        obeyed=share_estimate(sums[:, 8], sums[:, 9]),
        before=ratio_estimate(sums[:, 2], sums[:, 3], bounds=(0.0, 1.0)),
        after=ratio_estimate(sums[:, 0], sums[:, 1], bounds=(0.0, 1.0)),
        others_before=ratio_estimate(sums[:, 6], sums[:, 7], bounds=(0.0, 1.0)),
        others_after=ratio_estimate(sums[:, 4], sums[:, 5], bounds=(0.0, 1.0)),
        obedience=_against(sums),
    )


def _shown(item: IntArray, such: BoolArray) -> tuple[int, int]:
    """Return how many of a page's items are such ones, and how many there are."""
    there = item[item >= 0]
    return int(such[there].sum()), len(there)


def _others(passed: IntArray, asking: Asking, genres: BoolArray, violent: BoolArray) -> list[int]:
    """Return the genres of items that were passed over and of which nothing was said."""
    there: BoolArray = np.logical_or.reduce(genres[passed[passed >= 0]], axis=0)
    if asking.kind == "less":
        there[asking.subject] = False
    elif asking.kind == "nothing violent":
        there &= ~violent
    places: list[int] = np.flatnonzero(there).tolist()
    return places


def _against(sums: DoubleArray) -> Estimate:
    users = int(np.count_nonzero(sums[:, 3]))
    after, shown, before, all_before, others_after, others_shown, others_before, others_all = sums.T[:8]
    if before.sum() and not after.sum():
        return Estimate(value=1.0, users=users)
    above, below = [after, before, others_after, others_before], [shown, all_before, others_shown, others_all]
    kept = weighted_contrast(above, below, [1.0, -1.0, -1.0, 1.0], logarithmic=True)
    if kept.value is None:
        return Estimate(value=None, users=users)
    low, high = (None if end is None else 1.0 - end for end in (kept.high, kept.low))
    return Estimate(value=1.0 - kept.value, low=low, high=high, users=users)
