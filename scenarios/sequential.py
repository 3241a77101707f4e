"""Users come until the recommenders are told apart: what the blocks served so far can claim, and when to stop.

Every recommender against the first has an always-valid confidence sequence on the primary metric, at ``1 - alpha / pairs``
(union bound over the pairs; ``recsim_llm.statistics.always_valid`` has formula and source). A pair is decided at the first
look whose interval leaves out 0, or lies within the smallest effect of interest; what was decided stays decided. A look is
the end of a block. Users must come in an order that has nothing to do with how they behave, which the keyed blocks see to.

Other pairs and metrics are a family of their own, with always-valid intervals at the last look at ``1 - alpha / (pairs x
metrics)``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recsim_llm.comparison import Judging
from recsim_llm.comparison.extremes import find_gainers, find_losers
from recsim_llm.comparison.judge import (
    compute_power,
    estimate_lift,
    estimate_pairing,
    read_finished_tally,
    tell_unrated,
    word_verdict,
)
from recsim_llm.comparison.outcomes import Pair, estimate_values, pair_arms, pick_best, served_by
from recsim_llm.comparison.results import Compared, Comparison, Sequential
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.log.manifest import read_manifest, read_warnings
from recsim_llm.statistics import BURN_IN, Effect, confidence_sequence

__all__ = ["Looks", "block_size", "judge_blocks", "planned_users"]

_BLOCKS = 10
_PLANNED_SHARE = 4


class Looks:
    """The users served so far, block by block.

    Args:
        judging: how to judge.
        available: users there are.
    """

    def __init__(self, judging: Judging, available: int) -> None:
        self._judging, self._planned = judging, planned_users(available)
        self._differences: dict[str, list[DoubleArray]] = {}
        self.decided: dict[str, Decision] = {}
        """By recommender: the look that decided it against the first."""

    def add(self, block: Path) -> bool:
        """Take in a finished block, and return whether every recommender is now decided against the first.

        Args:
            block: its run folder.
        """
        tally = read_finished_tally(block, fewest=1)
        for pair in pair_arms(tally, self._judging.measures("clicks")[:1]):
            if pair.against == tally.arms[0]:
                self._differences.setdefault(pair.arm, []).append(pair.one.above - pair.other.above)
        confidence = 1.0 - (1.0 - self._judging.confidence) / len(self._differences)
        for name in self._differences:
            if name not in self.decided:
                effect = self.effect(name, confidence)
                if effect is not None and _decides(effect, self._judging.effect):
                    self.decided[name] = Decision(effect.users, effect)
        return len(self.decided) == len(self._differences)

    def effect(self, name: str, confidence: float) -> Effect | None:
        """Return a recommender's difference from the first at this look; None before the burn-in."""
        differences = np.concatenate(self._differences[name])
        return None if len(differences) < BURN_IN else _always_valid(differences, self._planned, confidence)


class Decision(NamedTuple):
    """The look that decided a pair."""

    users: int
    """Users served until then."""
    effect: Effect
    """The difference with its always-valid interval."""


def block_size(judging: Judging, available: int) -> int:
    """Return the users a block: as asked for, or a tenth of those there are, at least the burn-in."""
    return judging.block or max(math.ceil(available / _BLOCKS), BURN_IN)


