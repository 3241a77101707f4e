"""What a scenario names, built: data, users, recommenders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.noise import with_noise
from recsim_llm.core.protocols import RanksItems
from recsim_llm.core.ratings import Dataset
from recsim_llm.data import open_dataset
from recsim_llm.envs.rewards import reward_of
from recsim_llm.errors import ConfigError
from recsim_llm.language.providers import Roles
from recsim_llm.population.world import World
from recsim_llm.registry import resolve
from recsim_llm.scenarios.blocks import block_of
from recsim_llm.scenarios.schema import Arm, Scenario

__all__ = ["check_names", "check_oracle", "dataset_of", "recommender_of", "recommender_seed", "with_files_read", "world_of"]


def check_names(scenario: Scenario) -> None:
    """See to it that rewards and recommenders exist and take their settings.

    Raises:
        ConfigError: one does not.
    """
    reward_of(scenario.reward)
    for arm in scenario.recommenders:
        recommender_of(arm)


def check_oracle(scenario: Scenario, world: World) -> None:
    """Refuse arms that must know the users before anything is asked of users that cannot tell.

    Raises:
        ConfigError: there is one, and the users cannot tell what they feel for every item.
    """
    blind = [arm.name for arm in scenario.recommenders if hasattr(recommender_of(arm), "reveal")]
    if blind and not isinstance(world.users, RanksItems):
        others = ",".join(arm.name for arm in scenario.recommenders if arm.name not in blind) or "popularity"
        raise ConfigError(
            f"recommender {blind[0]!r}: got users {scenario.users.model!r}, who cannot tell what they feel for every item, "
            f"expected choice users; leave it out: --recommenders {others}"
        )


def with_files_read(scenario: Scenario) -> Scenario:
    """Return the scenario with the calibration in place of the file that holds it, so that a run needs the file no more.

    Raises:
        DataError: the file cannot be read.
    """
    parameters = dict(scenario.users.parameters)
    inner = parameters.get("language")
    if isinstance(inner, Mapping):  # of a cascade
        parameters["language"] = _calibration_read(inner)
    users = scenario.users.model_copy(update={"parameters": _calibration_read(parameters)})
    return scenario.model_copy(update={"users": users})


def _calibration_read(parameters: Mapping[str, Any]) -> dict[str, Any]:
    place = parameters.get("calibration")
    return {**parameters, "calibration": asdict(Calibration.load(Path(place)))} if isinstance(place, str) else dict(parameters)


def recommender_of(arm: Arm) -> Any:
    """Return a new recommender, not yet fitted.

    Raises:
        ConfigError: there is none of that name, or it does not take these settings.
    """
    try:
        return resolve("recommenders", arm.recommender)(**arm.settings)
    except TypeError as error:
        raise ConfigError(f"recommender {arm.name!r}: got settings {arm.settings}, expected what it takes: {error}") from error


def _seed(scenario: Scenario) -> int:
    assert scenario.seed is not None
    return scenario.seed


def recommender_seed(scenario: Scenario) -> int:
    """Return a seed from which the run's own cannot be computed: who knows that one knows the users' dice."""
    return int.from_bytes(hashlib.sha256(f"recommender {_seed(scenario)}".encode()).digest()[:7], "little")


def dataset_of(scenario: Scenario) -> Dataset:
    """Return the data that a scenario names.

    Raises:
        DataError: they cannot be used.
    """
    return open_dataset(scenario.data, columns=scenario.columns, skip_bad_rows=scenario.skip_bad_rows)


def world_of(scenario: Scenario, dataset: Dataset, roles: Roles) -> World:
    """Return the items and users that a scenario names.

    Args:
        scenario: with its seed drawn.
        dataset: its data.
        roles: its language models, opened where the users need them.

    Raises:
        ConfigError: the users are unknown or cannot be built from these settings.
    """
    settings = scenario.users
    factory = resolve("users", settings.model)
    more = {"models": roles} if "models" in signature(factory).parameters else {}
    if "user" in scenario.models and not more:
        raise ConfigError(
            f"users {settings.model!r}: got a language model for the role user, expected none; take --users language"
        )
    build = partial(factory, parameters=settings.parameters, fitted=settings.fitted, seed=_seed(scenario), **more)
    world = _built(settings.model, lambda: build(dataset, settings.count))
    if settings.block is not None:
        people = block_of(world.population, settings.block, _seed(scenario))
        world = _built(settings.model, lambda: build(dataset, people))
    if settings.noise:
        world = with_noise(world, settings.noise, _seed(scenario))
    if scenario.slate_size > len(world.catalog):
        raise ConfigError(
            f"slate_size: got {scenario.slate_size}, expected at most {len(world.catalog)}, the items in the catalog"
        )
    return world


def _built(model: str, build: Callable[[], Any]) -> World:
    try:
        world = build()
    except TypeError as error:
        raise ConfigError(f"users {model!r}: got {error}, expected a factory like choice_world") from error
    if not isinstance(world, World):
        raise ConfigError(f"users {model!r}: got {type(world).__name__}, expected a factory that returns a World")
    return world
