"""Wrappers for observations: flat ones, for the single environment and the vector form."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.envs.observations import Observation, feature_bounds
from recsim_llm.envs.unwrapping import single_session, vector_session
from recsim_llm.errors import ConfigError

__all__ = ["FlatObservation", "FlatVectorObservation", "Flattener"]

Action = npt.NDArray[Any]
Info = dict[str, Any]


class FlatObservation(gymnasium.ObservationWrapper[FloatArray, Action, Observation], RecordConstructorArgs):
    """Observe one row of numbers instead of a ``Dict``, for policies that take nothing else.

    The parts follow each other in the order of the observation space. Items stand there with their features, neither as
    numbers (whose order means nothing) nor one-hot (whose width is the catalog's); where no item was shown there are zeros.
    ``candidate_item`` is left out, since ``candidate_features`` says the same. The vector form is ``FlatVectorObservation``.

    Args:
        env: ``RecSimLLM/Browse-v0``, also under other wrappers that keep its observations.
    """

    def __init__(self, env: gymnasium.Env[Observation, Action]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.ObservationWrapper.__init__(self, env)
        self._flattener = Flattener(env.observation_space, single_session(env, "FlatObservation").world.catalog)
        self.observation_space = self._flattener.space

    def observation(self, observation: Observation) -> FloatArray:
        """Return float32 [w]."""
        return self._flattener.flatten(observation)


class FlatVectorObservation(VectorWrapper[FloatArray, Action, Observation, Action, npt.NDArray[Any]], RecordConstructorArgs):
    """``FlatObservation`` for the vector environment, in all autoreset modes.

    Args:
        env: the vector form of ``RecSimLLM/Browse-v0``.
    """

    def __init__(self, env: VectorEnv[Observation, Action, npt.NDArray[Any]]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        catalog = vector_session(env, "FlatVectorObservation").world.catalog
        self._flattener = Flattener(env.single_observation_space, catalog)
        self.single_observation_space = self._flattener.space
        self.observation_space = batch_space(self._flattener.space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[FloatArray, Info]:
        """Start an episode in every row; observations are float32 [n, w]."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._flattener.flatten(observation, self.num_envs), info

    def step(self, actions: Action) -> tuple[FloatArray, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], Info]:
        """Show one page to every row; ``info["final_obs"]`` is flat as well."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        if "final_obs" in info:
            final = info["final_obs"]
            for row in np.flatnonzero(info["_final_obs"]):
                final[row] = self._flattener.flatten(final[row])
        return self._flattener.flatten(observation, self.num_envs), reward, terminated, truncated, info


class Flattener:
    """Turns observations of one space into rows of numbers, as ``FlatObservation`` shows them.

    Args:
        space: of the observations.
        catalog: the items that they speak of.
    """

    def __init__(self, space: gymnasium.Space[Any], catalog: Catalog) -> None:
        if not isinstance(space, spaces.Dict):
            raise ConfigError(f"flat observation: got space {space}, expected the Dict of RecSimLLM/Browse-v0")
        # Position -1, no item, reads the last row.
        self._features = np.vstack([catalog.features, np.zeros_like(catalog.features[:1])])
        self._names = [name for name in space if name != "candidate_item"]
        low, high = zip(*(_bounds(name, space[name], catalog) for name in self._names), strict=True)
        self.space = spaces.Box(np.concatenate(low), np.concatenate(high), dtype=np.float32)

    def flatten(self, observation: Observation, *rows: int) -> FloatArray:
        """Return float32 [*rows, w]."""
        columns = [self._column(name, observation[name]).reshape(*rows, -1) for name in self._names]
        return np.concatenate(columns, axis=-1, dtype=np.float32)

    def _column(self, name: str, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self._features.take(value, axis=0) if name == "history_item" else value


def _bounds(name: str, part: gymnasium.Space[Any], catalog: Catalog) -> tuple[FloatArray, FloatArray]:
    assert isinstance(part, spaces.Box)
    if name == "history_item":
        low, high = feature_bounds(catalog)
        return np.tile(low, part.shape[0]), np.tile(high, part.shape[0])
    return part.low.astype(np.float32).reshape(-1), part.high.astype(np.float32).reshape(-1)
