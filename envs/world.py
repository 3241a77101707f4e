"""A scenario with a clock as a Mesa model: the same world, played step by step, with agents to look at and to add to.

Mesa decides who is active and keeps the series; what users do is decided by the user model for all active ones at once, in the
kernel, and their state stays in its columns. Importing this module imports Mesa, whose version 3.3 sets the start method of
processes to ``spawn`` for the whole program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mesa
import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.dynamics.clock import HOURS, NEVER
from recsim_llm.errors import ContractError
from recsim_llm.population.personas import Persona
from recsim_llm.population.world import World
from recsim_llm.registry import import_attribute

if TYPE_CHECKING:
    from recsim_llm.dynamics.clock import Moment
    from recsim_llm.log.writer import RunLog

__all__ = ["LivingWorld", "User"]

_OPEN_ARM = "recsim_llm.scenarios.living:open_living_arm"
"""By name, since scenarios stand above environments."""


class User(mesa.Agent):  # type: ignore[misc]
    """A user as Mesa sees one: a view of the model's columns that holds nothing but its place in them."""

    def __init__(self, model: LivingWorld, row: int) -> None:
        super().__init__(model)
        self.row = row
        """User index: the place in every column."""

    @property
    def user_id(self) -> int:
        """Outside id."""
        return int(self.model.population.user_id[self.row])

    @property
    def persona(self) -> Persona:
        """Who the user is."""
        persona: Persona = self.model.population.persona(self.row)
        return persona

    @property
    def visits(self) -> int:
        """Visits made."""
        return int(self.model.visits[self.row])

    @property
    def pages(self) -> int:
        """Pages seen."""
        return int(self.model.pages[self.row])

    @property
    def clicks(self) -> int:
        """Clicks on them."""
        return int(self.model.clicks[self.row])

    @property
    def reward(self) -> float:
        """What the pages paid."""
        return float(self.model.reward[self.row])

    @property
    def satisfaction(self) -> float:
        """After the last page, 0 to 1; NaN before the first."""
        return float(self.model.satisfaction[self.row])

    @property
    def next_visit(self) -> float:
        """When the user comes next, in days since the beginning; infinite for who does not come again."""
        due = int(self.model.due[self.row])
        return float("inf") if due == NEVER else due / HOURS

    @property
    def gone(self) -> bool:
        """Whether the user does not come again."""
        return bool(self.model.due[self.row] == NEVER)

    def come_now(self) -> None:
        """Let the user's next visit fall into the step that comes next."""
        self.model.come_now(np.array([self.row]))


class _Sums:
    """Adds up what a log would hold, user by user, and passes it on to one."""

    def __init__(self, world: World, log: RunLog | None) -> None:
        self.log = log
        users = len(world.population)
        self._user_id = world.population.user_id
        self._order = np.argsort(self._user_id, kind="stable")
        self.visits_made, self.pages, self.clicks = np.zeros((3, users), np.int64)
        self.reward: DoubleArray = np.zeros(users)
        self.satisfaction: DoubleArray = np.full(users, np.nan)
        self.now: dict[str, float] = {}
        self.fresh()

    def fresh(self) -> None:
        """Begin to add up another step."""
        self.now = dict.fromkeys(("visits", "pages", "clicks", "reward", "left_for_good"), 0)

    def page(self, feedback: Feedback, *, reward: DoubleArray, **more: Any) -> None:
        rows = feedback.pages.user_index
        clicks = np.bincount(feedback.row, minlength=len(rows))
        self.pages[rows] += 1
        self.clicks[rows] += clicks
        self.reward[rows] += reward
        self.satisfaction[rows] = 1 / (1 + np.exp(-feedback.mood.satisfaction.astype(np.float64)))
        for name, value in (("pages", len(rows)), ("clicks", clicks.sum()), ("reward", reward.sum())):
            self.now[name] += float(value)
        if self.log is not None:
            self.log.page(feedback, reward=reward, **more)

    def visits(self, **columns: Any) -> None:
        rows = self._order[np.searchsorted(self._user_id, columns["user_id"], sorter=self._order)]
        self.visits_made[rows] += 1
        self.now["visits"] += len(rows)
        self.now["left_for_good"] += int(np.count_nonzero(~columns["returned"]))
        if self.log is not None:
            self.log.visits(**columns)

    def events(self, **columns: Any) -> None:
        if self.log is not None:
            self.log.events(**columns)

    def turn(self) -> None:
        if self.log is not None:
            self.log.turn()

    def keep_unfinished(self) -> None:
        if self.log is not None:
            self.log.keep_unfinished()


