"""Line 2, click likelihood: are the chances of a click right as chances?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.line import Line, Measure, not_assessed
from recsim_llm.realism.resampling import Resampler, Series, Statistic, of_sums, ratio_statistic
from recsim_llm.realism.taste_pages import KINDS, Kind
from recsim_llm.realism.thresholds import probabilities
from recsim_llm.realism.trials import CardSettings, Trial, counted_users

__all__ = ["BASE_RATE", "BINS", "click_line"]


BASE_RATE = "base rate"
"""Row that gives every item the share of consumed ones among the validation users' items."""
BINS = 10
"""Bins of equal width of the reliability curve."""

_RATIO = 9
_LEAST = 1e-6
_NAME, _QUESTION = "click likelihood", "Are its chances of a click right as chances, not only in order?"
_PROTOCOL = (
    "The taste test's items at 1:9, a share of consumed items near the click rates that services report. Ratings come without "
    "exposures, so that their base rate is not a fact about people but the test's: the first measures are after a line fitted "
    "to the log-odds on validation users (Platt 1999), the same for every row; 'as given' are the candidate's own chances, "
    "whose level answers to another base rate. ECE: {bins} bins of equal width (Naeini et al. 2015)."
)


def click_line(trials: Sequence[Trial], settings: CardSettings) -> Line:
    """Return the line; bits a decision against popularity-matched negatives are the headline."""
    users = counted_users(trials, [trial.pages["uniform"].user_index for trial in trials])
    if not users.any():
        return not_assessed(2, _NAME, _QUESTION, settings.too_few())
    resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
    measures: list[Measure] = []
    curves: dict[str, Any] = {}
    order: tuple[Kind, ...] = ("matched", "uniform") if "matched" in settings.kinds else ("uniform",)
    for kind in order:
        chances = _chances(trials, kind)
        measures += _measures(trials, kind, chances, resampler, suffix="")
        given = _as_given(trials, kind) | {BASE_RATE: chances[BASE_RATE]}
        measures += _measures(trials, kind, given, resampler, suffix=", as given")
        name = next(iter(trials[0].roles))
        curves[f"reliability, {KINDS[kind]}"] = _curve(trials, kind, chances[name])
        curves[f"reliability, {KINDS[kind]}, as given"] = _curve(trials, kind, given[name])
    return Line(
        number=2, name=_NAME, question=_QUESTION, measures=tuple(measures), protocol=_PROTOCOL.format(bins=BINS), curves=curves
    )


def _chances(trials: Sequence[Trial], kind: Kind) -> dict[str, list[DoubleArray]]:
    """Return each row's calibrated chances, float64 [m, n] a trial."""
    chances: dict[str, list[DoubleArray]] = {}
    for row in (*trials[0].roles, BASE_RATE):
        for trial in trials:
            page = trial.pages[kind]
            score = np.zeros(page.item_index.shape) if row == BASE_RATE else trial.scores[kind][row]
            chance, _ = probabilities(score, page.taken, page.page(_RATIO), trial.fold)
            chances.setdefault(row, []).append(chance)
    return chances


def _as_given(trials: Sequence[Trial], kind: Kind) -> dict[str, list[DoubleArray]]:
    models = [row for row, role in trials[0].roles.items() if role in ("candidate", "reference")]
    return {row: [expit(trial.scores[kind][row]) for trial in trials] for row in models}


def _measures(
    trials: Sequence[Trial], kind: Kind, chances: dict[str, list[DoubleArray]], resampler: Resampler, *, suffix: str
) -> list[Measure]:
    where = f"{KINDS[kind]}{suffix}"
    kinds: dict[str, tuple[str, Callable[[Trial, Kind, DoubleArray], Statistic]]] = {
        "bits a decision": ("bits", _bits),
        "Brier score": ("squared chance", _brier),
        "ECE": ("chance", _calibration_error),
    }
    measures = []
    for name, (unit, statistic) in kinds.items():
        series = {}
        for row, values in chances.items():
            statistics = [statistic(trial, kind, chance) for trial, chance in zip(trials, values, strict=True)]
            series[row] = Series(trials[0].roles.get(row, "trivial"), statistics)
        measures.append(resampler.measure(f"{name}, {where}", unit, "lower", series))
    return measures


def _per_user(trial: Trial, kind: Kind, values: DoubleArray) -> DoubleArray:
    sums = np.zeros(trial.held.users)
    page = trial.pages[kind]
    sums[page.user_index] = np.where(page.page(_RATIO), values, 0.0).sum(axis=1)
    return sums


def _mean(trial: Trial, kind: Kind, values: DoubleArray) -> Statistic:
    return ratio_statistic(_per_user(trial, kind, values), _per_user(trial, kind, np.ones(values.shape)))


def _bits(trial: Trial, kind: Kind, chance: DoubleArray) -> Statistic:
    bounded = np.clip(chance, _LEAST, 1 - _LEAST)
    return _mean(trial, kind, -np.log2(np.where(trial.pages[kind].taken, bounded, 1 - bounded)))


def _brier(trial: Trial, kind: Kind, chance: DoubleArray) -> Statistic:
    return _mean(trial, kind, (chance - trial.pages[kind].taken) ** 2)


def _calibration_error(trial: Trial, kind: Kind, chance: DoubleArray) -> Statistic:
    taken, place = trial.pages[kind].taken, _bin(chance)
    gaps = [_per_user(trial, kind, np.where(place == number, chance - taken, 0.0)) for number in range(BINS)]
    sums = np.column_stack([*gaps, _per_user(trial, kind, np.ones(chance.shape))])
    return of_sums(sums, lambda total: np.abs(total[:, :-1]).sum(axis=1) / total[:, -1])


def _curve(trials: Sequence[Trial], kind: Kind, chances: list[DoubleArray]) -> list[dict[str, float | int]]:
    """Return for each bin that holds something its mean chance, share of clicks and number of decisions, over all trials."""
    kept = np.concatenate([trial.pages[kind].page(_RATIO).ravel() for trial in trials])
    chance = np.concatenate([values.ravel() for values in chances])[kept]
    taken = np.concatenate([trial.pages[kind].taken.ravel() for trial in trials])[kept]
    curve: list[dict[str, float | int]] = []
    for number in range(BINS):
        inside = _bin(chance) == number
        if inside.any():
            means = {"chance": float(chance[inside].mean()), "share": float(taken[inside].mean())}
            curve.append({**means, "decisions": int(inside.sum())})
    return curve


def _bin(chance: DoubleArray) -> npt.NDArray[np.int64]:
    return np.minimum((chance * BINS).astype(np.int64), BINS - 1)
