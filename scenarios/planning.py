"""Planning a comparison: what so many users can show, from a pilot or a stated deviation."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from recsim_llm.comparison import Judging
from recsim_llm.comparison.judge import find_users_needed, read_finished_tally
from recsim_llm.comparison.outcomes import pair_arms
from recsim_llm.comparison.results import Plan, PlannedPair
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.metrics.definitions import Definition
from recsim_llm.scenarios.block_runs import count_users, refuse_parts, run_or_resume, take_part, tell_nobody
from recsim_llm.scenarios.estimates import Confirm
from recsim_llm.scenarios.run_progress import Report
from recsim_llm.scenarios.schema import Block, Scenario
from recsim_llm.statistics import Estimate, detectable_effect, deviation_estimate, power_for, users_needed

__all__ = ["plan_comparison"]


def plan_comparison(
    scenario: Scenario,
    pilot: Path,
    judging: Judging | None = None,
    progress: Report = tell_nobody,
    *,
    users: int = 100,
    deviation: float | None = None,
    cache: Path | None = None,
    confirm: Confirm = tell_nobody,
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
    metric, names = (
        judging.measures(scenario.reward, discount=scenario.discount)[0],
        [arm.name for arm in scenario.recommenders],
    )
    available = count_users(scenario)
    alpha = (1.0 - judging.confidence) / (
        len(judging.measures(scenario.reward, discount=scenario.discount)) * len(names) * (len(names) - 1) / 2
    )
    if deviation is not None:
        spreads = {name: _Spread(Estimate(value=deviation, users=0), None) for name in names[1:]}
    else:
        if scenario.seed is None:
            raise ConfigError("plan: got no seed, expected one, so that the pilot's users are the comparison's; pass --seed")
        refuse_parts(scenario)
        part = take_part(scenario, Block(size=min(users, available), number=0))
        run_or_resume(part, pilot, progress, cache=cache, confirm=confirm)
        spreads = _measure_spreads(pilot, metric, names[0])
    return Plan(
        metric=metric.key,
        unit=metric.unit,
        against=names[0],
        users=available,
        pilot=None if deviation is not None else min(users, available),
        effect=judging.effect,
        alpha=alpha,
        pairs=tuple(_plan_pair(name, spreads[name], available, alpha=alpha, effect=judging.effect) for name in names[1:]),
    )


class _Spread(NamedTuple):
    """How much users differ."""

    paired: Estimate
    """Standard deviation of users' paired differences."""
    apart: float | None
    """Standard deviation of users in one arm, both arms pooled; None without a pilot."""


def _measure_spreads(pilot: Path, metric: Definition, first: str) -> dict[str, _Spread]:
    """Return by arm how much the pilot's users differ on a metric between it and the first."""
    spreads = {}
    for pair in pair_arms(read_finished_tally(pilot), (metric,)):
        if pair.against != first:
            continue
        if pair.values is None:
            raise LogError(f"{pilot}: got {pair.metric.key} undefined for {pair.arm}, expected values; take more pilot users")
        one, other = pair.values
        apart = float(((one.var(ddof=1) + other.var(ddof=1)) / 2.0) ** 0.5)
        spreads[pair.arm] = _Spread(deviation_estimate(one - other), apart)
    return spreads


def _plan_pair(name: str, found: _Spread, users: int, *, alpha: float, effect: float | None) -> PlannedPair:
    spread, apart = found
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
        users_needed=None if stated is None else find_users_needed(stated, float(spread.value or 0.0), alpha),
        power=None if stated is None else power_for(stated, float(spread.value or 0.0), users, alpha=alpha),
        unpaired_users=unpaired,
    )
