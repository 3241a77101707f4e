"""The suite: scenarios that everybody can run again, judged by all of their seeds, in one table and on one page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recsim_llm import __version__
from recsim_llm.comparison.findings_over_seeds import judge_over_seeds
from recsim_llm.core.files import write_atomically
from recsim_llm.errors import RunExistsError
from recsim_llm.log.folders import is_run
from recsim_llm.log.locks import lock_folder
from recsim_llm.report.suite_page import SUITE_FILE, write_suite_page
from recsim_llm.scenarios.expectation_runs import judging_seeds
from recsim_llm.scenarios.schema import Scenario, load_scenario
from recsim_llm.scenarios.suite_runs import SeedRun, SuiteTask, Tell, add_costs, do_tasks
from recsim_llm.scenarios.suite_table import VERSION, SuiteScenario

__all__ = ["keep_suite", "play_suite", "run_suite", "seed_tasks"]

_FOLDER = "suite folder"


def run_suite(
    out: Path, scenarios: Sequence[SuiteScenario], *, processes: int, tell: Tell, subset: str | None = None
) -> dict[str, Any]:
    """Run scenarios of the suite once for each of their judging seeds, judge their findings, and write table and page.

    Each run lies in ``NAME/seed-N`` of the folder. The same call finishes what was stopped at any instant, runs nothing twice,
    and ends with the same bytes of ``suite.json``, ``suite.csv`` and ``suite.html``, however many processes there are.

    Args:
        out: the folder, new or that of the suite.
        scenarios: as ``choose_scenarios`` returns them.
        processes: runs at the same time.
        tell: called after each run.
        subset: which one they are; None where some were chosen by name.

    Returns:
        The content of ``suite.json``.

    Raises:
        RunExistsError: the folder holds something else.
    """
    loaded = {one.name: load_scenario(one.name) for one in scenarios}
    tasks = [task for name, scenario in loaded.items() for task in seed_tasks(scenario, out / name, judging_seeds(scenario))]
    found = play_suite(out, tasks, processes=processes, tell=tell)
    table = []
    for one in scenarios:
        runs = [run for folder, run in found.items() if folder.parent == out / one.name]
        table.append(one._asdict() | _judge(loaded[one.name], runs))
    return keep_suite(out, {"kind": "findings", "subset": subset, "scenarios": table})


def seed_tasks(scenario: Scenario, folder: Path, seeds: Sequence[int]) -> list[SuiteTask]:
    """Return one run of a scenario for each seed, in folders ``seed-N``."""
    return [SuiteTask(scenario.model_copy(update={"seed": seed}), folder / f"seed-{seed}") for seed in seeds]


def play_suite(out: Path, tasks: Sequence[SuiteTask], *, processes: int, tell: Tell) -> dict[Path, SeedRun]:
    """Do runs in a folder that is the suite's, and return what each came to, by its folder.

    Args:
        out: the folder.
        tasks: the runs.
        processes: as for ``do_tasks``.
        tell: as for ``do_tasks``.

    Raises:
        RunExistsError: the folder holds a run, or another process is writing it (``FolderInUseError``).
    """
    if is_run(out):
        raise RunExistsError(f"suite: got {out}, which holds a run, expected a new folder for many runs; pass --out")
    with lock_folder(out, _FOLDER):
        done = do_tasks(tasks, processes=processes, tell=tell)
    return dict(zip((task.folder for task in tasks), done, strict=True))


def keep_suite(out: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``suite.json``, ``suite.csv`` and ``suite.html``, and return what the first of them holds.

    Args:
        out: the folder.
        content: what came of the suite; by which suite and package is added.
    """
    text = json.dumps({"suite": VERSION, "recsim_llm": __version__, **content}, indent=2, allow_nan=False)
    write_atomically(out / SUITE_FILE, text.encode() + b"\n")
    # As whoever reads the file finds it.
    kept: dict[str, Any] = json.loads(text)
    write_suite_page(out, kept)
    return kept


def _judge(scenario: Scenario, runs: Sequence[SeedRun]) -> dict[str, Any]:
    """Return the row of a scenario, from its runs."""
    judged = judge_over_seeds(scenario.name, {run.measured.seed: run.measured for run in runs})
    findings = [asdict(finding) for finding in judged.findings]
    seeds = [run.measured.seed for run in runs]
    return {
        "question": scenario.description,
        "seeds": seeds,
        **add_costs([run.cost for run in runs])._asdict(),
        "findings": findings,
    }
