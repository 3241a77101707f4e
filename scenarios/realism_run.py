"""From what the command line says to a realism card: the user model, the settings that suit it, and its language model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from recsim_llm.agents.choice.choice_candidate import (
    CHOICE_FAMILIES,
    choice_candidate,
    choice_members,
    logged_choice_users,
    robust_candidates,
)
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.log_readers import widest_page
from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.calibration_record import NOT_CALIBRATED
from recsim_llm.agents.language.language_candidate import calibrated_factory, language_factory
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.tuning.met_users import met_users
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.ratings import Dataset
from recsim_llm.data import open_dataset
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.log_layouts import random_part
from recsim_llm.errors import ConfigError, RunExistsError
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.providers import Roles
from recsim_llm.log import open_exposures
from recsim_llm.log.locks import lock_folder
from recsim_llm.population.factories import wants_models
from recsim_llm.population.world import World
from recsim_llm.realism.candidates import Factory, world_factory
from recsim_llm.realism.card import Card
from recsim_llm.realism.held_out import Split, hold_out
from recsim_llm.realism.lines.cost import most_pages
from recsim_llm.realism.trials import CardSettings
from recsim_llm.realism.whole_card import Subject, behaviour_card, whole_card
from recsim_llm.registry import resolve
from recsim_llm.report.card_file import CARD_FILE
from recsim_llm.scenarios.building import built_world
from recsim_llm.scenarios.card_browsers import behaving_choice_world, log_browsers, world_browsers
from recsim_llm.scenarios.estimates import ANSWER_TOKENS, Confirm, CostEstimate
from recsim_llm.scenarios.study_requests import StudyRequest, check_told, limits_of, made_facts, most_cost

__all__ = ["FIT", "CardRequest", "card_facts", "make_card"]

FIT = "fit"
"""Calibration that is fitted on the training part, in place of a file."""

_LANGUAGE_USERS = 20
_CALIBRATION_USERS = 50


@dataclass(frozen=True, kw_only=True)
class CardRequest(StudyRequest):
    """What a card shall be made of."""

    data: str = ""
    """Folder of a data set, name of a downloaded one, or ``fictional``; empty where a log alone is judged."""
    exposures: str | None = None
    """File or folder of an exposure log, or a run's; None leaves behaviour open."""
    random_exposures: str | None = None
    """File or folder of ratings of items that were shown at random; None: that part of ``exposures``, where it is known."""
    log: ExposureSettings = field(default_factory=ExposureSettings)
    """How the logs are read."""
    users: str = "choice"
    """User model: ``choice``, ``language``, or another name of the registry; of a log alone a click model, or a dotted path."""
    n_users: int | None = None
    """Most users; None takes all, or 20 where a language model plays them."""
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """A trial each."""
    split: Split = "time"
    """What is held out."""
    calibration: str | None = None
    """Of language users: a file, or ``fit``; the card then shows them before and after."""
    families: tuple[str, ...] | None = None
    """Families of recommenders that the users were built from; None: what is known of the user model."""


def make_card(
    request: CardRequest,
    out: Path,
    *,
    progress: Callable[[str], None] = lambda _: None,
    confirm: Confirm = lambda _: None,
) -> tuple[Card, Dataset | Exposures]:
    """Measure a card; nothing but the calls of a language model is written.

    Args:
        request: what to measure.
        out: folder that the card will be written to; a card there is not overwritten. What a language model answered is kept
            in it, so that a card that was stopped goes on where it was when the same command is given again.
        progress: told what is being done.
        confirm: told what a language model will be asked before anything is; may raise to call it off.

    Returns:
        The card, and the data it is about: the ratings, or the log where there are none.

    Raises:
        RunExistsError: there is a card in the folder.
        ConfigError: options do not go together, or a name is unknown.
        BudgetExceeded: a limit was reached.
    """
    with lock_folder(out, "card"):
        if (out / CARD_FILE).exists():
            raise RunExistsError(
                f"card: got {out}, which holds {CARD_FILE}, expected a folder without a card; pass another --out"
            )
        _check(request)
        return _measure(request, out, progress, confirm)


def _measure(
    request: CardRequest, out: Path, progress: Callable[[str], None], confirm: Confirm
) -> tuple[Card, Dataset | Exposures]:
    exposures = None if request.exposures is None else open_exposures(request.exposures, **dict(request.log))
    if exposures is not None and not request.data:
        settings = CardSettings(seeds=request.seeds, users=request.n_users)
        return behaviour_card(
            exposures, f"{request.users} users", log_browsers(request.users), settings, progress=progress
        ), exposures
    dataset = open_dataset(request.data, **request.tables.model_dump())
    if request.model is None:
        subject, settings = _fitted(request), CardSettings(seeds=request.seeds, split=request.split, users=request.n_users)
        if exposures is not None:
            subject = replace(subject, browsers=world_browsers(_world_maker(request, exposures), dataset, exposures))
        shown = _shown_at_random(request, dataset)
        return whole_card(dataset, subject, settings, exposures=exposures, shown=shown, progress=progress), dataset
    if request.users == "language":
        check_told(LanguageParameters.from_settings(request.parameters), dataset)
    hold_out(dataset, seed=request.seeds[0], split=request.split)  # before anything is foretold: fails where nobody has enough
    settings = _language_settings(request, dataset)
    limits = limits_of(request.limits)
    with Roles({"user": request.model}, calls=out / FILE_NAME, cache=request.cache, limits=limits) as roles:
        subject = _played(request, roles)
        confirm(_estimate(request, settings, roles, request.model))
        return whole_card(dataset, subject, settings, progress=progress), dataset


