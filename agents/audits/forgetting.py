"""Forgetting: does a recommender that was to forget users recommend as one that never saw them?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from recsim_llm.agents.audits.design import KNOWN_SHARE
from recsim_llm.agents.audits.top_lists import average_overlap, exposure_distance, footrule
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.recommenders.base import Recommender, check_slates
from recsim_llm.recommenders.hooks import Forgets
from recsim_llm.statistics.intervals import Estimate, mean_estimate

__all__ = ["ASKINGS", "Asking", "Forgetting", "forgetting"]

ASKINGS: Mapping[str, str] = {
    "named": "the forgotten under their own names",
    "taste": "strangers with the forgotten's taste",
    "others": "the others",
}
"""Who asks for pages, by key: the forgotten under their own ids and without a history; new ids with the forgotten's latest
ratings as clicks; users who are not forgotten."""

_NEVER = 5  # fits that never saw the forgotten, where the recommender may forget in a way of its own
_Pages = Mapping[str, IntArray]


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What the pages of one group of users tell. Agreement of two pages is their average overlap, 0 to 1."""

    who: str
    """Who asked, a key of ``ASKINGS``."""
    kept: Estimate
    """How much closer the pages lie to those of a recommender that saw the forgotten, rather than to those of one that did not,
    than the pages of one that never saw them do. 0 where all is forgotten; see ``forgetting``."""
    had: Estimate
    """The same before anything was forgotten: what there is to forget."""
    guessed: Estimate
    """Share of pages of which it is guessed rightly, by which side they lie closer to, whether the recommender had to forget
    or never saw them, each in half of the cases. A half is guessing."""
    had_guessed: Estimate
    """The same before anything was forgotten."""
    agreement: Estimate
    """Agreement of the pages with those of a recommender that never saw the forgotten, fitted with the same seed."""
    had_agreement: Estimate
    """The same before anything was forgotten."""
    rank_distance: Estimate
    """Distance of the ranks on these two pages, 0 the same to 1 no common item."""


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """What a recommender still shows of users whom it was to forget."""

    users: int
    """Users to be forgotten."""
    others: int
    """Users who are not, whose pages are compared."""
    asks: int
    """Pages asked for."""
    page_size: int
    """Items a page."""
    way: Literal["forget", "fit"]
    """``forget``: by the recommender's own method; ``fit``: fitted once more, without them."""
    askings: tuple[Asking, ...]
    """One for each of ``ASKINGS``."""
    exposure: Estimate
    """How much of the exposure among the others lies elsewhere than with a recommender that never saw the forgotten: total
    variation distance of the items' shares, 0 to 1."""
    had_exposure: Estimate
    """The same before anything was forgotten."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names of the fields; estimates as value, low, high, users."""
        return asdict(self)


