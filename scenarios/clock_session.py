"""The visits of one arm under a clock: users come when they come, and things happen in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.influenced_users import influence_on
from recsim_llm.agents.wrapped_users import innermost
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import Slates
from recsim_llm.core.protocols import SeesPrices
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.core.visits import PageOutcome
from recsim_llm.dynamics.chats import Chats
from recsim_llm.dynamics.clock import HOURS, Moment
from recsim_llm.dynamics.influence import Influence
from recsim_llm.dynamics.intents import Intents, Purposes
from recsim_llm.dynamics.provider_exits import ProviderExits
from recsim_llm.dynamics.timeline import Event, Sold, restocked
from recsim_llm.dynamics.word_of_mouth import WordOfMouth
from recsim_llm.errors import ConfigError
from recsim_llm.log.schema import CHAT
from recsim_llm.population.world import World
from recsim_llm.recommenders import Recommender
from recsim_llm.recommenders.hooks import TakesRatings, begin_day, restock
from recsim_llm.scenarios.arm_protocols import Others, Served, VisitLog
from recsim_llm.scenarios.arm_session import ArmSession
from recsim_llm.scenarios.attacked_stock import attacked_stock
from recsim_llm.scenarios.clock_settings import ClockSettings
from recsim_llm.scenarios.gossip import Gossip
from recsim_llm.scenarios.offers import AnsweredOffer
from recsim_llm.scenarios.planned import make_provider_exits, make_timeline
from recsim_llm.scenarios.schema import Scenario

__all__ = ["ClockSession"]


class ClockSession(ArmSession):
    """The visits that the users of a world pay to one recommender while time goes by.

    Step by step: those who are due visit, page by page together; then those who come back get their next time. What
    interventions do holds for whole steps. A row is a user index.

    Args:
        scenario: with a clock.
        world: items and users, who can be moved from outside.
        recommender: fitted before the first visit, on what ``stock`` returns.
        name: of the arm.
        log: where everything goes.
        others: as in ``ArmSession``.
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
        super().__init__(scenario, world, recommender, name=name, log=log, others=others)
        influence = influence_on(world.users)
        if scenario.clock is None or influence is None:
            raise ConfigError(
                f"clock: got {scenario.clock} and {type(world.users).__name__}, expected both; see with_influence"
            )
        self.influence: Influence = influence
        """What moves the users, now."""
        self.settings: ClockSettings = scenario.clock
        """The scenario's."""
        self.clock = scenario.clock.clock(self._user_id, self._seed)
        """Who comes when."""
        self.timeline = make_timeline(scenario, world)
        """What happens by plan."""
        self.timeline.prepare(influence, self.clock)
        self.moments = self.clock.moments()
        """The steps, in order."""
        self._moment = self.moments[0]
        self._intents = None if scenario.intents is None else Intents(scenario.intents, world.population, self._seed)
        self._came = np.zeros(len(self._user_id), np.bool_)
        self._stocked = False
        self._genuine: Ratings | None = None
        self._intent = np.zeros(len(self._user_id), np.int64)
        self._weight = np.ones(len(self._user_id))
        self._put_on_sale(self.timeline.on_sale(self._moment), self.timeline.prices(self._moment))
        chats = influence.chats if isinstance(influence.chats, Chats) else None
        self._gossip = Gossip(influence.heard, world, chats) if isinstance(influence.heard, WordOfMouth) else None
        self._providers = make_provider_exits(scenario, world)

    def stock(self, known: Dataset) -> tuple[Catalog, Ratings]:
        """Return what a recommender may learn from before the first page; of items that come later there is nothing."""
        self._stocked = True
        later = self.timeline.unreleased()
        catalog, ratings = replace(known.catalog, retired=self._catalog.retired, price=self._catalog.price), known.ratings
        if later.any():
            item = known.catalog.index_of(known.ratings.item_id)
            catalog = replace(catalog, popularity=np.where(later, np.float32(0), catalog.popularity))
            ratings = known.ratings.take(~later[item] | (item < 0))
        self._genuine = ratings
        return attacked_stock(self._scenario, self._name, catalog, ratings)

    def play(self) -> Iterator[Served]:
        """Let time go by; tell how far it is after each page."""
        for number, moment in enumerate(self.moments):
            rows = self.clock.coming(moment)
            if self._others is not None:
                rows = rows[np.isin(rows, self._others.mine, assume_unique=True)]
            for page, users in self.step(moment, rows):
                share = number + page / self._scenario.max_pages
                yield Served(number, page, users, share / len(self.moments))

    def step(self, moment: Moment, rows: IntArray) -> Iterator[tuple[int, int]]:
        """Let some users visit in a step, the first that is not over; yield pages shown a user and users still browsing.

        Args:
            moment: the step.
            rows: int64 [m]: whose next visit falls into it, ascending.
        """
        self.begin_step(moment)
        yield from self.visit(rows)
        self.end_step()

    def begin_step(self, moment: Moment) -> None:
        """Let happen by plan what happens before anybody visits in a step, the first that is not over."""
        self._moment, self._when = moment, moment.said
        if moment.hour == 0:
            begin_day(self._recommender)
        offered = True if self._providers is None else self._providers.offered()
        self._put_on_sale(self.timeline.on_sale(moment) & offered, self.timeline.prices(moment))
        self._note(self.timeline.act(moment, self.influence))
        if isinstance(self._recommender, TakesRatings) and self._genuine is not None:
            for fakes in self.timeline.fakes(moment, self._genuine):
                self._recommender.join(fakes)

    def visit(self, rows: IntArray) -> Iterator[tuple[int, int]]:
        """Let some users visit together in the step that has begun; what is yielded, and ``rows``, as of ``step``."""
        visit = np.where(self._came[rows], self._kernel.visit[rows] + 1, 0)
        if self._intents is not None and rows.size:
            self._take_up(rows, self._intents.draw(rows, visit))
        self._came[rows] = True
        yield from self._visit(rows, visit)

    def end_step(self) -> None:
        """Let friends talk and providers judge, once everyone has visited."""
        if self._gossip is not None:
            self._talk(self._gossip, self._step_hours / HOURS)
        if self._providers is not None:
            self._judge_exposure(self._providers)

    def _talk(self, gossip: Gossip, days: float) -> None:
        """Let friends tell what they liked, and chat."""
        gossip.exchange(days)
        chats = gossip.chat(self._moment.first, days)
        if chats and len(chats["user_id"]):
            self._note_of_friends(CHAT, chats)

    def _note_of_friends(self, event: str, columns: dict[str, npt.NDArray[Any]]) -> None:
        count = len(columns["user_id"])
        self._log.events(**self._when_of(count), event=[event] * count, subject=[None] * count, **columns)

    def _judge_exposure(self, providers: ProviderExits) -> None:
        """Let providers see how much they were shown; at the end of a day they decide whether to leave."""
        on_sale, day = self._catalog.on_sale, self._moment.day
        providers.end_step(day, on_sale)
        if self._moment.after % HOURS == 0:
            self._note(providers.end_day(day, on_sale))

    @property
    def _step_hours(self) -> int:
        return self._moment.after - self._moment.first

    def _take_up(self, rows: IntArray, purposes: Purposes) -> None:
        """Let users be moved by what they came for, until the step is over."""
        self._intent[rows], self._weight[rows] = purposes.intent, purposes.reward
        self.influence.weight[rows, self.influence.wish] += purposes.wish
        self.influence.weight[rows, 0] += purposes.click
        self.influence.leaving[rows] += purposes.leave

    def _put_on_sale(self, on_sale: BoolArray, price: FloatArray | None) -> None:
        users = innermost(self._world.users)
        if price is not None and isinstance(users, SeesPrices):
            users.show_prices(price)
        same_price = price is None or np.array_equal(price, np.asarray(self._catalog.price))
        if same_price and np.array_equal(on_sale, self._catalog.on_sale):
            return
        if np.count_nonzero(on_sale) < self._scenario.slate_size:
            raise ConfigError(
                f"interventions: got {np.count_nonzero(on_sale)} items on sale in {self._when or 'the beginning'}, expected "
                f"{self._scenario.slate_size} or more, a page; release or retire others"
            )
        self._catalog = restocked(self._catalog, on_sale, price)
        if self._visits.known is not None:
            self._visits.known.restock(self._catalog)
        if self._stocked:
            restock(self._recommender, self._catalog)

    def _note(self, events: list[Event]) -> None:
        """Write down what happens to no user in particular."""
        if events:
            self._log.events(
                **self._when_of(len(events)),
                event=[one.event for one in events],
                subject=[one.subject for one in events],
                other_id=np.array([one.other_id for one in events]),
                value=np.array([one.value for one in events]),
            )

    def _when_of(self, count: int) -> dict[str, IntArray]:
        """Return the columns of the present time, for so many events."""
        return {"day": np.full(count, self._moment.day), "hour": np.full(count, self._moment.hour)}

    def _sell(self, rows: IntArray, index: IntArray, slates: Slates) -> tuple[IntArray, Slates]:
        for sold in self.timeline.sold(self._moment):
            index, slates = self._sold(sold, rows, index, slates)
        return index, slates

    def _sold(self, sold: Sold, rows: IntArray, index: IntArray, slates: Slates) -> tuple[IntArray, Slates]:
        """Put what is paid for into its slot of each page: page after page the next item that may stand there, if any may."""
        count, known = len(sold.item), self._visits.known
        turn = (self._kernel.visit[rows] + self._kernel.page[rows])[:, None] + np.arange(count)
        item = sold.item[turn % count]
        allowed = self._catalog.on_sale[item]
        if known is not None:
            allowed &= ~known.knows(item, rows)
        others = np.delete(index, sold.slot, axis=1)
        for place in range(others.shape[1]):
            allowed &= item != others[:, place, None]
        pages = np.flatnonzero(allowed.any(axis=1))
        chosen = item[pages, allowed[pages].argmax(axis=1)]
        index = index.copy()
        index[pages, sold.slot] = chosen
        return index, _with_sold(slates, pages, sold.slot, self._catalog.item_id[chosen])

    def _take_in(self, everyone: AnsweredOffer) -> None:
        super()._take_in(everyone)
        if self._providers is not None:
            self._providers.take_in(everyone.outcome.feedback.pages.item_index)
        if self._gossip is not None:
            clicks = self._gossip.take_in(everyone.rows, everyone.outcome.feedback)
            if len(clicks["user_id"]):
                self._note_of_friends("friend_click", clicks)

    def _friends_liked(self, rows: IntArray, feedback: Feedback) -> IntArray | None:
        return None if self._gossip is None else self._gossip.liked(rows, feedback.pages.item_index)

    def _paid(self, rows: IntArray, outcome: PageOutcome) -> PageOutcome:
        return outcome if self._intents is None else outcome._replace(reward=outcome.reward * self._weight[rows])

    def _over(self, rows: IntArray, visit: IntArray, back: BoolArray) -> dict[str, npt.NDArray[Any]]:
        due = self.clock.due[rows]
        when = {"day": due // HOURS, "hour": due % HOURS}
        if self._intents is not None:
            when["intent"] = np.array(self._intents.names, object)[self._intent[rows]]
        self.clock.come_again(rows[back], visit[back] + 1)
        self.clock.stay_away(rows[~back])
        return when


def _with_sold(slates: Slates, pages: IntArray, slot: int, item_id: IntArray) -> Slates:
    """Return slates with other items in one slot of some pages, which are there for certain and without a recommender's words.

    Of whole pages nothing is known.
    """
    ids = np.array(slates.item_id, np.int64)
    ids[pages, slot] = item_id
    certain: dict[str, npt.NDArray[np.floating]] = {}
    for name in ("propensity", "prefix_propensity"):
        column = getattr(slates, name)
        if column is not None:
            certain[name] = np.array(column)
            certain[name][pages, slot] = 1.0
    whole = slates.slate_propensity
    if whole is not None:
        whole = np.array(whole)
        whole[pages] = np.nan
    words = {name: getattr(slates, name) for name in ("explanation", "title")}
    for name, column in words.items():
        if column is not None:
            words[name] = np.array(column, object)
            words[name][pages, slot] = ""
    return Slates(ids, certain.get("propensity"), certain.get("prefix_propensity"), whole, **words)
