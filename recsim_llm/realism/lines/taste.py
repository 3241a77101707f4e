"""Line 1, taste: does the user model pick out what a person really consumed?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.line import Better, Line, Measure, not_assessed
from recsim_llm.realism.page_scores import areas
from recsim_llm.realism.resampling import Resampler, Series, Statistic, of_sums, ratio_statistic
from recsim_llm.realism.taste_pages import KINDS, RATIOS, Kind, column_ratio
from recsim_llm.realism.thresholds import yes
from recsim_llm.realism.trials import CardSettings, Trial, counted_users

__all__ = ["taste_line"]


_NAME, _QUESTION = "taste", "Does it pick out what a person really consumed, among what the person did not?"
_PROTOCOL = (
    "Agent4Rec's test (Zhang et al. 2024, section 4.1): {items} items a user, consumed ones from the held-out part ({split}), "
    "the others never rated by the user. A yes is a score above a threshold, the most accurate one at 1:1 for validation "
    "users: users are in 5 folds, and each fold's threshold comes from the users of the other folds. It holds at every ratio, "
    "since nobody tells a person how many items of a page are good. Precision, recall and F1 are of all answers together, AUC "
    "is the mean over users. Popularity-matched negatives are drawn in proportion to training counts; counts of both parts are "
    "shown beside, since by training counts every item without training ratings is a positive."
)
_ORDER: tuple[Kind, ...] = ("matched", "matched by all", "uniform")
_RATES: dict[str, tuple[str, Better, Callable[[DoubleArray], DoubleArray]]] = {
    "accuracy": ("share", "higher", lambda s: (s[:, 0] + s[:, 3]) / s.sum(axis=1)),
    "precision": ("share", "higher", lambda s: _ratio(s[:, 0], s[:, 0] + s[:, 1])),
    "recall": ("share", "higher", lambda s: _ratio(s[:, 0], s[:, 0] + s[:, 2])),
    "F1": ("share", "higher", lambda s: _ratio(2 * s[:, 0], 2 * s[:, 0] + s[:, 1] + s[:, 2])),
    "share of yes": ("share", "none", lambda s: (s[:, 0] + s[:, 1]) / s.sum(axis=1)),
}
"""Unit, direction and value of each rate, from right and wrong yes, wrong and right no, float64 [b, 4]."""


def taste_line(trials: Sequence[Trial], settings: CardSettings) -> Line:
    """Return the line; accuracy at 1:1 against popularity-matched negatives is the headline."""
    users = counted_users(trials, [trial.pages["uniform"].user_index for trial in trials])
    if not users.any():
        return not_assessed(1, _NAME, _QUESTION, settings.too_few())
    resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
    measures: list[Measure] = []
    for ratio in RATIOS:
        for kind in (kind for kind in _ORDER if kind in settings.kinds):
            measures += _measures(trials, kind, ratio, resampler)
    headline = [measure for measure in measures if measure.name.startswith("accuracy, 1:1")]
    protocol = _PROTOCOL.format(items=settings.page_items, split=settings.split)
    rest = [measure for measure in measures if measure not in headline]
    return Line(number=1, name=_NAME, question=_QUESTION, measures=(*headline, *rest), protocol=protocol)


def _measures(trials: Sequence[Trial], kind: Kind, ratio: int, resampler: Resampler) -> list[Measure]:
    where = f"{column_ratio(ratio)}, {KINDS[kind]}"
    outcomes = {row: [_outcomes(trial, kind, ratio, row) for trial in trials] for row in trials[0].roles}
    areas = {row: [_area(trial, kind, ratio, row) for trial in trials] for row in trials[0].roles}
    measures = []
    for name, (unit, better, rate) in _RATES.items():
        series = _series(trials[0], {row: [of_sums(sums, rate) for sums in tables] for row, tables in outcomes.items()})
        measures.append(resampler.measure(f"{name}, {where}", unit, better, series))
    series = _series(trials[0], areas)
    measures.insert(1, resampler.measure(f"AUC, {where}", "share", "higher", series))
    return measures


def _series(trial: Trial, statistics: Mapping[str, Sequence[Statistic]]) -> dict[str, Series]:
    return {row: Series(trial.roles[row], values) for row, values in statistics.items()}


def _outcomes(trial: Trial, kind: Kind, ratio: int, row: str) -> DoubleArray:
    """Return float64 [u, 4]: each user's right and wrong yes, wrong and right no."""
    page, score = trial.pages[kind], trial.scores[kind][row]
    kept = page.page(ratio)
    answer = yes(score, page.taken, page.page(1), trial.fold)
    cells = [answer & page.taken, answer & ~page.taken, ~answer & page.taken, ~answer & ~page.taken]
    sums = np.zeros((trial.held.users, 4))
    sums[page.user_index] = np.column_stack([(cell & kept).sum(axis=1) for cell in cells])
    return sums


def _area(trial: Trial, kind: Kind, ratio: int, row: str) -> Statistic:
    area, present = np.zeros(trial.held.users), np.zeros(trial.held.users)
    page = trial.pages[kind]
    area[page.user_index] = areas(page, trial.scores[kind][row], ratio)
    present[page.user_index] = 1.0
    return ratio_statistic(area, present)


def _ratio(top: DoubleArray, bottom: DoubleArray) -> DoubleArray:
    ratio: DoubleArray = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
    return ratio
