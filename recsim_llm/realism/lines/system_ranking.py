"""Line 7, system ranking: do its users rank recommenders as held-out ratings do?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.line import Line, Measure, Role, not_assessed
from recsim_llm.realism.policy_trials import RIVALS, PolicyTrial
from recsim_llm.realism.resampling import Resampler, Series, Statistic, of_sums
from recsim_llm.realism.trials import CardSettings, counted_users
from recsim_llm.statistics.intervals import CONFIDENCE, mean_estimate

__all__ = ["HALVES", "effect_correlation", "kendall_tau", "pairwise_accuracy", "ranking_line"]

Ranking = Callable[[DoubleArray, DoubleArray], DoubleArray]

HALVES = "real users, half against half"
"""Row that ranks recommenders by the held-out ratings of half of the users and is judged by the other half's."""

_LEAST = 3
_NAME, _QUESTION = "system ranking", "Does it rank recommenders as held-out ratings of real people do?"
_PROTOCOL = (
    "{count} recommenders, fitted on the training part, show each user one page of {slots}, without what the user rated "
    "there. Truth: NDCG and recall of the pages against the held-out ratings ({split}). Simulated: expected clicks, later "
    "slots discounted as in NDCG; user models' chances as given, other rows' after a line fitted to validation users; a "
    "user's pages are asked about item by item, once each. {family} Users built from a family of recommenders crown it, "
    "which favours the baselines here: item-kNN users know neighbours, ALS users factors; the measure without the families "
    "of all rows is fair to all. Kendall's tau-b (Kendall 1945); pairwise accuracy: share of pairs ranked alike, ties half; "
    "decided pairs: those whose truth differs by more than its 95% interval by user; on them pairwise accuracy is the "
    "agreement in direction, and the correlation of effect sizes is that of the differences, simulated and true, both ways "
    "round. Intervals are over users, for these recommenders; the row's note has the one over recommenders. The upper "
    "reference ranks by half of the users: with twice as many, real users would agree better than it says."
)


def ranking_line(trials: Sequence[PolicyTrial], settings: CardSettings, *, families: Sequence[str] = ()) -> Line:
    """Return the line; Kendall's tau without the candidate's own families is the headline.

    Args:
        trials: what everybody says of the recommenders' pages.
        settings: of the card.
        families: families of recommenders that the candidate was built from; none for users that learned from no ratings.
    """
    users = counted_users([trial.trial for trial in trials], [trial.pages.user_index for trial in trials])
    policies = trials[0].pages.policies
    if np.count_nonzero(users) < 2:
        return not_assessed(
            7, _NAME, _QUESTION, "fewer than two users have held-out ratings; two users with two ratings each would do"
        )
    resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
    sets = _sets(trials[0], families)
    first, kept = next(iter(sets.items()))
    if kept.sum() < _LEAST:
        reason = (
            f"only {kept.sum()} recommenders are left without the families {families}; name fewer, so that {_LEAST} are left"
        )
        return not_assessed(7, _NAME, _QUESTION, reason)
    measures = [_measure(trials, resampler, f"Kendall tau, {name}", "tau", kept=kept) for name, kept in sets.items()]
    measures += [_measure(trials, resampler, f"pairwise accuracy, {name}", "share", kept=kept) for name, kept in sets.items()]
    measures += _decided(trials, resampler, first, sets[first])
    measures.append(_measure(trials, resampler, f"Kendall tau by recall, {first}", "tau", kept=sets[first], truth="recall"))
    left = ", ".join(families)
    text = f"Left out in the headline: the families it was built from, {left}." if left else "It was built from no family."
    slots = trials[0].pages.item_index.shape[2]
    return Line(
        number=7,
        name=_NAME,
        question=_QUESTION,
        measures=tuple(measures),
        protocol=_PROTOCOL.format(count=len(policies), slots=slots, split=settings.split, family=text),
        curves={"recommenders": _table(trials), "left out": _left_out(trials)},
    )


def kendall_tau(one: DoubleArray, other: DoubleArray) -> DoubleArray:
    """Return float64 [b]: Kendall's tau-b between rows of float64 [b, r]; NaN where all of a row are equal.

    Kendall 1945, "The treatment of ties in ranking problems": agreements less disagreements, over the root of the product of
    the untied pairs of either.
    """
    left, right = _signs(one), _signs(other)
    scale = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    tau: DoubleArray = np.where(scale > 0, (left * right).sum(axis=1) / np.where(scale > 0, scale, 1.0), np.nan)
    return tau


