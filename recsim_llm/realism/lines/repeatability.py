"""Line 9, repeatability: the same seed again, and how much other seeds move what a study would report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.candidates import Candidate, Factory, checked_stars, checked_taste
from recsim_llm.realism.line import Better, Line, Measure, Row
from recsim_llm.realism.page_scores import areas
from recsim_llm.realism.policies import GOOD
from recsim_llm.realism.policy_trials import PolicyTrial, by_user
from recsim_llm.realism.resampling import Resampler, Series, Statistic, mean_statistic
from recsim_llm.realism.taste_pages import KINDS, Kind
from recsim_llm.realism.trials import CardSettings, Trial, counted_users
from recsim_llm.statistics.intervals import Estimate

__all__ = ["OTHER", "repeatability_line", "same_share"]


OTHER = "popularity"
"""Recommender whose distance from the good policy the spread over seeds is held against."""

_USERS = 20
_NAME, _QUESTION = "repeatability", "Does the same seed give the same answers, and how far do other seeds move the results?"
_PROTOCOL = (
    "Same seed: the user model is built once more from the training part and asked again about the taste test's items of at "
    "most {users} users; counted are scores and star distributions that are equal to the bit. Other seeds: standard deviation "
    "over the {seeds} seeds, which change fits and sampled items, of the mean over users of expected clicks on a page by "
    "{good}, of its difference to {other}, and of AUC. The ratio sets that of the difference against the difference itself: "
    "at 0.5, two seeds would often disagree on the winner."
)


def repeatability_line(
    trials: Sequence[PolicyTrial], factory: Factory, models: Mapping[int, Candidate], settings: CardSettings
) -> Line:
    """Return the line; the share of equal scores is the headline.

    Args:
        trials: what everybody says of the recommenders' pages.
        factory: builds the candidate once more.
        models: the candidate by seed.
        settings: of the card.
    """
    row = next(iter(trials[0].roles))
    first = trials[0].trial
    again = factory(first.held.training, first.seed)
    share, users = same_share(first, models[first.seed], again)
    note = settings.too_few() if share is None else "all equal to the bit" if share == 1 else "not all equal"
    same = Row(name=row, role="candidate", estimate=Estimate(value=share, users=users), seeds=1, note=note)
    measures = [Measure(name="equal scores, same seed", unit="share", better="higher", rows=(same,))]
    if len(trials) > 1:
        measures += _spreads(trials, settings)
    protocol = _PROTOCOL.format(users=_USERS, seeds=len(trials), good=GOOD, other=OTHER)
    if len(trials) == 1:
        protocol += " Only one seed was run, so that nothing is said about others."
    return Line(number=9, name=_NAME, question=_QUESTION, measures=tuple(measures), protocol=protocol)


def same_share(trial: Trial, one: Candidate, other: Candidate) -> tuple[float | None, int]:
    """Return which share of answers of two candidates is equal to the bit, and of how many users; None without users."""
    page = trial.pages["uniform"]
    user, item = page.user_index[:_USERS], page.item_index[:_USERS]
    if not len(user):
        return None, 0
    equal = [checked_taste(one, user, item) == checked_taste(other, user, item)]
    equal.append((checked_stars(one, user, item) == checked_stars(other, user, item)).all(axis=2))
    return float(np.mean(equal)), len(user)


def _spreads(trials: Sequence[PolicyTrial], settings: CardSettings) -> list[Measure]:
    users = counted_users([trial.trial for trial in trials], [trial.pages.user_index for trial in trials])
    resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
    good, other = trials[0].pages.number(GOOD), trials[0].pages.number(OTHER)
    kind: Kind = "matched" if "matched" in settings.kinds else "uniform"
    clicks: dict[str, list[Statistic]] = {}
    differences: dict[str, list[Statistic]] = {}
    area: dict[str, list[Statistic]] = {}
    for trial in trials:
        page = trial.trial.pages[kind]
        for row in trial.roles:
            value = trial.clicks(row)
            clicks.setdefault(row, []).append(trial.mean(value[:, good]))
            differences.setdefault(row, []).append(trial.mean(value[:, good] - value[:, other]))
            own = areas(page, trial.trial.scores[kind][row], 1)
            area.setdefault(row, []).append(mean_statistic(by_user(own, page.user_index, trial.held.users)))
    words = f"{GOOD} less {OTHER}"
    return [
        _measure(
            trials,
            resampler,
            f"spread over seeds against the difference, {words}",
            "ratio",
            better="lower",
            statistics=differences,
        ),
        _measure(trials, resampler, f"spread over seeds, clicks a page by {GOOD}", "clicks", better="none", statistics=clicks),
        _measure(trials, resampler, f"spread over seeds, {words}", "clicks", better="none", statistics=differences),
        _measure(trials, resampler, f"spread over seeds, AUC 1:1, {KINDS[kind]}", "share", better="none", statistics=area),
    ]


def _measure(
    trials: Sequence[PolicyTrial],
    resampler: Resampler,
    name: str,
    unit: str,
    *,
    better: Better,
    statistics: Mapping[str, Sequence[Statistic]],
) -> Measure:
    series = {
        row: Series(trials[0].roles[row], [_spread(values, relative=unit == "ratio")]) for row, values in statistics.items()
    }
    measure = resampler.measure(name, unit, better, series)
    # One statistic holds all seeds.
    return replace(measure, rows=tuple(replace(row, seeds=len(trials)) for row in measure.rows))


def _spread(statistics: Sequence[Statistic], *, relative: bool) -> Statistic:
    """Return the standard deviation over seeds of a statistic, if asked over the size of its mean."""

    def statistic(weights: DoubleArray) -> DoubleArray:
        values = np.array([one(weights) for one in statistics])
        spread: DoubleArray = values.std(axis=0, ddof=1)
        size = np.abs(values.mean(axis=0))
        return np.where(size > 0, spread / np.where(size > 0, size, 1.0), np.nan) if relative else spread

    return statistic
