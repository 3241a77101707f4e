"""Fitted choice users as candidates of the realism card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recsim_llm.agents.choice.choice_fit import FittedUsers, fit_choice
from recsim_llm.agents.choice.choice_model import ChoiceModel, FamilyTaste
from recsim_llm.agents.choice.rating_selection import METHODS, Method, RatingSelection
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.pages import probability
from recsim_llm.core.ratings import Dataset
from recsim_llm.population.taste_families import TASTE_FAMILIES, draw_families
from recsim_llm.realism.candidates import Candidate

__all__ = [
    "CHOICE_FAMILIES",
    "ENSEMBLE",
    "ChoiceCandidate",
    "choice_candidate",
    "choice_members",
    "logged_choice_users",
    "robust_candidates",
    "selection_candidates",
]


CHOICE_FAMILIES = ("factors", "pairwise factors", "sequences")
"""Families of recommenders that choice users were built from: their click vectors hold factors, however those are learned, and
what follows what. They hold the neighbours of items too; those are not declared, since fewer than twelve recommenders would be
left to rank. The card's measure without the families of all rows leaves them out as well."""

ENSEMBLE = "users of five families"
"""Row of users each of whom follows one of all families."""
_LOGGED_CLICK_RATE = 0.05


class ChoiceCandidate:
    """Fitted choice users, scored by their vectors: what they do on a first page, but for the pull of novelty.

    Args:
        fitted: a fit on the training part, whose users and items are the card's.
        families: as ``ChoiceParameters.families``.
    """

    def __init__(self, fitted: FittedUsers, families: tuple[str, ...] = ()) -> None:
        self.levels: FloatArray = fitted.model.levels
        self._fitted, self._model, self._vectors = fitted, fitted.model, fitted.population.vectors
        self._families = families
        self._family = draw_families(fitted.population.user_id, families) if families else None

    def members(self) -> Mapping[str, Candidate]:
        """Return users of each family alone, then of all families, each user of one."""
        alone = {f"users by {name} alone": ChoiceCandidate(self._fitted, (name,)) for name in TASTE_FAMILIES}
        return alone | {ENSEMBLE: ChoiceCandidate(self._fitted, TASTE_FAMILIES)}

    def taste(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return the log-odds of consumption."""
        if self._family is None:
            return _log_odds(self._vectors["click"], self._model, user_index, item_index)
        answer = np.empty(item_index.shape)
        for place, name in enumerate(self._families):
            own = self._family[user_index] == place
            vectors = self._vectors[f"click_{name}"]
            answer[own] = _log_odds(vectors, self._model.families[name], user_index[own], item_index[own])
        return answer

    def stars(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return the distributions that ratings are drawn from."""
        vectors = self._vectors
        mean = np.einsum("md,mnd->mn", vectors["rating"][user_index], self._model.rating_items[item_index])
        below = probability((vectors["cuts"][user_index][:, None] - mean[..., None]) / vectors["noise"][user_index][:, None])
        edges = np.concatenate([np.zeros((*mean.shape, 1)), below, np.ones((*mean.shape, 1))], axis=2)
        return np.diff(edges.astype(np.float64), axis=2)


def _log_odds(vectors: FloatArray, taste: ChoiceModel | FamilyTaste, user: IntArray, item: IntArray) -> DoubleArray:
    log_odds: DoubleArray = np.einsum("md,mnd->mn", vectors[user], taste.click_items[item]).astype(np.float64)
    return log_odds + taste.click_bias


def choice_candidate(training: Dataset, seed: int, families: tuple[str, ...] = ()) -> Candidate:
    """Fit choice users to the training part; ``families`` as in ``ChoiceParameters``."""
    return ChoiceCandidate(fit_choice(training, seed), families)


def choice_members(candidate: Candidate) -> Mapping[str, Candidate]:
    """Return the users of each family that were fitted with choice users, and of all families."""
    return candidate.members() if isinstance(candidate, ChoiceCandidate) else {}


def logged_choice_users(training: Dataset, seed: int) -> Candidate:
    """Fit choice users who write the log of the card's counterfactual line.

    They click more than choice users are assumed to when they are fitted: a candidate has to learn the level from the log.
    """
    return ChoiceCandidate(fit_choice(training, seed, click_rate=_LOGGED_CLICK_RATE))


def robust_candidates(training: Dataset, seed: int) -> dict[str, Candidate]:
    """Fit choice users with each way of allowing for what people chose to rate, by way; propensities are estimated."""
    return selection_candidates(training, seed, ways=("doubly robust", "weighted"))


def selection_candidates(
    training: Dataset, seed: int, propensity: DoubleArray | None = None, *, ways: Sequence[Method] = METHODS
) -> dict[str, Candidate]:
    """Fit choice users to ratings that people chose to give, once with each ``Method`` of allowing for that.

    Args:
        training: the ratings.
        seed: of the fits.
        propensity: chance with which each rating came to be given, float64 [r]; None estimates it.
        ways: methods to fit.

    Returns:
        By method, the doubly robust users first: the candidates of ``realism.random_exposure.random_exposure_error``.
    """
    fits = {method: RatingSelection(method=method, propensity=propensity) for method in ways}
    return {method: ChoiceCandidate(fit_choice(training, seed, selection=selection)) for method, selection in fits.items()}
