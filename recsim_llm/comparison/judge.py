"""Judging a finished run: every pair of recommenders on every metric, corrected for being many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.comparison.outcomes import Outcome, difference, outcome, served_by_all
from recsim_llm.comparison.results import Compared, Comparison, Judging, PairGroups, Power
from recsim_llm.errors import ConfigError, DataError, LogError
from recsim_llm.metrics.evaluation import ORACLE, read_manifest
from recsim_llm.metrics.summary import Metric
from recsim_llm.metrics.tallies import Tally, tally_log
from recsim_llm.population.choosing import COVARIATES, People, people_of
from recsim_llm.statistics import (
    RESAMPLES,
    Adjusted,
    Effect,
    bootstrap_means,
    bootstrap_ratio_difference,
    cuped_paired,
    decide,
    detectable_effect,
    group_effects,
    judge_family,
    paired_effect,
    power_for,
    relative_lift,
    users_needed,
)
from recsim_llm.statistics.intervals import Estimate

__all__ = ["Pair", "best_of", "judge_run", "lift_of", "needed", "pairs_of", "power_of", "tally_of", "values_of", "verdict_of"]

_ALL_RESAMPLES_UP_TO = 5_000
_FEWEST_RESAMPLES = 1_000


class Pair(NamedTuple):
    """Two recommenders on one metric."""

    metric: Metric
    arm: str
    against: str
    one: Outcome
    other: Outcome

    @property
    def values(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
        """Numbers by user of both; None where the metric is undefined for one of them."""
        one, other = self.one.values, self.other.values
        return None if one is None or other is None else (one, other)


def judge_run(run: Path, judging: Judging, notes: Sequence[str] = ()) -> Comparison:
    """Judge a finished run whose number of users was fixed beforehand.

    Args:
        run: the run folder.
        judging: how.
        notes: what a reader must know beside what is found here.

    Raises:
        LogError: the folder is no run, is not finished, or has one recommender only.
    """
    manifest, tally = read_manifest(run), tally_of(run)
    measures = judging.measures(str((manifest.get("settings") or {}).get("reward", "")))
    pairs = pairs_of(tally, measures)
    alone = [difference(pair.one, pair.other, confidence=judging.confidence) for pair in pairs]
    family = judge_family(alone, method=judging.method, alpha=1.0 - judging.confidence)
    people = people_of(manifest, tally.user_id) if manifest.get("settings") else None
    users, seed = served_by_all(tally), int(manifest["seed"] or 0)
    bootstraps = _bootstraps(pairs, seed, judging.confidence)
    adjusted = [_adjusted(pair, people, users, judging.confidence) for pair in pairs]
    columns = (pairs, alone, family.effects, family.adjustment.adjusted, family.adjustment.rejected, bootstraps, adjusted)
    rows = [_compared(judging, len(pairs), measures[0], row) for row in zip(*columns, strict=True)]
    groups, told = _groups(pairs, people, users, judging)
    return Comparison(
        scenario=str(manifest["scenario"]),
        seed=seed,
        users=int(users.sum()),
        arms=tally.arms,
        best=best_of(tally, measures[0]),
        metrics=measures,
        judging=judging,
        values=values_of(tally, measures),
        comparisons=tuple(rows),
        groups=groups,
        covariates=COVARIATES if any(adjusted) else (),
        plan=None,
        sequential=None,
        notes=(*notes, *told, *_notes(tally, people, adjusted)),
    )


def tally_of(run: Path) -> Tally:
    """Read the sums by recommender and user of a finished run.

    Raises:
        LogError: the folder is no run, is not finished, or has one recommender only.
    """
    manifest = read_manifest(run)
    names = [str(name) for name in manifest["arms"]]
    if len(names) < 2:
        raise LogError(f"{run}: got one recommender, expected two or more to compare; pass --recommenders a,b")
    index = run / "segments.jsonl"
    lines = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()] if index.is_file() else []
    waiting = [name for name in names if lines and not any(line["arm"] == name and line["last"] for line in lines)]
    if waiting:
        raise LogError(f"{run}: got {', '.join(waiting)} unfinished, expected a whole run; `recsim-llm resume {run}` first")
    tally = tally_log(run, arms=names, slate_size=int(manifest["slate_size"]), max_pages=int(manifest["max_pages"]))
    if served_by_all(tally).sum() < 2:
        raise LogError(f"{run}: got fewer than two users whom every recommender served, expected more; raise --n-users")
    return tally


def best_of(tally: Tally, metric: Metric) -> str:
    """Return the recommender with the most of a metric, the oracle left out; the first of equals."""
    values = {name: outcome(tally, metric, arm).estimate(metric).value for arm, name in enumerate(tally.arms)}
    real = {name: value for name, value in values.items() if name != ORACLE} or values
    return max(real, key=lambda name: -np.inf if real[name] is None else float(real[name] or 0.0))


def pairs_of(tally: Tally, measures: Sequence[Metric]) -> list[Pair]:
    """Return every pair of recommenders on every metric, the later one first in each pair."""
    outcomes = {metric.key: [outcome(tally, metric, arm) for arm in range(len(tally.arms))] for metric in measures}
    places = list(combinations(range(len(tally.arms)), 2))
    return [
        Pair(metric, tally.arms[later], tally.arms[first], outcomes[metric.key][later], outcomes[metric.key][first])
        for metric in measures
        for first, later in places
    ]


def values_of(tally: Tally, measures: Sequence[Metric]) -> dict[str, dict[str, Estimate]]:
    """Return each metric of each recommender, by its key and name."""
    arms = list(enumerate(tally.arms))
    return {metric.key: {name: outcome(tally, metric, arm).estimate(metric) for arm, name in arms} for metric in measures}


def verdict_of(pair: Pair, effect: Effect, rejected: bool, smallest_effect: float | None) -> str:
    """Return what the data carry of a pair, in a word or two."""
    if np.array_equal(pair.one.above, pair.other.above) and np.array_equal(pair.one.below, pair.other.below):
        return "identical"
    found = decide(effect, smallest_effect=smallest_effect)
    if found == "undecided" and rejected and effect.value:
        # Holm may reject what Bonferroni's interval still holds: the sign is then certain, the size is not.
        return "better" if effect.value > 0.0 else "worse"
    return found


def lift_of(pair: Pair, confidence: float) -> tuple[Estimate, Estimate, Estimate]:
    """Return the relative lift, the variance ratio and the share of users saved by pairing."""
    none = Estimate(value=None, users=len(pair.one.above))
    if pair.values is None:
        return none, none, none
    paired = paired_effect(*pair.values, confidence=confidence)
    return relative_lift(*pair.values, confidence=confidence), paired.variance_ratio, paired.users_saved


def power_of(pair: Pair, judging: Judging, comparisons: int) -> Power | None:
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
        users_needed=None if judging.effect is None else needed(judging.effect, deviation, alpha),
    )


def needed(effect: float, deviation: float, alpha: float) -> int | None:
    """Return the users who find an effect with probability 0.8, or None where no run could be that large."""
    try:
        return users_needed(effect, deviation, alpha=alpha)
    except ConfigError:
        return None


def _compared(judging: Judging, comparisons: int, primary: Metric, row: tuple[Any, ...]) -> Compared:
    pair, alone, effect, p_adjusted, rejected, bootstrap, adjusted = row
    lift, ratio, saved = lift_of(pair, judging.confidence)
    first = pair.metric.key == primary.key
    return Compared(
        metric=pair.metric.key,
        arm=pair.arm,
        against=pair.against,
        verdict=verdict_of(pair, effect, rejected, judging.effect if first else None),
        effect=effect,
        alone=alone,
        bootstrap=bootstrap,
        p_adjusted=p_adjusted,
        rejected=rejected,
        lift=lift,
        variance_ratio=ratio,
        users_saved=saved,
        adjusted=adjusted and adjusted.effect,
        adjusted_reduction=adjusted and adjusted.reduction,
        power=power_of(pair, judging, comparisons) if first else None,
    )


def _bootstraps(pairs: Sequence[Pair], seed: int, confidence: float) -> list[Effect]:
    users = len(pairs[0].one.above)
    resamples = (
        RESAMPLES if users <= _ALL_RESAMPLES_UP_TO else max(RESAMPLES * _ALL_RESAMPLES_UP_TO // users, _FEWEST_RESAMPLES)
    )
    means = [pair for pair in pairs if not pair.one.ratio]
    found: dict[int, Effect] = {}
    if means:
        effects = bootstrap_means(
            np.stack([pair.one.above - pair.other.above for pair in means]),
            seed=seed,
            confidence=confidence,
            resamples=resamples,
        )
        found = {id(pair): effect for pair, effect in zip(means, effects, strict=True)}
    for pair in pairs:
        if pair.one.ratio:
            found[id(pair)] = bootstrap_ratio_difference(
                [pair.one.above, pair.other.above],
                [pair.one.below, pair.other.below],
                seed=seed,
                confidence=confidence,
                resamples=resamples,
            )
    return [found[id(pair)] for pair in pairs]


def _adjusted(pair: Pair, people: People | None, users: npt.NDArray[np.bool_], confidence: float) -> Adjusted | None:
    if people is None or people.everyone or pair.values is None:
        return None
    before, expected = people.before()
    varying = np.ptp(before[users], axis=0) > 0.0
    if not varying.any() or not (pair.values[0] - pair.values[1]).any():
        return None
    try:
        return cuped_paired(
            pair.values[0] - pair.values[1], before[users][:, varying], expected[varying], confidence=confidence
        )
    except DataError:
        # Too few users for so many covariates: said in the notes.
        return None


def _groups(
    pairs: Sequence[Pair], people: People | None, users: npt.NDArray[np.bool_], judging: Judging
) -> tuple[tuple[PairGroups, ...], list[str]]:
    if people is None:
        return (), ["Users could not be grouped: their traits cannot be rebuilt from the run's settings."]
    labels = people.groups(judging.groups)[users]
    chosen = [pair for pair in pairs if pair.metric is pairs[0].metric]
    names, sizes = np.unique(labels, return_counts=True)
    # Groups of every pair are looked at together, so all of them count.
    confidence = 1.0 - (1.0 - judging.confidence) / len(chosen)
    rows = []
    for pair in chosen:
        columns = [np.zeros(len(labels)), np.zeros(len(labels))]
        for name in names:
            members = labels == name
            for column, side in zip(columns, (pair.one, pair.other), strict=True):
                values = side.values_of(members)
                if values is None:
                    return (), [f"Users could not be grouped: {pair.metric.label.lower()} is undefined in group {name}."]
                column[members] = values
        groups = group_effects(columns[0], columns[1], labels, confidence=confidence)
        rows.append(PairGroups(arm=pair.arm, against=pair.against, sizes=tuple(map(int, sizes)), groups=groups))
    return tuple(rows), []


def _notes(tally: Tally, people: People | None, adjusted: Sequence[Adjusted | None]) -> list[str]:
    notes = []
    left_out = len(tally.user_id) - int(served_by_all(tally).sum())
    if left_out:
        notes.append(f"{left_out:,} users whom not every recommender served are left out.")
    if people is not None and people.everyone:
        notes.append(
            "Nothing is adjusted for behaviour before the run: the users are all there are, so their traits' means are not "
            "known any better than from themselves."
        )
    elif people is not None and not any(adjusted):
        notes.append("Nothing is adjusted for behaviour before the run: too few users, or none who differ.")
    return notes