def _world_maker(request: CardRequest, exposures: Exposures) -> Callable[[Dataset, Exposures], World]:
    """Return what makes the users who are put before the pages of a log, from ratings and the training part of the log."""
    seed = request.seeds[0]
    if request.users == "choice":
        return partial(behaving_choice_world, slots=widest_page(exposures), seed=seed)
    build, more = resolve("users", request.users), {"parameters": request.parameters} if request.parameters else {}
    return lambda known, _: built_world(request.users, lambda: build(known, seed=seed, **more))


def _shown_at_random(request: CardRequest, dataset: Dataset) -> Exposures | None:
    """Return ratings of items that were shown at random: those that were named, else the part of the log that has them."""
    path = request.random_exposures or request.exposures
    if path is None:
        return None
    part = random_part(Path(path).expanduser())
    if request.random_exposures is None and part is None:
        return None
    if dataset.feedback == "implicit":
        if request.random_exposures is None:
            return None
        raise ConfigError(f"--random-exposures: got {dataset.name}, which has no stars, expected ratings; leave it out")
    apart = request.log.part if request.exposures is None else None
    return open_exposures(path, **(dict(request.log) | {"part": part or apart}))


def card_facts(request: CardRequest, data: Dataset | Exposures) -> dict[str, str]:
    """Return how a card was made, for the page."""
    verb = ["realism", *(["--data", request.data] if request.data else []), "--users", request.users]
    options = {
        "--exposures": request.exposures,
        "--random-exposures": request.random_exposures,
        "--part": request.log.part,
        "--page-by": request.log.page_by,
        "--session-gap": request.log.session_gap,
        "--layout": request.log.layout,
        "--n-users": request.n_users,
        "--calibration": request.calibration,
        "--split": request.split if request.data else None,
        "--seeds": len(request.seeds),
        "--seed": request.seeds[0],
    }
    facts = made_facts(verb, options, request, licence=data.licence)
    if isinstance(data, Exposures):
        return facts
    if request.users == "language":
        facts["Calibration"] = _calibration_fact(request, data)
    if met := _met(request, data):
        facts["Left out"] = f"{len(met)} users whom the model was trained or watched on: no figure is about them"
    return facts


def _calibration_fact(request: CardRequest, dataset: Dataset) -> str:
    """Say how the language users of the card were calibrated, and whether it was on people whom the card is about."""
    if request.calibration is None:
        return f"none: these users are {NOT_CALIBRATED}, levels are the model's own; --calibration fit shows before and after"
    if request.calibration == FIT:
        return "fitted on the training part of the same users; the card scores them on what was held out"
    record = Calibration.load(request.calibration).record
    if record is None:
        return "set by hand"
    fitted, level = record["users_fitted"], record.get("users_level", ())
    same = not {*fitted, *level}.isdisjoint(dataset.ratings.users.tolist())
    told = ", some of whom may be among the users scored here" if same and record["data"] == dataset.name else ""
    by = f", the level of stars by {len(level):,}" if level else ""
    return f"fitted on {len(fitted):,} users of {record['data']}{by}{told}"


def _check(request: CardRequest) -> None:
    _check_logs(request)
    if not request.data:
        return
    needs = request.users == "language"
    if needs and request.model is None:
        raise ConfigError("realism: got language users without a model, expected --model provider/name")
    if request.model is not None and request.users == "choice":
        raise ConfigError(f"realism: got choice users and model {request.model.name}, expected --users language with a model")
    if request.calibration is not None and not needs:
        raise ConfigError(
            f"--calibration: got {request.users} users and ratings without exposures, expected language users: not applicable"
        )
    other = [name for name in request.parameters if name != "families"]
    if request.users == "choice" and other:
        name = other[0]
        raise ConfigError(
            f"--set users.parameters.{name}: got choice users, who are fitted by the card itself, expected users whom a "
            "language model plays; leave it out"
        )
    if request.parameters.get("calibration") is not None and needs:
        raise ConfigError(
            "--set users.parameters.calibration: got a calibration there, expected it as --calibration FILE: the card shows "
            "before and after"
        )
    if request.users == "replay":
        raise ConfigError("realism: got replay users, who can only repeat what was recorded, expected another user model")