def pairwise_accuracy(one: DoubleArray, truth: DoubleArray) -> DoubleArray:
    """Return float64 [b]: share of the pairs that differ in ``truth`` which ``one`` puts in the same order, ties half."""
    left, right = _signs(one), _signs(truth)
    return _share(left, right, right != 0)


def effect_correlation(one: DoubleArray, other: DoubleArray, pairs: npt.NDArray[np.bool_]) -> DoubleArray:
    """Return float64 [b]: correlation of the differences between recommenders, rows of float64 [b, r]; NaN where all are alike.

    Which recommender of a pair is taken from which is nobody's choice: both ways count, so that differences have mean zero
    and the correlation is their cosine.

    Args:
        one: what one side says of each recommender.
        other: what the other says.
        pairs: bool [r (r - 1) / 2]: pairs that count, in the order of ``numpy.triu_indices``.
    """
    first, second = (index[pairs] for index in np.triu_indices(one.shape[1], 1))
    left, right = one[:, first] - one[:, second], other[:, first] - other[:, second]
    scale = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    correlation: DoubleArray = np.where(scale > 0, (left * right).sum(axis=1) / np.where(scale > 0, scale, 1.0), np.nan)
    return correlation


def _share(left: DoubleArray, right: DoubleArray, kept: npt.NDArray[np.bool_]) -> DoubleArray:
    count = kept.sum(axis=1)
    right_order = ((left * right > 0) + 0.5 * (left == 0)) * kept
    share: DoubleArray = np.where(count > 0, right_order.sum(axis=1) / np.maximum(count, 1), np.nan)
    return share


def _signs(values: DoubleArray) -> DoubleArray:
    first, second = np.triu_indices(values.shape[1], 1)
    signs: DoubleArray = np.sign(values[:, first] - values[:, second])
    return signs


def _sets(trial: PolicyTrial, families: Sequence[str]) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which recommenders count, bool [r], by the words for it; the headline first."""
    own = np.array([policy.family in families for policy in trial.pages.policies])
    rows = np.array([policy.family in (*families, *RIVALS.values()) for policy in trial.pages.policies])
    sets = {"own family left out": ~own} if families else {}
    sets["all recommenders"] = np.ones(len(own), np.bool_)
    if (~rows).sum() >= _LEAST:
        sets["families of all rows left out"] = ~rows
    return sets


def _measure(
    trials: Sequence[PolicyTrial],
    resampler: Resampler,
    name: str,
    unit: str,
    *,
    kept: npt.NDArray[np.bool_],
    truth: str = "NDCG",
) -> Measure:
    compare = kendall_tau if unit == "tau" else pairwise_accuracy
    measure = resampler.measure(name, unit, "higher", _series(trials, kept, compare, truth=truth, noted=unit == "tau"))
    return _with_members(measure) if unit == "tau" else measure


def _with_members(measure: Measure) -> Measure:
    """Say in the candidate's note what the users that were fitted with it reach, for summaries that show few rows."""
    told = [
        f"{row.name} {row.estimate.value:.2f}"
        for row in measure.rows
        if row.role == "member" and row.estimate.value is not None
    ]
    if not told:
        return measure
    rows = [replace(row, note="; ".join([row.note, *told])) if row.role == "candidate" else row for row in measure.rows]
    return replace(measure, rows=tuple(rows))


def _series(
    trials: Sequence[PolicyTrial], kept: npt.NDArray[np.bool_], compare: Ranking, *, truth: str = "NDCG", noted: bool = False
) -> dict[str, Series]:
    series = {}
    rows: dict[str, Role] = {**trials[0].roles, **dict.fromkeys(trials[0].members, "member")}
    for row, role in rows.items():
        pairs = [(_clicks(trial, row)[:, kept], trial.truth[truth][:, kept]) for trial in trials]
        statistics = [_compared(trial, *pair, compare) for trial, pair in zip(trials, pairs, strict=True)]
        note = _over_recommenders(pairs, compare) if noted and role == "candidate" else ""
        series[row] = Series(role, statistics, note)
    series[HALVES] = Series("reference", [_halves(trial, trial.truth[truth][:, kept], compare) for trial in trials])
    return series


def _clicks(trial: PolicyTrial, row: str) -> DoubleArray:
    """Return float64 [m, r]: what a row expects of each recommender's page."""
    return trial.members[row] if row in trial.members else trial.clicks(row)