class LivingWorld(mesa.Model):  # type: ignore[misc]
    """A world in which users come day by day and one recommender serves them.

    ``step()`` lets one step of the clock go by: agents of other kinds than ``User`` that have a method ``step`` act, in an
    order that Mesa shuffles; then ``active`` says who visits; these users visit all at once; then the data are collected. A
    model that nobody adds to plays what ``recsim-llm run`` plays, page by page: the log has the same bytes. Where agents, a
    subclass, ``come_now`` or ``session`` have a hand in it, the log's manifest says so (``by_hand``), as do its report and
    every comparison, and nobody else can go on with that run.

    ```python
    model = LivingWorld("living", "mf")
    while model.running:
        model.step()
    model.datacollector.get_model_vars_dataframe()["click_rate"].plot()
    model.agents.select(lambda user: user.gone)
    ```

    Args:
        scenario: name or path of a scenario with a clock, or a ``Scenario``.
        recommender: name of the arm; None takes the first one.
        seed: in place of the scenario's; None keeps it.
        log: new run folder; None writes none.
        model_reporters: as of ``mesa.DataCollector``, beside the usual ones.
        agent_reporters: as there; every user, every step, so that they cost what Mesa costs.

    Raises:
        ConfigError: there is no such scenario or arm, or it has no clock.
    """

    def __init__(
        self,
        scenario: object,
        recommender: str | None = None,
        *,
        seed: int | None = None,
        log: str | PathLike[str] | None = None,
        model_reporters: Mapping[str, Any] | None = None,
        agent_reporters: Mapping[str, Any] | None = None,
    ) -> None:
        folder = None if log is None else Path(log).absolute()
        opened = import_attribute(_OPEN_ARM, "scenario")(scenario, recommender, seed, sums=_Sums, folder=folder)
        own = type(self)
        if own is not LivingWorld:
            opened.note(f"played as {own.__module__}:{own.__qualname__}", 0)
        super().__init__(rng=opened.session.seed)
        self._arm = opened
        self.population = opened.world.population
        """The users, row by row."""
        self.catalog = opened.world.catalog
        """The items."""
        self.moments = opened.session.moments
        """The steps, in order."""
        self._sums, self._next = opened.sums, opened.session.moments[0]
        User.create_agents(self, len(self.population), np.arange(len(self.population)))
        self.datacollector = mesa.DataCollector(
            model_reporters={**_REPORTERS, **(model_reporters or {})}, agent_reporters=dict(agent_reporters or {})
        )

    @property
    def session(self) -> Any:
        """What plays the pages: its ``influence`` moves users, its ``clock`` says who comes when."""
        self._note("its session is in a program's hands")
        return self._arm.session

    @property
    def visits(self) -> IntArray:
        """int64 [u]: visits made by each user."""
        made: IntArray = self._sums.visits_made
        return made

    @property
    def pages(self) -> IntArray:
        """int64 [u]: pages seen."""
        pages: IntArray = self._sums.pages
        return pages

    @property
    def clicks(self) -> IntArray:
        """int64 [u]: clicks on them."""
        clicks: IntArray = self._sums.clicks
        return clicks

    @property
    def reward(self) -> DoubleArray:
        """float64 [u]: what the pages paid."""
        reward: DoubleArray = self._sums.reward
        return reward

    @property
    def satisfaction(self) -> DoubleArray:
        """float64 [u]: after the last page, 0 to 1; NaN before the first."""
        satisfaction: DoubleArray = self._sums.satisfaction
        return satisfaction

    @property
    def due(self) -> IntArray:
        """int64 [u]: hour of each user's next visit since the beginning, ``clock.NEVER`` for who does not come again."""
        due: IntArray = self._arm.session.clock.due
        return due

    @property
    def now(self) -> Mapping[str, float]:
        """What happened in the last step: ``visits``, ``pages``, ``clicks``, ``reward``, ``left_for_good``."""
        now: Mapping[str, float] = self._sums.now
        return now

    @property
    def moment(self) -> Moment:
        """The step that is going on, or was last."""
        moment: Moment = self.moments[max(self.steps, 1) - 1]
        return moment

    def active(self, moment: Moment) -> IntArray:
        """Return int64 [m]: rows of the users who visit in a step; those who are due, unless a subclass decides otherwise."""
        rows: IntArray = self._arm.session.clock.coming(moment)
        return rows

    def come_now(self, rows: IntArray) -> None:
        """Let the next visit of these users fall into the step that comes next, or is about to decide who is active."""
        self._note("users are called to come now")
        self._arm.session.clock.due[rows] = self._next.first

    def step(self) -> None:
        """Let one step of the clock go by.

        Raises:
            ContractError: the time is over, or ``active`` named a user twice.
        """
        if self.steps > len(self.moments):
            raise ContractError(f"step: got one after the last of {len(self.moments)}, expected none; look at model.running")
        self._sums.fresh()
        self._next = self.moment
        for kind in self.agent_types:
            if kind is not User and hasattr(kind, "step"):
                self._note(f"agents act: {kind.__qualname__}")
                self.agents_by_type[kind].shuffle_do("step")
        rows = np.unique(active := np.asarray(self.active(self.moment), np.int64))
        self._next = self.moments[min(self.steps, len(self.moments) - 1)]
        if len(rows) != len(active):
            raise ContractError("active: got a user twice, expected each at most once a step")
        for _ in self._arm.session.step(self.moment, rows):
            pass
        self.running = self.steps < len(self.moments)
        if not self.running:
            self._arm.finish()
        self.datacollector.collect(self)

    def _note(self, said: str) -> None:
        self._arm.note(said, self.moments.index(self._next))

    def close(self) -> None:
        """Close what is open: language models, and the log's folder."""
        self._arm.close()


def _share(part: str, whole: str) -> Callable[[LivingWorld], float]:
    def reporter(model: LivingWorld) -> float:
        return model.now[part] / model.now[whole] if model.now[whole] else float("nan")

    return reporter


def _mean_satisfaction(model: LivingWorld) -> float:
    seen = model.satisfaction[~np.isnan(model.satisfaction)]
    return float(seen.mean()) if seen.size else float("nan")


_REPORTERS: Mapping[str, Any] = {
    "day": lambda model: model.moment.day,
    "hour": lambda model: model.moment.hour,
    "visits": lambda model: model.now["visits"],
    "pages": lambda model: model.now["pages"],
    "clicks_a_page": _share("clicks", "pages"),
    "reward_a_visit": _share("reward", "visits"),
    "satisfaction": _mean_satisfaction,
    "left_for_good": lambda model: model.now["left_for_good"],
    "gone": lambda model: float(np.mean(model.due == NEVER)),
}
"""The usual series, one value a step: of all pages and visits of the step; satisfaction and who is gone of all so far."""