def _check_logs(request: CardRequest) -> None:
    """Refuse what does not go with a log, or without one."""
    if not request.data and request.exposures is None:
        raise ConfigError("realism: got no data, expected --data RATINGS, --exposures LOG, or both")
    if request.random_exposures is not None and not request.data:
        raise ConfigError("--random-exposures: got it without ratings that people chose to give, expected --data RATINGS too")
    if request.data:
        if request.model is not None and (log := request.exposures or request.random_exposures) is not None:
            raise ConfigError(
                f"realism: got {log} and users whom a language model plays, expected users whom pages cost no calls, such as "
                "choice; leave the log out to judge language users by ratings alone"
            )
        return
    given = {
        "--model": request.model is not None,
        "--calibration": request.calibration is not None,
        "--families": request.families is not None,
        "--set": bool(request.parameters),
    }
    if unused := [name for name, is_given in given.items() if is_given]:
        raise ConfigError(f"{unused[0]}: got it for a log without ratings, expected --data RATINGS beside it; leave it out")
    log_browsers(request.users)


def _met(request: CardRequest, dataset: Dataset) -> tuple[int, ...]:
    """Return users whom the request's model learned from, where it was tuned."""
    return () if request.model is None else met_users(request.model.name, dataset)


def _language_settings(request: CardRequest, dataset: Dataset) -> CardSettings:
    """Return settings under which a language model is asked about a bounded number of pages."""
    return CardSettings(
        seeds=request.seeds,
        split=request.split,
        kinds=("uniform", "matched"),
        users=request.n_users or _LANGUAGE_USERS,
        ratings_a_user=10,
        panel_items=20,
        apart=_met(request, dataset),
    )


def _fitted(request: CardRequest) -> Subject:
    if request.users == "choice":
        families = CHOICE_FAMILIES if request.families is None else request.families
        tastes = ChoiceParameters.from_settings(request.parameters).families
        return Subject(
            name="choice users",
            factory=partial(choice_candidate, families=tastes),
            families=families,
            reads_titles=False,
            robust=robust_candidates,
            logged=logged_choice_users,
            members=choice_members,
        )
    build = resolve("users", request.users)
    if wants_models(build):
        raise ConfigError(f"realism: got {request.users} users without a model, expected --model provider/name")
    factory = _of_world(request, build)
    return Subject(name=f"{request.users} users", factory=factory, families=request.families or (), logged=logged_choice_users)


def _of_world(request: CardRequest, build: Callable[..., Any]) -> Factory:
    more = {"parameters": request.parameters} if request.parameters else {}
    return world_factory(lambda data, seed: built_world(request.users, lambda: build(data, seed=seed, **more)))


def _played(request: CardRequest, roles: Roles) -> Subject:
    """Return users that a language model plays, alone or with others."""
    model = roles.role("user")
    # Before anything is asked the meter stands at what earlier runs left in it: nothing.
    shared: dict[str, Any] = {"spent": lambda: roles.meter()._asdict()}
    beside = ("choice users", choice_candidate)
    if request.users != "language":
        build = resolve("users", request.users)
        if not wants_models(build):
            raise ConfigError(f"realism: got {request.users} users and a model, expected none; take --users language")
        factory = _of_world(request, partial(build, models=roles))
        families = CHOICE_FAMILIES if request.families is None else request.families
        return Subject(name=f"{request.users} users", factory=factory, reference=beside, families=families, **shared)
    plain, families = LanguageParameters.from_settings(request.parameters), request.families or ()
    if request.calibration is None:
        factory = language_factory(model, parameters=plain)
        return Subject(name="language users", factory=factory, reference=beside, families=families, **shared)
    if request.calibration == FIT:
        factory = calibrated_factory(model, users=request.n_users or _CALIBRATION_USERS, parameters=plain)
    else:
        calibrated = replace(plain, calibration=Calibration.load(request.calibration))
        factory = language_factory(model, parameters=calibrated)
    before = ("language users, before calibration", language_factory(model, parameters=plain))
    name = "language users, calibrated"
    return Subject(name=name, factory=factory, reference=before, families=families, **shared)


def _estimate(request: CardRequest, settings: CardSettings, roles: Roles, given: ModelSettings) -> CostEstimate:
    """Return the most that the card can ask of its model."""
    model, users = roles.role("user"), settings.users or _LANGUAGE_USERS
    pages = most_pages(settings, users=users, page_size=settings.page_items)
    if request.calibration == FIT:
        pages += 3 * len(settings.seeds) * (request.n_users or _CALIBRATION_USERS)
    questions = 2 * settings.page_items + 2
    calls = pages * model.most_calls(questions)
    own = request.parameters if request.users == "language" else request.parameters.get("language") or {}
    read = calls * LanguageParameters.from_settings(own).budget(model.context).most(settings.page_items, 0)
    written = pages * model.most_calls(1) * questions * ANSWER_TOKENS[model.elicitation]
    return most_cost(model, given, calls=calls, tokens=TokenUsage(prompt=read, completion=written))
