"""Wrappers for actions, for the single environment and the vector form: one item in place of a slate, and action masks."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorActionWrapper, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from recsim_llm.core.arrays import BoolArray
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.session import Session
from recsim_llm.envs.unwrapping import single_session, vector_session
from recsim_llm.errors import ConfigError

__all__ = ["ActionMask", "SingleItemAction", "VectorActionMask", "VectorSingleItemAction"]

Action = npt.NDArray[Any]
Info = dict[str, Any]


class SingleItemAction(gymnasium.ActionWrapper[Observation, np.int64, Action], RecordConstructorArgs):
    """Act with one number instead of a slate of one, so that algorithms for ``Discrete`` actions such as DQN apply.

    The vector form is ``VectorSingleItemAction``.

    Args:
        env: ``RecSimLLM/Browse-v0`` with ``slate_size=1`` and ``action="slate"`` or ``"candidates"``.
    """

    def __init__(self, env: gymnasium.Env[Observation, Action]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.ActionWrapper.__init__(self, env)
        self.action_space = _single_item(env.action_space)

    def action(self, action: Any) -> Action:
        """Return the slate that holds the item."""
        return np.asarray(action)[None]


class VectorSingleItemAction(VectorActionWrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """``SingleItemAction`` for the vector environment: one number a row.

    Args:
        env: the vector form of ``RecSimLLM/Browse-v0`` with ``slate_size=1`` and ``action="slate"`` or ``"candidates"``.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self.single_action_space = _single_item(env.single_action_space)
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def actions(self, actions: Any) -> Action:
        """Return the slates that hold the items, [r, 1]."""
        return np.asarray(actions)[..., None]


class ActionMask(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Say which items may be shown next: those on sale that the rule on repetition allows for this user.

    ``info["action_mask"]`` holds it for one slot, int8 [n] (as ``Discrete.sample(mask)`` takes it), ``action_masks()`` for all
    slots after one another, bool [slots * n] (as sb3-contrib's ``MaskablePPO`` asks for it). Items are catalog positions,
    or positions among the candidates. When fewer new items are left than the page has slots, those that the user knows are
    allowed again. A mask by slot cannot keep two slots of a page apart: such repeats stay invalid slots. The vector form is
    ``VectorActionMask``.

    Args:
        env: ``RecSimLLM/Browse-v0`` with ``action="slate"`` or ``"candidates"``, ``SingleItemAction`` included.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        self._masks = _Masks(single_session(env, "ActionMask"), env.action_space, "ActionMask")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start the next episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, info | {"action_mask": self._masks.options()[0].astype(np.int8)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """Show one page."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, info | {"action_mask": self._masks.options()[0].astype(np.int8)}

    def action_masks(self) -> BoolArray:
        """Return bool [slots * n]: the mask of one slot, once for every slot."""
        mask: BoolArray = self._masks.all_slots()[0]
        return mask


class VectorActionMask(VectorWrapper[Any, Any, Any, Any, Any], RecordConstructorArgs):
    """``ActionMask`` for the vector environment, in all autoreset modes: one mask a row, of the page that comes next.

    ``info["action_mask"]`` is int8 [r, n], ``action_masks()`` bool [r, slots * n]; Stable-Baselines3's
    ``env_method("action_masks")`` hands them out by row.

    Args:
        env: the vector form of ``RecSimLLM/Browse-v0``, as for ``ActionMask``; ``VectorSingleItemAction`` included.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._masks = _Masks(vector_session(env, "VectorActionMask"), env.single_action_space, "VectorActionMask")

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode in every row, or in some."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, info | self._told()

    def step(self, actions: Action) -> tuple[Any, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], Info]:
        """Show one page to every row."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        return observation, reward, terminated, truncated, info | self._told()

    def action_masks(self) -> BoolArray:
        """Return bool [r, slots * n]: each row's mask of one slot, once for every slot."""
        return self._masks.all_slots()

    def _told(self) -> Info:
        mask = self._masks.options().astype(np.int8)
        return {"action_mask": mask, "_action_mask": np.ones(len(mask), np.bool_)}


class _Masks:
    """Which options each slot of the next page has, for all rows of a session."""

    def __init__(self, session: Session, space: gymnasium.Space[Any], what: str) -> None:
        if not isinstance(space, spaces.MultiDiscrete | spaces.Discrete):
            raise ConfigError(f"{what}: got action space {space}, expected slates or candidates")
        self._session = session
        self._slots = 1 if isinstance(space, spaces.Discrete) else len(space.nvec)

    def options(self) -> BoolArray:
        """Return bool [r, n]."""
        allowed, offered = self._session.allowed(), self._session.offered
        if offered is None:
            return allowed
        mask: BoolArray = np.take_along_axis(allowed, offered, axis=1)
        return mask

    def all_slots(self) -> BoolArray:
        """Return bool [r, slots * n]."""
        return np.tile(self.options(), (1, self._slots))


def _single_item(space: gymnasium.Space[Any]) -> spaces.Discrete:
    if not isinstance(space, spaces.MultiDiscrete) or space.shape != (1,):
        raise ConfigError(f"SingleItemAction: got action space {space}, expected slate_size=1 and no embedding action")
    return spaces.Discrete(int(space.nvec[0]))
