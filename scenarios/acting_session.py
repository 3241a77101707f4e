"""The visits of one arm whose users may do more than click, rate and leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.wrapped_users import innermost
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.pages import ACTIONS, Requests, Slates
from recsim_llm.core.protocols import WritesQueries
from recsim_llm.dynamics.catalog_search import CatalogSearch
from recsim_llm.dynamics.intents import Purposes
from recsim_llm.dynamics.user_actions import BACK, RECOMMENDED, SEARCHED, Actions, Acts, Asked
from recsim_llm.envs.rewards import PURCHASES
from recsim_llm.errors import ConfigError, SlateError
from recsim_llm.population.world import World
from recsim_llm.recommenders import Recommender, check_slates
from recsim_llm.recommenders.hooks import AnswersQueries
from recsim_llm.registry import blaming
from recsim_llm.scenarios.arm_protocols import Others, VisitLog
from recsim_llm.scenarios.arm_session import ArmSession
from recsim_llm.scenarios.clock_session import ClockSession
from recsim_llm.scenarios.offers import AnsweredOffer, Offer
from recsim_llm.scenarios.schema import Scenario

__all__ = ["ActingSession", "open_arm"]


class ActingSession(ClockSession):
    """The visits of users who search, refuse, save, share, buy and look back while time goes by.

    A page is recommended, the answer to a query, or the page before once more. Slots are sold on recommended pages alone.

    Args:
        scenario: with a clock and with actions.
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
        if scenario.actions is None:
            raise ConfigError("actions: got none, expected some; see ClockSession")
        names = () if self._intents is None else self._intents.names
        search, users = scenario.actions.search, innermost(world.users)
        self._typists = users if search is not None and isinstance(users, WritesQueries) else None
        write = None if self._typists is None else self._typists.write_queries
        self._actions = Actions(scenario.actions, world.catalog, world.population, self.seed, intents=names, write=write)
        self._search = None if search is None else CatalogSearch(world.catalog)
        asked = search is not None and search.answered_by == "recommender"
        self._answerer = recommender if asked and isinstance(recommender, AnswersQueries) else None
        self._genre = np.zeros(len(self._user_id), np.int64)
        self._before = np.full((len(self._user_id), scenario.slate_size), -1)
        self._only_genre = np.full(len(self._user_id), -1)
        self._excused = np.zeros(len(self._user_id), np.int64)

    def _take_up(self, rows: IntArray, purposes: Purposes) -> None:
        super()._take_up(rows, purposes)
        self._genre[rows] = purposes.genre

    def _offer(self, rows: IntArray) -> Offer:
        requests = self._requests(rows)
        self._only_genre[rows[requests.page == 0]] = -1
        asked = self._actions.ask(
            rows,
            requests.visit,
            requests.page,
            intent=self._intent[rows],
            genre=None if self._intents is None else self._genre[rows],
            only_genre=self._only_genre[rows],
            lookable=np.any(self._before[rows] >= 0, axis=1, keepdims=True)[:, 0],
        )
        if self._typists is not None:
            self._typists.show_queries(rows, asked.query.tolist())
        self._only_genre[rows], self._excused[rows] = asked.only_genre, 0
        only_genre = np.where(asked.how == RECOMMENDED, asked.only_genre, -1)
        if self._actions.settings.filter is not None:
            requests = requests._replace(only_genre=only_genre)
        parts = []
        for how in (RECOMMENDED, SEARCHED, BACK):
            place = np.flatnonzero(asked.how == how)
            if place.size:
                parts.append((place, *self._pages(how, rows[place], take_columns(requests, place), asked.query[place])))
        asked = asked._replace(excused=self._excused[rows])
        slates, index = _joined(parts, len(rows))
        # Which genre was asked for stands in no page of the log, so that nobody could ask again.
        for column in (slates.propensity, slates.prefix_propensity, slates.slate_propensity):
            if column is not None:
                column[only_genre >= 0] = np.nan
        return Offer(requests, self._history.length(rows), slates, index, asked)

    def _pages(self, how: int, rows: IntArray, requests: Requests, query: npt.NDArray[Any]) -> tuple[Slates, IntArray]:
        if how == RECOMMENDED:
            return self._recommended(rows, requests)
        if how == SEARCHED:
            return self._found(rows, requests, query.tolist())
        index = self._before[rows]
        self._excused[rows] = (index < 0).sum(axis=1)
        return Slates(np.where(index < 0, -1, self._catalog.item_id[index])), index

    def _sell(self, rows: IntArray, index: IntArray, slates: Slates) -> tuple[IntArray, Slates]:
        return super()._sell(rows, self._restricted(rows, index), slates)

    def _restricted(self, rows: IntArray, index: IntArray) -> IntArray:
        """Return pages with a blank in place of what is not of the genre that users ask for, or not new to them.

        Raises:
            SlateError: there would have been something else, and slots that break a rule are to be refused.
        """
        place = np.flatnonzero(self._only_genre[rows] >= 0)
        if not place.size:
            return index
        who, known = rows[place], self._visits.known
        fits = self._catalog.genres.T[self._only_genre[who]] & self._catalog.on_sale
        if known is not None:
            fits &= known.fresh(who)
        page, size = index[place], index.shape[1]
        wrong = (page >= 0) & ~np.take_along_axis(fits, np.maximum(page, 0), axis=1)
        lacking = np.maximum(size - np.count_nonzero(fits, axis=1), 0)
        at = np.flatnonzero(np.count_nonzero(wrong, axis=1) > lacking)
        if at.size and self._scenario.invalid == "error":
            self._refuse(int(place[at[0]]), int(wrong[at[0]].argmax()), index, rows)
        self._excused[who] = lacking
        index = index.copy()
        index[place] = np.where(wrong, -1, page)
        return index

    def _refuse(self, row: int, slot: int, index: IntArray, rows: IntArray) -> None:
        item, genre = self._catalog.item_id[index[row, slot]], self._catalog.genre_names[self._only_genre[rows[row]]]
        raise SlateError(
            f"{self._name}, row {row}, position {slot}: got item {item}, expected new items of the genre {genre!r}, which the "
            "user asks for; go by requests.only_genre, or set invalid=count to blank and count such slots"
        )

    def _found(self, rows: IntArray, requests: Requests, queries: Sequence[str]) -> tuple[Slates, IntArray]:
        """Return pages that answer queries."""
        size, known = self._scenario.slate_size, self._visits.known
        if self._answerer is not None:
            with blaming(f"recommender {self._name!r}, search in {self._when}", "slates, as of recommend"):
                slates = self._answerer.search(requests, queries, size)
            blank = self._scenario.invalid == "count"
            index = check_slates(slates, self._catalog, len(rows), size, name=self._name, blank_invalid=blank)
            return slates, self._admitted(index, rows)
        assert self._search is not None
        fresh = None if known is None else known.fresh(rows)
        index = self._search.answer(queries, size, on_sale=self._catalog.on_sale, fresh=fresh)
        return Slates(self._catalog.item_id[index]), self._admitted(index, rows)

    def _show(self, offer: Offer, rows: IntArray) -> AnsweredOffer:
        answered = super()._show(offer, rows)
        outcome, feedback = answered.outcome, answered.outcome.feedback
        acts = self._actions.act(feedback)
        self._history.note(rows, acts.did)
        self._before[rows] = np.where(feedback.clicked, -1, feedback.pages.item_index)
        assert offer.asked is not None
        invalid = np.maximum(outcome.invalid - offer.asked.excused, 0)
        reward = outcome.reward
        if self._scenario.reward == PURCHASES:
            reward = acts.done("purchase").sum(axis=1) * self._weight[rows]
        return answered._replace(outcome=outcome._replace(invalid=invalid, reward=reward), acts=acts)

    def _take_in(self, everyone: AnsweredOffer) -> None:
        super()._take_in(everyone)
        if everyone.offer.asked is not None and everyone.acts is not None:
            self._log_asked(everyone, everyone.offer.asked)
            self._log_acts(everyone, everyone.acts)

    def _log_asked(self, answered: AnsweredOffer, asked: Asked) -> None:
        begins = np.flatnonzero(asked.begins)
        if begins.size:
            subject = np.array(self._catalog.genre_names, object)[asked.only_genre[begins]]
            self._log_events(answered, begins, event=np.full(len(begins), "filter", object), subject=subject)
        rows = np.flatnonzero(asked.how != RECOMMENDED)
        if not rows.size:
            return
        query, value = asked.query[rows], np.full(len(rows), np.nan)
        searched = asked.how[rows] == SEARCHED
        if self._search is not None:
            value[searched] = self._search.matches(query[searched].tolist(), self._catalog.on_sale)
        event = np.where(searched, "search", "back").astype(object)
        self._log_events(answered, rows, event=event, subject=query, value=value)

    def _log_acts(self, answered: AnsweredOffer, acts: Acts) -> None:
        row, slot, action = np.nonzero(acts.did[:, :, None] & (1 << np.arange(len(ACTIONS), dtype=np.uint8)))
        if not row.size:
            return
        index = answered.outcome.feedback.pages.item_index[row, slot]
        friend, sent = np.full(len(row), -1), action == ACTIONS.index("share")
        if self._gossip is not None and sent.any():
            whom = self._actions.whom(answered.outcome.feedback.pages, row[sent], slot[sent])
            friend[sent] = self._gossip.send(answered.rows[row[sent]], index[sent], whom)
        self._log_events(
            answered,
            row,
            event=np.array(ACTIONS, object)[action],
            subject=np.full(len(row), None, object),
            item_id=self._catalog.item_id[index],
            other_id=friend,
            value=acts.chance[row, slot, action].astype(np.float64),
        )

    def _log_events(self, answered: AnsweredOffer, row: IntArray, **columns: npt.NDArray[Any]) -> None:
        pages = answered.outcome.feedback.pages
        who = {"user_id": self._user_id[pages.user_index[row]], "visit": pages.visit[row], "page": pages.page[row]}
        self._log.events(**self._when_of(len(row)), **who, **columns)


