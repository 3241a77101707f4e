"""From what the command line says to a calibration file: what the model answers is kept beside it, so that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from recsim_llm.agents.choice.choice_candidate import ChoiceCandidate
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.saved_fits import fitted_for
from recsim_llm.agents.language.calibrating import PAGE_SIZE, TAKEN, calibrate
from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.calibration_pages import able_users
from recsim_llm.agents.language.language_candidate import language_factory
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_taste import LANGUAGE_USERS
from recsim_llm.agents.tuning.met_users import met_users
from recsim_llm.core.ratings import Dataset
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.providers import Roles
from recsim_llm.realism.candidates import Factory
from recsim_llm.realism.taste_measure import measure_taste
from recsim_llm.scenarios.estimates import ANSWER_TOKENS, Confirm, CostEstimate
from recsim_llm.scenarios.study_requests import (
    StudyProgress,
    StudyRequest,
    check_new_file,
    check_told,
    holding_calls,
    limits_of,
    most_cost,
)

__all__ = ["CalibrationRequest", "make_calibration"]

_QUESTIONS = 22
_TASTE_ITEMS = 10
_MOST_PAGES = 4
"""Pages a user: of those fitted on one, of the others one, and for taste two, of unrated items and of opinions."""


@dataclass(frozen=True, kw_only=True)
class CalibrationRequest(StudyRequest):
    """What a calibration shall be made of."""

    seed: int
    """Of users, of who of them is kept apart, of items and their order."""
    users: int = 100
    """Users to fit on; as many again are kept apart and measured on."""
    click_rate: float = ChoiceParameters.click_rate
    """Probability that a user clicks an examined item that is drawn uniformly from the catalog."""
    visit_pages: float | None = None
    """Mean pages of a visit; None takes those of choice users fitted to the same data."""

    def asked(self) -> dict[str, Any]:
        """Return the arguments of ``calibrate`` beside the model and the data."""
        return {
            "seed": self.seed,
            "users": self.users,
            "click_rate": self.click_rate,
            "visit_pages": self.visit_pages,
            "parameters": LanguageParameters.from_settings({**self.parameters, "calibration": None}),
        }


def make_calibration(
    request: CalibrationRequest,
    out: Path,
    *,
    progress: Callable[[StudyProgress], None] = lambda _: None,
    confirm: Confirm = lambda _: None,
) -> tuple[Calibration, Dataset]:
    """Fit a calibration, measure how much taste the users have, and write both; the file is there whole, or not at all.

    Args:
        request: what to fit.
        out: JSON file. What the model answers is kept in a file beside it, see ``calls_beside``: a calibration that was stopped
            goes on where it was when it is asked for again, and a finished one is made again without a call.
        progress: told what is done.
        confirm: told what the model will be asked before anything is; may raise to call it off.

    Raises:
        ConfigError: there is no model or no folder for the file, or a number is out of range.
        DataError: too few users have enough later ratings.
        FolderInUseError: another process is calibrating into the file.
        BudgetExceeded: a limit was reached.
    """
    if request.model is None:
        raise ConfigError("calibrate: got no model, expected --model provider/name")
    check_new_file("calibrate", out)
    asked = request.asked()
    dataset = open_dataset(request.data, **request.tables.model_dump())
    check_told(asked["parameters"], dataset)
    met = met_users(request.model.name, dataset)
    able_users(dataset, taken=TAKEN, page_size=PAGE_SIZE, met=met, least=2)
    limits = limits_of(request.limits)
    with (
        holding_calls("calibrate", out) as calls,
        Roles({"user": request.model}, calls=calls, cache=request.cache, limits=limits) as roles,
    ):
        model = roles.role("user")
        confirm(_estimate(request, model))

        def tell(doing: str, done: int = 0, planned: int = 0) -> None:
            progress(StudyProgress(doing, done, planned, "pages", model.meter()))

        found = calibrate(model, dataset, progress=partial(tell, "calibrating"), met=met, **asked)
        record = found.record or {}
        apart = [*record["users_fitted"], *met]
        taste = _taste(model, dataset, request, apart=apart, progress=lambda text: tell(f"taste: {text}"))
        found = replace(found, record={**record, "users_met": list(met), "taste": taste})
        found.save(out)
    return found, dataset


def _taste(
    model: LanguageModel,
    dataset: Dataset,
    request: CalibrationRequest,
    *,
    apart: Sequence[int],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Return how much taste users who had no part in the fit have; why it is not known where nobody has rated enough."""
    candidates: dict[str, Factory] = {
        LANGUAGE_USERS: language_factory(model, parameters=request.asked()["parameters"], page_size=_TASTE_ITEMS),
        "choice users": lambda training, _: ChoiceCandidate(fitted_for(training)),
    }
    asked: dict[str, Any] = {"seed": request.seed, "users": request.users, "page_items": _TASTE_ITEMS, "kinds": ("nearest",)}
    try:
        found = measure_taste(dataset, candidates, **asked, apart=apart, progress=progress)
    except DataError as error:
        return {"tells_apart": None, "sentence": f"how much taste these users have is not known: {error}", "measures": []}
    return {name: value for name, value in found.to_json().items() if name != "costs"}


def _estimate(request: CalibrationRequest, model: LanguageModel) -> CostEstimate:
    """Return the most that a calibration can ask."""
    assert request.model is not None
    calls = _MOST_PAGES * request.users * (request.model.samples if model.elicitation == "samples" else 1)
    parameters = LanguageParameters.from_settings({**request.parameters, "calibration": None})
    written = calls * _QUESTIONS * ANSWER_TOKENS[model.elicitation]
    prompt = parameters.budget(model.context).most((_QUESTIONS - 2) // 2, 0)
    tokens = TokenUsage(prompt=calls * prompt, completion=written)
    return most_cost(model, request.model, calls=calls, tokens=tokens)
