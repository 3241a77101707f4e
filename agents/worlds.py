"""Worlds by name: what environments and runs build when they are told ``users="choice"`` or ``users="language"``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from recsim_llm.agents.choice.choice_fit import with_click_rate
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.choice.saved_fits import fitted_for, load_fitted
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.core import keyed
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.personas import Population
from recsim_llm.population.population_files import read_population
from recsim_llm.population.synthetic import JointDistribution, fit_joint_distribution
from recsim_llm.population.world import World

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["ModelsByRole", "choice_world", "language_world"]

_TRAIN_SHARE = 0.8


class ModelsByRole(Protocol):
    """The language models of a run, by what they are for."""

    def role(self, name: str) -> LanguageModel:
        """Return the model of a role, such as ``user``."""
        ...


def choice_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
    seed: int = 0,
) -> World:
    """Build a world of choice users.

    Args:
        data: a data set, its folder, or its name; ``fictional`` is the invented one.
        population: None for all users of the data; a number up to theirs for that many of them, drawn by the seed; a larger
            number for synthetic users; a file; or a population with fitted vectors.
        parameters: behaviour on the page, by name; the rest keep their value.
        fitted: folder written by ``recsim-llm fit``; None fits now, or takes the fit kept from last time.
        seed: of the choice of users, or of the synthetic users.

    Raises:
        ConfigError: a parameter is unknown, the fit belongs to another catalog, or the number of users is below 1.
    """
    dataset = data if isinstance(data, Dataset) else open_dataset(str(data))
    fit = fitted_for(dataset) if fitted is None else load_fitted(Path(fitted))
    settings = ChoiceParameters.from_settings(asdict(fit.model.parameters) | dict(parameters or {}))
    if settings.click_rate != fit.model.parameters.click_rate:
        fit = with_click_rate(fit, settings.click_rate)
    users = _population(population, seed, lambda: fit.population, lambda: fit.joint)
    behaviour = ChoiceUsers(dataset.catalog, users, fit.model, settings)
    return World(_observable(dataset), users, behaviour)


def language_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
    seed: int = 0,
    models: ModelsByRole | None = None,
) -> World:
    """Build a world of users played by a language model.

    Args:
        data: a data set, its folder, or its name; ``fictional`` is the invented one.
        population: None for all users of the data; a number up to theirs for that many of them, drawn by the seed; a larger
            number for synthetic users; a file; or a population.
        parameters: of ``LanguageParameters``, by name; the rest keep their default.
        fitted: folder written by ``recsim-llm fit``, whose users are taken; None measures personas on the ratings.
        seed: of the choice of users, of synthetic users, and of the order in which items are presented.
        models: where the model of the role ``user`` comes from.

    Raises:
        ConfigError: there is no model, a parameter is unknown, or the number of users is below 1.
    """
    if models is None:
        raise ConfigError("language users: got no model, expected --model provider/name; for instance --model scripted/genres")
    settings = LanguageParameters.from_settings(parameters or {})
    dataset = data if isinstance(data, Dataset) else open_dataset(str(data))
    users = _personas(dataset, population, seed, fitted)
    behaviour = LanguageUsers(dataset.catalog, users, models.role("user"), parameters=settings, seed=seed)
    return World(_observable(dataset), users, behaviour)


def _personas(
    dataset: Dataset,
    population: int | str | PathLike[str] | Population | None,
    seed: int,
    fitted: str | PathLike[str] | None,
) -> Population:
    """Return users whose personas are all that is needed; nothing is fitted that need not be."""
    if fitted is not None:
        fit = load_fitted(Path(fitted))
        return _population(population, seed, lambda: fit.population, lambda: fit.joint)

    def known() -> Population:
        return population_from_ratings(dataset.ratings, dataset.catalog, dataset.demographics)

    return _population(population, seed, known, lambda: fit_joint_distribution(known()))


def _population(
    population: int | str | PathLike[str] | Population | None,
    seed: int,
    known: Callable[[], Population],
    joint: Callable[[], JointDistribution],
) -> Population:
    """Return the users that are asked for: of the data, drawn from their joint distribution, from a file, or as given."""
    if isinstance(population, Population):
        return population
    if population is None:
        return known()
    if not isinstance(population, int | np.integer):
        return read_population(Path(population))
    if population < 1 or isinstance(population, bool):
        raise ConfigError(f"number of users: got {population}, expected 1 or more")
    users = known()
    if population > len(users):
        return joint().sample(int(population), seed=seed, first_user_id=int(users.user_id.max()) + 1)
    order = np.argsort(keyed.words(seed, "population", users.user_id), kind="stable")
    return users.take(np.sort(order[:population]))


def _observable(dataset: Dataset) -> Catalog:
    """Return the catalog as policies may know it: popularity counts the first 80% of each user's ratings, quality is hidden."""
    train, _ = dataset.ratings.split_by_time(_TRAIN_SHARE)
    counts = np.bincount(dataset.catalog.index_of(train.item_id), minlength=len(dataset.catalog))
    return replace(dataset.catalog.with_popularity(counts), quality=None)
