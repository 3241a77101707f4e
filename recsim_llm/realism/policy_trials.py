"""What every predictor says of the ranked recommenders' pages, a trial a seed; the ground of lines 7 to 9."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.baselines import TASTE_ROWS, Scorer
from recsim_llm.realism.candidates import Candidate, checked_stars, checked_taste
from recsim_llm.realism.held_out import HeldOut
from recsim_llm.realism.line import Role
from recsim_llm.realism.policies import POLICIES, Policy, PolicyPages, held_out_truth, policy_pages
from recsim_llm.realism.resampling import Statistic, mean_statistic
from recsim_llm.realism.thresholds import FOLDS, assign_folds, fit_line
from recsim_llm.realism.trials import Trial

__all__ = ["RIVALS", "PolicyTrial", "by_user", "run_policy_trials"]


RIVALS: Mapping[str, str] = {"random": "random", "popularity": "popularity", "item-kNN": "neighbours", "ALS": "factors"}
"""Rows beside the candidate, of ``TASTE_ROWS``, with the family of recommenders that each of them is built from."""

_RATIO = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyTrial:
    """All that one seed yields about the ranked recommenders."""

    trial: Trial
    """The trial of lines 1 to 6 with the same seed."""
    pages: PolicyPages
    """What is shown; the same for all seeds where the split is."""
    truth: Mapping[str, DoubleArray]
    """float64 [m, r] by measure: what held-out ratings say of each recommender's page."""
    roles: Mapping[str, Role]
    """Role by row name: the candidate first."""
    chance: Mapping[str, DoubleArray]
    """float64 [m, w] by row name: chance of a click on each asked item."""
    stars: Mapping[str, DoubleArray]
    """float64 [m, w] by row name: expected stars of each asked item; user models only."""
    scorers: Mapping[str, Scorer]
    """The rivals."""
    members: Mapping[str, DoubleArray] = field(default_factory=dict)
    """float64 [m, r] by row name: as ``clicks``, of other users that were fitted with the candidate."""

    @property
    def held(self) -> HeldOut:
        """The split."""
        return self.trial.held

    def clicks(self, row: str) -> DoubleArray:
        """Return float64 [m, r]: expected clicks on each recommender's page, later slots discounted as in ``truth``."""
        return self.pages.values(self.chance[row])

    def by_user(self, values: DoubleArray) -> DoubleArray:
        """Spread values of the pages' users, float64 [m, ...], over all users of the split; NaN for the others."""
        return by_user(values, self.pages.user_index, self.held.users)

    def mean(self, values: DoubleArray) -> Statistic:
        """Return the mean over users of one value each, float64 [m]."""
        return mean_statistic(self.by_user(values))


def run_policy_trials(
    trials: Sequence[Trial],
    models: Mapping[str, Mapping[int, Candidate]],
    *,
    page_size: int = 10,
    policies: Sequence[Policy] = POLICIES,
    members: Callable[[Candidate], Mapping[str, Candidate]] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[PolicyTrial]:
    """Fit recommenders and rivals to the training part and ask everybody about the pages.

    Args:
        trials: of lines 1 to 6.
        models: user models by row name and seed, the candidate first; fitted on the trials' training parts.
        page_size: slots a page; a smaller catalog is shown whole.
        policies: the recommenders.
        members: returns other users that were fitted with the candidate, by row name.
        progress: told what is being done.
    """
    found: list[PolicyTrial] = []
    pages: PolicyPages | None = None
    scorers: dict[str, Scorer] = {}
    for trial in trials:
        fresh = not found or found[-1].held is not trial.held
        if pages is None or fresh:
            progress(f"fitting {len(policies)} recommenders")
            users = np.unique(trial.stars.user_index)
            slots = min(page_size, len(trial.held.training.catalog))
            pages = policy_pages(trial.held.training, users, page_size=slots, seed=trials[0].seed, policies=policies)
        scorers = {
            row: TASTE_ROWS[row].fit(trial.held.training, trial.seed)
            if fresh or TASTE_ROWS[row].seeded
            else found[-1].scorers[row]
            for row in RIVALS
        }
        progress(f"asking about the recommenders' pages, seed {trial.seed}")
        asked = {row: by_seed[trial.seed] for row, by_seed in models.items()}
        study = _trial(trial, pages, asked, scorers)
        if members is not None:
            study = replace(study, members=_of_members(members(next(iter(asked.values()))), pages))
        found.append(study)
    return found


def _of_members(members: Mapping[str, Candidate], pages: PolicyPages) -> dict[str, DoubleArray]:
    return {row: pages.values(_chance(member, pages)) for row, member in members.items()}


def _chance(model: Candidate, pages: PolicyPages) -> DoubleArray:
    return np.where(pages.asked >= 0, expit(checked_taste(model, pages.user_index, pages.asked)), 0.0)


def by_user(values: DoubleArray, user_index: npt.NDArray[np.int64], users: int) -> DoubleArray:
    """Return float64 [users, ...]: values of some users in their place, NaN elsewhere."""
    table = np.full((users, *values.shape[1:]), np.nan)
    table[user_index] = values
    return table


def _trial(trial: Trial, pages: PolicyPages, models: Mapping[str, Candidate], scorers: Mapping[str, Scorer]) -> PolicyTrial:
    there = pages.asked >= 0
    chance: dict[str, DoubleArray] = {}
    stars: dict[str, DoubleArray] = {}
    for row, model in models.items():
        chance[row] = _chance(model, pages)
        stars[row] = checked_stars(model, pages.user_index, pages.asked) @ model.levels.astype(np.float64)
    for row, scorer in scorers.items():
        chance[row] = np.where(there, _calibrated(trial, row, scorer, pages), 0.0)
    roles: dict[str, Role] = dict(zip(models, ("candidate", "reference"), strict=False))
    return PolicyTrial(
        trial=trial,
        pages=pages,
        truth=held_out_truth(pages, trial.held),
        roles=roles | {row: TASTE_ROWS[row].role for row in scorers},
        chance=chance,
        stars=stars,
        scorers=scorers,
    )


def _calibrated(trial: Trial, row: str, scorer: Scorer, pages: PolicyPages) -> DoubleArray:
    """Return float64 [m, w]: chances on the line that is fitted, as in line 2, to the taste test's other users at 1:9."""
    score = scorer(pages.user_index, np.maximum(pages.asked, 0))
    fold = assign_folds(trial.held.training.ratings.users[pages.user_index], trial.seed)
    test, known = trial.pages["uniform"], trial.scores["uniform"][row]
    kept = test.page(_RATIO)
    chance = np.zeros(score.shape)
    for number in range(FOLDS):
        others, there = trial.fold != number, fold == number
        slope, bias = fit_line(known[others][kept[others]], test.taken[others][kept[others]])
        chance[there] = expit(slope * score[there] + bias)
    return chance
