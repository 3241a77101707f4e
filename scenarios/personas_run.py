"""From what the command line says to a file of personas that a model wrote: its texts are kept beside it, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recsim_llm.agents.language.persona_writing import PERSONA_TOKENS, RATINGS_TOLD, WrittenPersonas, write_personas
from recsim_llm.agents.language.prompt_budget import usual_tokens
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.providers import Roles
from recsim_llm.scenarios.estimates import Confirm, CostEstimate
from recsim_llm.scenarios.study_requests import StudyProgress, StudyRequest, check_new_file, holding_calls, limits_of, most_cost

__all__ = ["PersonasRequest", "make_personas"]


@dataclass(frozen=True, kw_only=True)
class PersonasRequest(StudyRequest):
    """Of whom personas shall be written, and how; the model writes and plays nobody."""

    seed: int
    """Of the draw of users."""
    users: int | None = None
    """Users to write about, one call each; None: all."""
    templates: str = "en"
    """Language of the prompts, or a folder with templates."""


def make_personas(
    request: PersonasRequest,
    out: Path,
    *,
    progress: Callable[[StudyProgress], None] = lambda _: None,
    confirm: Confirm = lambda _: None,
) -> tuple[WrittenPersonas, Dataset]:
    """Have personas written, check them and save them; the file is there whole, or not at all.

    Args:
        request: of whom, and by which model.
        out: JSON file. What the model writes is kept in a file beside it, see ``calls_beside``: a command that was stopped goes
            on where it was when it is given again, and a finished one asks nothing.
        progress: told what is done.
        confirm: told what the model will be asked before anything is; may raise to call it off.

    Raises:
        ConfigError: there is no model or no folder for the file, a setting is of users, or a number is out of range.
        DataError: the data cannot be used.
        BudgetExceeded: a limit was reached.
    """
    if request.model is None:
        raise ConfigError("personas: got no model, expected --model provider/name")
    if request.parameters:
        got = f"--set users.parameters.{next(iter(request.parameters))}: got a setting of users, who are not asked"
        raise ConfigError(f"{got}, expected models.user.NAME, how the model is asked; leave it out")
    check_new_file("personas", out)
    if request.users is not None:
        check_whole_number("personas, users", request.users, least=1)
    dataset = open_dataset(request.data, **request.tables.model_dump())
    dataset.ratings.split_by_time(TRAIN_SHARE)  # before anything is foretold: fails where nobody has rated enough
    limits = limits_of(request.limits)
    with (
        holding_calls("personas", out) as calls,
        Roles({"user": request.model}, calls=calls, cache=request.cache, limits=limits) as roles,
    ):
        model = roles.role("user")
        confirm(_estimate(request, dataset, model))
        found = write_personas(
            model,
            dataset,
            seed=request.seed,
            users=request.users,
            templates=request.templates,
            progress=lambda done, planned: progress(StudyProgress("writing", done, planned, "texts", model.meter())),
        )
        found.save(out)
    return found, dataset


def _estimate(request: PersonasRequest, dataset: Dataset, model: LanguageModel) -> CostEstimate:
    """Return the most that writing can ask."""
    assert request.model is not None
    there = len(dataset.ratings.users)
    calls = there if request.users is None else min(request.users, there)
    tokens = TokenUsage(prompt=calls * usual_tokens(RATINGS_TOLD), completion=calls * PERSONA_TOKENS)
    return most_cost(model, request.model, calls=calls, tokens=tokens)
