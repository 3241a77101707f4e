"""A scenario's users in parts: how many there are, the scenario of one block of them, and running it or going on with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsim_llm.errors import ConfigError, RunExistsError
from recsim_llm.log.folders import COMPARISON_SETTINGS, MANIFEST, RUN_FOLDER, refuse_used_folder
from recsim_llm.log.locks import lock_folder
from recsim_llm.log.manifest import read_manifest, read_scenario_manifest
from recsim_llm.log.segments import read_segments
from recsim_llm.scenarios.building import load_dataset
from recsim_llm.scenarios.estimates import Confirm
from recsim_llm.scenarios.parameter_files import with_files_read
from recsim_llm.scenarios.run_progress import Report
from recsim_llm.scenarios.runner import begin_run, draw_seed, resume
from recsim_llm.scenarios.schema import Block, Scenario, scenario_from
from recsim_llm.scenarios.without_time import without_time
from recsim_llm.shards.sharding import Sharding

__all__ = ["count_users", "expect_same", "is_finished", "refuse_parts", "run_or_resume", "take_part", "tell_nobody"]

_COUNTED = ("choice", "language", "cascade")


def tell_nobody(_: Any) -> None:
    """Take what is reported, and do nothing."""


def run_or_resume(
    scenario: Scenario,
    folder: Path,
    progress: Report,
    *,
    cache: Path | None,
    confirm: Confirm,
    limits: Mapping[str, float] | None = None,
    sharding: Sharding | None = None,
) -> None:
    """Run a scenario, or finish the run of the same one that is there.

    Args:
        scenario: what to run.
        folder: new, or that of the same run.
        progress: as for ``recsim_llm.scenarios.run``.
        cache: as for ``recsim_llm.scenarios.run``.
        confirm: as for ``recsim_llm.scenarios.run``.
        limits: as for ``recsim_llm.scenarios.resume``.
        sharding: as for ``recsim_llm.scenarios.run``.

    Raises:
        RunExistsError: the folder holds another run.
    """
    with lock_folder(folder, RUN_FOLDER):
        if (folder / MANIFEST).is_file():
            expect_same(scenario, None, folder)
            resume(folder, progress, cache=cache, limits=limits, sharding=sharding)
            return
        if not (folder / COMPARISON_SETTINGS).is_file():
            refuse_used_folder(folder, RUN_FOLDER, expected="a new one", remedy="pass --out")
        whole = with_files_read(draw_seed(scenario))
        begin_run(whole, folder, progress, cache=cache, confirm=confirm, limits=limits, sharding=sharding)


def expect_same(asked: Scenario, known: Scenario | None, folder: Path) -> Scenario:
    """Return what is run in a folder, which must be what was asked for; a seed that was not asked for is the folder's.

    Args:
        asked: what shall be run.
        known: what is run there; None takes that of its manifest.
        folder: the run folder.

    Raises:
        RunExistsError: it is something else.
    """
    known = known or scenario_from(read_manifest(folder).get("settings") or {}, str(folder / MANIFEST))
    seed = known.seed if asked.seed is None else asked.seed
    if with_files_read(asked.model_copy(update={"seed": seed})) != known:
        raise RunExistsError(
            f"run folder: got {folder}, a run with other settings, expected a new one or the same settings; pass --out"
        )
    return known


def take_part(scenario: Scenario, block: Block) -> Scenario:
    """Return the scenario of one block of the users."""
    return scenario.model_copy(update={"users": scenario.users.model_copy(update={"block": block})})


def is_finished(out: Path) -> bool:
    """Tell whether a folder is a run of which every arm is served."""
    if not (out / MANIFEST).is_file():
        return False
    finished = {segment.arm for segment in read_segments(out) or () if segment.last}
    return finished >= set(read_scenario_manifest(out)["arms"])


def refuse_parts(scenario: Scenario) -> None:
    """See to it that what some users do tells what they do among everyone.

    Raises:
        ConfigError: the scenario has a clock.
    """
    if scenario.clock is not None:
        raise ConfigError(
            "compare: got a clock where users are taken block by block, expected none, since what happens in time hangs on "
            f"everyone; leave --until-decided and --plan out, or pass {without_time(scenario)}"
        )


def count_users(scenario: Scenario) -> int:
    """Return how many users the scenario has."""
    settings = scenario.users
    if settings.block is not None:
        raise ConfigError("compare: got users.block, expected none where users are taken block by block; leave it out")
    if settings.count is not None:
        return settings.count
    if settings.model not in _COUNTED:
        raise ConfigError(f"compare: got users {settings.model!r} without a number, expected how many; pass --n-users")
    return len(load_dataset(scenario).ratings.users)
