"""Worlds by name: what environments and runs build when they are told ``users="choice"``, ``"language"`` and so on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from recsim_llm.agents.cascade import CascadeParameters, CascadeUsers
from recsim_llm.agents.choice.choice_fit import FittedUsers, with_click_rate
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.choice.saved_fits import fitted_for, load_fitted
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.agents.language.told_facts import check_users
from recsim_llm.agents.noise import without_ratings
from recsim_llm.agents.replay import ReplayUsers
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.log.manifest import read_scenario_manifest
from recsim_llm.population.choosing import UserSource, choose_users, measured_users
from recsim_llm.population.factories import takes_models
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["ModelsByRole", "cascade_world", "choice_world", "language_world", "replay_world", "user_source"]


class ModelsByRole(Protocol):
    """The language models of a run, by what they are for."""

    def role(self, name: str) -> LanguageModel:
        """Return the model of a role, such as ``user``."""
        ...


def choice_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
) -> World:
    """Build a world of choice users.

    Args:
        data: a data set, its folder, or its name; ``fictional`` is the invented one.
        population: None for all users of the data; a number up to theirs for that many of them, drawn by the seed; a larger
            number for synthetic users; a file; or a population with fitted vectors.
        seed: of the choice of users, or of the synthetic users.
        parameters: behaviour on the page, by name; the rest keep their value.
        fitted: folder written by ``recsim-llm fit``; None fits now, or takes the fit kept from last time.

    Raises:
        ConfigError: a parameter is unknown, the fit belongs to another catalog, or the number of users is below 1.
    """
    dataset = _opened(data)
    return without_ratings(_choosing(dataset, population, seed=seed, parameters=parameters, fitted=fitted), dataset, seed)


@takes_models
def language_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
    models: ModelsByRole | None = None,
) -> World:
    """Build a world of users played by a language model.

    Args:
        data: a data set, its folder, or its name; ``fictional`` is the invented one.
        population: None for all users of the data; a number up to theirs for that many of them, drawn by the seed; a larger
            number for synthetic users; a file; or a population.
        seed: of the choice of users, of synthetic users, and of the order in which items are presented.
        parameters: of ``LanguageParameters``, by name; the rest keep their default.
        fitted: folder written by ``recsim-llm fit``, whose users are taken; None measures personas on the ratings.
        models: where the model of the role ``user`` comes from.

    Raises:
        ConfigError: there is no model, a parameter is unknown, or the number of users is below 1.
    """
    dataset = _opened(data)
    world = _speaking(dataset, population, seed=seed, parameters=parameters, fitted=fitted, models=models)
    return without_ratings(world, dataset, seed)


@takes_models
def cascade_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
    models: ModelsByRole | None = None,
) -> World:
    """Build a world of cascade users: fitted choice users, with a language model for the pages they are unsure about.

    Args:
        data: as for ``choice_world``.
        population: as for ``choice_world``.
        seed: of the choice of users, of the audit, and of the language side.
        parameters: ``CascadeParameters`` by name, and under ``choice`` and ``language`` the parameters of the two models.
        fitted: as for ``choice_world``.
        models: as for ``language_world``.

    Raises:
        ConfigError: a parameter is unknown.
    """
    settings = dict(parameters or {})
    sides = {name: settings.pop(name, None) for name in ("choice", "language")}
    for name, side in sides.items():
        if side is not None and not isinstance(side, Mapping):
            raise ConfigError(f"cascade parameter {name!r}: got {side!r}, expected that model's parameters by name")
    own = CascadeParameters.from_settings(settings)
    dataset = _opened(data)
    world = _choosing(dataset, population, parameters=sides["choice"], fitted=fitted, seed=seed)
    people = world.population
    other = _speaking(dataset, people, parameters=sides["language"], fitted=fitted, seed=seed, models=models)
    users = CascadeUsers(world.users, other.users, user_id=people.user_id, parameters=own, seed=seed)
    return without_ratings(world._replace(users=users), dataset, seed)


def replay_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
) -> World:
    """Build a world of replay users.

    Args:
        data: the run's data.
        population: None for the users of the run; otherwise as for ``choice_world``, users of whom the run recorded something.
        seed: of the choice of users, where a number is given.
        parameters: ``run``, the run folder; ``arm``, needed where it has several; ``match``, see ``ReplayUsers``.
        fitted: as for ``choice_world``; None takes what the run took.

    Raises:
        ConfigError: a parameter is unknown or ``run`` is missing.
        LogError: the folder is no run, is damaged, or is of other data.
    """
    settings = dict(parameters or {})
    unknown = sorted(set(settings) - {"run", "arm", "match"})
    if unknown or not isinstance(settings.get("run"), str | PathLike):
        got = repr(unknown[0]) if unknown else f"run {settings.get('run')!r}"
        raise ConfigError(f"replay parameter: got {got}, expected run (a run folder), and arm and match where needed")
    run = Path(settings["run"])
    manifest = read_scenario_manifest(run)
    dataset = _opened(data)
    if manifest["data"]["fingerprint"] != dataset.fingerprint:
        raise LogError(f"{run}: got a run on data {manifest['data']['name']!r}, expected one on {dataset.name!r} as it is now")
    recorded = manifest["settings"]["users"]
    if population is None:
        population, seed = recorded["count"], manifest["seed"]
    kept = recorded["fitted"] if fitted is None else fitted
    world = _choosing(dataset, population, parameters=None, fitted=kept, seed=seed)
    users = ReplayUsers(run, settings.get("arm"), world.catalog, world.population, match=settings.get("match", "page"))
    return without_ratings(world._replace(users=users), dataset, seed)


def user_source(dataset: Dataset, *, model: str, fitted: str | PathLike[str] | None) -> UserSource:
    """Return where the users of a shipped user model come from.

    Args:
        dataset: the data.
        model: its name; language users need no more than their personas, all others are fitted.
        fitted: folder written by ``recsim-llm fit``, whose users are taken; None fits now, or takes the fit kept before.
    """
    if model == "language" and fitted is None:
        return measured_users(dataset)
    return _fitted_source(_fit(dataset, fitted))


def _choosing(
    dataset: Dataset,
    population: int | str | PathLike[str] | Population | None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None,
    fitted: str | PathLike[str] | None,
) -> World:
    fit = _fit(dataset, fitted)
    settings = ChoiceParameters.from_settings(asdict(fit.model.parameters) | dict(parameters or {}))
    _check_layout(settings, fit.model.parameters)
    if settings.click_rate != fit.model.parameters.click_rate:
        fit = with_click_rate(fit, settings.click_rate)
    users = choose_users(population, _fitted_source(fit), seed=seed).known_in(dataset)
    behaviour = ChoiceUsers(dataset.catalog, users, fit.model, settings)
    return World(dataset.training_part(TRAIN_SHARE)[0].catalog, users, behaviour)


def _check_layout(settings: ChoiceParameters, own: ChoiceParameters) -> None:
    """Refuse a layout of pages that the users were not fitted to, unless how it is read is set beside it."""
    reads = (settings.examination_table, settings.position_curve) == (own.examination_table, own.position_curve)
    if settings.layout != own.layout and reads:
        raise ConfigError(
            f"choice parameter 'layout': got {settings.layout!r}, expected {own.layout!r}, as these users read pages; fit "
            f"others to a log of it (recsim-llm fit DATA FOLDER --exposures LOG --layout {settings.layout}), or set a "
            "position_curve"
        )


def _speaking(
    dataset: Dataset,
    population: int | str | PathLike[str] | Population | None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None,
    fitted: str | PathLike[str] | None,
    models: ModelsByRole | None,
) -> World:
    if models is None:
        raise ConfigError(
            "language users: got no models, expected some, for instance Roles({'user': ModelSettings(name='scripted/genres')})"
        )
    settings = LanguageParameters.from_settings(parameters or {})
    source = user_source(dataset, model="language", fitted=fitted)
    users = choose_users(population, source, seed=seed).known_in(dataset)
    for what in ("facts", "personas"):
        check_users(what, getattr(settings, what), dataset, users)
    known = dataset.training_part(TRAIN_SHARE)[0]
    history = RatingHistory(known.ratings, users.user_id, known.catalog, rates=users.rates)
    behaviour = LanguageUsers(known.catalog, users, models.role("user"), parameters=settings, seed=seed, history=history)
    return World(known.catalog, users, behaviour)


def _fit(dataset: Dataset, fitted: str | PathLike[str] | None) -> FittedUsers:
    return fitted_for(dataset) if fitted is None else load_fitted(Path(fitted))


def _fitted_source(fit: FittedUsers) -> UserSource:
    return UserSource(lambda: fit.population, lambda: fit.joint)


def _opened(data: str | PathLike[str] | Dataset) -> Dataset:
    return data if isinstance(data, Dataset) else open_dataset(str(data))
