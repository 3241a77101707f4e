"""The worlds of environments: built from what the arguments name, or from a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.ratings import TRAIN_SHARE
from recsim_llm.core.repetition import RatedItems
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError
from recsim_llm.population.factories import wants_models
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World, with_rated_items
from recsim_llm.registry import import_attribute, resolve

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["OpenWorld", "WorldArguments", "asks_model", "check_model", "open_world"]

_OPEN_SCENARIO = "recsim_llm.scenarios.environment_scenario:open_scenario"
"""By name, since scenarios stand above environments."""
_WORLD_SEED = 0
"""Of the choice of users where a number of them is asked for: the same people are in every environment, whatever seeds their
visits are reset with."""


@dataclass(frozen=True, kw_only=True)
class WorldArguments:
    """What an environment was told about its world; None where it was told nothing."""

    catalog: str | PathLike[str] | Catalog | None
    """Name or folder of a data set, or the items themselves."""
    population: int | str | PathLike[str] | Population | None
    """How many users, a file, or the users themselves."""
    users: str | UserModel | None
    """Name of a user model, or one."""
    rated: RatedItems | None
    """What users rated before, where they are given as objects."""
    model: str | None
    """Language model that plays the users: ``provider/name``."""
    scenario: object
    """Name, path or ``Scenario`` that says all this and more; None for none."""


@dataclass(frozen=True, kw_only=True)
class OpenWorld:
    """A world, and what a scenario says about pages and visits in it."""

    world: World
    """Items and users."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of ``BrowseSettings`` by name, where no argument says otherwise."""
    description: Mapping[str, Any] = field(default_factory=dict)
    """For the manifest of a log."""
    close: Callable[[], None] | None = None
    """Closes the language models; None where there are none."""
    model: Callable[[], LanguageModel] | None = None
    """Opens the language model that recommenders ask; None where nobody named one."""
    recommender_seed: int = 0
    """For all that is random in recommenders that become policies."""


def open_world(given: WorldArguments, folder: Path | None) -> OpenWorld:
    """Build the world that an environment's arguments describe.

    Args:
        given: the arguments.
        folder: run folder that keeps the calls of language models; None keeps them until they are closed.

    Raises:
        ConfigError: objects and names are mixed in a way that cannot work, or a name is unknown.
    """
    _check_types(given)
    by_name = not isinstance(given.catalog, Catalog) and (given.users is None or isinstance(given.users, str))
    if given.rated is not None and by_name:
        raise ConfigError(
            f"rated: got {type(given.rated).__name__} beside names, expected it with a Catalog, a Population and a user "
            "model; leave it out"
        )
    if given.scenario is not None:
        if not by_name or isinstance(given.population, Population):
            raise ConfigError(
                f"environment: got a scenario and {_kinds(given)}, expected names beside it; leave one of them out"
            )
        opened: OpenWorld = import_attribute(_OPEN_SCENARIO, "scenario")(given, folder)
        return opened
    if by_name:
        return _open_named(given, folder)
    if given.model is not None:
        raise ConfigError(f"model: got {given.model!r} beside users who have theirs, expected users by name; leave it out")
    catalog, population, users = given.catalog, given.population, given.users
    if not isinstance(catalog, Catalog) or not isinstance(population, Population) or users is None or isinstance(users, str):
        raise ConfigError(
            f"environment: got {_kinds(given)}; expected a data set and users by name, or a Catalog, a Population and a user "
            "model"
        )
    return OpenWorld(world=World(catalog, population, users, given.rated))


def _check_types(given: WorldArguments) -> None:
    if isinstance(given.population, bool) or not isinstance(given.population, int | str | PathLike | Population | None):
        raise ConfigError(f"population: got {given.population!r}, expected a number of users, a file, or a Population")
    if not isinstance(given.model, str | None):
        raise ConfigError(f"model: got {given.model!r}, expected the name of a language model: provider/name")


def asks_model(users: str) -> bool:
    """Return whether users of this name ask a language model."""
    return wants_models(resolve("users", users))


def check_model(users: str, model: str | None) -> None:
    """See to it that users who ask a language model have one, and others none.

    Args:
        users: name of the user model.
        model: name of the language model.

    Raises:
        ConfigError: one is missing, or too many.
    """
    asks = asks_model(users)
    if asks and model is None:
        raise ConfigError(
            f"users {users!r}: got no language model, expected model='provider/name', for instance model='scripted/genres', or "
            "a scenario that names one under models.user"
        )
    if model is not None and not asks:
        raise ConfigError(f"model: got {model!r} for users {users!r}, who ask none, expected users='language' or 'cascade'")


def _open_named(given: WorldArguments, folder: Path | None) -> OpenWorld:
    users = "choice" if given.users is None else str(given.users)
    catalog = "fictional" if given.catalog is None else given.catalog
    factory = resolve("users", users)
    check_model(users, given.model)
    dataset = open_dataset(str(catalog))
    if given.model is None:
        world = factory(dataset, given.population, seed=_WORLD_SEED)
        return OpenWorld(world=with_rated_items(world, dataset, TRAIN_SHARE))
    # Only here, since language models load much.
    from recsim_llm.language.base.settings import ModelSettings
    from recsim_llm.language.calls.calls_file import FILE_NAME
    from recsim_llm.language.providers import Roles

    roles = Roles({"user": ModelSettings(name=given.model)}, calls=None if folder is None else folder / FILE_NAME)
    try:
        world = factory(dataset, given.population, seed=_WORLD_SEED, models=roles)
    except BaseException:
        roles.close()
        raise
    world = with_rated_items(world, dataset, TRAIN_SHARE)
    return OpenWorld(world=world, description={"models": roles.describe()}, close=roles.close)


def _kinds(given: WorldArguments) -> str:
    kinds = {name: getattr(given, name) for name in ("catalog", "population", "users")}
    return ", ".join(f"{name} {type(value).__name__}" for name, value in kinds.items())