def _joined(parts: list[tuple[IntArray, Slates, IntArray]], rows: int) -> tuple[Slates, IntArray]:
    """Return the pages of all rows; what is not known of some of them is NaN, so that any batches can be joined."""
    slots = parts[0][2].shape[1]
    index = np.empty((rows, slots), np.int64)
    unknown = np.full((2, rows, slots), np.nan, np.float32)
    words = [
        None if all(column is None for column in columns) else np.full((rows, slots), "", object)
        for columns in zip(*((slates.explanation, slates.title) for _, slates, _ in parts), strict=True)
    ]
    whole = Slates(np.full((rows, slots), -1), unknown[0], unknown[1], np.full(rows, np.nan, np.float64), *words)
    for place, slates, positions in parts:
        index[place] = positions
        for column, part in zip(whole, slates, strict=True):
            if column is not None and part is not None:
                column[place] = part
    return whole, index


def open_arm(
    scenario: Scenario,
    world: World,
    recommender: Recommender,
    *,
    name: str,
    log: VisitLog,
    others: Others[AnsweredOffer] | None = None,
) -> ArmSession:
    """Return the session of an arm, with the clock and the actions that the scenario has; arguments as of ``ArmSession``.

    Raises:
        ConfigError: users talk instead of browsing pages.
    """
    if scenario.conversation is not None:
        raise ConfigError(
            f"scenario {scenario.name!r}: got one with a conversation, expected pages; play it with recsim-llm run, or as "
            "RecSimLLM/Converse-v0"
        )
    timed = ClockSession if scenario.actions is None else ActingSession
    kind = ArmSession if scenario.clock is None else timed
    return kind(scenario, world, recommender, name=name, log=log, others=others)
