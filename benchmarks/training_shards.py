"""What shards bring to the environment of a training: ``python benchmarks/training_shards.py --shards 1 2``.

Prints, for the scenario ``small`` with random actions and no learner, pages a second of the clock that the environment shows,
here and in processes, and the seconds until its first page. Two kinds of observation: what PPO sees, and what SlateQ sees.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from typing import Any

import gymnasium

from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.scenarios import load_scenario
from recsim_llm.shards.sharding import Sharding
from recsim_llm.training.sharded_env import ShardedBrowseEnv

KINDS: dict[str, dict[str, Any]] = {
    "ppo": {"action": "embedding", "observation": ["page", "summary"]},
    "slate_q": {"action": "slate", "observation": ["taste", "page", "fresh"]},
}
SECONDS = 10.0


def opened(kind: str, rows: int, shards: int) -> BrowseVectorEnv:
    """Return an environment; 0 shards for one here."""
    scenario = load_scenario("small", {"seed": 1, "users.part": "training"})
    pages = {"autoreset_mode": "same_step", "invalid": "count", **KINDS[kind]}
    if shards:
        return ShardedBrowseEnv(scenario, Sharding("processes", shards), rows, pages)
    made: Any = gymnasium.make_vec("RecSimLLM/Browse-v0", num_envs=rows, scenario=scenario, **pages)
    return made


def main() -> None:
    """Print a line for each kind, number of rows and number of shards."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[64, 1024, 8192])
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print("kind     rows  where            first page, s    pages/s")
    for kind in KINDS:
        for rows in options.rows:
            for shards in (0, *options.shards):
                started = time.perf_counter()
                env = opened(kind, rows, shards)
                env.reset(seed=1)
                env.action_space.seed(1)
                actions = [env.action_space.sample() for _ in range(4)]
                env.step(actions[0])
                first, begun, steps = time.perf_counter() - started, time.perf_counter(), 0
                while time.perf_counter() - begun < SECONDS:
                    env.step(actions[steps % len(actions)])
                    steps += 1
                speed = steps * rows / (time.perf_counter() - begun)
                env.close()
                where = f"{shards} processes" if shards else "here"
                print(f"{kind:<8}{rows:>5}  {where:<15}{first:>15.1f}{speed:>11,.0f}", flush=True)


if __name__ == "__main__":
    main()
