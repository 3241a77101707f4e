"""A scenario run once for each seed that may judge what it expects."""

from __future__ import annotations

import json
from pathlib import Path

from recsim_llm.comparison.findings import measure_findings
from recsim_llm.comparison.findings_over_seeds import JudgedSeeds, judge_over_seeds
from recsim_llm.core.files import write_atomically
from recsim_llm.errors import ConfigError, RunExistsError
from recsim_llm.log.folders import is_run
from recsim_llm.scenarios.block_runs import run_or_resume
from recsim_llm.scenarios.estimates import Confirm
from recsim_llm.scenarios.run_progress import Report
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.shards.sharding import Sharding

__all__ = ["FILE_NAME", "judge_expectations", "judging_seeds"]

FILE_NAME = "expectations.json"
"""Name of the file with the answers over all seeds."""


def judging_seeds(scenario: Scenario) -> tuple[int, ...]:
    """Return the seeds that may judge a finding of the scenario, ascending.

    Raises:
        ConfigError: there is none.
    """
    seeds = sorted({seed for finding in scenario.expect for seed in finding.seeds})
    if not seeds:
        raise ConfigError(
            f"--expect: got the scenario {scenario.name} without findings that name seeds, expected `expect` with `seeds`; "
            "run it without --expect"
        )
    return tuple(seeds)


def judge_expectations(
    scenario: Scenario,
    out: Path,
    progress: Report,
    *,
    cache: Path | None = None,
    confirm: Confirm = lambda _: None,
    sharding: Sharding | None = None,
) -> JudgedSeeds:
    """Run a scenario with each of its judging seeds, and judge its findings by all of them.

    Each seed's run lies in ``seed-N`` of the folder. The same call finishes what was stopped, and runs nothing twice.

    Args:
        scenario: what to run; its own seed does not matter.
        out: the folder, new or that of the same call.
        progress: as in ``recsim_llm.scenarios.run``.
        cache: as in ``recsim_llm.scenarios.run``.
        confirm: as in ``recsim_llm.scenarios.run``, once a seed.
        sharding: as in ``recsim_llm.scenarios.run``.

    Raises:
        ConfigError: no finding names seeds.
        RunExistsError: the folder holds something else.
    """
    seeds = judging_seeds(scenario)
    if is_run(out):
        raise RunExistsError(f"--expect: got {out}, which holds a run, expected a new folder for one run a seed; pass --out")
    measured = {}
    for seed in seeds:
        folder = out / f"seed-{seed}"
        seeded = scenario.model_copy(update={"seed": seed})
        run_or_resume(seeded, folder, progress, cache=cache, confirm=confirm, sharding=sharding)
        if (found := measure_findings(folder)) is not None:
            measured[seed] = found
    judged = judge_over_seeds(scenario.name, measured)
    write_atomically(out / FILE_NAME, json.dumps(judged.to_json(), indent=2, allow_nan=False).encode() + b"\n")
    return judged
