"""Comparing recommenders: run them on the same users with the same dice, judge the differences, say what the data carry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from recsim_llm.comparison import Judging
from recsim_llm.comparison.judge import judge_run, read_finished_tally
from recsim_llm.comparison.results import FILE_NAME, Comparison, Plan, Sequential
from recsim_llm.core.files import write_atomically
from recsim_llm.errors import BudgetExceeded, ConfigError, one_of
from recsim_llm.log.folders import RUN_FOLDER, is_run
from recsim_llm.log.locks import lock_folder
from recsim_llm.log.manifest import read_manifest
from recsim_llm.population.personas import TRAITS
from recsim_llm.report.comparison_words import verdict_lines
from recsim_llm.scenarios.block_limits import SHARED, BlockLimits
from recsim_llm.scenarios.block_runs import count_users, is_finished, refuse_parts, run_or_resume, take_part, tell_nobody
from recsim_llm.scenarios.blocks import join_blocks
from recsim_llm.scenarios.building import load_dataset
from recsim_llm.scenarios.comparison_settings import (
    BLOCKS,
    ComparisonSettings,
    begin_comparison,
    forget_comparison,
    read_comparison_settings,
)
from recsim_llm.scenarios.estimates import Confirm, CostEstimate
from recsim_llm.scenarios.run_progress import Report
from recsim_llm.scenarios.run_users import known_before
from recsim_llm.scenarios.runner import allowed_limits, resume
from recsim_llm.scenarios.schema import Block, Scenario
from recsim_llm.scenarios.sequential import Looks, block_size, judge_blocks, planned_users
from recsim_llm.shards.sharding import Sharding

__all__ = ["compare", "compare_again"]


def compare(
    scenario: Scenario,
    out: Path,
    judging: Judging | None = None,
    progress: Report = tell_nobody,
    *,
    plan: Plan | None = None,
    cache: Path | None = None,
    confirm: Confirm = tell_nobody,
    sharding: Sharding | None = None,
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
        sharding: as for ``recsim_llm.scenarios.run``.

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
    with lock_folder(out, RUN_FOLDER):
        settings = begin_comparison(ComparisonSettings(scenario, judging, plan), out)
        try:
            return _finish(settings, out, progress, cache=cache, confirm=confirm, sharding=sharding)
        except Exception:
            forget_comparison(out)
            raise


def compare_again(
    out: Path,
    judging: Judging | None = None,
    progress: Report = tell_nobody,
    *,
    cache: Path | None = None,
    limits: Mapping[str, float] | None = None,
    sharding: Sharding | None = None,
) -> Comparison:
    """Judge a run or comparison that is there, finishing it first if it was stopped at any instant.

    Args:
        out: a run folder, of ``compare`` or of ``run``.
        judging: in place of the rule that the comparison was begun with, or for a run the usual; None for a comparison whose
            users came block by block, since its rule was fixed before the first of them.
        progress: as for ``recsim_llm.scenarios.run``.
        cache: as for ``recsim_llm.scenarios.run``.
        limits: as for ``recsim_llm.scenarios.resume``, for all blocks together where users come block by block.
        sharding: as for ``recsim_llm.scenarios.resume``.

    Raises:
        ConfigError: there is a rule already, and it is another one.
        LogError: the folder is no run.
    """
    if not is_run(out):
        read_manifest(out)
    with lock_folder(out, RUN_FOLDER):
        begun = read_comparison_settings(out)
        if begun is None:
            if read_manifest(out).get("settings"):
                resume(out, progress, cache=cache, limits=limits, sharding=sharding)
            return _written(_judge(out, judging or Judging()), out)
        if judging not in (None, begun.judging):
            if begun.judging.until_decided:
                raise ConfigError(f"compare: got another rule than {out} was begun with, expected none; leave the options out")
            begun = begun._replace(judging=judging, plan=None)
        return _finish(begun, out, progress, cache=cache, limits=limits, sharding=sharding)


def _finish(
    settings: ComparisonSettings,
    out: Path,
    progress: Report,
    *,
    cache: Path | None,
    confirm: Confirm = tell_nobody,
    limits: Mapping[str, float] | None = None,
    sharding: Sharding | None = None,
) -> Comparison:
    """Serve who has not been served, judge, and write what came of it."""
    scenario, judging, plan = settings
    if judging.until_decided:
        comparison = _until_decided(
            scenario, out, judging, progress, cache=cache, confirm=confirm, limits=limits, sharding=sharding
        )
    else:
        run_or_resume(scenario, out, progress, cache=cache, confirm=confirm, limits=limits, sharding=sharding)
        comparison = _judge(out, judging)
    return _written(replace(comparison, plan=plan), out)


def _judge(run: Path, judging: Judging) -> Comparison:
    """Judge a finished run whose number of users was fixed beforehand."""
    manifest, tally = read_manifest(run), read_finished_tally(run)
    return judge_run(tally, manifest, judging, known_before(manifest, tally.user_id, judging.groups))


def _until_decided(
    scenario: Scenario,
    out: Path,
    judging: Judging,
    progress: Report,
    *,
    cache: Path | None,
    confirm: Confirm,
    limits: Mapping[str, float] | None,
    sharding: Sharding | None,
) -> Comparison:
    """Serve block after block until every recommender is decided against the first, no users are left, or a limit is reached.

    Raises:
        BudgetExceeded: a limit was reached before the first block was over, or one that is not of all blocks together.
    """
    refuse_parts(scenario)
    available = count_users(scenario)
    size = block_size(judging, available)
    blocks = -(-available // size)
    looks, allowed = Looks(judging, available), BlockLimits(allowed_limits(scenario, limits))
    folders: list[Path] = []
    limit: str | None = None
    for number in range(blocks):
        folder = out / BLOCKS / f"{number:03d}"
        # A person is asked once, for all the blocks that there may be.
        ask = (lambda found: confirm(_times(found, blocks))) if number == 0 else tell_nobody
        # Items are the same in every block: what a model wrote about them for the first one is not paid for again.
        known = folders[0] if folders and cache is None and scenario.enriched_by_writer else cache
        part = take_part(scenario, Block(size=size, number=number))
        left = {} if is_finished(folder) else allowed.left(folder)
        limit = next((name for name, value in left.items() if value <= 0), None)
        if limit is not None and folders:
            break
        try:
            run_or_resume(part, folder, progress, cache=known, confirm=ask, limits=left, sharding=sharding)
        except BudgetExceeded as error:
            limit = next((name for name in SHARED if error.option == f"--max-{name}"), None)
            if limit is None or not folders:
                raise
            break
        allowed.finish(folder)
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
        limit=limit,
    )
    told = {name: value for name, value in asdict(sequential).items() if name != "limit" or value is not None}
    join_blocks(out, folders, {"sequential": told})
    return judge_blocks(out, judging, looks, sequential)


def _check_groups(scenario: Scenario, name: str) -> None:
    """Refuse an unknown group before anybody is served."""
    if name in (known := [*(trait.name for trait in TRAITS), *scenario.users.attributes]):
        return
    data = load_dataset(scenario)
    if name not in data.demographics:
        raise ConfigError(f"groups: got {name!r}, expected {one_of(name, [*known, *data.demographics])}")


def _times(found: CostEstimate, blocks: int) -> CostEstimate:
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
