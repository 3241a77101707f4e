"""Worlds by name: what environments and runs build when they are told ``users="choice"``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm import keyed
from recsim_llm.agents.choice import ChoiceUsers
from recsim_llm.agents.choice_fit import FittedUsers, with_click_rate
from recsim_llm.agents.fitted import fitted_for, load_fitted
from recsim_llm.agents.parameters import ChoiceParameters
from recsim_llm.catalog import Catalog
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError
from recsim_llm.personas import Population
from recsim_llm.population_files import read_population
from recsim_llm.ratings import Dataset
from recsim_llm.registry import World

__all__ = ["choice_world"]

_TRAIN_SHARE = 0.8


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
    users = _population(fit, population, seed)
    behaviour = ChoiceUsers(dataset.catalog, users, fit.model, settings)
    return World(_observable(dataset), users, behaviour)


def _population(fit: FittedUsers, population: int | str | PathLike[str] | Population | None, seed: int) -> Population:
    if population is None:
        return fit.population
    if isinstance(population, Population):
        return population
    if not isinstance(population, int | np.integer):
        return read_population(Path(population))
    if population < 1 or isinstance(population, bool):
        raise ConfigError(f"number of users: got {population}, expected 1 or more")
    known = fit.population.user_id
    if population > len(known):
        return fit.joint.sample(int(population), seed=seed, first_user_id=int(known.max()) + 1)
    order = np.argsort(keyed.words(seed, "population", known), kind="stable")
    return fit.population.take(np.sort(order[:population]))


def _observable(dataset: Dataset) -> Catalog:
    """Return the catalog as policies may know it: popularity counts the first 80% of each user's ratings, quality is hidden."""
    train, _ = dataset.ratings.split_by_time(_TRAIN_SHARE)
    counts = np.bincount(dataset.catalog.index_of(train.item_id), minlength=len(dataset.catalog))
    return replace(dataset.catalog.with_popularity(counts), quality=None)
