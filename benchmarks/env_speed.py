"""How fast the environment steps, in CPU time of all threads: ``python benchmarks/env_speed.py``.

Prints, in one run: the single environment through ``gymnasium.make``; 1,024 users in the vector environment with slates given
and with embedding actions (exact top 10 of all items inside the step); and peak memory with 16,384 users and 100,000 items.
Each is the best of five repetitions, after a warm-up; episodes restart as they end, and that is counted. What logging costs is
told in wall time too, since a thread of its own writes: two vector environments, one of them with a log, step in turns.

``python benchmarks/env_speed.py --pages N`` logs N pages and prints resident memory on the way.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from worlds import make_world, random_slates

import recsim_llm

ROWS, SLOTS, REPETITIONS, PAIRS = 1024, 10, 5, 15


def main() -> None:
    """Print every figure."""
    if sys.argv[1:] == ["--memory"]:
        memory()
        return
    if sys.argv[1:2] == ["--pages"]:
        long_log(int(sys.argv[2]))
        return
    print(f"recsim_llm {recsim_llm.__version__}, Python {platform.python_version()}, numpy {np.__version__}, {processor()}")
    print(f"{os.cpu_count()} cores, {load()}; pages of {SLOTS}, visits of at most 20 pages, default observation\n")
    widths = (8, 9, 9, 15, 12, 18, 11)
    names = ("items", "CartPole", "single", "single, logged", "vector", "vector, logged", "embedding")
    for row in (names, ("", *["us/step"] * 3, *["users/s"] * 3)):
        print(" ".join(f"{name:>{width}}" for name, width in zip(row, widths, strict=True)))
    catalogs = (1_000, 10_000, 100_000)
    for items in catalogs:
        line(items)
    print(f"\nlogging, vector environment, {load()}: times as much as without, median [least, most] of {PAIRS} pairs")
    for items in catalogs:
        print(f"{items:>8,} items: {log_cost(items)}")
    child = [sys.executable, __file__, "--memory"]
    print("\n" + subprocess.run(child, check=True, capture_output=True, text=True).stdout.strip())


def load() -> str:
    """Return how busy the machine is."""
    return f"load {os.getloadavg()[0]:.1f}"


def line(items: int) -> None:
    """Print the figures for one catalog size."""
    world = world_arguments(items)
    random = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        single, logged = (single_step(items, random, **world, **extra) for extra in ({}, {"log": Path(folder) / "single"}))
        vector, vector_logged = (
            vector_rate(items, random, **world, **extra) for extra in ({}, {"log": Path(folder) / "vector"})
        )
    embedding = embedding_rate(items, random, **world)
    print(
        f"{items:>8,} {cartpole():>9.1f} {single:>9.1f} {logged:>7.1f} ({logged / single:.2f}x) {vector:>12,.0f} "
        f"{vector_logged:>10,.0f} ({vector / vector_logged:.2f}x) {embedding:>11,.0f}"
    )


def cartpole() -> float:
    """Return CPU microseconds a step of Gymnasium's CartPole-v1: the floor of any environment."""
    env = gymnasium.make("CartPole-v1")
    env.reset(seed=0)
    return play(env, [0, 1] * 32, 20_000) * 1e6


def single_step(items: int, random: np.random.Generator, **arguments: Any) -> float:
    """Return CPU microseconds a step of the single environment."""
    env = gymnasium.make("RecSimLLM/Browse-v0", **arguments)
    slates = [slate[0] for slate in random_slates(items, 1, SLOTS, 64, random=random)]
    env.reset(seed=1)
    seconds = play(env, slates, 10_000)
    env.close()
    return seconds * 1e6


def play(env: gymnasium.Env[Any, Any], actions: list[Any], steps: int) -> float:
    """Return CPU seconds a step, resets included."""

    def repetition() -> None:
        for number in range(steps):
            _, _, terminated, truncated, _ = env.step(actions[number & 63])
            if terminated or truncated:
                env.reset()

    return best(repetition) / steps


def vector_rate(items: int, random: np.random.Generator, **arguments: Any) -> float:
    """Return user steps a CPU second of the vector environment with slates given."""
    slates = random_slates(items, ROWS, SLOTS, 64, random=random)
    return rate(vector_env(**arguments), slates, 200)


