"""The visits of one arm: a recommender meets every user of a world, page by page, and everything is logged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.dice import VisitDice, seed_words
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.histories import Histories
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Requests, Rows, Slates, probability
from recsim_llm.core.profiles import make_profile
from recsim_llm.core.protocols import AnswersLater, CopiesRows, RanksItems
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.core.rollouts import Rollouts
from recsim_llm.core.visits import PageOutcome, Visits, VisitTotals, draw_return
from recsim_llm.envs.rewards import resolve_reward
from recsim_llm.errors import ConfigError
from recsim_llm.population.world import World
from recsim_llm.recommenders import Recommender, Truth, check_slates
from recsim_llm.registry import blaming, blaming_plug_in
from recsim_llm.scenarios.arm_protocols import Others, Served, VisitLog
from recsim_llm.scenarios.attacked_stock import attacked_stock
from recsim_llm.scenarios.offers import AnsweredOffer, Offer, OpenOffers, in_order
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.spoken_pages import SpokenSession

__all__ = ["ArmSession"]

_MOST_SLOTS = 500_000_000


class ArmSession:
    """The visits that every user of a world pays to one recommender.

    Args:
        scenario: page size, budgets, reward, and a seed.
        world: items and users.
        recommender: fitted before the first visit.
        name: of the arm.
        log: where everything goes.
        others: where not everyone is served here; what is logged is then of those who are, but for events.
    """

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        recommender: Recommender,
        *,
        name: str,
        log: VisitLog,
        others: Others[AnsweredOffer] | None = None,
    ) -> None:
        if scenario.seed is None:
            raise ConfigError("scenario: got no seed, expected one by now; set seed")
        self._scenario, self._world, self._recommender, self._name, self._log = scenario, world, recommender, name, log
        self._others = others
        self.seed = self._seed = scenario.seed
        self._user_id = world.population.user_id
        users = len(self._user_id)
        self._visits = Visits(
            users=world.users,
            user_id=self._user_id,
            catalog=world.catalog,
            reward=resolve_reward(scenario.reward, buys=scenario.buys),
            rows=users,
            slate_size=scenario.slate_size,
            max_pages=scenario.max_pages,
            repeats=scenario.repeats,
            rated=world.rated,
        )
        self._kernel = self._visits.kernel
        slots = scenario.visits * scenario.max_pages * scenario.slate_size
        if users * slots > _MOST_SLOTS:
            raise ConfigError(
                f"users x visits x pages x slate_size: got {users * slots:,}, expected at most {_MOST_SLOTS:,}, since "
                "recommenders see whole histories; lower one of them"
            )
        self._history = Histories(users, scenario.slate_size, actions=scenario.actions is not None)
        self._profile = make_profile(world.population.demographics, users) if others is None else others.profile
        self._order = np.argsort(self._user_id, kind="stable")
        self._ended = np.zeros(users, np.bool_)
        self._totals = VisitTotals(users)
        self._answered: list[AnsweredOffer] = []
        self._catalog = world.catalog
        self.words = SpokenSession(scenario, world)
        """What is written on pages, and what users say."""
        self._when = ""
        self.pages = 0
        self.clicks = 0

    def appeal(self, user_id: IntArray) -> FloatArray:
        """Return float32 [m, n]: what these users feel for every item at this moment; for the oracle.

        Raises:
            ConfigError: the user model cannot tell.
        """
        users = self._world.users
        if not isinstance(users, RanksItems):
            raise ConfigError(
                f"oracle: got {type(users).__name__}, which has no appeal(rows), expected choice users; leave it out"
            )
        return users.appeal(self._rows_of(user_id))

    def look(self, user_id: IntArray, item_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: the log-odds of a click that users would decide on for pages, which they are not shown.

        Args:
            user_id: int64 [m]: outside ids.
            item_index: int64 [m, k]: catalog positions, as many as a page has slots.
        """
        return self._world.users.decide(self._kernel.pages(item_index, self._rows_of(user_id))).click_log_odds

    def truth(self) -> Truth:
        """Return the hidden side of the world, as it is at any moment."""
        rollouts = self.rollouts if isinstance(self._world.users, CopiesRows) else None
        return Truth(self.appeal, rollouts, self._user_id)

    def rollouts(self, user_id: IntArray, seed: keyed.Words, afresh: bool) -> Rollouts:
        """Return copies of these users with dice of their own; for who plans ahead.

        Args:
            user_id: int64 [m]: outside ids, each as often as wanted.
            seed: uint64 [m]: of the dice.
            afresh: the copies begin a first visit; otherwise they go on from where they are at this moment.

        Raises:
            ConfigError: the user model cannot copy its users.
        """
        rows = self._rows_of(user_id)
        visits, begin = self._scenario.visits, rows if afresh else None
        return Rollouts(self._visits, rows, user_id=user_id, seed=seed, most_visits=visits, afresh=begin)

    def _rows_of(self, user_id: IntArray) -> IntArray:
        return self._order[np.searchsorted(self._user_id, user_id, sorter=self._order)]

    def stock(self, known: Dataset) -> tuple[Catalog, Ratings]:
        """Return what a recommender may learn from before the first page, fake users included where its arm has some.

        Args:
            known: the training part of the data.
        """
        return attacked_stock(self._scenario, self._name, known.catalog, known.ratings)

    def play(self) -> Iterator[Served]:
        """Have everyone make all their visits, round by round; tell how far it is after each page."""
        scenario, present = self._scenario, np.arange(len(self._user_id)) if self._others is None else self._others.mine
        for visit in range(scenario.visits):
            self._when = f"visit {visit}"
            for page, users in self._visit(present, np.full(len(present), visit)):
                yield Served(visit, page, users, (visit + page / scenario.max_pages) / scenario.visits)
            _, returned = self._return(present)
            present = present[returned]

    def _visit(self, rows: IntArray, visit: IntArray) -> Iterator[tuple[int, int]]:
        """Have some users visit once; yield pages shown a user and users still browsing as it goes on."""
        if rows.size:
            self._begin(rows, visit)
        yield from self._freely(rows) if self._scenario.barrier == "visit" else self._together(rows)

    def _begin(self, rows: IntArray, visit: IntArray) -> None:
        dice = self._kernel.dice(rows, visit, seed_words([self._seed]))
        again = visit > 0
        with self._users_code("begin"):
            if again.all() or not again.any():
                self._visits.begin(self._all(rows), rows, visit, dice, returning=bool(again.any()))
            else:
                for who, returning in ((~again, False), (again, True)):
                    own = VisitDice(dice.word[who], dice.draws[who])
                    self._visits.begin(rows[who], rows[who], visit[who], own, returning=returning)

    def keep_unfinished(self) -> None:
        """Log what users did so far in a visit that is broken off; nothing can be shown to them afterwards."""
        for page in in_order(self._answered):
            self._record(page)
            self._take_in(page)
        self._log.keep_unfinished()

    def _together(self, rows: IntArray) -> Iterator[tuple[int, int]]:
        """Page by page: everyone waits for everyone, and the recommender learns after each page."""
        page = 0
        while True:
            answered = self._show(self._written_offer(rows), rows) if rows.size else None
            if not self._settle(answered):
                return
            if answered is not None:
                rows = rows[~answered.outcome.ended]
            page += 1
            yield page, len(rows)

    def _freely(self, rows: IntArray) -> Iterator[tuple[int, int]]:
        """Each user goes on as soon as its page is answered; the recommender learns, and the log is written, at the end.

        What is settled at the end is in the order of pages and users, so that nothing depends on who was answered first.
        """
        users = self._world.users
        everyone, waiting, open_offers = len(rows), rows, OpenOffers()
        answered = self._answered = []
        browsing, pages = len(rows), 0
        while browsing:
            if waiting.size:
                offer = self._written_offer(waiting)
                open_offers.add(waiting, offer)
                if isinstance(users, AnswersLater):
                    with self._users_code("start"):
                        users.start(self._kernel.pages(offer.item_index, waiting))
            with self._users_code("collect"):
                ready = users.collect() if isinstance(users, AnswersLater) else waiting
            for offer, part in open_offers.take(ready):
                answered.append(self._show(offer, part))
                browsing -= int(answered[-1].outcome.ended.sum())
                pages += len(part)
            waiting = ready[~self._ended[ready]]
            if browsing:
                yield pages // everyone, browsing
        self._answered = []
        settled = in_order(answered)
        while self._settle(next(settled, None)):
            pass
        if everyone:
            yield pages // everyone, browsing

    def _written_offer(self, rows: IntArray) -> Offer:
        """Return the next page of these users, with its words before their eyes where they read such."""
        offer = self._offer(rows)
        self.words.write(rows, offer)
        return offer

    def _offer(self, rows: IntArray) -> Offer:
        """Return the next page of these users."""
        requests = self._requests(rows)
        return Offer(requests, self._history.length(rows), *self._recommended(rows, requests))

    def _requests(self, rows: IntArray) -> Requests:
        number, page = self._kernel.visit[rows], self._kernel.page[rows]
        told = (*self._history.of(rows), self._profile[rows], self._history.actions(rows))
        return Requests(self._user_id[rows], number, page, *told, text=self.words.before(rows))

    def _recommended(self, rows: IntArray, requests: Requests) -> tuple[Slates, IntArray]:
        """Ask the recommender for pages; return them as they are shown, and as positions in the catalog, -1 where blank."""
        scenario = self._scenario
        with blaming(f"recommender {self._name!r}, recommend in {self._when}", "slates; see check_recommender"):
            slates = self._recommender.recommend(requests, scenario.slate_size)
        blank, size = scenario.invalid == "count", scenario.slate_size
        index = check_slates(slates, self._catalog, len(rows), size, name=self._name, blank_invalid=blank)
        index, slates = self._sell(rows, index, slates)
        return slates, self._admitted(index, rows)

    def _admitted(self, index: IntArray, rows: IntArray) -> IntArray:
        """Return pages under the rule on repetition: -1 where a slot breaks it; what is left counts as shown."""
        refuse = None if self._scenario.invalid == "count" else self._name
        again = self._visits.admit(index, self._all(rows), refuse=refuse)
        return index if again is None else np.where(again, -1, index)

    def _sell(self, rows: IntArray, index: IntArray, slates: Slates) -> tuple[IntArray, Slates]:
        """Return pages with what others than the recommender put on them; nothing where no slot is sold."""
        del rows
        return index, slates

    def _paid(self, rows: IntArray, outcome: PageOutcome) -> PageOutcome:
        """Return what came of a page, paid by what the visit is for; as it is where that does not matter."""
        del rows
        return outcome

    def _show(self, offer: Offer, rows: IntArray) -> AnsweredOffer:
        """Show an offer to its users and draw what they do."""
        blank = offer.item_index < 0
        with self._users_code("a page"):
            plain = self.words.plain_log_odds(offer, lambda: self.look(self._user_id[rows], offer.item_index))
            outcome = self._paid(rows, self._visits.show(offer.item_index, self._all(rows), blank if blank.any() else None))
        feedback, ratings = outcome.feedback, outcome.feedback.ratings()
        self._history.add(rows, np.where(blank, -1, offer.slates.item_id), feedback.clicked, ratings)
        self._ended[rows] = outcome.ended
        self.pages += len(rows)
        self.clicks += feedback.slot.size
        words = self.words.take_in(rows, feedback, plain)
        return AnsweredOffer(rows, offer, outcome, ratings, words=words)

    def _settle(self, answered: AnsweredOffer | None) -> bool:
        """Let the recommender learn from a page that users saw, and log it; tell whether anybody saw one."""
        everyone = answered if self._others is None else self._others.gather(answered)
        if everyone is None:
            return False
        offer, clicked = everyone.offer, everyone.outcome.feedback.clicked
        with blaming(f"recommender {self._name!r}, observe in {self._when}", "it to take in the page; see check_recommender"):
            self._recommender.observe(offer.requests, offer.slates, clicked, everyone.ratings)
        if answered is not None:
            self._record(answered)
        self._take_in(everyone)
        self._log.turn()
        return True

    def _take_in(self, everyone: AnsweredOffer) -> None:
        """Let a page that users saw, here and elsewhere, do to the world what it does."""

    def _record(self, answered: AnsweredOffer) -> None:
        """Log a page that users saw here."""
        rows, outcome = answered.rows, answered.outcome
        feedback, reward = outcome.feedback, outcome.reward
        self._log.page(
            feedback,
            slates=answered.offer.slates,
            reward=reward,
            invalid=outcome.invalid,
            out_of_pages=outcome.out_of_pages,
            friend_id=self._friends_liked(rows, feedback),
            words=answered.words,
        )
        clicks = np.bincount(feedback.row, minlength=len(rows))
        totals = self._totals.add(feedback.pages.page[None], np.stack([clicks, reward])[:, None], rows)
        if outcome.ended.any():
            self._end(rows, outcome, totals[:, 0])

    def _friends_liked(self, rows: IntArray, feedback: Feedback) -> IntArray | None:
        """Return int64 [u, k]: which friend liked what each slot shows; None where nobody has friends."""
        del rows, feedback
        return None

    def _end(self, rows: IntArray, outcome: PageOutcome, totals: npt.NDArray[np.float64]) -> None:
        feedback, ended = outcome.feedback, outcome.ended
        gone, (clicks, reward) = rows[ended], totals[:, ended]
        visit = feedback.pages.visit[ended]
        chance, returned = self._return(gone)
        last = visit + 1 >= self._scenario.visits
        self._log.visits(
            user_id=self._user_id[gone],
            visit=visit,
            pages=feedback.pages.page[ended] + 1,
            clicks=clicks.astype(np.int64),
            reward=reward,
            satisfaction=probability(feedback.mood.satisfaction[ended]),
            left=feedback.left[ended],
            return_prob=chance,
            returned=returned,
            last=last,
            **self._over(gone, visit, returned & ~last),
        )

    def _over(self, rows: IntArray, visit: IntArray, back: BoolArray) -> dict[str, npt.NDArray[Any]]:
        """Take note that visits are over and who comes back; return when they took place, in columns of the log."""
        del rows, visit, back
        return {}

    def _return(self, rows: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return the probability of another visit, and whether it is drawn."""
        with self._users_code("return_log_odds"):
            seed, visit = np.array([self._seed], np.uint64), self._kernel.visit[rows]
            return draw_return(self._world.users, rows, seed=seed, user_id=self._user_id[rows], visit=visit)

    def _users_code(self, what: str) -> AbstractContextManager[None]:
        return blaming_plug_in("users", self._scenario.users.model, did=what, expected="what check_user_model checks")

    def _all(self, rows: IntArray) -> Rows:
        """Return a slice where everyone is there: the kernel then works in place."""
        return ALL_ROWS if len(rows) == len(self._user_id) else rows
