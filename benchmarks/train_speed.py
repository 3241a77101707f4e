"""Where the time of a training goes, in CPU time on one core: ``python benchmarks/train_speed.py``.

Prints, in one run: steps a second of Stable-Baselines3's PPO with its network of two layers of 64 units, learning here and on
CartPole (through the library's own vector environment) with the same settings and rows; and the shares of the time that pass in
the environment, in handing its rows to the library, and in learning. Fails if the environment takes over 30% at 1,024 rows.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
import sys
import time
from typing import Any, NamedTuple

import gymnasium
import stable_baselines3
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnvWrapper
from worlds import make_world

import recsim_llm
from recsim_llm.envs.stable_baselines import StableBaselinesVecEnv
from recsim_llm.envs.wrappers import FlatVectorObservation

ROWS = (64, 1_024)
SETTINGS: dict[str, Any] = {"n_steps": 16, "batch_size": 256, "n_epochs": 4, "seed": 1, "device": "cpu"}
BATCHES, MOST = 4, 0.3
WORLDS = {"small": (100, 1_000, 5), "films": (1_500, 1_000, 10)}
"""Items, users and slots a page."""


class Measured(NamedTuple):
    """CPU seconds of a training, and its steps."""

    steps: int
    whole: float
    environment: float
    copying: float


class TimedEnv(gymnasium.vector.VectorWrapper):
    """Measures what passes inside the environment."""

    seconds = 0.0

    def step(self, actions: Any) -> Any:
        """Show one page to every row."""
        started = time.process_time()
        answer = self.env.step(actions)
        self.seconds += time.process_time() - started
        return answer


class TimedVecEnv(VecEnvWrapper):
    """Measures what passes between the library's call and its answer."""

    seconds = 0.0

    def reset(self) -> Any:
        """Start a visit in every row."""
        return self.venv.reset()

    def step_wait(self) -> Any:
        """Show one page to every row."""
        started = time.process_time()
        answer = self.venv.step_wait()
        self.seconds += time.process_time() - started
        return answer


def main() -> int:
    """Print every figure; return 1 where the environment takes too much."""
    torch.set_num_threads(1)
    print(
        f"recsim_llm {recsim_llm.__version__}, Stable-Baselines3 {stable_baselines3.__version__}, torch {torch.__version__}, "
        f"Python {platform.python_version()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores, one used\n"
    )
    heads = (
        ("rows", 7),
        ("steps/s", 10),
        ("environment", 13),
        ("copy", 7),
        ("learner", 9),
        ("CartPole steps/s", 18),
        ("ratio", 7),
    )
    print(f"{'world':<10}" + "".join(f"{head:>{width}}" for head, width in heads))
    worst = 0.0
    for rows in ROWS:
        pole = cartpole(rows)
        for name in WORLDS:
            found = browse(name, rows)
            environment, copying = found.environment / found.whole, found.copying / found.whole
            speed, reference = found.steps / found.whole, pole.steps / pole.whole
            print(
                f"{name:<10}{rows:>7,}{speed:>10,.0f}{environment:>13.0%}{copying:>7.0%}{1 - environment - copying:>9.0%}"
                f"{reference:>18,.0f}{speed / reference:>7.2f}"
            )
            worst = max(worst, environment if rows == max(ROWS) else 0.0)
    return int(worst > MOST)


def browse(name: str, rows: int) -> Measured:
    """Learn in one of the worlds."""
    items, users, slots = WORLDS[name]
    made = gymnasium.make_vec(
        "RecSimLLM/Browse-v0",
        num_envs=rows,
        autoreset_mode="same_step",
        slate_size=slots,
        action="embedding",
        observation=["page", "summary"],
        **make_world(items, users)._asdict(),
    )
    inner = TimedEnv(made)
    outer = TimedVecEnv(StableBaselinesVecEnv(FlatVectorObservation(inner)))
    model = PPO("MlpPolicy", outer, **SETTINGS)
    model.learn(rows * SETTINGS["n_steps"])
    inner.seconds = outer.seconds = 0.0
    steps, seconds = learned(model, rows)
    return Measured(steps, seconds, inner.seconds, outer.seconds - inner.seconds)


def cartpole(rows: int) -> Measured:
    """Learn on CartPole."""
    model = PPO("MlpPolicy", make_vec_env("CartPole-v1", n_envs=rows, seed=1), **SETTINGS)
    model.learn(rows * SETTINGS["n_steps"])
    return Measured(*learned(model, rows), 0.0, 0.0)


def learned(model: PPO, rows: int) -> tuple[int, float]:
    """Return steps and CPU seconds of some batches more."""
    steps = BATCHES * rows * SETTINGS["n_steps"]
    started = time.process_time()
    model.learn(steps, reset_num_timesteps=False)
    return steps, time.process_time() - started


if __name__ == "__main__":
    sys.exit(main())