def log_cost(items: int) -> str:
    """Return how many times as much the vector environment takes with a log as without.

    On two cores that nobody else uses, wall time goes with the CPU time of the thread that steps; on busy ones, with all of it.
    """
    world = world_arguments(items)
    slates = random_slates(items, ROWS, SLOTS, 64, random=np.random.default_rng(2))
    with tempfile.TemporaryDirectory() as folder:
        envs = [vector_env(**world, **more) for more in ({}, {"log": Path(folder) / "log"})]
        found = np.array([[stepped(env, slates, 200) for env in envs] for _ in range(PAIRS + 1)])[1:]
        for env in envs:
            env.close()
    said = []
    for name, ratio in zip(("CPU", "wall", "CPU of the thread that steps"), (found[:, 1] / found[:, 0]).T, strict=True):
        said.append(f"{name} {np.median(ratio):.2f} [{ratio.min():.2f}, {ratio.max():.2f}]")
    return "; ".join(said)


def vector_env(**arguments: Any) -> Any:
    """Return the vector environment, whose episodes have begun."""
    env = gymnasium.make_vec("RecSimLLM/Browse-v0", num_envs=ROWS, vectorization_mode="vector_entry_point", **arguments)
    env.reset(seed=1)
    return env


def world_arguments(items: int) -> dict[str, Any]:
    """Return a world of so many items as arguments of an environment."""
    world = make_world(items, 2_000)
    return {"catalog": world.catalog, "population": world.population, "users": world.users}


def stepped(env: Any, slates: list[np.ndarray], steps: int) -> tuple[float, float, float]:
    """Return the CPU and the wall seconds of some steps, and the CPU seconds of this thread alone."""
    cpu, wall, thread = time.process_time(), time.perf_counter(), time.thread_time()
    for number in range(steps):
        env.step(slates[number & 63])
    # What is still being written would count for whoever is measured next.
    for other in set(threading.enumerate()) - {threading.current_thread()}:
        other.join()
    return time.process_time() - cpu, time.perf_counter() - wall, time.thread_time() - thread


def long_log(pages: int) -> None:
    """Log so many pages of 10,000 items, and print resident memory and the bytes of the log."""
    slates = random_slates(10_000, ROWS, SLOTS, 64, random=np.random.default_rng(2))
    with tempfile.TemporaryDirectory() as folder:
        env = vector_env(**world_arguments(10_000), log=Path(folder) / "log")
        seconds = 0.0
        for part in range(10):
            seconds += stepped(env, slates, pages // ROWS // 10)[1]
            done = (part + 1) * (pages // ROWS // 10) * ROWS
            print(f"{done:>12,} pages, {seconds:5.0f} s: {status_megabytes('VmRSS'):5.0f} MB resident", flush=True)
        env.close()
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet")) / 1e6
    print(f"peak {peak_megabytes():.0f} MB; the log has {size:,.0f} MB")


def embedding_rate(items: int, random: np.random.Generator, **arguments: Any) -> float:
    """Return user steps a CPU second with embedding actions."""
    env = vector_env(action="embedding", **arguments)
    points = [random.uniform(-1, 1, env.action_space.shape).astype(np.float32) for _ in range(64)]
    return rate(env, points, 50 if items < 100_000 else 5)


def rate(env: Any, actions: list[np.ndarray], steps: int) -> float:
    """Return user steps a CPU second, restarts included."""

    def repetition() -> None:
        for number in range(steps):
            env.step(actions[number & 63])

    seconds = best(repetition)
    env.close()
    return ROWS * steps / seconds


def best(repetition: Callable[[], None]) -> float:
    """Return the least CPU seconds of several repetitions."""
    repetition()
    times = []
    for _ in range(REPETITIONS):
        started = time.process_time()
        repetition()
        times.append(time.process_time() - started)
    return min(times)


def memory() -> None:
    """Print the peak resident memory of a process with 16,384 users and 100,000 items."""
    users, items = 16_384, 100_000
    world = make_world(items, users)
    env = gymnasium.make_vec(
        "RecSimLLM/Browse-v0",
        num_envs=users,
        vectorization_mode="vector_entry_point",
        catalog=world.catalog,
        population=world.population,
        users=world.users,
    )
    env.reset(seed=1)
    for slates in random_slates(items, users, SLOTS, 5, random=np.random.default_rng(2)):
        env.step(slates)
    print(f"peak memory, {users:,} users x {items:,} items, whole process: {peak_megabytes():.0f} MB")


def peak_megabytes() -> float:
    """Return this process's peak resident memory; on Linux not the parent's, which getrusage carries over."""
    if Path("/proc/self/status").is_file():
        return status_megabytes("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def status_megabytes(name: str) -> float:
    """Return an amount of memory of this process that Linux tells."""
    for text in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if text.startswith(f"{name}:"):
            return float(text.split()[1]) / 1024
    raise LookupError(f"/proc/self/status: got no {name}")


def processor() -> str:
    """Return the processor's name where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [text.split(":", 1)[1].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
