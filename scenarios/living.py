"""An arm of a scenario with a clock, opened to be played step by step by somebody else than the runner."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from recsim_llm.errors import ConfigError, one_of
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.log.folders import RUN_FOLDER, refuse_used_folder
from recsim_llm.log.locks import lock_folder
from recsim_llm.log.manifest import read_manifest, write_manifest
from recsim_llm.log.segments import open_segments
from recsim_llm.log.writer import RunLog
from recsim_llm.population.world import World
from recsim_llm.recommenders import Retrained
from recsim_llm.scenarios.acting_session import open_arm
from recsim_llm.scenarios.arm_logs import open_arm_log
from recsim_llm.scenarios.arm_protocols import VisitLog
from recsim_llm.scenarios.building import recommender_seed, stage
from recsim_llm.scenarios.clock_session import ClockSession
from recsim_llm.scenarios.measures import check_measures, write_run_tables
from recsim_llm.scenarios.run_manifest import make_manifest
from recsim_llm.scenarios.runner import draw_seed
from recsim_llm.scenarios.schema import Scenario, change_scenario, load_scenario
from recsim_llm.scenarios.serving import follow_tools, give_hooks

__all__ = ["LivingArm", "open_living_arm"]


class LivingArm:
    """An arm whose users have not come yet.

    Args:
        scenario: with a clock, a seed and one arm.
        sums: takes in every page and visit.
        folder: run folder for the log; None writes none.

    Raises:
        ConfigError: the scenario has no clock, or a name or setting is wrong.
        RunExistsError: the folder holds something.
    """

    def __init__(self, scenario: Scenario, sums: Callable[[World, RunLog | None], VisitLog], folder: Path | None) -> None:
        self._folder, self._by_hand = folder, list[dict[str, Any]]()
        self._opened = ExitStack()
        try:
            if folder is not None:
                self._opened.enter_context(lock_folder(folder, RUN_FOLDER))
                refuse_used_folder(folder, RUN_FOLDER, expected="a new one", remedy="choose another")
            self.stage = self._opened.enter_context(stage(scenario, calls=None if folder is None else folder / FILE_NAME))
            self.log = None if folder is None else self._begin_log(folder)
            self.world: World = self.stage.world
            self.sums = sums(self.world, self.log)
            self.session = self._begin(scenario)
        except BaseException:
            self._opened.close()
            raise

    def _begin(self, scenario: Scenario) -> ClockSession:
        (arm,) = scenario.recommenders
        recommender = self.stage.recommenders[arm.name]()
        follow_tools(self.log, recommender)
        learner = recommender if arm.retrain is None else Retrained(recommender, arm.retrain)
        session = open_arm(scenario, self.world, learner, name=arm.name, log=self.sums)
        assert isinstance(session, ClockSession)
        give_hooks(recommender, self.stage, session)
        learner.fit(*session.stock(self.stage.training_part()[0]), recommender_seed(scenario))
        return session

    def _begin_log(self, folder: Path) -> RunLog:
        built = self.stage
        check_measures(built)
        write_manifest(folder, make_manifest(built))
        write_run_tables(built, folder)
        segments = open_segments(folder)
        self._opened.callback(segments.settle)
        return open_arm_log(built, segments, 0)

    def note(self, said: str, step: int) -> None:
        """Note in the manifest, once, who has a hand in what happens, so that nobody takes it for what the scenario alone does.

        Args:
            said: who does what, in words.
            step: from which step on, from 0.
        """
        if any(one["said"] == said for one in self._by_hand):
            return
        self._by_hand.append({"step": step, "when": self.session.moments[step].said, "said": said})
        if self._folder is not None:
            write_manifest(self._folder, {**read_manifest(self._folder), "by_hand": self._by_hand})

    def finish(self) -> None:
        """Write what is left of the log and mark the arm as finished."""
        if self.log is not None:
            self.log.close()
            self.log = None

    def close(self) -> None:
        """Close the language models and the folder; an arm that is not finished can be gone on with by ``resume``."""
        self._opened.close()


def open_living_arm(
    given: object,
    arm: str | None,
    seed: int | None,
    *,
    sums: Callable[[World, RunLog | None], VisitLog],
    folder: Path | None,
) -> LivingArm:
    """Open an arm of a scenario.

    Args:
        given: name or path of a scenario, or a ``Scenario``.
        arm: which of its recommenders; None takes the first.
        seed: in place of the scenario's; None keeps it.
        sums: as of ``LivingArm``.
        folder: as there.

    Raises:
        ConfigError: there is no such scenario or arm, or it has no clock.
    """
    scenario = given if isinstance(given, Scenario) else load_scenario(str(given))
    if scenario.clock is None:
        raise ConfigError(f"scenario {scenario.name!r}: got one without a clock, expected one with; add clock: {{days: 30}}")
    names = [one.name for one in scenario.recommenders]
    if arm is not None and arm not in names:
        raise ConfigError(f"recommender: got {arm!r}, expected {one_of(arm, names)}")
    chosen = scenario.recommenders[0 if arm is None else names.index(arm)]
    scenario = scenario.model_copy(update={"recommenders": (chosen,)})
    if seed is not None:
        scenario = change_scenario(scenario, {"seed": seed})
    return LivingArm(draw_seed(scenario), sums, folder)
