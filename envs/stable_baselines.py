"""The vector environment as Stable-Baselines3 takes it; the only module here that imports it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvObs, VecEnvStepReturn

from recsim_llm.errors import ConfigError

__all__ = ["StableBaselinesVecEnv"]

Info = dict[str, Any]
Wrapper = gymnasium.Wrapper[Any, Any, Any, Any]


class StableBaselinesVecEnv(VecEnv):
    """Hands the natively vectorised environment to Stable-Baselines3, without a Python object for each user.

    Each row's info holds what the environment says, ``TimeLimit.truncated``, and at the end of an episode
    ``terminal_observation`` and ``episode`` with return ``r``, length ``l`` and seconds ``t`` as ``Monitor`` reports them.

    To train on 64 users at once:

        rows = gymnasium.make_vec("RecSimLLM/Browse-v0", num_envs=64, autoreset_mode="same_step")
        model = stable_baselines3.PPO("MultiInputPolicy", StableBaselinesVecEnv(rows))

    With ``FlatVectorObservation`` in between, ``"MlpPolicy"`` works.

    Args:
        env: the vector form of ``RecSimLLM/Browse-v0`` with ``autoreset_mode="same_step"``, also under vector wrappers.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ConfigError(
                f"StableBaselinesVecEnv: got {type(env).__name__} with autoreset mode {mode}, expected "
                "autoreset_mode='same_step'; make it by "
                "gymnasium.make_vec('RecSimLLM/Browse-v0', num_envs=n, autoreset_mode='same_step')"
            )
        self.env = env
        self._actions: npt.NDArray[Any] = np.empty(0)
        self._started = time.monotonic()
        self._return = np.zeros(env.num_envs)
        self._length = np.zeros(env.num_envs, np.int64)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> VecEnvObs:
        """Start an episode in every row, with the seeds and options set before; those are used once."""
        seeds: Any = None if None in self._seeds else self._seeds
        observation: VecEnvObs
        observation, info = self.env.reset(seed=seeds, options=_joint_options(self._options))
        self.reset_infos = _by_row(info, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        self._return[:] = 0
        self._length[:] = 0
        return observation

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Show one page to every row; a finished row starts its next episode at once."""
        observation, reward, terminated, truncated, info = self.env.step(self._actions)
        done = terminated | truncated
        self._return += reward
        self._length += 1
        infos = _by_row(info, self.num_envs)
        if done.any():
            self._end(np.flatnonzero(done).tolist(), info, truncated, infos)
        for row_info in infos:
            row_info.setdefault("TimeLimit.truncated", False)
        return observation, reward.astype(np.float32), done, infos

    def _end(self, rows: list[int], info: Info, truncated: npt.NDArray[np.bool_], infos: list[Info]) -> None:
        """Put what the ended episodes say in place of what the next ones say."""
        seconds = round(time.monotonic() - self._started, 6)
        last = _by_row(info["final_info"], self.num_envs)
        for row in rows:
            self.reset_infos[row] = infos[row]
            infos[row] = last[row] | {
                "TimeLimit.truncated": bool(truncated[row]),
                "terminal_observation": info["final_obs"][row],
                "episode": {"r": round(float(self._return[row]), 6), "l": int(self._length[row]), "t": seconds},
            }
        self._return[rows] = 0
        self._length[rows] = 0

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the environment, the same for each of the rows asked for."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the environment; the rows share it.

        Raises:
            ConfigError: only some of the rows are meant.
        """
        if len(set(self._get_indices(indices))) < self.num_envs:
            raise ConfigError(f"set_attr {attr_name!r}: got indices {indices}, expected None: the rows are one environment")
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of the environment once; an array with one entry a row is handed out by row."""
        answer = getattr(self.env, method_name)(*method_args, **method_kwargs)
        split = isinstance(answer, np.ndarray) and answer.ndim > 0 and len(answer) == self.num_envs
        return [answer[row] if split else answer for row in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """Return True for ``Monitor``, whose reports are in the infos, False for every other wrapper."""
        return [issubclass(wrapper_class, Monitor)] * len(list(self._get_indices(indices)))


def _by_row(info: Info, rows: int) -> list[Info]:
    names = [name for name in info if not name.startswith("_") and not name.startswith("final_")]
    if not names:
        return [{} for _ in range(rows)]
    return [dict(zip(names, values, strict=True)) for values in zip(*(info[name].tolist() for name in names), strict=True)]


def _joint_options(options: Sequence[Info]) -> Info | None:
    """Turn one mapping a row into columns."""
    names = set().union(*options)
    if not names:
        return None
    if any(set(row) != names for row in options):
        raise ConfigError(f"options: got different ones by row ({sorted(names)}), expected the same names for every row")
    return {name: [row[name] for row in options] for name in names}
