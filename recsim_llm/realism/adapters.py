"""User models as candidates: how each is built from a training part alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.choice.choice_fit import FittedUsers, fit_choice
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.core.pages import FloatArray, IntArray, probability
from recsim_llm.core.ratings import Dataset
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.world import World
from recsim_llm.realism.candidates import Candidate, Factory, UserModelCandidate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["ChoiceCandidate", "LanguageCandidate", "choice_candidate", "language_factory", "world_factory"]

Floats = npt.NDArray[np.float64]


class ChoiceCandidate:
    """Fitted choice users, scored by their vectors: what they do on a first page, but for the pull of novelty.

    Args:
        fitted: a fit on the training part, whose users and items are the card's.
    """

    def __init__(self, fitted: FittedUsers) -> None:
        self.levels: FloatArray = fitted.model.levels
        self._model, self._vectors = fitted.model, fitted.population.vectors

    def taste(self, user_index: IntArray, item_index: IntArray) -> Floats:
        """Return the log-odds of consumption."""
        items = self._model.click_items[item_index]
        log_odds: Floats = np.einsum("md,mnd->mn", self._vectors["click"][user_index], items).astype(np.float64)
        return log_odds + self._model.click_bias

    def stars(self, user_index: IntArray, item_index: IntArray) -> Floats:
        """Return the distributions that ratings are drawn from."""
        vectors = self._vectors
        mean = np.einsum("md,mnd->mn", vectors["rating"][user_index], self._model.rating_items[item_index])
        below = probability((vectors["cuts"][user_index][:, None] - mean[..., None]) / vectors["noise"][user_index][:, None])
        edges = np.concatenate([np.zeros((*mean.shape, 1)), below, np.ones((*mean.shape, 1))], axis=2)
        return np.diff(edges.astype(np.float64), axis=2)


class LanguageCandidate(UserModelCandidate):
    """Users played by a language model: the answers' probabilities, from prompts that hold no label.

    Args:
        training: the training part; personas are measured on it.
        model: answers.
        parameters: how users are asked.
        seed: of the order in which items are presented.
        page_size: items a page.
    """

    def __init__(
        self, training: Dataset, model: LanguageModel, *, parameters: LanguageParameters, seed: int, page_size: int = 20
    ) -> None:
        population = population_from_ratings(training.ratings, training.catalog, training.demographics)
        users = LanguageUsers(training.catalog, population, model, parameters=parameters, seed=seed)
        super().__init__(users, population, training, page_size)
        self._model = model

    @property
    def cost(self) -> dict[str, Any]:
        """What the model has done so far, by the names of ``recsim_llm.language.calls.model.Meter``."""
        return dict(self._model.meter()._asdict())


def choice_candidate(training: Dataset, seed: int) -> Candidate:
    """Fit choice users to the training part."""
    return ChoiceCandidate(fit_choice(training, seed))


def language_factory(model: LanguageModel, *, parameters: LanguageParameters | None = None, page_size: int = 20) -> Factory:
    """Return a factory of language users on one model; a calibration in the parameters must not come from held-out ratings."""

    def build(training: Dataset, seed: int) -> Candidate:
        settings = parameters or LanguageParameters()
        return LanguageCandidate(training, model, parameters=settings, seed=seed, page_size=page_size)

    return build


def world_factory(build: Callable[[Dataset, int], World], *, page_size: int = 20) -> Factory:
    """Return a factory of any user model.

    Args:
        build: makes a world from the training part and a seed, for instance ``lambda data, seed: choice_world(data)``; all
            users of the data are in its population.
        page_size: items a page.
    """

    def candidate(training: Dataset, seed: int) -> Candidate:
        world = build(training, seed)
        return UserModelCandidate(world.users, world.population, training, page_size)

    return candidate
