"""What a comparison was begun with, kept in its folder from the first byte on: the folder alone is enough to finish it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from recsim_llm.comparison import Judging
from recsim_llm.comparison.results import Plan, PlannedPair
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.errors import LogError, RunExistsError
from recsim_llm.log.folders import COMPARISON_SETTINGS, MANIFEST, RUN_FOLDER, refuse_used_folder, remove_torn_files
from recsim_llm.scenarios.block_runs import expect_same
from recsim_llm.scenarios.parameter_files import with_files_read
from recsim_llm.scenarios.runner import draw_seed
from recsim_llm.scenarios.schema import Scenario, scenario_from
from recsim_llm.statistics import Estimate

__all__ = ["BLOCKS", "ComparisonSettings", "begin_comparison", "forget_comparison", "is_comparison", "read_comparison_settings"]


BLOCKS = "blocks"
"""Folder of the runs of a comparison whose users come block by block."""


class ComparisonSettings(NamedTuple):
    """What a comparison was begun with."""

    scenario: Scenario
    """What is run."""
    judging: Judging
    """How it is judged."""
    plan: Plan | None
    """What was planned."""


def is_comparison(out: Path) -> bool:
    """Tell whether a folder is that of a comparison, finished or not."""
    return (out / COMPARISON_SETTINGS).is_file()


def begin_comparison(asked: ComparisonSettings, out: Path) -> ComparisonSettings:
    """Fix what is compared and how before the first user, or find that it is what was fixed.

    Args:
        asked: what shall be compared; a missing seed is drawn, or is that of the comparison that is there.
        out: the folder, locked.

    Raises:
        RunExistsError: the folder holds something else.
    """
    known = read_comparison_settings(out)
    if known is not None:
        scenario = expect_same(asked.scenario, known.scenario, out)
        if asked.judging != known.judging and (asked.judging.until_decided or known.judging.until_decided):
            raise RunExistsError(f"run folder: got {out}, begun with another rule, expected a new one; pass --out")
    elif (out / MANIFEST).is_file() and not asked.judging.until_decided:
        # A run that is there is judged.
        scenario = expect_same(asked.scenario, None, out)
    else:
        refuse_used_folder(out, RUN_FOLDER, expected="a new one", remedy="pass --out")
        remove_torn_files(out)
        scenario = with_files_read(draw_seed(asked.scenario))
    begun = asked._replace(scenario=scenario)
    if begun != known:
        content = {
            "scenario": scenario.model_dump(mode="json"),
            "judging": asdict(begun.judging),
            "plan": begun.plan and asdict(begun.plan),
        }
        write_atomically(out / COMPARISON_SETTINGS, json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")
    return begun


def forget_comparison(out: Path) -> None:
    """Leave nothing behind of a comparison that failed before its first user, so that the same folder can be tried again."""
    if not (out / MANIFEST).exists() and not (out / BLOCKS).exists():
        (out / COMPARISON_SETTINGS).unlink(missing_ok=True)


def read_comparison_settings(out: Path) -> ComparisonSettings | None:
    """Return what a comparison was begun with; None where the folder is of none.

    Raises:
        LogError: the file is damaged.
    """
    path = out / COMPARISON_SETTINGS
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        judging = Judging(**content["judging"] | {"metrics": tuple(content["judging"]["metrics"])})
        plan = None if content["plan"] is None else _plan(content["plan"])
        return ComparisonSettings(scenario_from(content["scenario"], str(path)), judging, plan)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        got = " ".join(str(error).split()) or type(error).__name__
        raise LogError(f"{path}: got {got}, expected the settings of a comparison; begin it anew in another folder") from error


def _plan(content: dict[str, Any]) -> Plan:
    pairs = [pair | {name: Estimate(**pair[name]) for name in ("deviation", "detectable")} for pair in content["pairs"]]
    return Plan(**content | {"pairs": tuple(PlannedPair(**pair) for pair in pairs)})