def _compared(trial: PolicyTrial, simulated: DoubleArray, truth: DoubleArray, compare: Ranking) -> Statistic:
    sums = np.nan_to_num(trial.by_user(np.hstack([simulated, truth])))
    width = simulated.shape[1]
    return of_sums(sums, lambda total: compare(total[:, :width], total[:, width:]))


def _halves(trial: PolicyTrial, truth: DoubleArray, compare: Ranking) -> Statistic:
    half = (np.random.default_rng(trial.trial.seed).permutation(len(truth)) % 2 == 0)[:, None]
    # Sums serve as well as means: the halves of a draw differ in size, which changes no order within a half.
    return _compared(trial, np.where(half, truth, 0.0), np.where(half, 0.0, truth), compare)


def _over_recommenders(pairs: Sequence[tuple[DoubleArray, DoubleArray]], compare: Ranking, draws: int = 1000) -> str:
    """Say the interval by bootstrap over recommenders, the users as they are."""
    simulated, truth = (np.mean([side.mean(axis=0) for side in sides], axis=0) for sides in zip(*pairs, strict=True))
    drawn = np.random.default_rng(1).integers(len(truth), size=(draws, len(truth)))
    values = compare(simulated[drawn], truth[drawn])
    if np.isnan(values).all():
        return "all recommenders are alike"
    low, high = np.nanquantile(values, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return f"by bootstrap over the {len(truth)} recommenders [{low:.2f}, {high:.2f}]"


def _decided(trials: Sequence[PolicyTrial], resampler: Resampler, name: str, kept: npt.NDArray[np.bool_]) -> list[Measure]:
    """Return direction and size over pairs of recommenders whose truth differs; which ones is settled before any draw."""
    truth = trials[0].truth["NDCG"][:, kept]
    first, second = np.triu_indices(truth.shape[1], 1)
    decided = np.array([mean_estimate(truth[:, i] - truth[:, j]).excludes(0.0) for i, j in zip(first, second, strict=True)])
    if not decided.any():
        return []

    def compare(one: DoubleArray, other: DoubleArray) -> DoubleArray:
        left, right = _signs(one), _signs(other)
        return _share(left, right, np.broadcast_to(decided, left.shape) & (right != 0))

    def correlate(one: DoubleArray, other: DoubleArray) -> DoubleArray:
        return effect_correlation(one, other, decided)

    words = f"decided pairs, {name} ({decided.sum()} of {len(decided)})"
    return [
        resampler.measure(f"pairwise accuracy, {words}", "share", "higher", _series(trials, kept, compare)),
        resampler.measure(f"correlation of effect sizes, {words}", "correlation", "higher", _series(trials, kept, correlate)),
    ]


def _table(trials: Sequence[PolicyTrial]) -> list[dict[str, Any]]:
    """Return each recommender's truth and the candidate's clicks, with intervals by user, over all trials."""
    row = next(iter(trials[0].roles))
    table = []
    for number, policy in enumerate(trials[0].pages.policies):
        columns: dict[str, Any] = {"name": policy.name, "family": policy.family}
        for name, values in (
            ("NDCG", [trial.truth["NDCG"][:, number] for trial in trials]),
            ("recall", [trial.truth["recall"][:, number] for trial in trials]),
            ("simulated clicks", [trial.clicks(row)[:, number] for trial in trials]),
        ):
            means = [trial.by_user(value) for trial, value in zip(trials, values, strict=True)]
            known = np.array(means)[:, ~np.isnan(means[0])].mean(axis=0)
            estimate = mean_estimate(known[~np.isnan(known)])
            columns[name] = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
        table.append(columns)
    return table


def _left_out(trials: Sequence[PolicyTrial]) -> dict[str, float | None]:
    """Return the candidate's tau with each family left out in turn."""
    row, policies = next(iter(trials[0].roles)), trials[0].pages.policies
    found: dict[str, float | None] = {}
    for family in dict.fromkeys(policy.family for policy in policies):
        kept = np.array([policy.family != family for policy in policies])
        if kept.sum() >= _LEAST:
            taus = [
                kendall_tau(trial.clicks(row)[:, kept].mean(axis=0)[None], trial.truth["NDCG"][:, kept].mean(axis=0)[None])
                for trial in trials
            ]
            mean = float(np.mean(taus))
            found[family] = None if np.isnan(mean) else mean
    return found
