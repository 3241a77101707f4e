"""Worlds of RecSim's users by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, NamedTuple

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


class _Kind(NamedTuple):
    """A user model and its parameters."""

    name: str
    parameters: type[Any]
    users: Callable[..., UserModel]


_LONG_TERM = _Kind("recsim-lts", LongTermParameters, LongTermUsers)
_INTERESTS = _Kind("recsim-interest-evolution", InterestParameters, InterestUsers)


def long_term_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
) -> World:
    """Build RecSim's long-term satisfaction world: clickbait pays at once and costs later (choc and kale).

    Args:
        data: ``recsim-lts``, or other data whose items have one feature, the clickbait score from 0 to 1.
        population: None for the users of the data; a number of them; a file; or users.
        seed: of where users begin.
        parameters: of ``LongTermParameters``, by name.
        fitted: None; nothing is fitted.

    Raises:
        ConfigError: the data are of another kind, or a parameter is unknown or cannot be used.
    """
    return _world(_LONG_TERM, data, population, seed=seed, parameters=parameters or {}, fitted=fitted)


def interest_evolution_world(
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None = None,
    *,
    seed: int,
    parameters: Mapping[str, Any] | None = None,
    fitted: str | PathLike[str] | None = None,
) -> World:
    """Build RecSim's interest evolution world: users choose one video of a page, and become what they watch.

    Args:
        data: ``recsim-interest-evolution``, or other data whose items have shares of topics as features and a known quality.
        population: None for the users of the data; a number of them; a file; or users.
        seed: of users' interests.
        parameters: of ``InterestParameters``, by name.
        fitted: None; nothing is fitted.

    Raises:
        ConfigError: the data are of another kind, or a parameter is unknown or cannot be used.
    """
    return _world(_INTERESTS, data, population, seed=seed, parameters=parameters or {}, fitted=fitted)


def _world(
    kind: _Kind,
    data: str | PathLike[str] | Dataset,
    population: int | str | PathLike[str] | Population | None,
    *,
    seed: int,
    parameters: Mapping[str, Any],
    fitted: str | PathLike[str] | None,
) -> World:
    if fitted is not None:
        raise ConfigError(f"users {kind.name!r}: got fitted users {str(fitted)!r}, expected none; leave users.fitted out")
    dataset = data if isinstance(data, Dataset) else open_dataset(str(data))
    refuse_unknown_names(f"{kind.name} parameter", parameters, field_names(kind.parameters))
    users = choose_users(population, measured_users(dataset), seed=seed).known_in(dataset)
    behaviour = kind.users(dataset.catalog, users, kind.parameters(**parameters), seed)
    return World(dataset.training_part(TRAIN_SHARE)[0].catalog, users, behaviour)
