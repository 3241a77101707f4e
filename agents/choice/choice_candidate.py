"""Fitted choice users as candidates of the realism card."""

from __future__ import annotations

import numpy as np

from recsim_llm.agents.choice.choice_fit import FittedUsers, fit_choice
from recsim_llm.agents.choice.rating_selection import METHODS, RatingSelection
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.pages import probability
from recsim_llm.core.ratings import Dataset
from recsim_llm.realism.candidates import Candidate

__all__ = ["CHOICE_FAMILIES", "ChoiceCandidate", "choice_candidate", "logged_choice_users", "selection_candidates"]


CHOICE_FAMILIES = ("factors", "pairwise factors")
"""Families of recommenders that choice users were built from: their click vectors hold factors, however those are learned."""

_LOGGED_CLICK_RATE = 0.05


class ChoiceCandidate:
    """Fitted choice users, scored by their vectors: what they do on a first page, but for the pull of novelty.

    Args:
        fitted: a fit on the training part, whose users and items are the card's.
    """

    def __init__(self, fitted: FittedUsers) -> None:
        self.levels: FloatArray = fitted.model.levels
        self._model, self._vectors = fitted.model, fitted.population.vectors

    def taste(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return the log-odds of consumption."""
        items = self._model.click_items[item_index]
        log_odds: DoubleArray = np.einsum("md,mnd->mn", self._vectors["click"][user_index], items).astype(np.float64)
        return log_odds + self._model.click_bias

    def stars(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return the distributions that ratings are drawn from."""
        vectors = self._vectors
        mean = np.einsum("md,mnd->mn", vectors["rating"][user_index], self._model.rating_items[item_index])
        below = probability((vectors["cuts"][user_index][:, None] - mean[..., None]) / vectors["noise"][user_index][:, None])
        edges = np.concatenate([np.zeros((*mean.shape, 1)), below, np.ones((*mean.shape, 1))], axis=2)
        return np.diff(edges.astype(np.float64), axis=2)


def choice_candidate(training: Dataset, seed: int) -> Candidate:
    """Fit choice users to the training part."""
    return ChoiceCandidate(fit_choice(training, seed))


def logged_choice_users(training: Dataset, seed: int) -> Candidate:
    """Fit choice users who write the log of the card's counterfactual line.

    They click more than choice users are assumed to when they are fitted: a candidate has to learn the level from the log.
    """
    return ChoiceCandidate(fit_choice(training, seed, click_rate=_LOGGED_CLICK_RATE))


def selection_candidates(training: Dataset, seed: int, propensity: DoubleArray | None = None) -> dict[str, Candidate]:
    """Fit choice users to ratings that people chose to give, once with each ``Method`` of allowing for that.

    Args:
        training: the ratings.
        seed: of the fits.
        propensity: chance with which each rating came to be given, float64 [r]; None estimates it.

    Returns:
        By method, the doubly robust users first: the candidates of ``realism.random_exposure.random_exposure_error``.
    """
    fits = {method: RatingSelection(method=method, propensity=propensity) for method in METHODS}
    return {method: ChoiceCandidate(fit_choice(training, seed, selection=selection)) for method, selection in fits.items()}
