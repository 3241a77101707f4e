"""What stands behind a name of users: a function that builds a world from data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from recsim_llm.core.ratings import Dataset
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World

__all__ = ["WorldFactory", "takes_models", "wants_models"]

Factory = TypeVar("Factory", bound=Callable[..., World])

_MARK = "takes_models"


class WorldFactory(Protocol):
    """Builds the world of a run; ``choice_world`` is one.

    One that is marked by ``takes_models`` is also given ``models``, whose method ``role("user")`` returns the language model
    that the scenario names for its users.
    """

    def __call__(
        self,
        data: Dataset,
        population: int | Population | None = None,
        *,
        seed: int,
        parameters: Mapping[str, Any] | None = None,
        fitted: str | None = None,
    ) -> World:
        """Return the world.

        Args:
            data: the data set of the scenario.
            population: how many users, or who they are; None for all users of the data.
            seed: of whatever is random about who the users are.
            parameters: how they behave, by name, as the scenario gives them.
            fitted: folder written by ``recsim-llm fit``; None for none.

        Raises:
            ConfigError: a parameter is unknown or wrong; the text names it.
        """
        ...


def takes_models(factory: Factory) -> Factory:
    """Mark a factory whose users are played by a language model: it is given ``models``, and must be given some."""
    setattr(factory, _MARK, True)
    return factory


def wants_models(factory: object) -> bool:
    """Return whether a factory is marked by ``takes_models``."""
    return bool(getattr(factory, _MARK, False))
