"""The planning oracle: it sees boredom, drift, satisfaction and departure coming, and looks what each way to serve brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.rollouts import Rollouts
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.ranking import top_k
from recsim_llm.recommenders.base import deterministic
from recsim_llm.recommenders.oracle import Oracle
from recsim_llm.recommenders.page_styles import BARRED, GREEDY, Foresight, Shortlist, Style
from recsim_llm.recommenders.scoring import take

__all__ = ["Planner", "Rival"]

_COPIES = 6000  # at a time
_MOST_RIVALS = 2
_PAGES_AGAIN = 4
_SURE = 2.0  # standard errors


class Rival(NamedTuple):
    """A style that may suit some users better than the usual one, by what it paid more to copies of users."""

    style: Style
    gain: float
    """Mean over users."""
    between: float
    """Variance between users of what it pays more; 0 where chance alone explains the difference."""
    within: float
    """Variance between the futures of a user."""

    @classmethod
    def of(cls, style: Style, more: DoubleArray) -> Self:
        """Return a rival by what it paid more, float64 [users, futures]."""
        users, futures = more.shape
        within, spread = float(more.var(axis=1, ddof=1).mean()), float(more.mean(axis=1).var(ddof=1))
        between, error = spread - within / futures, spread * np.sqrt(2 / (users - 1))
        return cls(style, float(more.mean()), between if between > error else 0.0, within)

    @property
    def hope(self) -> float:
        """What it may well bring to a user whom it suits."""
        return self.gain + float(np.sqrt(self.between))

    def expected(self, more: DoubleArray) -> DoubleArray:
        """Return float64 [u]: what it is expected to pay more, given what it paid more in futures, float64 [u, futures]."""
        weight = self.between / (self.between + self.within / more.shape[1])
        expected: DoubleArray = self.gain + weight * (more.mean(axis=1) - self.gain)
        return expected


class Planner(Oracle):
    """Serves each page in the style that imagined futures of its user say pays most, under the same rules as everyone.

    A style adds to the true log-odds of a click what an item's expected stars count, and what it counts that genres of the page
    are few or many (``Style``). Before the first page each style serves copies of the users through whole visits, with the true
    model but other dice, and the one that pays most becomes the usual style; ranking by log-odds alone, as ``oracle`` does,
    gives way only to one that pays more beyond doubt, with fresh dice. Then page by page, where styles suit users differently,
    each user's copies are served in the rival styles from where they are now, and a rival is followed if it is expected to pay
    more: what its futures pay is shrunk towards what it paid before the first page, as far as chance explains the difference
    (empirical Bayes), so that noise does not pass for foresight. Copies of one user share their dice between styles. What is
    paid is the scenario's reward.

    Following at each state the best of several policies by their true values pays at least as much as each of them (policy
    switching; Chang, Givan & Chong 2004, Parallel rollout for online solution of partially observable Markov decision
    processes, section 3). The values here are estimates, and styles are few: the planner is a ceiling for what is known to pay,
    no proof of an optimum.
    """

    class Settings(FrozenSettings):
        """Settings of ``Planner``."""

        stars: tuple[float, ...] = Field(default=(0.5, 1.0, 2.0, 4.0), strict=False)
        """Weights of expected stars that are tried; log-odds a star."""
        focus: tuple[float, ...] = Field(default=(-0.5, 0.5, 1.0, 1.5), strict=False)
        """Weights of genres already on the page that are tried; log-odds an item."""
        tries: int = Field(default=4000, ge=6)
        """Copies of users that each style serves before the first page, two or more of each of at most half as many users."""
        rollouts: int = Field(default=8, ge=2)
        """Futures of a user for each style, at each page."""
        horizon: int = Field(default=20, ge=1)
        """Pages of the future that count, over all visits."""
        pool: int = Field(default=240, ge=1)
        """Items that a user's future pages are made of: those with the highest log-odds now."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Note what users have seen already; which styles pay shows with the first page, whose size is not known before.

        Raises:
            ConfigError: the truth was not revealed, or users cannot be copied.
        """
        super().fit(catalog, ratings, seed)
        self._futures()
        self._foresight: Foresight | None = None
        self._usual, self._rivals = GREEDY, list[Rival]()

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the pages of ``k`` items that pay most in the long run, as far as futures tell.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
        """
        self._check_size(k)
        foresight = self._foresight
        if foresight is None or foresight.slate_size != k:
            forbid = self._repeats == "forbid"
            foresight = Foresight(self._known.catalog, slate_size=k, forbid=forbid, horizon=self.settings.horizon)
            self._try_styles(foresight)
            self._foresight = foresight
        best = np.empty((len(requests.user_id), k), np.int64)
        size = max(1, _COPIES // (self.settings.rollouts * (1 + len(self._rivals))))
        for start in range(0, len(best), size):
            rows = slice(start, start + size)
            best[rows] = self._plan(take(requests, rows), foresight)
        return deterministic(self._known.catalog.item_id[best])

    def _futures(self) -> Callable[[IntArray, keyed.Words, bool], Rollouts]:
        rollouts = self._revealed().rollouts
        if rollouts is None:
            raise ConfigError("planner: got users who cannot be copied, expected choice users; take the recommender oracle")
        return rollouts

    def _try_styles(self, foresight: Foresight) -> None:
        """Find the usual style and its rivals: each style serves copies of users through their visits."""
        settings, user_id = self.settings, self._sample()
        first = np.zeros(len(user_id), np.int64)
        shown = np.full((len(user_id), 0), -1)
        asked = Requests(user_id, first, first, shown, shown > 0, shown.astype(np.float32))
        shortlist, _ = self._shortlist(asked, foresight.slate_size, afresh=True)
        each = max(2, settings.tries // len(user_id))

        def pay(style: Style, number: int) -> DoubleArray:
            copies, who = self._copies(keyed.words(self._seed, "planning tries", user_id, number), user_id, each, afresh=True)
            return foresight.serve(copies, shortlist, who, style).reshape(-1, each)

        stars, focus = [Style(stars=weight) for weight in settings.stars], [Style(focus=weight) for weight in settings.focus]
        paid = {style: pay(style, 0) for style in [GREEDY, *stars, *focus]}
        both = [max(group, key=lambda style: float(paid[style].mean())) for group in (stars, focus) if group]
        if len(both) > 1:
            style = Style(both[0].stars, both[1].focus)
            paid[style] = pay(style, 0)
        best = max(paid, key=lambda style: float(paid[style].mean()))
        # The best of many looks better than it is; fresh dice do not flatter it.
        sure = best == GREEDY or _surely_positive((pay(best, 1) - pay(GREEDY, 1)).mean(axis=1))
        self._usual = best if sure else GREEDY
        rivals = [Rival.of(style, value - paid[self._usual]) for style, value in paid.items() if style != self._usual]
        hopeful = [rival for rival in rivals if rival.between > 0 and rival.hope > 0]
        self._rivals = sorted(hopeful, key=lambda rival: -rival.hope)[:_MOST_RIVALS]

    def _sample(self) -> IntArray:
        """Return int64 [m]: outside ids of users to try styles on, the same whoever asks for a page first."""
        users = np.sort(self._everyone())
        order = np.argsort(keyed.words(self._seed, "planning users", users), kind="stable")
        return users[order[: max(3, self.settings.tries // 2)]]

    def _everyone(self) -> IntArray:
        users = self._revealed().users
        assert users is not None
        return users

    def _copies(self, word: keyed.Words, user_id: IntArray, each: int, *, afresh: bool) -> tuple[Rollouts, IntArray]:
        """Return copies of users, ``each`` of everyone, and int64 [m] whose copy each is."""
        who = np.repeat(np.arange(len(user_id)), each)
        seed = keyed.absorb(word[who], np.tile(np.arange(each), len(user_id)))
        return self._futures()(user_id[who], seed, afresh), who

    def _shortlist(self, requests: Requests, slots: int, *, afresh: bool) -> tuple[Shortlist, FloatArray]:
        """Return what future pages of these users are made of, and float32 [u, p] log-odds of a click now."""
        catalog = self._known
        score, barred = self._score(requests), catalog.seen(requests) * BARRED
        barred += ~catalog.on_sale * (2 * BARRED)
        # Items that come again take the place of many that do not; a page of one has no room for several kinds of them.
        pages = np.inf if self._repeats == "forbid" or slots == 1 else _PAGES_AGAIN
        item = top_k(score - barred, int(min(self.settings.pool, score.shape[1], pages * slots)))
        word = keyed.words(self._seed, "planning stars", requests.user_id)
        copies, who = self._copies(word, requests.user_id, 1, afresh=afresh)
        short = Shortlist(item, np.take_along_axis(barred, item, axis=1), copies.expected_stars(item, who))
        return short, np.take_along_axis(score, item, axis=1)

    def _plan(self, requests: Requests, foresight: Foresight) -> IntArray:
        """Return int64 [u, k]: catalog positions of the pages."""
        if self._usual == GREEDY and not self._rivals:
            return self._best(requests, foresight.slate_size)
        shortlist, log_odds = self._shortlist(requests, foresight.slate_size, afresh=False)
        pages = [foresight.pick(log_odds, shortlist, style) for style in (self._usual, *(one.style for one in self._rivals))]
        chosen = self._choose(requests, foresight, shortlist) if self._rivals else np.zeros(len(log_odds), np.int64)
        pick = np.stack(pages)[chosen, np.arange(len(chosen))]
        return np.take_along_axis(shortlist.item, pick, axis=1)

    def _choose(self, requests: Requests, foresight: Foresight, shortlist: Shortlist) -> IntArray:
        """Return int64 [u]: what each user's futures speak for, 0 for the usual style, 1 for the first rival, and so on."""
        user_id, each = requests.user_id, self.settings.rollouts
        word = keyed.words(self._seed, "planning", user_id, requests.visit, requests.page)
        paid = []
        for style in (self._usual, *(rival.style for rival in self._rivals)):
            copies, who = self._copies(word, user_id, each, afresh=False)
            paid.append(foresight.serve(copies, shortlist, who, style).reshape(-1, each))
        more = [rival.expected(value - paid[0]) for rival, value in zip(self._rivals, paid[1:], strict=True)]
        chosen: IntArray = np.argmax([np.zeros(len(user_id)), *more], axis=0)
        return chosen


def _surely_positive(values: DoubleArray) -> bool:
    return bool(values.mean() > _SURE * values.std(ddof=1) / np.sqrt(len(values)))
