"""Judging arms: every pair on every metric, corrected for being many.

``judge_pairs`` is the whole of it: the run's summary asks it with Bonferroni's correction, a comparison with Holm's or
Benjamini and Hochberg's. ``judge_run`` puts beside it what else a comparison tells: bootstrap, lift, power, CUPED, groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.comparison.extremes import find_gainers, find_losers
from recsim_llm.comparison.groups import compare_groups
from recsim_llm.comparison.outcomes import Pair, estimate_values, pair_arms, pick_best, served_by
from recsim_llm.comparison.pre_period import PrePeriod, adjust_difference
from recsim_llm.comparison.results import Compared, Comparison, Judging, PairGroups, Power
from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.log.manifest import read_warnings
from recsim_llm.log.reader import open_run
from recsim_llm.metrics.tallies import Tally, read_tally
from recsim_llm.population.taste_families import draw_families, families_of_run
from recsim_llm.statistics import (
    RESAMPLES,
    Adjusted,
    Correction,
    Effect,
    Estimate,
    Lift,
    bootstrap_means,
    bootstrap_ratio_differences,
    decide,
    detectable_effect,
    judge_family,
    paired_effect,
    power_for,
    relative_lift,
    users_needed,
)

__all__ = [
    "Judged",
    "compute_power",
    "estimate_lift",
    "estimate_pairing",
    "find_users_needed",
    "judge_pairs",
    "judge_run",
    "read_finished_tally",
    "tell_unrated",
    "word_verdict",
]

_ALL_RESAMPLES_UP_TO = 5_000
_FEWEST_RESAMPLES = 1_000


class Judged(NamedTuple):
    """What the data carry of one pair among several."""

    pair: Pair
    """The pair."""
    alone: Effect
    """The one minus the other, with the interval of this pair alone."""
    effect: Effect
    """The same; its interval holds together with those of the others."""
    p_adjusted: float | None
    """Corrected p value; None where there is no test."""
    rejected: bool
    """Whether the correction rejects that there is no difference."""

    def turned(self) -> Judged:
        """Return the other minus the one."""
        return self._replace(pair=self.pair.turned(), alone=self.alone.turned(), effect=self.effect.turned())


def judge_pairs(pairs: Sequence[Pair], *, correction: Correction, confidence: float) -> list[Judged]:
    """Judge pairs that are claimed together.

    Args:
        pairs: of arms, on one metric or several.
        correction: for being several, see ``recsim_llm.statistics.judge_family``.
        confidence: that the correction keeps, 0 to 1.
    """
    alone = [pair.difference(confidence=confidence) for pair in pairs]
    family = judge_family(alone, method=correction, alpha=1.0 - confidence)
    columns = (pairs, alone, family.effects, family.adjustment.adjusted, family.adjustment.rejected)
    return [Judged(*row) for row in zip(*columns, strict=True)]


def judge_run(tally: Tally, manifest: Mapping[str, Any], judging: Judging, known: PrePeriod | None) -> Comparison:
    """Judge a finished run whose number of users was fixed beforehand.

    Args:
        tally: its sums by arm and user.
        manifest: of the run.
        judging: how.
        known: what was known of the users of the tally before the run; None where that cannot be told.
    """
    settings = manifest.get("settings") or {}
    measures = judging.measures(str(settings.get("reward", "")), rated=tally.rated, discount=settings.get("discount", 1.0))
    pairs = pair_arms(tally, measures)
    users, seed = served_by(tally, tally.arms), int(manifest["seed"] or 0)
    adjusted = [adjust_difference(pair, known, users, confidence=judging.confidence) for pair in pairs]
    judged = judge_pairs(pairs, correction=judging.method, confidence=judging.confidence)
    columns = zip(judged, _bootstraps(pairs, seed, judging.confidence), adjusted, strict=True)
    rows = [
        _compared(row, judging, len(pairs), primary=row.pair.metric is measures[0], bootstrap=bootstrap, adjusted=adjustment)
        for row, bootstrap, adjustment in columns
    ]
    primary = [pair for pair in pairs if pair.metric is measures[0]]
    groups, told = _groups(primary, known, users, judging.confidence)
    families, untold = _families(primary, tally.user_id[users], families_of_run(manifest), judging.confidence)
    values = estimate_values(tally, measures)
    return Comparison(
        scenario=str(manifest["scenario"]),
        seed=seed,
        users=int(users.sum()),
        arms=tally.arms,
        best=pick_best({arm: estimate.value for arm, estimate in values[measures[0].key].items()}),
        metrics=measures,
        judging=judging,
        values=values,
        comparisons=tuple(rows),
        groups=groups,
        covariates=known.covariates if known is not None and any(adjusted) else (),
        plan=None,
        sequential=None,
        families=families,
        warnings=read_warnings(manifest),
        notes=(*told, *untold, *_notes(len(users) - int(users.sum()), known, adjusted), *tell_unrated(tally)),
    )


def tell_unrated(tally: Tally) -> tuple[str, ...]:
    """Say that nobody gave a rating, and what is therefore not compared; nothing where somebody did."""
    return () if tally.rated else ("Nobody gave a rating, so that nothing about ratings is compared.",)


def read_finished_tally(run: Path, *, alone: bool = False, fewest: int = 2) -> Tally:
    """Read the sums by arm and user of a finished run.

    Args:
        run: its folder.
        alone: whether a run of one recommender will do, as it does where it is compared with another run's.
        fewest: users whom every recommender must have served; one will do for a block of several.

    Raises:
        LogError: the folder is no run, is not finished, or has one recommender only.
    """
    log = open_run(run)
    if len(log.arms) < 2 and not alone:
        raise LogError(f"{run}: got one recommender, expected two or more to compare; pass --recommenders a,b")
    waiting = [name for name in log.arms if name not in log.finished_arms]
    if waiting:
        raise LogError(f"{run}: got {', '.join(waiting)} unfinished, expected a whole run; `recsim-llm resume {run}` first")
    tally = read_tally(log)
    if (served := served_by(tally, tally.arms).sum()) < fewest:
        raise LogError(f"{run}: got {served} users whom every recommender served, expected {fewest} or more; raise --n-users")
    return tally


def word_verdict(pair: Pair, effect: Effect, *, rejected: bool, smallest_effect: float | None) -> str:
    """Return what the data carry of a pair, in a word or two."""
    if pair.identical:
        return "identical"
    found = decide(effect, smallest_effect=smallest_effect)
    if found == "undecided" and rejected and effect.value:
        # Holm may reject what Bonferroni's interval still holds: the sign is then certain, the size is not.
        return "better" if effect.value > 0.0 else "worse"
    return found


def estimate_lift(pair: Pair, difference: Effect) -> Lift:
    """Return the relative lift of a pair, whose interval agrees with that of the difference."""
    if pair.values is None:
        return Lift(value=None, users=len(pair.one.above))
    lift = relative_lift(*pair.values, difference=difference)
    cut = lift.within(-1.0 if pair.limits[0] >= 0.0 else -np.inf, np.inf)
    return replace(lift, low=cut.low, high=cut.high)


def estimate_pairing(pair: Pair, confidence: float) -> tuple[Estimate, Estimate]:
    """Return the variance ratio and the share of users saved by pairing, each with an interval of its own."""
    if pair.values is None:
        none = Estimate(value=None, users=len(pair.one.above))
        return none, none
    paired = paired_effect(*pair.values, confidence=confidence)
    return paired.variance_ratio, paired.users_saved


def compute_power(pair: Pair, judging: Judging, comparisons: int) -> Power | None:
    """Return what the pair's users could show; None where they do not differ."""
    if pair.values is None:
        return None
    differences = pair.values[0] - pair.values[1]
    deviation, users, alpha = float(differences.std(ddof=1)), len(differences), (1.0 - judging.confidence) / comparisons
    if not deviation > 0.0:
        return None
    return Power(
        deviation=deviation,
        alpha=alpha,
        detectable=detectable_effect(deviation, users, alpha=alpha),
        achieved=None if judging.effect is None else power_for(judging.effect, deviation, users, alpha=alpha),
        users_needed=None if judging.effect is None else find_users_needed(judging.effect, deviation, alpha),
    )


