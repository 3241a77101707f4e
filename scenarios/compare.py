"""Comparing recommenders: run them on the same users with the same dice, judge the differences, say what the data carry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from recsim_llm.comparison.judge import judge_run, needed, pairs_of, tally_of
from recsim_llm.comparison.results import FILE_NAME, Comparison, Judging, Plan, PlannedPair, Sequential
from recsim_llm.core.files import write_atomically
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, LogError, RunExistsError
from recsim_llm.metrics.evaluation import read_manifest
from recsim_llm.population.personas import TRAITS
from recsim_llm.report.comparison_page import verdict_lines
from recsim_llm.scenarios.blocks import join_blocks
from recsim_llm.scenarios.estimates import Estimate as CallEstimate
from recsim_llm.scenarios.runner import Report, draw_seed, resume, run
from recsim_llm.scenarios.schema import Block, Scenario, scenario_from
from recsim_llm.scenarios.sequential import Looks, block_size, judge_blocks, planned_users
from recsim_llm.statistics import detectable_effect, deviation_estimate, power_for, users_needed
from recsim_llm.statistics.intervals import Estimate

__all__ = ["compare", "compare_again", "is_run", "plan_comparison"]

Confirm = Callable[[CallEstimate], None]

_SETTINGS = "sequential.json"
_COUNTED = ("choice", "language", "cascade")


def _silent(_: Any) -> None:
    """Tell nobody."""


def compare(
    scenario: Scenario,
    out: Path,
    judging: Judging | None = None,
    progress: Report = _silent,
    *,
    plan: Plan | None = None,
    cache: Path | None = None,
    confirm: Confirm = _silent,
) -> Comparison:
    """Run a scenario's recommenders on the same users and judge their differences.

    A comparison that was stopped at any instant goes on when it is called again with the same arguments.

    Args:
        scenario: what to run; a missing seed is drawn and recorded.
        out: the run folder: new, or that of the same comparison. With ``until_decided`` its blocks lie below, in ``blocks/``.
        judging: metrics, corrections, when to stop; None takes the usual.
        progress: as for ``recsim_llm.scenarios.run``.
        plan: what was planned, to be kept with the result.
        cache: as for ``recsim_llm.scenarios.run``.
        confirm: as for ``recsim_llm.scenarios.run``.

    Returns:
        The comparison, which ``comparison.json`` in the folder holds as well.

    Raises:
        RunExistsError: the folder holds something else.
        ConfigError: a setting cannot work.
    """
    judging = judging or Judging()
    if len(scenario.recommenders) < 2:
        raise ConfigError("compare: got one recommender, expected two or more; pass --recommenders a,b")
    _check_groups(scenario, judging.groups)
    if judging.until_decided:
        comparison = _until_decided(scenario, out, judging, progress, cache, confirm)
    else:
        if (out / _SETTINGS).is_file():
            raise RunExistsError(f"run folder: got {out}, which grew block by block, expected a new one; pass --out")
        _run_or_resume(scenario, out, progress, cache=cache, confirm=confirm)
        comparison = judge_run(out, judging)
    return _written(replace(comparison, plan=plan), out)


def compare_again(out: Path, judging: Judging | None = None, progress: Report = _silent) -> Comparison:
    """Judge a run or comparison that is there, finishing it first if it was stopped.

    Args:
        out: a run folder, of ``compare`` or of ``run``.
        judging: in place of the usual; None for a comparison whose users came block by block, since its rule was fixed before
            the first of them.
        progress: as for ``recsim_llm.scenarios.run``.

    Raises:
        ConfigError: there is a rule already, and it is another one.
        LogError: the folder is no run.
    """
    if not (out / _SETTINGS).is_file():
        manifest = read_manifest(out)
        if manifest.get("settings"):
            resume(out, progress)
        return _written(judge_run(out, judging or Judging()), out)
    scenario, fixed = _sequential_settings(out)
    if judging not in (None, fixed):
        raise ConfigError(f"compare: got another rule than {out} was begun with, expected none; leave the options out")
    return _written(_until_decided(scenario, out, fixed, progress, None, _silent), out)


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a run or a comparison, finished or not."""
    return (folder / "manifest.json").is_file() or (folder / _SETTINGS).is_file()


