"""Language users as calibrated on the training part: the same users after the fit of their answers to real choices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from recsim_llm.agents.language.calibrating import calibrate
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.core.ratings import Dataset
from recsim_llm.realism.adapters import LanguageCandidate
from recsim_llm.realism.candidates import Candidate, Factory

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["calibrated_factory"]


def calibrated_factory(
    model: LanguageModel,
    *,
    users: int,
    parameters: LanguageParameters | None = None,
    page_items: int = 10,
    taken: int = 2,
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
        found = calibrate(model, training, seed=seed, users=users, taken=taken, page_size=page_items, parameters=settings)
        return LanguageCandidate(
            training, model, parameters=replace(settings, calibration=found), seed=seed, page_size=page_size
        )

    return build
