"""A scenario's users in parts: how many there are, the scenario of one block of them, and running it or going on with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsim_llm.errors import ConfigError, RunExistsError
from recsim_llm.log.folders import MANIFEST
from recsim_llm.log.manifest import read_manifest
from recsim_llm.scenarios.building import load_dataset
from recsim_llm.scenarios.estimates import Confirm
from recsim_llm.scenarios.runner import Report, resume, run
from recsim_llm.scenarios.schema import Block, Scenario, scenario_from

__all__ = ["count_users", "run_or_resume", "take_part", "tell_nobody"]

_COUNTED = ("choice", "language", "cascade")


def tell_nobody(_: Any) -> None:
    """Take what is reported, and do nothing."""


def run_or_resume(scenario: Scenario, folder: Path, progress: Report, *, cache: Path | None, confirm: Confirm) -> None:
    """Run a scenario, or finish the run of the same one that is there.

    Args:
        scenario: what to run.
        folder: new, or that of the same run.
        progress: as for ``recsim_llm.scenarios.run``.
        cache: as for ``recsim_llm.scenarios.run``.
        confirm: as for ``recsim_llm.scenarios.run``.

    Raises:
        RunExistsError: the folder holds another run.
    """
    if not (folder / MANIFEST).is_file():
        for torn in folder.glob("*.part"):
            # A kill during the very first write; nothing was logged yet.
            torn.unlink()
        run(scenario, folder, progress, cache=cache, confirm=confirm)
        return
    known = scenario_from(read_manifest(folder).get("settings") or {}, str(folder / MANIFEST))
    asked = scenario if scenario.seed is not None else scenario.model_copy(update={"seed": known.seed})
    if asked != known:
        raise RunExistsError(
            f"run folder: got {folder}, a run with other settings, expected a new one or the same settings; pass --out"
        )
    resume(folder, progress, cache=cache)


def take_part(scenario: Scenario, block: Block) -> Scenario:
    """Return the scenario of one block of the users."""
    return scenario.model_copy(update={"users": scenario.users.model_copy(update={"block": block})})


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