def find_users_needed(effect: float, deviation: float, alpha: float) -> int | None:
    """Return the users who find an effect with probability 0.8, or None where no run could be that large."""
    try:
        return users_needed(effect, deviation, alpha=alpha)
    except ConfigError:
        return None


def _compared(
    judged: Judged,
    judging: Judging,
    comparisons: int,
    *,
    primary: bool,
    bootstrap: Effect,
    adjusted: Adjusted | None,
) -> Compared:
    pair = judged.pair
    ratio, saved = estimate_pairing(pair, judging.confidence)
    smallest = judging.effect if primary else None
    return Compared(
        metric=pair.metric.key,
        arm=pair.arm,
        against=pair.against,
        verdict=word_verdict(pair, judged.effect, rejected=judged.rejected, smallest_effect=smallest),
        effect=pair.possible(judged.effect),
        alone=pair.possible(judged.alone),
        bootstrap=bootstrap,
        p_adjusted=judged.p_adjusted,
        rejected=judged.rejected,
        lift=estimate_lift(pair, judged.effect),
        variance_ratio=ratio,
        users_saved=saved,
        adjusted=None if adjusted is None else pair.possible(adjusted.effect),
        adjusted_reduction=None if adjusted is None else adjusted.reduction,
        power=compute_power(pair, judging, comparisons) if primary else None,
        lost=find_losers(pair),
        gained=find_gainers(pair),
    )