def plan_comparison(
    scenario: Scenario,
    pilot: Path,
    judging: Judging | None = None,
    progress: Report = _silent,
    *,
    users: int = 100,
    deviation: float | None = None,
    cache: Path | None = None,
    confirm: Confirm = _silent,
) -> Plan:
    """Say what a comparison can show before it is run: minimum detectable effect, power, users needed.

    The pilot takes some of the comparison's own users with their own dice, which is allowed as long as it decides nothing but
    how many users to take.

    Args:
        scenario: what is going to be run, with a seed unless a deviation is stated.
        pilot: run folder of the pilot: new, or that of the same pilot.
        judging: how it is going to be judged.
        progress: as for ``recsim_llm.scenarios.run``.
        users: of the pilot.
        deviation: standard deviation of users' paired differences of the primary metric, in place of a pilot; above 0.
        cache: as for ``recsim_llm.scenarios.run``.
        confirm: as for ``recsim_llm.scenarios.run``.

    Raises:
        ConfigError: a setting cannot work.
    """
    judging = judging or Judging()
    measures, names = judging.measures(scenario.reward), [arm.name for arm in scenario.recommenders]
    available = _available(scenario)
    alpha = (1.0 - judging.confidence) / (len(measures) * len(names) * (len(names) - 1) / 2)
    deviations: dict[str, tuple[Estimate, float | None]]
    if deviation is not None:
        deviations = {name: (Estimate(value=deviation, users=0), None) for name in names[1:]}
    else:
        if scenario.seed is None:
            raise ConfigError("plan: got no seed, expected one, so that the pilot's users are the comparison's; pass --seed")
        part = _block(scenario, Block(size=min(users, available), number=0))
        _run_or_resume(part, pilot, progress, cache=cache, confirm=confirm)
        found = [pair for pair in pairs_of(tally_of(pilot), measures[:1]) if pair.against == names[0]]
        deviations = {}
        for pair in found:
            if pair.values is None:
                raise LogError(
                    f"{pilot}: got {pair.metric.key} undefined for {pair.arm}, expected values; take more pilot users"
                )
            one, other = pair.values
            apart = float(((one.var(ddof=1) + other.var(ddof=1)) / 2.0) ** 0.5)
            deviations[pair.arm] = (deviation_estimate(one - other), apart)
    rows = [_planned(name, *deviations[name], available, alpha, judging.effect) for name in names[1:]]
    return Plan(
        metric=measures[0].key,
        unit=measures[0].unit,
        against=names[0],
        users=available,
        pilot=None if deviation is not None else min(users, available),
        effect=judging.effect,
        alpha=alpha,
        pairs=tuple(rows),
    )


def _planned(name: str, spread: Estimate, apart: float | None, users: int, alpha: float, effect: float | None) -> PlannedPair:
    ends = [None if not end else detectable_effect(end, users, alpha=alpha) for end in (spread.value, spread.low, spread.high)]
    # Users who are all alike in the pilot say nothing about how many are needed.
    stated = effect if spread.value else None
    unpaired = None
    if stated is not None and apart:
        unpaired = users_needed(stated, apart, design="independent", alpha=alpha)
    return PlannedPair(
        arm=name,
        deviation=spread,
        detectable=Estimate(value=ends[0], low=ends[1], high=ends[2], users=spread.users),
        users_needed=None if stated is None else needed(stated, float(spread.value or 0.0), alpha),
        power=None if stated is None else power_for(stated, float(spread.value or 0.0), users, alpha=alpha),
        unpaired_users=unpaired,
    )


