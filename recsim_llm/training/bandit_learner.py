"""A contextual bandit, trained as the other learners are: the baseline that does not look ahead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from recsim_llm.core.array_files import read_arrays
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import LogError
from recsim_llm.numerics.ranking import top_k
from recsim_llm.numerics.threads import one_thread
from recsim_llm.training.learners import PolicyWorld, TrainingEnv
from recsim_llm.training.slate_env import SlateEnv
from recsim_llm.training.slate_policy import PARTS, SlatePolicy, Towers, as_input

__all__ = ["BanditLearner"]

_FILE = "bandit.npz"


class BanditLearner:
    """Linear Thompson sampling (Agrawal & Goyal 2013) over users' tastes and items' vectors.

    A click is modelled as ``x . w`` plus noise, with x = [1, v_i, t_1 * v_i, ..., t_5 * v_i, slot]: the vector v of the
    item, its products, entry by entry, with each block t of the user's taste, and the slot (one-hot). ``w`` has the ridge
    posterior of all slots shown so far; for each page one ``w`` is drawn from it for everyone. The policy shows the items of
    the largest mean. It counts clicks, whatever the reward is, and no later page: ``gamma`` is not used.

    Args:
        env: the environment, with slates as actions and ``PARTS`` observed.
        settings: see ``Settings``.
        gamma: not used.
        steps: not used.
        seed: not used, for it starts from nothing.
    """

    actions: ClassVar[tuple[str, ...]] = ("slate",)
    """Kinds of action that it can learn."""
    observation: ClassVar[tuple[str, ...]] = PARTS
    """Parts that it observes."""

    class Settings(FrozenSettings):
        """Settings of ``BanditLearner``."""

        ridge: float = Field(default=10.0, gt=0)
        """Penalty on the squared length of the weights, in observed slots, above 0."""
        spread: float = Field(default=0.3, ge=0)
        """Standard deviation of the noise that is drawn with; 0 never explores."""

    def __init__(self, env: TrainingEnv, settings: Settings, *, gamma: float, steps: int, seed: int) -> None:
        del gamma, steps, seed
        self._env, self._settings = env, settings
        self._seen = SlateEnv.of(env)
        self._items, self._slots = self._seen.items, self._seen.slots
        self._blocks = self._seen.taste // self._items.shape[1]
        size = 1 + (1 + self._blocks) * self._items.shape[1] + self._slots
        self._precision = settings.ridge * np.eye(size)
        self._moment = np.zeros(size)

    @classmethod
    def read_settings(cls, values: Mapping[str, Any], source: str) -> Settings:
        """Return settings that are written by name.

        Raises:
            ConfigError: a key is unknown, or a value is wrong.
        """
        return cls.Settings.read(values, source)

    @one_thread
    def learn(self, steps: int, *, seed: int) -> None:
        """Reset the environment and go on learning.

        Args:
            steps: pages to show, over all rows together; the last ones make up a whole page of every row.
            seed: of the environment and of all draws.
        """
        random = np.random.default_rng(seed)
        observation, _ = self._env.reset(seed=seed)
        for _ in range(-(-steps // self._env.num_envs)):
            inputs, fresh = as_input(observation)
            slates = self._explore(inputs, fresh, random)
            observation, *_ = self._env.step(slates)
            self._learn_from(inputs, *self._seen.last_page())

    def _explore(self, inputs: FloatArray, fresh: BoolArray, random: np.random.Generator) -> IntArray:
        factor = np.linalg.cholesky(self._precision)
        noise = np.linalg.solve(factor.T, random.standard_normal(len(self._moment)))
        weights = np.linalg.solve(self._precision, self._moment) + self._settings.spread * noise
        users = inputs @ self._user_map(weights) + self._item_weights(weights)
        scores = users.astype(np.float32) @ self._items.T
        return top_k(scores + np.where(fresh, np.float32(0), np.float32(-1e6)), self._slots)

    def _learn_from(self, inputs: FloatArray, item_index: IntArray, clicked: BoolArray) -> None:
        row, slot = np.nonzero(item_index >= 0)
        item = self._items[item_index[row, slot]]
        width = item.shape[1]
        blocks = [inputs[row, block * width : (block + 1) * width] * item for block in range(self._blocks)]
        seen = np.hstack([np.ones((len(row), 1), np.float32), item, *blocks, np.eye(self._slots, dtype=np.float32)[slot]])
        self._precision += seen.T @ seen
        self._moment += clicked[row, slot] @ seen

    def _item_weights(self, weights: DoubleArray) -> DoubleArray:
        return weights[1 : 1 + self._items.shape[1]]

    def _user_map(self, weights: DoubleArray) -> DoubleArray:
        """Return float64 [inputs, d]: how an observation turns into a vector whose product with an item's is its score."""
        width = self._items.shape[1]
        turned = np.zeros((self._seen.inputs, width))
        for block in range(self._blocks):
            rows = np.arange(block * width, (block + 1) * width)
            turned[rows, np.arange(width)] = weights[1 + width :][rows]
        return turned

    def save(self, folder: Path) -> None:
        """Write the posterior into a folder."""
        np.savez(folder / _FILE, precision=self._precision, moment=self._moment)

    def load(self, folder: Path) -> None:
        """Take the posterior that ``save`` wrote.

        Raises:
            LogError: the file is missing, damaged, or of another world.
        """
        path = folder / _FILE
        try:
            file = read_arrays(path)
            precision, moment = file["precision"], file["moment"]
        except (OSError, ValueError, KeyError) as error:
            raise LogError(f"{path}: got {error!r}, expected the state of a bandit; train it again") from error
        if precision.shape != self._precision.shape or moment.shape != self._moment.shape:
            raise LogError(
                f"{path}: got a bandit of {len(moment)} weights, expected {len(self._moment)}; train it in this world"
            )
        self._precision, self._moment = precision, moment

    def policy(self) -> SlatePolicy:
        """Return the policy of the mean weights; it changes no more."""
        weights = np.linalg.solve(self._precision, self._moment).astype(np.float64, copy=False)
        clicks = Towers(
            (self._user_map(weights).astype(np.float32),),
            (self._item_weights(weights).astype(np.float32),),
            self._items,
            np.zeros(len(self._items), np.float32),
        )
        return SlatePolicy((clicks,), (), slots=self._slots, competition="independent", optimisation="exact")

    @classmethod
    def read_policy(cls, folder: Path, world: PolicyWorld) -> SlatePolicy:
        """Return the policy that ``SlatePolicy.save`` wrote; see ``SlatePolicy.load``."""
        return SlatePolicy.load(folder, world)