def forgetting(
    make: Callable[[], Recommender],
    dataset: Dataset,
    *,
    seed: int,
    users: int = 30,
    others: int = 100,
    page_size: int = 10,
    history: int = 10,
) -> Forgetting:
    """Fit a recommender to everybody, have it forget some, and compare its pages with those of one that never saw them.

    It forgets by its own method ``forget`` where it has one (``recsim_llm.recommenders.Forgets``); else the same object is
    fitted once more, without them. Two more recommenders, of another seed, are fitted with and without the forgotten: whoever
    wants to find out whether somebody was in the training data can make such (shadow models, Shokri et al. 2017, *Membership
    Inference Attacks Against Machine Learning Models*, IEEE S&P). With ``A`` the average overlap of two pages of the same
    request, a page lies by ``d = A(page, with them) - A(page, without them)`` on the side of those. ``kept`` is half of the
    mean of ``d`` less that of the recommender that never saw them, fitted with the seed of the first: what seeds do to pages
    cancels. Who forgets by its own method is held against five that never saw, of as many seeds, and the interval takes in how
    these differ. Where nothing is forgotten and seeds change nothing ``kept`` is one less the agreement of the two. ``guessed``
    goes by the sign of ``d``, equal ones counting half: its excess over a half is half the membership advantage of Yeom et al.
    2018 (*Privacy Risk in Machine Learning*, IEEE CSF, definition 4).

    Args:
        make: makes the recommender, unfitted, given all it takes before ``fit``.
        dataset: catalog and ratings; the first 80% of each user's are learned from.
        seed: of who is forgotten, and of the fits.
        users: how many are to be forgotten; at most half of the users with more than one rating to learn from.
        others: how many of the others are asked about, at most.
        page_size: items a page; at most those on sale.
        history: most ratings that a stranger with a forgotten's taste brings as clicks.

    Raises:
        ConfigError: a number is below 1.
        DataError: there are fewer than four users with two ratings to learn from.
        SlateError: the recommender returned what is no page.
    """
    if min(users, others, page_size, history) < 1:
        got = f"{users} users, {others} others, pages of {page_size} and {history} clicks"
        raise ConfigError(f"forgetting: got {got}, expected 1 or more of each; give others")
    known, _ = dataset.training_part(KNOWN_SHARE)
    gone, rest = _drawn(known.ratings, seed, users, others)
    left = known.of_ratings(known.ratings.take(~np.isin(known.ratings.user_id, gone)))
    k = min(page_size, int(np.count_nonzero(known.catalog.on_sale)))
    trial = _Trial(make, known, left, gone, _requests(known.ratings, gone, rest, history), k)
    served = trial.serve(seed)
    before, after, never = served.before["others"], served.after["others"], served.nevers[0]["others"]
    items = len(known.catalog)
    return Forgetting(
        users=len(gone),
        others=len(rest),
        asks=(4 + len(served.nevers)) * (2 * len(gone) + len(rest)),
        page_size=k,
        way=served.way,
        askings=tuple(_asking(who, served) for who in ASKINGS),
        exposure=exposure_distance(after, never, items),
        had_exposure=exposure_distance(before, never, items),
    )


class _Served(NamedTuple):
    """Pages by who asked."""

    after: _Pages
    """Of the recommender that had to forget."""
    before: _Pages
    """Of the same, before it had to."""
    nevers: Sequence[_Pages]
    """Of recommenders that never saw the forgotten; the first has the seed of the one that had to forget."""
    shadows: tuple[_Pages, _Pages]
    """Of one that saw them and one that did not, of another seed."""
    way: Literal["forget", "fit"]
    """How it forgot."""


class _Trial(NamedTuple):
    """What recommenders are fitted to, and who asks them."""

    make: Callable[[], Recommender]
    known: Dataset
    left: Dataset
    gone: IntArray
    asked: Mapping[str, Requests]
    k: int

    def serve(self, seed: int) -> _Served:
        """Fit all recommenders, have one forget, and ask them for their pages."""
        other = int(keyed.words(seed, "forgetting shadow", 0)[0] >> np.uint64(33))
        audited = self._fitted(self.known, seed)
        before = self._pages(audited)
        way: Literal["forget", "fit"] = "forget" if isinstance(audited, Forgets) else "fit"
        if isinstance(audited, Forgets):
            audited.forget(self.gone)
        else:
            audited.fit(self.left.catalog, self.left.ratings, seed)
        # A fit with the same seed gives the pages of the one that never saw; who forgets otherwise may draw otherwise.
        seeds = [seed, *((other + 1 + number) for number in range(_NEVER - 1 if way == "forget" else 0))]
        return _Served(
            after=self._pages(audited),
            before=before,
            nevers=[self._pages(self._fitted(self.left, own)) for own in seeds],
            shadows=(self._pages(self._fitted(self.known, other)), self._pages(self._fitted(self.left, other))),
            way=way,
        )

    def _fitted(self, part: Dataset, seed: int) -> Recommender:
        recommender = self.make()
        recommender.fit(part.catalog, part.ratings, seed)
        return recommender

    def _pages(self, recommender: Recommender) -> _Pages:
        return {who: _page(recommender, self.known.catalog, one, self.k) for who, one in self.asked.items()}


