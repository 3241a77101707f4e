"""Worlds made from other worlds or from a run: what runs build when they are told ``users="cascade"`` or ``"replay"``."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from recsim_llm.agents.cascade import CascadeParameters, CascadeUsers
from recsim_llm.agents.recorded_decisions import read_manifest
from recsim_llm.agents.replay import ReplayUsers
from recsim_llm.agents.worlds import ModelsByRole, choice_world, language_world
from recsim_llm.core.ratings import Dataset
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World

__all__ = ["cascade_world", "replay_world"]


def cascade_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
    seed: int = 0,
    models: ModelsByRole | None = None,
) -> World:
    """Build a world of cascade users: fitted choice users, with a language model for the pages they are unsure about.

    Args:
        data: as for ``choice_world``.
        population: as for ``choice_world``.
        parameters: ``CascadeParameters`` by name, and under ``choice`` and ``language`` the parameters of the two models.
        fitted: as for ``choice_world``.
        seed: of the choice of users, of the audit, and of the language side.
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
    dataset = data if isinstance(data, Dataset) else open_dataset(str(data))
    world = choice_world(dataset, population, parameters=sides["choice"], fitted=fitted, seed=seed)
    people = world.population
    other = language_world(dataset, people, parameters=sides["language"], fitted=fitted, seed=seed, models=models)
    users = CascadeUsers(world.users, other.users, user_id=people.user_id, parameters=own, seed=seed)
    return world._replace(users=users)


def replay_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
    seed: int = 0,
) -> World:
    """Build a world of replay users.

    Args:
        data: the run's data.
        population: None for the users of the run; otherwise as for ``choice_world``, users of whom the run recorded something.
        parameters: ``run``, the run folder; ``arm``, needed where it has several; ``match``, see ``ReplayUsers``.
        fitted: as for ``choice_world``; None takes what the run took.
        seed: of the choice of users, where a number is given.

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
    manifest = read_manifest(run)
    dataset = data if isinstance(data, Dataset) else open_dataset(str(data))
    if manifest["data"]["fingerprint"] != dataset.fingerprint:
        raise LogError(f"{run}: got a run on data {manifest['data']['name']!r}, expected one on {dataset.name!r} as it is now")
    recorded = manifest["settings"]["users"]
    if population is None:
        population, seed = recorded["count"], manifest["seed"]
    world = choice_world(dataset, population, fitted=recorded["fitted"] if fitted is None else fitted, seed=seed)
    users = ReplayUsers(run, settings.get("arm"), world.catalog, world.population, match=settings.get("match", "page"))
    return world._replace(users=users)
