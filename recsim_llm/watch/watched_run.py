"""A run that is played step by step, looked into, and changed by hand: what is watched, without anything that shows it.

All arms are played at the same time, each with users of its own who meet the same dice. A step is one of the clock; without a
clock it is a page of everyone, and with ``barrier: visit`` a visit of everyone. Nothing is changed in the middle of a step:
what is wanted waits for the next one. A run that nobody changes writes what ``recsim-llm run`` writes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from recsim_llm.dynamics.clock import HOURS
from recsim_llm.errors import ConfigError, RecSimError, one_of
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.log.folders import RUN_FOLDER, refuse_used_folder, remove_torn_files
from recsim_llm.log.locks import lock_folder
from recsim_llm.numerics.threads import one_thread
from recsim_llm.scenarios.building import Stage, build_scenario_world, stage
from recsim_llm.scenarios.clock_session import ClockSession
from recsim_llm.scenarios.estimates import Confirm, estimate_cost
from recsim_llm.scenarios.measures import check_measures
from recsim_llm.scenarios.parameter_files import with_files_read
from recsim_llm.scenarios.run_manifest import users_warnings
from recsim_llm.scenarios.runner import draw_seed
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.serving import reach_services
from recsim_llm.watch.by_hand import Sliders, sliders_for
from recsim_llm.watch.conversation import Conversation
from recsim_llm.watch.step_series import SERIES
from recsim_llm.watch.user_views import UserViews
from recsim_llm.watch.watched_arm import WatchedArm
from recsim_llm.watch.watched_folder import WatchedFolder

__all__ = ["WatchedRun", "open_watched"]

_MOST_POINTS = 2000
"""Steps whose series one snapshot tells."""


class WatchedRun:
    """A run of which no step has been played; ``open_watched`` makes one.

    ``step``, ``close`` and the constructor are one thread's business; everything else may be called from any, at any time.

    Args:
        built: the scenario.
        out: locked folder without a run; None writes nothing.
    """

    @one_thread
    def __init__(self, built: Stage, out: Path | None) -> None:
        self.scenario = scenario = built.scenario
        check_measures(built)
        services = reach_services(built)
        known, _ = built.training_part()
        worlds = [built.world, *(_another_world(built) for _ in scenario.recommenders[1:])]
        arms = zip(scenario.recommenders, worlds, strict=True)
        self.arms = {arm.name: WatchedArm(built, arm, world, known) for arm, world in arms}
        """By name, in the order of the scenario."""
        genres = built.world.catalog.genre_names if scenario.clock is not None else ()
        self._sliders = Sliders(sliders_for(genres) if scenario.clock is not None else ())
        self._wanted: dict[tuple[str, str], Any] = {}
        self._changing, self._deciding = Lock(), Lock()
        self.by_hand: list[dict[str, Any]] = []
        """What was changed by hand, in order, as the manifest has it."""
        self.steps = 0
        """Steps that were played."""
        self.finished = False
        """Nobody comes any more."""
        self._stopped = "the watched run was closed before its end"
        self._talk = Conversation(scenario, built.world)
        self.users = UserViews(scenario, self.arms, self._talk, self._deciding)
        """What there is to see of each user."""
        self._folder = None if out is None else WatchedFolder(out, built, list(self.arms.values()), services)

    def step(self) -> Generator[None]:
        """Let every arm go through one step; yields after each page shown to those who browse.

        What was wanted since the last step is done first.

        Raises:
            RecSimError: the run cannot go on.
        """
        if self.finished:
            return
        try:
            yield from self._step()
        except Exception as error:
            self._stopped = str(error) if isinstance(error, RecSimError) else type(error).__name__
            raise
        if all(arm.finished for arm in self.arms.values()):
            if self._folder is not None:
                self._folder.finish()
            self.finished = True

    def _step(self) -> Iterator[None]:
        with self._deciding:
            self._change()
            for arm in self.arms.values():
                if not arm.finished:
                    yield from arm.step()
            self.steps = max(arm.steps for arm in self.arms.values())

    def switch(self, arm: str, recommender: str) -> None:
        """Have the recommender of another arm serve the users of an arm, from the next step on.

        Raises:
            ConfigError: there is no such arm, or the run is finished.
        """
        for name in (arm, recommender):
            if name not in self.arms:
                raise ConfigError(f"recommender: got {name!r}, expected {one_of(name, list(self.arms))}")
        self._refuse_finished()
        with self._changing:
            self._wanted["switch", arm] = recommender

    def move(self, slider: str, value: object) -> None:
        """Move a slider, for the users of every arm, from the next step on.

        Raises:
            ConfigError: there is no such slider, it does not go there, or the run is finished.
        """
        if self.scenario.clock is None:
            raise ConfigError("slider: got a scenario without a clock, expected one with; pass --set 'clock={days: 30}'")
        number = self._sliders.check(slider, value)
        self._refuse_finished()
        with self._changing:
            self._wanted["move", slider] = number

    def _refuse_finished(self) -> None:
        if self.finished:
            raise ConfigError("change: got a run that is finished, expected one that goes on; start it again")

    def _change(self) -> None:
        """Do what is wanted, and write it down before."""
        with self._changing:
            wanted, self._wanted = self._wanted, {}
        for (kind, name), value in wanted.items():
            if kind == "switch" and self.arms[name].recommender != value:
                self._switch(self.arms[name], value)
            elif kind == "move" and self._sliders.value[name] != value:
                self._move(name, value)

    def _switch(self, arm: WatchedArm, recommender: str) -> None:
        if not arm.finished:
            said = f"users of {arm.name} are served by {recommender}"
            self._note({"arm": arm.name, "recommender": recommender}, said)
            arm.note("recommender", recommender)
            arm.serve_by(recommender)

    def _move(self, name: str, value: float) -> None:
        sessions = [arm.session for arm in self.arms.values() if isinstance(arm.session, ClockSession)]
        day = sessions[0].moments[self.steps].first / HOURS
        ends, plan = self._sliders.move(name, value, day)
        content: dict[str, Any] = {"slider": name, "value": value}
        content |= {} if ends is None else {"ends": ends, "until": day}
        content |= {} if plan is None else {"intervention": plan.model_dump(mode="json", exclude_unset=True)}
        slider = self._sliders.known[name]
        self._note(content, f"{slider.title}: {value:+g} {slider.unit}")
        for session in sessions:
            if ends is not None:
                session.timeline.end(ends, day)
            if plan is not None:
                session.timeline.add(plan, session.influence)

    def _note(self, content: dict[str, Any], said: str) -> None:
        self.by_hand.append({"step": self.steps, "when": self._coming(), "said": said, **content})
        if self._folder is not None:
            self._folder.mark(self.by_hand)

    def _coming(self) -> str:
        """Say in words which step comes next."""
        moment = next(iter(self.arms.values())).moment
        return f"step {self.steps + 1}" if moment is None else moment.said

    def snapshot(self, since: int = 0) -> dict[str, Any]:
        """Return where the run stands, as plain values.

        Args:
            since: step from which on the series are told, at most 2,000 at a time.
        """
        clock = self.scenario.clock
        # Of whole steps only: in the middle of one some arms are ahead of others.
        steps = self.steps
        told = min(steps, since + _MOST_POINTS)
        with self._changing:
            wanted = dict(self._wanted)
        unit = None if clock is None else 1.0 if clock.step == "day" else 1 / HOURS
        return {
            "scenario": self.scenario.name,
            "description": self.scenario.description,
            "steps": steps,
            "of": None if unit is None or clock is None else round(clock.days / unit),
            "axis": {"label": "step" if unit is None else "day", "first": 1.0 if unit is None else 0.0, "by": unit or 1.0},
            "next": "" if self.finished else self._coming(),
            "finished": self.finished,
            "series": [
                series._asdict() for series in SERIES if series.name != "reward_a_page" or self.scenario.reward != "clicks"
            ],
            "since": since,
            "told": told,
            "arms": [self._arm(arm, slice(since, told), wanted) for arm in self.arms.values()],
            "sliders": [one | {"wanted": wanted.get(("move", one["name"]))} for one in self._sliders.shown()],
            "by_hand": [{name: one[name] for name in ("step", "when", "said")} for one in list(self.by_hand)],
            "out": None if self._folder is None else str(self._folder.out),
            "talks": self._talk.possible,
        }

    def _arm(self, arm: WatchedArm, points: slice, wanted: dict[tuple[str, str], Any]) -> dict[str, Any]:
        return {
            "name": arm.name,
            "recommender": arm.recommender,
            "wanted": wanted.get(("switch", arm.name)),
            "finished": arm.finished,
            "users": len(arm.world.population),
            **arm.counts(),
            "values": arm.values(points),
        }

    def close(self) -> None:
        """Close what is open; of a run that is not finished, what there is of it is written."""
        if self._folder is not None and not self.finished:
            self._folder.break_off(self._stopped)
        self._talk.close()


def _another_world(built: Stage) -> Any:
    """Return the same items and users once more: every arm moves users of its own."""
    return build_scenario_world(built.scenario, built.dataset, built.roles, enrichment=built.enrichment)


@contextmanager
def open_watched(
    scenario: Scenario, out: Path | None = None, *, cache: Path | None = None, confirm: Confirm = lambda _: None
) -> Iterator[WatchedRun]:
    """Open a scenario to be watched; whatever is open is closed at the end.

    Args:
        scenario: what to run; a missing seed is drawn.
        out: run folder; must not exist or be empty. None writes nothing.
        cache: another run's folder, or its calls file, whose answers are used before a language model is asked.
        confirm: told what the language models will be asked before anything is; may raise to call the run off.

    Raises:
        ConfigError: the scenario cannot be run.
        RunExistsError: the folder holds something, or another process is writing it (``FolderInUseError``).
    """
    with ExitStack() as opened:
        if out is not None:
            opened.enter_context(lock_folder(out, RUN_FOLDER))
            refuse_used_folder(out, RUN_FOLDER, expected="a new one", remedy="pass --out with another")
            remove_torn_files(out)
        whole = with_files_read(draw_seed(scenario))
        built = opened.enter_context(stage(whole, calls=None if out is None else out / FILE_NAME, cache=cache))
        if whole.models:
            warnings = users_warnings(whole, built.dataset, built.world, built.roles)
            confirm(estimate_cost(whole, built.world, built.roles)._replace(warnings=tuple(warnings)))
        run = WatchedRun(built, out)
        opened.callback(run.close)
        yield run
