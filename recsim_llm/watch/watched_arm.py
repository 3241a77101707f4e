"""One arm of a watched run: played step by step, with another recommender put in place where somebody wants that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Lock
from typing import Any

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import Slates
from recsim_llm.core.ratings import Dataset
from recsim_llm.dynamics.clock import HOURS, NEVER, Moment
from recsim_llm.log.writer import RunLog
from recsim_llm.population.world import World
from recsim_llm.recommenders import Recommender, Retrained
from recsim_llm.recommenders.hooks import AnswersQueries
from recsim_llm.registry import blaming
from recsim_llm.scenarios.acting_session import open_arm
from recsim_llm.scenarios.arm_protocols import Served
from recsim_llm.scenarios.arm_settings import Arm
from recsim_llm.scenarios.building import Stage, recommender_seed
from recsim_llm.scenarios.clock_session import ClockSession
from recsim_llm.scenarios.serving import ServedRecommender, give_hooks
from recsim_llm.watch.last_pages import LastPages, SeenPage
from recsim_llm.watch.step_series import StepSeries
from recsim_llm.watch.switched_recommender import SwitchedRecommender

__all__ = ["WatchedArm"]


class WatchedArm:
    """An arm whose users have not come yet; its recommender is fitted.

    Args:
        built: the scenario.
        arm: which arm.
        world: items and users of its own, since other arms are played at the same time.
        known: what recommenders may learn from before the first page.
    """

    def __init__(self, built: Stage, arm: Arm, world: World, known: Dataset) -> None:
        scenario = built.scenario
        self.name, self.world = arm.name, world
        self._built, self._known = built, known
        self._arms = {one.name: place for place, one in enumerate(scenario.recommenders)}
        self.log: RunLog | None = None
        """Where everything goes besides; None: nowhere."""
        self.finished = False
        """Nobody comes any more."""
        self.steps = 0
        """Steps that were played."""
        self.timings: list[tuple[str, int, int, float]] = []
        """Rows of ``timings``: seconds that the arm took so far, without what others took in between."""
        self.series = StepSeries()
        self._pages = LastPages(
            world.catalog, users=len(world.population), slate_size=scenario.slate_size, max_pages=scenario.max_pages
        )
        self._reading, self._seconds = Lock(), 0.0
        self._switch = SwitchedRecommender(searched=isinstance(built.recommenders[arm.name](), AnswersQueries))
        self._served: dict[str, ServedRecommender] = {}
        self.session = open_arm(scenario, world, self._switch, name=arm.name, log=_Tap(self))
        if scenario.asks_writer:
            self.session.words.let_write(built.roles.role("writer"))
        self.serve_by(arm.name)
        self._play = self.session.play()
        self.last: Served | None = None
        """How far it is; None before the first page, and with a clock."""

    @property
    def recommender(self) -> str:
        """Name of the arm whose recommender serves these users."""
        return self._switch.name

    @property
    def moment(self) -> Moment | None:
        """The step that comes next; None without a clock, and when the time is over."""
        moments = self.session.moments if isinstance(self.session, ClockSession) else []
        return moments[self.steps] if self.steps < len(moments) else None

    def serve_by(self, name: str) -> None:
        """Let the recommender of another arm serve these users from now on.

        Whoever was not in place before is fitted as it would have been before the first page: it knows nothing of the run but
        what each request tells of its user.

        Args:
            name: of the arm in the scenario.
        """
        self._switch.put(name, None if name in self._switch else self._fitted(name))

    def _fitted(self, name: str) -> Recommender:
        arm = self._built.scenario.recommenders[self._arms[name]]
        recommender = self._built.recommenders[name]()
        self._served[name] = served = ServedRecommender(recommender, name)
        learner = served if arm.retrain is None else Retrained(served, arm.retrain)
        with blaming(f"recommender {name!r}, fit", "it to learn from the ratings; see check_recommender"):
            give_hooks(recommender, self._built, self.session)
            learner.fit(*self.session.stock(self._known), recommender_seed(self._built.scenario))
        return learner

    def step(self) -> Iterator[None]:
        """Let users browse through one step, the next of the clock or without one the next page of everyone.

        Yields after each page shown to those who browse. An arm in which nobody comes any more is ``finished``.
        """
        started = time.perf_counter()
        for _ in self._timed_pages():
            self._seconds += time.perf_counter() - started
            yield
            started = time.perf_counter()
        if not self.finished:
            self.steps += 1
            with self._reading:
                self.series.end(float(self._pages.shown.mean()))
        self._seconds += time.perf_counter() - started
        if isinstance(self.session, ClockSession):
            self.finished = self.steps >= len(self.session.moments)

    def _timed_pages(self) -> Iterator[None]:
        if isinstance(self.session, ClockSession):
            moment = self.session.moments[self.steps]
            for page, _ in self.session.step(moment, self.session.clock.coming(moment)):
                self.timings.append((self.name, self.steps, page, self._seconds))
                yield
            return
        # With barrier "visit" pages are settled when everyone has ended the visit: a step is a visit then.
        whole_visit = self._built.scenario.barrier == "visit"
        for at in self._play:
            self.last = at
            self.timings.append((self.name, at.when, at.page, self._seconds))
            yield
            if not (whole_visit and at.users):
                return
        self.finished = True

    def take(self, feedback: Feedback, slates: Slates | None, reward: DoubleArray, friend_id: IntArray | None) -> None:
        """Take in a page of a batch of users."""
        with self._reading:
            self._pages.take(feedback, slates, reward, friend_id, recommender=self._arms[self.recommender])
            self.series.page(feedback, reward)

    def take_visits(self, returned: BoolArray, last: BoolArray) -> None:
        """Take in visits that are over."""
        with self._reading:
            self.series.visits(returned, last)

    def seen(self, user: int) -> list[SeenPage]:
        """Return the pages of a user's visit that are kept, in order; at any time, from any thread."""
        with self._reading:
            return self._pages.of(user)

    def counts(self) -> dict[str, int]:
        """Return pages and clicks of everyone so far; at any time, from any thread."""
        return {"pages": self.session.pages, "clicks": self.session.clicks}

    def count_of(self, user: int) -> dict[str, int]:
        """Return the number of a user's visit, -1 before the first, and pages and clicks so far; likewise."""
        with self._reading:
            columns = {"visit": self._pages.visit, "pages": self._pages.pages, "clicks": self._pages.clicks}
            return {name: int(column[user]) for name, column in columns.items()}

    def next_visit(self, user: int) -> str:
        """Say when a user comes next; empty without a clock."""
        if not isinstance(self.session, ClockSession):
            return ""
        due = int(self.session.clock.due[user])
        return "does not come again" if due == NEVER else f"day {due // HOURS}, hour {due % HOURS}"

    def values(self, steps: slice) -> dict[str, list[float]]:
        """Return the series over some steps; at any time, from any thread."""
        with self._reading:
            return {name: values[steps] for name, values in self.series.values.items()}

    def note(self, event: str, subject: str, value: float = float("nan")) -> None:
        """Write a row of ``events`` for the step that comes next, where there is a log of them."""
        moment = self.moment
        if self.log is not None and moment is not None:
            columns: dict[str, Any] = {"day": moment.day, "hour": moment.hour, "value": value}
            columns = {name: np.array([one]) for name, one in columns.items()}
            self.log.events(event=[event], subject=[subject], **columns)

    def costs(self, stopped: str) -> list[dict[str, Any]]:
        """Return rows of ``serving``: what each recommender took that served these users; ``stopped``: why not to the end."""
        return [served.cost(stopped) for served in self._served.values()]


class _Tap:
    """Lets the watched arm see what goes into its log."""

    def __init__(self, arm: WatchedArm) -> None:
        self._arm = arm

    def page(
        self, feedback: Feedback, *, slates: Slates | None, reward: DoubleArray, friend_id: IntArray | None = None, **more: Any
    ) -> None:
        self._arm.take(feedback, slates, reward, friend_id)
        if self._arm.log is not None:
            self._arm.log.page(feedback, slates=slates, reward=reward, friend_id=friend_id, **more)

    def visits(self, *, returned: BoolArray, last: BoolArray, **columns: Any) -> None:
        self._arm.take_visits(returned, last)
        if self._arm.log is not None:
            self._arm.log.visits(returned=returned, last=last, **columns)

    def events(self, **columns: Any) -> None:
        if self._arm.log is not None:
            self._arm.log.events(**columns)

    def turn(self) -> None:
        if self._arm.log is not None:
            self._arm.log.turn()

    def keep_unfinished(self) -> None:
        if self._arm.log is not None:
            self._arm.log.keep_unfinished()
