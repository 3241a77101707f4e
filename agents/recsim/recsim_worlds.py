"""Worlds of RecSim's users by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from recsim_llm.agents.recsim.interest_evolution import InterestParameters, InterestUsers
from recsim_llm.agents.recsim.long_term_satisfaction import LongTermParameters, LongTermUsers
from recsim_llm.core.parameters import field_names, refuse_unknown_names
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError
from recsim_llm.population.choosing import choose_users, measured_users
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World

__all__ = ["interest_evolution_world", "long_term_world"]


def long_term_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
) -> World:
    """Build RecSim's long-term satisfaction world (choc and kale).

    Args:
        data: ``recsim-lts``, or other data whose items have one feature, the clickbait score from 0 to 1.
        population: None for the users of the data, or a number of them.
        seed: of where users begin.
        parameters: of ``LongTermParameters``, by name.
        fitted: None; nothing is fitted.

    Raises:
        ConfigError: the data are of another kind, or a parameter is unknown or cannot be used.
    """
    return _world("recsim-lts", data, population, seed, parameters, fitted)


def interest_evolution_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
) -> World:
    """Build RecSim's interest evolution world.

    Args:
        data: ``recsim-interest-evolution``, or other data whose items have topics as features and a known quality.
        population: None for the users of the data, or a number of them.
        seed: of users' interests.
        parameters: of ``InterestParameters``, by name.
        fitted: None; nothing is fitted.

    Raises:
        ConfigError: the data are of another kind, or a parameter is unknown or cannot be used.
    """
    return _world("recsim-interest-evolution", data, population, seed, parameters, fitted)


_KINDS: dict[str, tuple[type[Any], Callable[..., UserModel]]] = {
    "recsim-lts": (LongTermParameters, LongTermUsers),
    "recsim-interest-evolution": (InterestParameters, InterestUsers),
}


def _world(name: str, data: Any, population: Any, seed: int, parameters: Any, fitted: Any) -> World:
    dataset = data if isinstance(data, Dataset) else open_dataset(str(data))
    if fitted is not None:
        raise ConfigError(
            f"users {name!r}: got fitted users {str(fitted)!r}, expected none, since nothing is fitted; leave it out"
        )
    settings, kind = _KINDS[name]
    refuse_unknown_names(f"{name} parameter", parameters or {}, field_names(settings))
    users = choose_users(population, measured_users(dataset), seed=seed)
    behaviour = kind(dataset.catalog, users, settings(**(parameters or {})), seed)
    return World(dataset.training_part(TRAIN_SHARE)[0].catalog, users, behaviour)