def _bootstraps(pairs: Sequence[Pair], seed: int, confidence: float) -> list[Effect]:
    """Return the bootstrap of each pair; means share their resamples and so do ratios, since drawing them is the work."""
    users = len(pairs[0].one.above)
    resamples = (
        RESAMPLES if users <= _ALL_RESAMPLES_UP_TO else max(RESAMPLES * _ALL_RESAMPLES_UP_TO // users, _FEWEST_RESAMPLES)
    )
    means = [place for place, pair in enumerate(pairs) if pair.one.below is None]
    ratios = [place for place, pair in enumerate(pairs) if pair.one.below is not None]
    found: dict[int, Effect] = {}
    if means:
        differences = np.stack([pairs[place].one.above - pairs[place].other.above for place in means])
        effects = bootstrap_means(differences, seed=seed, confidence=confidence, resamples=resamples)
        found |= zip(means, effects, strict=True)
    if ratios:
        sides = [((pairs[place].metric.key, side), outcome) for place in ratios for side, outcome in pairs[place].sides]
        outcomes = dict(sides)
        row = {side: place for place, side in enumerate(outcomes)}
        effects = bootstrap_ratio_differences(
            np.stack([outcome.above for outcome in outcomes.values()]),
            np.stack([outcome.below for outcome in outcomes.values() if outcome.below is not None]),
            [(row[one], row[other]) for (one, _), (other, _) in zip(sides[::2], sides[1::2], strict=True)],
            seed=seed,
            confidence=confidence,
            resamples=resamples,
        )
        found |= zip(ratios, effects, strict=True)
    return [found[place] for place in range(len(pairs))]


def _groups(
    pairs: Sequence[Pair], known: PrePeriod | None, users: BoolArray, confidence: float
) -> tuple[tuple[PairGroups, ...], list[str]]:
    if known is None:
        return (), ["Users could not be grouped: their traits cannot be rebuilt from the run's settings."]
    groups, why = compare_groups(pairs, known.groups[users], confidence=confidence)
    return groups, [] if why is None else [why]


def _families(
    pairs: Sequence[Pair], user_id: IntArray, families: Sequence[str], confidence: float
) -> tuple[tuple[PairGroups, ...], list[str]]:
    if len(families) < 2:
        return (), []
    own = np.array(families)[draw_families(user_id, families)]
    found, why = compare_groups(pairs, own, confidence=confidence)
    return found, [] if why is None else [f"Whether the verdict holds with every family of users is not told: {why}"]


def _notes(left_out: int, known: PrePeriod | None, adjusted: Sequence[Adjusted | None]) -> list[str]:
    notes = []
    if left_out:
        notes.append(f"Left out: {left_out:,} {'user' if left_out == 1 else 'users'} whom not every recommender served.")
    if known is not None and known.everyone:
        notes.append(
            "Nothing is adjusted for behaviour before the run: the users are all there are, so their traits' means are not "
            "known any better than from themselves."
        )
    elif known is not None and not any(adjusted):
        notes.append("Nothing is adjusted for behaviour before the run: too few users, or none who differ.")
    return notes
