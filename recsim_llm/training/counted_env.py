"""The environment of a learner, with somebody who counts what goes on in it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import VectorWrapper

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.envs.observations import Observation
from recsim_llm.training.learners import TrainingEnv

__all__ = ["CountedEnv"]

_RECENT = 1_000
Action = npt.NDArray[Any]


class CountedEnv(VectorWrapper[Observation, Action, Observation, Action, Action]):
    """Counts steps and episodes; learners see nothing of it.

    Args:
        env: the vector environment.
        tell: see there.
    """

    def __init__(self, env: TrainingEnv, tell: Callable[[CountedEnv], None] = lambda _: None) -> None:
        super().__init__(env)
        self.tell = tell
        """Called after every step of all rows."""
        self.steps = 0
        """Pages shown so far, over all rows together."""
        self.seconds = 0.0
        """Clock time spent in the environment."""
        self.returns: deque[float] = deque(maxlen=_RECENT)
        """What the last 1,000 finished episodes were paid, undiscounted."""
        self._paid: DoubleArray = np.zeros(env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in every row; what rows were paid in broken-off ones is forgotten."""
        started = time.perf_counter()
        self._paid = np.zeros(self.num_envs)
        answer = self.env.reset(seed=seed, options=options)
        self.seconds += time.perf_counter() - started
        return answer

    def step(self, actions: Action) -> tuple[Observation, Action, Action, Action, dict[str, Any]]:
        """Show one page to every row."""
        started = time.perf_counter()
        answer = self.env.step(actions)
        self.seconds += time.perf_counter() - started
        self.steps += self.num_envs
        self._paid += answer[1]
        ended = answer[2] | answer[3]
        if ended.any():
            self.returns.extend(self._paid[ended].tolist())
            self._paid[ended] = 0
        self.tell(self)
        return answer
