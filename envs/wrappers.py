"""Wrappers, one reason each: flat observations, single-item actions, action masks."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from recsim_llm.core.arrays import BoolArray, FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.envs.browse import BrowseEnv
from recsim_llm.envs.observations import Observation, feature_bounds
from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.errors import ConfigError

__all__ = ["ActionMask", "FlatObservation", "FlatVectorObservation", "Flattener", "SingleItemAction"]

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
        self._flattener = Flattener(env.observation_space, _browse(env).catalog)
        self.observation_space = self._flattener.space

    def observation(self, observation: Observation) -> FloatArray:
        """Return float32 [w]."""
        return self._flattener.flatten(observation)


class FlatVectorObservation(VectorWrapper[FloatArray, Action, Observation, Action, npt.NDArray[Any]], RecordConstructorArgs):
    """``FlatObservation`` for the vector environment, in both autoreset modes.

    Args:
        env: the vector form of ``RecSimLLM/Browse-v0``.
    """

    def __init__(self, env: VectorEnv[Observation, Action, npt.NDArray[Any]]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        if not isinstance(env.unwrapped, BrowseVectorEnv):
            raise ConfigError(f"FlatVectorObservation: got {env.unwrapped}, expected the vector form of RecSimLLM/Browse-v0")
        self._flattener = Flattener(env.single_observation_space, env.unwrapped.session.world.catalog)
        self.single_observation_space = self._flattener.space
        self.observation_space = batch_space(self._flattener.space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[FloatArray, Info]:
        """Start a visit in every row; observations are float32 [n, w]."""
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


class SingleItemAction(gymnasium.ActionWrapper[Observation, np.int64, Action], RecordConstructorArgs):
    """Act with one number instead of a slate of one, so that algorithms for ``Discrete`` actions such as DQN apply.

    Args:
        env: ``RecSimLLM/Browse-v0`` with ``slate_size=1`` and ``action="slate"`` or ``"candidates"``.
    """

    def __init__(self, env: gymnasium.Env[Observation, Action]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.ActionWrapper.__init__(self, env)
        space = env.action_space
        if not isinstance(space, spaces.MultiDiscrete) or space.shape != (1,):
            raise ConfigError(f"SingleItemAction: got action space {space}, expected slate_size=1 and no embedding action")
        self.action_space = spaces.Discrete(int(space.nvec[0]))

    def action(self, action: Any) -> Action:
        """Return the slate that holds the item."""
        return np.asarray(action)[None]


class ActionMask(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Say which items may be shown next: those on sale that this visit has not shown yet.

    ``info["action_mask"]`` holds it for one slot, int8 [n] (as ``Discrete.sample(mask)`` takes it), ``action_masks()`` for all
    slots after one another, bool [slots * n] (as sb3-contrib's ``MaskablePPO`` asks for it). Items are catalog positions,
    or positions among the candidates. When fewer items are left than the page has slots, those shown before are allowed
    again. A mask by slot cannot keep two slots of a page apart: such repeats stay invalid slots.

    Args:
        env: ``RecSimLLM/Browse-v0`` with ``action="slate"`` or ``"candidates"``, ``SingleItemAction`` included.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        self._browse = _browse(env)
        if not isinstance(env.action_space, spaces.MultiDiscrete | spaces.Discrete):
            raise ConfigError(f"ActionMask: got action space {env.action_space}, expected slates or candidates")
        self._slots = 1 if isinstance(env.action_space, spaces.Discrete) else len(env.action_space.nvec)
        retired = self._browse.catalog.retired
        self._on_sale = np.ones(len(self._browse.catalog), np.bool_) if retired is None else ~retired
        self._fresh = self._on_sale.copy()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the next visit, in which nothing has been shown."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._fresh = self._on_sale.copy()
        return observation, info | {"action_mask": self._mask().astype(np.int8)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """Show one page; its items are not allowed any more."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        feedback = self._browse.feedback
        if feedback is not None:
            shown = feedback.pages.item_index[0]
            self._fresh[shown[shown >= 0]] = False
        return observation, reward, terminated, truncated, info | {"action_mask": self._mask().astype(np.int8)}

    def action_masks(self) -> BoolArray:
        """Return bool [slots * n]: the mask of one slot, once for every slot."""
        return np.tile(self._mask(), self._slots)

    def _mask(self) -> BoolArray:
        offered = self._browse.session.offered
        at = slice(None) if offered is None else offered[0]
        fresh = self._fresh[at]
        return (fresh if np.count_nonzero(fresh) >= self._slots else self._on_sale[at]).copy()


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


def _browse(env: gymnasium.Env[Any, Any]) -> BrowseEnv:
    if not isinstance(env.unwrapped, BrowseEnv):
        raise ConfigError(f"wrapper: got {env.unwrapped}, expected RecSimLLM/Browse-v0")
    return env.unwrapped
