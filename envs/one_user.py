"""What environments have in common in which one user plays at a time."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Self

import gymnasium
from gymnasium.core import ActType, ObsType

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.envs.arguments import reset_options, single_seed, wanted_users
from recsim_llm.population.world import World

__all__ = ["OneUserEnv"]


class OneUserEnv(gymnasium.Env[ObsType, ActType]):
    """Begins episodes, each with one user of a world; what happens in them is for subclasses."""

    _seeded = False

    @property
    def catalog(self) -> Catalog:
        """The items on offer."""
        return self._played_world().catalog

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[ObsType, dict[str, Any]]:
        """Start the next episode; with a seed, the first one of that seed.

        Args:
            seed: seed of all that is random from here on.
            options: ``{"user_id": id}`` brings a certain user.

        Raises:
            ConfigError: an option is unknown, the population does not have that user, or the seed is no integer.
        """
        wanted = wanted_users(self._played_world(), reset_options(options, ("user_id",)).get("user_id"), 1)
        seed = single_seed(seed)
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**62))
        self._seeded = True
        return self._begin(seed, wanted)

    def _played_world(self) -> World:
        """Return items and users. For subclasses."""
        raise NotImplementedError

    def _begin(self, seed: int | None, wanted: IntArray | None) -> tuple[ObsType, dict[str, Any]]:
        """Begin an episode and return its first observation and info. For subclasses.

        Args:
            seed: of this episode and the next ones; None goes on with the seed before.
            wanted: int64 [1], index of the user; None draws one.
        """
        raise NotImplementedError

    def __copy__(self) -> Self:
        # Two that share the user but not what happened would both be wrong.
        return deepcopy(self)
