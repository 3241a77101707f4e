"""From what the command line says to simulated clicks on items that nobody has rated, or to what such clicks are worth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.agents.choice.choice_candidate import ChoiceCandidate
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.saved_fits import fitted_for
from recsim_llm.agents.language.language_candidate import language_factory
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.warmed import Warmed, unrated_items
from recsim_llm.core.files import write_atomically
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, RunExistsError
from recsim_llm.exports import own_names
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.providers import Roles
from recsim_llm.realism.candidates import Factory
from recsim_llm.realism.cold.simulated_clicks import EVERYTHING, INTERACTIONS, Asked, count_asked, simulate_clicks
from recsim_llm.realism.cold.warming_measure import WarmingSettings, measure_warming
from recsim_llm.scenarios.estimates import ANSWER_TOKENS, Confirm, CostEstimate
from recsim_llm.scenarios.study_requests import StudyRequest, check_told, limits_of, most_cost

__all__ = ["WARMING_FILE", "WarmingRequest", "make_warming"]

WARMING_FILE = "warm.json"
"""Name of the file that says what was simulated, or measured."""
_PAGE = 20
_LANGUAGE_USERS = 60
_LANGUAGE_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class WarmingRequest(StudyRequest):
    """What shall be simulated or measured."""

    seed: int
    """Of everything random."""
    users: str = "choice"
    """Who clicks: ``choice`` or ``language``."""
    asked: Asked = EVERYTHING
    """Who is asked about what; a language model plays at most 60 users who are shown 40 items each where nothing is said."""
    held_out: float | None = None
    """Share of the rated items to measure on, as if nobody had rated them; None simulates clicks on items without ratings."""
    draws: int = 5
    """How many such shares, no item in two of them."""
    recommenders: tuple[str, ...] = ("mf", "item-knn")
    """Which are trained with and without simulated clicks."""
    page_size: int = 10
    """Items of a ranking that count."""


def make_warming(
    request: WarmingRequest,
    out: Path,
    *,
    progress: Callable[[str], None] = lambda _: None,
    confirm: Confirm = lambda _: None,
) -> tuple[dict[str, Any], Dataset]:
    """Simulate clicks on items without ratings and write them as a table, or measure what such clicks are worth.

    Args:
        request: what to do.
        out: folder; ``warm.json`` appears last. What a language model answered is kept in it, so that what was stopped goes on
            where it was when the same command is given again.
        progress: told what is being done.
        confirm: told what a language model will be asked before anything is; may raise to call it off.

    Returns:
        The content of ``warm.json``, and the data.

    Raises:
        RunExistsError: the folder holds such a file.
        ConfigError: options do not go together, or there is nothing to simulate.
        DataError: the data cannot be used.
        BudgetExceeded: a limit was reached.
    """
    if (out / WARMING_FILE).exists():
        raise RunExistsError(f"warm: got {out}, which holds {WARMING_FILE}, expected another folder; pass another --out")
    _check(request)
    dataset = open_dataset(request.data, **request.tables.model_dump())
    with _users(request, dataset, out, confirm) as factory:
        work = _measure if request.held_out is not None else _simulate
        content, table = work(request, dataset, factory, progress)
    out.mkdir(parents=True, exist_ok=True)
    if table is not None:
        write_atomically(out / INTERACTIONS, table.encode())
    write_atomically(out / WARMING_FILE, json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")
    return content, dataset


def _check(request: WarmingRequest) -> None:
    if request.users not in ("choice", "language"):
        raise ConfigError(f"--users: got {request.users!r}, expected choice or language")
    if request.users == "language" and request.model is None:
        raise ConfigError("warm: got language users without a model, expected --model provider/name")
    if request.users == "choice" and request.model is not None:
        raise ConfigError(f"warm: got choice users and model {request.model.name}, expected --users language with a model")
    if request.users == "choice" and (other := [name for name in request.parameters if name != "families"]):
        raise ConfigError(
            f"--set users.parameters.{other[0]}: got a parameter of behaviour on pages, expected families alone, since items "
            "are asked about one by one; leave it out"
        )


@contextmanager
def _users(request: WarmingRequest, dataset: Dataset, out: Path, confirm: Confirm) -> Iterator[Factory]:
    """Lend what makes the simulated users from a training part; a language model stays open as long."""
    if request.model is None:
        families = ChoiceParameters.from_settings(request.parameters).families
        yield lambda training, _: ChoiceCandidate(fitted_for(training), families)
        return
    parameters = LanguageParameters.from_settings(request.parameters)
    check_told(parameters, dataset)
    limits = limits_of(request.limits)
    with Roles({"user": request.model}, calls=out / FILE_NAME, cache=request.cache, limits=limits) as roles:
        model = roles.role("user")
        confirm(_estimate(request, model, parameters))
        yield language_factory(model, parameters=parameters, page_size=_PAGE)


def _measure(
    request: WarmingRequest, dataset: Dataset, factory: Factory, progress: Callable[[str], None]
) -> tuple[dict[str, Any], str | None]:
    assert request.held_out is not None
    settings = WarmingSettings(
        seed=request.seed,
        draws=range(request.draws),
        share=request.held_out,
        recommenders=request.recommenders,
        page_size=request.page_size,
        asked=_asked(request),
    )

    def warm(name: str, clicks: Ratings) -> Warmed:
        return Warmed(Warmed.Settings(base=name), simulated=clicks)

    rows, facts = measure_warming(dataset, factory, warm, settings, progress=progress)
    told = {"draws": request.draws, "share": request.held_out, "page_size": request.page_size, "facts": facts}
    return _about(request, dataset) | told | {"rows": [row.to_json() for row in rows]}, None


def _simulate(
    request: WarmingRequest, dataset: Dataset, factory: Factory, progress: Callable[[str], None]
) -> tuple[dict[str, Any], str | None]:
    cold = unrated_items(dataset.catalog, dataset.ratings)
    if not cold.size:
        raise ConfigError(
            f"warm: got {dataset.name}, where every item has ratings, expected items without; pass --held-out 0.1 to "
            "measure on items whose ratings are left out"
        )
    progress("making the simulated users")
    users = factory(dataset, request.seed)
    progress(f"asking them about {len(cold):,} items")
    asked = _asked(request)
    clicks = simulate_clicks(users, dataset, cold, seed=request.seed, asked=asked)
    users_asked, items_shown = count_asked(dataset, cold, asked)
    facts = {
        "cold_items": len(cold),
        "items_clicked": len(np.unique(clicks.item_id)),
        "simulated_clicks": len(clicks),
        "users_asked": users_asked,
        "items_shown": items_shown,
        "users": len(np.unique(clicks.user_id)),
    }
    return _about(request, dataset) | {"facts": facts}, _table(dataset, clicks)


def _asked(request: WarmingRequest) -> Asked:
    """Return who is asked about what: of a model no more than a person waits for, where nothing is said."""
    asked = request.asked
    if request.model is None:
        return asked
    return asked._replace(shown=asked.shown or _LANGUAGE_SHOWN, users=asked.users or _LANGUAGE_USERS)


def _table(dataset: Dataset, clicks: Ratings) -> str:
    """Return clicks as a table of implicit interactions, with the data's own ids."""
    catalog, keys = dataset.catalog, dataset.user_keys
    items = clicks.item_id if catalog.item_key is None else catalog.item_key[catalog.index_of(clicks.item_id)]
    users = [keys.get(user, user) for user in clicks.user_id.tolist()]
    rows = zip(users, items.tolist(), clicks.timestamp.tolist(), strict=True)
    lines = [",".join(own_names.cell(value) for value in row) for row in rows]
    return "\n".join(["user_id,item_id,timestamp", *lines]) + "\n"


def _about(request: WarmingRequest, dataset: Dataset) -> dict[str, Any]:
    return {
        "data": {"name": dataset.name, "fingerprint": dataset.fingerprint, "licence": dataset.licence},
        "users": request.users,
        "model": None if request.model is None else request.model.name,
        "seed": request.seed,
    }


def _estimate(request: WarmingRequest, model: LanguageModel, parameters: LanguageParameters) -> CostEstimate:
    """Return the most that the users' model can be asked."""
    assert request.model is not None
    asked, draws = _asked(request), 1 if request.held_out is None else request.draws
    pages = draws * (asked.users or 0) * -(-(asked.shown or 0) // _PAGE)
    questions = 2 * _PAGE + 2
    calls = pages * model.most_calls(questions)
    read = calls * parameters.budget(model.context).most(_PAGE, 0)
    written = pages * model.most_calls(1) * questions * ANSWER_TOKENS[model.elicitation]
    return most_cost(model, request.model, calls=calls, tokens=TokenUsage(prompt=read, completion=written))