def planned_users(available: int) -> int:
    """Return the number of users at which intervals are narrowest: a quarter of those there are, at least the burn-in."""
    return max(available // _PLANNED_SHARE, BURN_IN)


def judge_blocks(run: Path, judging: Judging, looks: Looks, sequential: Sequential) -> Comparison:
    """Judge a run that grew block by block.

    Args:
        run: the folder of the joined blocks.
        judging: how.
        looks: after the last block.
        sequential: how it came to its end.
    """
    manifest, tally = read_manifest(run), read_finished_tally(run)
    measures = judging.measures(
        str(manifest["settings"]["reward"]), rated=tally.rated, discount=manifest["settings"]["discount"]
    )
    pairs = pair_arms(tally, measures)
    values = estimate_values(tally, measures)
    alpha = 1.0 - judging.confidence
    rows = []
    for pair in pairs:
        looked_at = pair.metric is measures[0] and pair.against == tally.arms[0]
        shared = len(tally.arms) - 1 if looked_at else len(pairs)
        effect = _at_the_end(pair, looks if looked_at else None, sequential, 1.0 - alpha / shared)
        rows.append(_compared(pair, effect, judging, comparisons=shared, primary=pair.metric is measures[0]))
    return Comparison(
        scenario=str(manifest["scenario"]),
        seed=int(manifest["seed"]),
        users=int(served_by(tally, tally.arms).sum()),
        arms=tally.arms,
        best=pick_best({arm: estimate.value for arm, estimate in values[measures[0].key].items()}),
        metrics=measures,
        judging=judging,
        values=values,
        comparisons=tuple(rows),
        groups=(),
        covariates=(),
        plan=None,
        sequential=sequential,
        warnings=read_warnings(manifest),
        notes=(*_notes(sequential), *tell_unrated(tally)),
    )


def _at_the_end(pair: Pair, looks: Looks | None, sequential: Sequential, confidence: float) -> Effect:
    if looks is not None and pair.arm in looks.decided:
        return looks.decided[pair.arm].effect
    users = len(pair.one.above)
    if pair.values is None or users < BURN_IN:
        return Effect(value=None, users=users, confidence=confidence, method="asymptotic confidence sequence")
    return _always_valid(pair.values[0] - pair.values[1], sequential.planned_users, confidence)


def _always_valid(differences: DoubleArray, planned: int, confidence: float) -> Effect:
    users = len(differences)
    peeks = confidence_sequence(differences, planned_users=planned, looks=[users], confidence=confidence)
    ends = [float(end[0]) if np.isfinite(end[0]) else None for end in (peeks.low, peeks.high)]
    return Effect(
        value=float(peeks.mean[0]),
        low=ends[0],
        high=ends[1],
        standard_error=None if ends[0] is None else float(peeks.standard_error[0]),
        p_value=None if ends[0] is None else float(peeks.p_value[0]),
        users=users,
        confidence=confidence,
        method="asymptotic confidence sequence",
    )


def _decides(effect: Effect, smallest_effect: float | None) -> bool:
    if effect.low is None or effect.high is None:
        return False
    within = smallest_effect is not None and -smallest_effect < effect.low and effect.high < smallest_effect
    return within or effect.excludes(0.0)


def _compared(pair: Pair, effect: Effect, judging: Judging, *, comparisons: int, primary: bool) -> Compared:
    ratio, saved = estimate_pairing(pair, judging.confidence)
    return Compared(
        metric=pair.metric.key,
        arm=pair.arm,
        against=pair.against,
        verdict=word_verdict(pair, effect, rejected=False, smallest_effect=judging.effect if primary else None),
        effect=pair.possible(effect),
        alone=pair.possible(effect),
        bootstrap=None,
        p_adjusted=None if effect.p_value is None else min(effect.p_value * comparisons, 1.0),
        rejected=effect.excludes(0.0),
        # An interval for a fixed number of users does not hold at a stop.
        lift=replace(estimate_lift(pair, effect), low=None, high=None, unbounded=False),
        variance_ratio=ratio,
        users_saved=saved,
        adjusted=None,
        adjusted_reduction=None,
        power=compute_power(pair, judging, comparisons) if primary else None,
        lost=find_losers(pair),
        gained=find_gainers(pair),
    )


def _notes(sequential: Sequential) -> list[str]:
    ended = [] if sequential.limit is None else [_told_limit(sequential)]
    return [
        *ended,
        f"Users came in blocks of {sequential.block:,} until the comparison was decided or none were left: "
        f"{sequential.users:,} of {sequential.available:,} were served. Intervals of the comparison are always-valid: they "
        "hold at every look together, so that stopping early is allowed.",
        "Bootstrap, adjustment for earlier behaviour and results by group need a number of users fixed beforehand and are left "
        "out.",
    ]


def _told_limit(sequential: Sequential) -> str:
    return (
        f"The limit on {sequential.limit} was used up after {sequential.users:,} users in whole blocks, before the comparison "
        "was decided. Intervals hold at any stop, this one included; users of the block that was broken off count nowhere. "
        f"`recsim-llm resume FOLDER --max-{sequential.limit} N` goes on."
    )
