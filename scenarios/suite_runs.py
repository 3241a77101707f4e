"""Runs of the suite: many small ones, each in a folder of its own, several at a time, and what each of them measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from recsim_llm.comparison.findings import Measured, measure_findings
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language.calls.calls_file import FILE_NAME, open_calls
from recsim_llm.log.reader import open_run
from recsim_llm.scenarios.block_runs import run_or_resume, tell_nobody
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.shards.crew import Failed, Job, Lost, Part, Port
from recsim_llm.shards.process_crew import ProcessCrew

__all__ = ["Done", "RunCost", "SeedRun", "SuiteTask", "Tell", "add_costs", "do_tasks", "serve_tasks"]


_ANSWERED = """
SELECT count(*), coalesce(sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), 0) FROM calls
WHERE status = 'answered' AND NOT cache_hit
"""
"""Answers that were paid for: a run that was stopped and gone on with has as many, while attempts and hits are more."""


class SuiteTask(NamedTuple):
    """One run."""

    scenario: Scenario
    """What is run, with its seed."""
    folder: Path
    """Its run folder: new, or that of the same run, finished or not."""


class RunCost(NamedTuple):
    """What runs took, in what does not hang on the machine."""

    pages: int
    """Pages, or turns of talks, that users saw."""
    calls: int
    """Answers of language models that were asked for, and not found in a cache."""
    tokens: int
    """Tokens that these read and wrote."""


@dataclass(frozen=True, kw_only=True)
class SeedRun:
    """What a run came to."""

    measured: Measured
    """What its scenario measures and expects."""
    cost: RunCost
    """What it took."""


class Done(NamedTuple):
    """How far the runs are."""

    runs: int
    """How many are done."""
    planned: int
    """How many there are."""
    latest: str
    """Which one was done last."""


Tell = Callable[[Done], None]
"""What the suite tells after each run."""


def add_costs(costs: Sequence[RunCost]) -> RunCost:
    """Return what several runs took together."""
    return RunCost(*(sum(column) for column in zip(*costs, strict=True))) if costs else RunCost(0, 0, 0)


def do_tasks(tasks: Sequence[SuiteTask], *, processes: int, tell: Tell) -> list[SeedRun]:
    """Do runs, each alone in a process, and return what they came to, in their order.

    What was done before, in whole or in part, is gone on with. No result hangs on how many processes there are.

    Args:
        tasks: the runs.
        processes: how many go on at the same time; 1 takes this process.
        tell: called after each run, from one thread at a time.

    Raises:
        ConfigError: ``processes`` is not positive, or a scenario cannot be run.
        LogError: the machine ended a process.
    """
    if processes < 1:
        raise ConfigError(f"processes: got {processes}, expected 1 or more")
    if min(processes, len(tasks)) == 1:
        found = []
        for task in tasks:
            found.append(_do(task))
            tell(Done(len(found), len(tasks), _name(task)))
        return found
    return _Crowd(tasks, min(processes, len(tasks)), tell).do()


def serve_tasks(port: Port) -> None:
    """Do one task after the other in a worker's process, as long as there are any."""
    answer: SuiteTask | None = port.ask(None)
    while answer is not None:
        answer = port.ask(_do(answer))


def _do(task: SuiteTask) -> SeedRun:
    run_or_resume(task.scenario, task.folder, tell_nobody, cache=None, confirm=tell_nobody)
    measured = measure_findings(task.folder)
    if measured is None:
        raise LogError(f"{task.folder}: got a run without measures, expected those of {task.scenario.name}; remove the folder")
    return SeedRun(measured=measured, cost=_cost(task.folder))


def _cost(folder: Path) -> RunCost:
    log = open_run(folder)
    pages = sum(log.count_rows("pages", arm) for arm in log.arms)
    if not (folder / FILE_NAME).is_file():
        return RunCost(pages, 0, 0)
    with closing(open_calls(folder / FILE_NAME)) as connection:
        calls, tokens = connection.execute(_ANSWERED).fetchone()
    return RunCost(pages, calls, tokens)


def _name(task: SuiteTask) -> str:
    return f"{task.scenario.name}, seed {task.scenario.seed}"


class _Crowd:
    """Some processes, each of which takes the next task as soon as it has done one; arguments as of ``do_tasks``."""

    def __init__(self, tasks: Sequence[SuiteTask], processes: int, tell: Tell) -> None:
        self._tasks, self._processes, self._tell = tasks, processes, tell
        self._found: dict[int, SeedRun] = {}
        self._ended: SimpleQueue[int | BaseException] = SimpleQueue()
        self._waiting: SimpleQueue[int] = SimpleQueue()
        for place in range(len(tasks)):
            self._waiting.put(place)
        self._crew = ProcessCrew()

    def do(self) -> list[SeedRun]:
        self._crew.start([Job("recsim_llm.scenarios.suite_runs:serve_tasks", {}) for _ in range(self._processes)])
        pool = ThreadPoolExecutor(self._processes)
        try:
            for number in range(self._processes):
                pool.submit(self._drive, number)
            while len(self._found) < len(self._tasks):
                ended = self._ended.get()
                if isinstance(ended, BaseException):
                    raise ended
                self._tell(Done(len(self._found), len(self._tasks), _name(self._tasks[ended])))
        finally:
            # First the processes: threads that wait for one of them end with it.
            self._crew.stop()
            pool.shutdown()
        return [self._found[place] for place in range(len(self._tasks))]

    def _drive(self, number: int) -> None:
        """Hand one process task after task, on a thread of its own."""
        try:
            self._call(number, None)
            while True:
                place = self._waiting.get_nowait()
                self._found[place] = self._call(number, self._tasks[place])
                self._ended.put(place)
        except Empty:
            return
        except BaseException as error:
            self._ended.put(error)

    def _call(self, number: int, task: SuiteTask | None) -> SeedRun:
        step = self._crew.call({number: task})[number]
        if isinstance(step, Failed):
            raise step.error
        if isinstance(step, Lost):
            said = f"suite: got a process that {step.why}, expected it to go on; give the same command again, or --processes 1"
            raise LogError(said, passing=True)
        assert isinstance(step, Part)
        found: SeedRun = step.value
        return found