def _until_decided(
    scenario: Scenario, out: Path, judging: Judging, progress: Report, cache: Path | None, confirm: Confirm
) -> Comparison:
    """Serve block after block until every recommender is decided against the first, or no users are left."""
    scenario, available = _begun(scenario, out, judging), _available(scenario)
    size = block_size(judging, available)
    blocks = -(-available // size)
    looks = Looks(judging, available)
    folders: list[Path] = []
    for number in range(blocks):
        folder = out / "blocks" / f"{number:03d}"
        # A person is asked once, for all the blocks that there may be.
        ask = (lambda found: confirm(_times(found, blocks))) if number == 0 else _silent
        _run_or_resume(_block(scenario, Block(size=size, number=number)), folder, progress, cache=cache, confirm=ask)
        folders.append(folder)
        if looks.add(folder):
            break
    sequential = Sequential(
        block=size,
        blocks=len(folders),
        users=sum(read_manifest(folder)["users"] for folder in folders),
        available=available,
        planned_users=planned_users(available),
        decided={name: decision.users for name, decision in looks.decided.items()},
    )
    join_blocks(out, folders, {"sequential": asdict(sequential)})
    return judge_blocks(out, judging, looks, sequential)


def _begun(scenario: Scenario, out: Path, judging: Judging) -> Scenario:
    """Fix scenario and rule before the first user, or find that they are the ones fixed."""
    limits = {
        name: value for name, value in scenario.limits.model_dump().items() if value is not None and name != "calls_a_user"
    }
    if limits:
        raise ConfigError(
            f"until decided: got a limit on {min(limits)}, expected none, since every block is a run with limits of its own; "
            "lower --n-users instead"
        )
    if (out / _SETTINGS).is_file():
        known, fixed = _sequential_settings(out)
        asked = scenario if scenario.seed is not None else scenario.model_copy(update={"seed": known.seed})
        if asked != known or judging != fixed:
            raise RunExistsError(f"run folder: got {out}, begun with other settings, expected a new one; pass --out")
        return known
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunExistsError(f"run folder: got {out}, which holds files, expected a new one; pass --out")
    scenario = draw_seed(scenario)
    content = {"scenario": scenario.model_dump(mode="json"), "judging": asdict(judging)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / _SETTINGS, json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")
    except OSError as error:
        raise ConfigError(
            f"run folder: got {out} ({error.strerror}), expected a folder that can be made; pass --out"
        ) from error
    return scenario


def _sequential_settings(out: Path) -> tuple[Scenario, Judging]:
    path = out / _SETTINGS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        judging = Judging(**content["judging"] | {"metrics": tuple(content["judging"]["metrics"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogError(f"{path}: got {error!r}, expected the settings of a comparison; start a new one") from error
    return scenario_from(content["scenario"], str(path)), judging


def _run_or_resume(scenario: Scenario, folder: Path, progress: Report, *, cache: Path | None, confirm: Confirm) -> None:
    """Run a scenario, or finish the run of the same one that is there."""
    if not (folder / "manifest.json").is_file():
        for torn in folder.glob("*.part"):
            # A kill during the very first write; nothing was logged yet.
            torn.unlink()
        run(scenario, folder, progress, cache=cache, confirm=confirm)
        return
    known = scenario_from(read_manifest(folder).get("settings") or {}, str(folder / "manifest.json"))
    asked = scenario if scenario.seed is not None else scenario.model_copy(update={"seed": known.seed})
    if asked != known:
        raise RunExistsError(
            f"run folder: got {folder}, a run with other settings, expected a new one or the same settings; pass --out"
        )
    resume(folder, progress, cache=cache)


def _check_groups(scenario: Scenario, name: str) -> None:
    """Refuse an unknown group before anybody is served."""
    if name in (known := [trait.name for trait in TRAITS]):
        return
    data = open_dataset(scenario.data, columns=scenario.columns, skip_bad_rows=scenario.skip_bad_rows)
    if name not in data.demographics:
        raise ConfigError(f"groups: got {name!r}, expected one of {', '.join([*known, *data.demographics])}")


def _block(scenario: Scenario, block: Block) -> Scenario:
    return scenario.model_copy(update={"users": scenario.users.model_copy(update={"block": block})})


def _available(scenario: Scenario) -> int:
    """Return how many users the scenario has."""
    settings = scenario.users
    if settings.block is not None:
        raise ConfigError("compare: got users.block, expected none where users are taken block by block; leave it out")
    if settings.count is not None:
        return settings.count
    if settings.model not in _COUNTED:
        raise ConfigError(f"compare: got users {settings.model!r} without a number, expected how many; pass --n-users")
    data = open_dataset(scenario.data, columns=scenario.columns, skip_bad_rows=scenario.skip_bad_rows)
    return len(data.ratings.users)


def _times(found: CallEstimate, blocks: int) -> CallEstimate:
    return found._replace(
        calls=found.calls * blocks,
        prompt_tokens=found.prompt_tokens * blocks,
        answer_tokens=found.answer_tokens * blocks,
        cost=None if found.cost is None else found.cost * blocks,
    )


def _written(comparison: Comparison, out: Path) -> Comparison:
    """Put the verdict into words and write ``comparison.json``."""
    comparison = replace(comparison, verdict=tuple(verdict_lines(comparison.to_json())))
    content = json.dumps(comparison.to_json(), indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    write_atomically(out / FILE_NAME, content)
    return comparison
