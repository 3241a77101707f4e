"""Users played by a language model as candidates of the realism card, as they are and as calibrated on the training part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recsim_llm.agents.language.calibrating import calibrate
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.rating_history import known_people
from recsim_llm.core.ratings import Dataset
from recsim_llm.realism.candidates import Candidate, Factory, UserModelCandidate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["LanguageCandidate", "calibrated_factory", "language_factory"]


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
        population, history = known_people(training)
        users = LanguageUsers(training.catalog, population, model, parameters=parameters, seed=seed, history=history)
        super().__init__(users, population, training, page_size)
        self._model = model

    @property
    def cost(self) -> dict[str, Any]:
        """What the model has done so far, by the names of ``recsim_llm.language.calls.model.Meter``."""
        return dict(self._model.meter()._asdict())


def language_factory(model: LanguageModel, *, parameters: LanguageParameters | None = None, page_size: int = 20) -> Factory:
    """Return a factory of language users on one model; a calibration in the parameters must not come from held-out ratings."""

    def build(training: Dataset, seed: int) -> Candidate:
        settings = parameters or LanguageParameters()
        return LanguageCandidate(training, model, parameters=settings, seed=seed, page_size=page_size)

    return build


def calibrated_factory(
    model: LanguageModel,
    *,
    users: int,
    parameters: LanguageParameters | None = None,
    page_items: int = 10,
    taken: int = 3,
    page_size: int = 20,
) -> Factory:
    """Return a factory of language users that are calibrated when they are built, on nothing but the training part.

    Args:
        model: is asked about one page of each calibration user.
        users: how many users to calibrate on.
        parameters: how users are asked; the calibration in them is overlooked.
        page_items: items a calibration page.
        taken: of them, items that the user took later within the training part.
        page_size: items a page of the users that are built.
    """
    settings = parameters or LanguageParameters()

    def build(training: Dataset, seed: int) -> Candidate:
        found = calibrate(
            model, training, seed=seed, users=users, apart=0, taken=taken, page_size=page_items, parameters=settings
        )
        return LanguageCandidate(
            training, model, parameters=replace(settings, calibration=found), seed=seed, page_size=page_size
        )

    return build