def _drawn(ratings: Ratings, seed: int, users: int, others: int) -> tuple[IntArray, IntArray]:
    """Return the ids of who is forgotten, and of the others who are asked about, both ascending."""
    able = ratings.users[np.bincount(ratings.user_index) >= 2]
    if len(able) < 4:
        raise DataError(
            f"forgetting: got {len(able)} users with two ratings to learn from, expected four or more; use more data"
        )
    order = able[keyed.words(seed, "forgetting users", able).argsort(kind="stable")]
    count = min(users, len(able) // 2)
    return np.sort(order[:count]), np.sort(order[count : count + others])


def _requests(ratings: Ratings, gone: IntArray, rest: IntArray, most: int) -> Mapping[str, Requests]:
    """Return what each group asks with."""
    taken = np.full((len(gone), most), -1, np.int64)
    stars = np.full((len(gone), most), np.nan, np.float32)
    order = np.lexsort((np.arange(len(ratings)), ratings.timestamp))
    for row, user in enumerate(gone.tolist()):
        latest = order[ratings.user_id[order] == user][-most:]
        taken[row, : len(latest)], stars[row, : len(latest)] = ratings.item_id[latest], ratings.rating[latest]
    strangers = ratings.users.max() + 1 + np.arange(len(gone))
    empty = np.empty((0, 0), np.int64)
    return {
        "named": _opening(gone, empty, empty),
        "taste": _opening(strangers, taken, stars),
        "others": _opening(rest, empty, empty),
    }


def _opening(user_id: IntArray, item_id: IntArray, stars: Any) -> Requests:
    """Return requests for first pages."""
    first, shape = np.zeros(len(user_id), np.int64), (len(user_id), item_id.shape[1])
    item_id = item_id.reshape(shape)
    return Requests(user_id, first, first, item_id, item_id >= 0, np.asarray(stars, np.float32).reshape(shape))


def _page(recommender: Recommender, catalog: Catalog, requests: Requests, k: int) -> IntArray:
    slates = recommender.recommend(requests, k)
    name = type(recommender).__name__
    return check_slates(slates, catalog, len(requests.user_id), k, name=name, blank_invalid=False)


def _asking(who: str, served: _Served) -> Asking:
    """Judge the pages of one group of users."""
    seen, unseen = (one[who] for one in served.shadows)
    after, before, *nevers = (one[who] for one in (served.after, served.before, *served.nevers))
    never = nevers[0]
    sides = [average_overlap(page, seen) - average_overlap(page, unseen) for page in (after, before, *nevers)]
    guess = [np.where(one == 0.0, 0.5, one > 0.0) for one in sides]
    (kept, had), (guessed, had_guessed) = (_beyond_never(one[:2], np.stack(one[2:])) for one in (sides, guess))
    return Asking(
        who=who,
        kept=kept.within(-1, 1),
        had=had.within(-1, 1),
        guessed=_moved(guessed, 0.5).within(0, 1),
        had_guessed=_moved(had_guessed, 0.5).within(0, 1),
        agreement=mean_estimate(average_overlap(after, never), bounds=(0, 1)),
        had_agreement=mean_estimate(average_overlap(before, never), bounds=(0, 1)),
        rank_distance=mean_estimate(footrule(after, never), bounds=(0, 1)),
    )


def _beyond_never(audited: Sequence[DoubleArray], never: DoubleArray) -> list[Estimate]:
    """Return for each of the audited half of how far it lies above those that never saw, float64 [fits, u].

    What chance does to a fit it does to all its pages alike, so that users tell nothing of it and fits do: the half widths of
    the interval by user and of that by fit (a new fit less the mean of ``fits``) are added in squares.
    """
    means = never.mean(axis=1)
    by_fit = mean_estimate(means / 2)
    reach = 0.0 if by_fit.low is None or by_fit.high is None else (by_fit.high - by_fit.low) / 2 * math.sqrt(len(means) + 1)
    return [_widened(mean_estimate((one - never.mean(axis=0)) / 2), reach) for one in audited]


def _widened(one: Estimate, reach: float) -> Estimate:
    """Return an estimate whose interval takes in another half width, independent of its own."""
    if one.value is None or not reach:
        return one
    own = 0.0 if one.low is None else one.value - one.low
    wide = math.hypot(own, reach)
    return replace(one, low=one.value - wide, high=one.value + wide)


def _moved(one: Estimate, by: float) -> Estimate:
    """Return an estimate of a number that is larger by a constant."""
    value, low, high = (None if end is None else end + by for end in (one.value, one.low, one.high))
    return Estimate(value=value, low=low, high=high, users=one.users)
