"""How fast conversations with language models go: ``python benchmarks/conversation_speed.py``.

Users whom a language model plays talk with a recommender that goes by rules, and with one that a second model leads, for at
most ten turns. Both models are the shipped chaos server on loopback, in a process of its own, which answers after a given
latency. ``ideal`` is calls times latency by the calls that may be in flight, from the first call sent to the last one answered,
as if there were always so many; ``in turns`` what the latency allows to conversations, whose calls come one after the other:
the n-th calls of all of them, as many at a time as may be in flight, then the next ones. With the barrier ``visit`` a run does
better than that, since dice tell beforehand who is likely to talk for long. ``share`` is each by what it took. What other work
on the machine takes from this process shows in the wall time; CPU-ms a call do not hang on it. With ``talking`` each turn is
two calls, one after the other.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import platform
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from env_speed import processor
from language_speed import chaos_command

import recsim_llm
from recsim_llm.scenarios import load_scenario, run

POLICIES = {"asking": {}, "talking": {"base": "popularity"}}
NOTHING = {"measure": None, "expect": []}
SPAN = """
SELECT count(*), min(julianday(started)), max(julianday(started) + coalesce(seconds, 0) / 86400.0)
FROM calls WHERE NOT cache_hit
"""
LENGTHS = "SELECT role, count(*) FROM calls WHERE NOT cache_hit GROUP BY role, subject"


class Figures(NamedTuple):
    """What was measured of one run."""

    calls: int
    rounds: int
    """Times that as many calls as may be in flight are sent and answered, turn by turn."""
    seconds: float
    cpu_seconds: float


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1000, help="conversations (1000)")
    parser.add_argument("--turns", type=int, default=10, help="most turns of each (10)")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds before an answer (1)")
    parser.add_argument("--concurrency", type=int, default=64, help="calls in flight, of both models together (64)")
    parser.add_argument("--seed", type=int, default=1, help="of the conversations (1)")
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=[*POLICIES], help="which to measure (all)")
    parser.add_argument("--barriers", nargs="+", choices=("page", "visit"), default=["page", "visit"], help="all")
    options = parser.parse_args()
    print(f"recsim_llm {recsim_llm.__version__}, Python {platform.python_version()}, {processor()}, {os.cpu_count()} cores")
    print(f"{options.users} conversations of at most {options.turns} turns, {options.latency:g} s latency, ", end="")
    print(f"{options.concurrency} calls in flight\n")
    heads = f"{'ideal':>7} {'share':>6} {'in turns':>9} {'share':>6} {'CPU-ms/call':>12}"
    print(f"{'policy':<10} {'barrier':<8} {'calls':>7} {'seconds':>8} {heads}")
    with subprocess.Popen(chaos_command(options.latency, "genres"), stdout=subprocess.PIPE, text=True) as server:
        try:
            base_url = server.stdout.readline().strip() if server.stdout else ""
            for policy in options.policies:
                for barrier in options.barriers:
                    line(policy, barrier, measure(policy, barrier, base_url, options), options)
        finally:
            server.terminate()


def measure(policy: str, barrier: str, base_url: str, options: argparse.Namespace) -> Figures:
    """Play every conversation with one recommender."""
    with tempfile.TemporaryDirectory() as folder:
        # Once without models, so that no fit is in the figures.
        fitted = {"users.count": options.users, "recommenders": ["popularity"], "seed": options.seed} | NOTHING
        run(load_scenario("conversation", fitted), Path(folder) / "fit")
        cpu = time.process_time()
        out = run(load_scenario("conversation", settings(policy, barrier, base_url, options)), Path(folder) / "run")
        cpu = time.process_time() - cpu
        with closing(sqlite3.connect(out / "calls.sqlite")) as connection:
            calls, first, last = connection.execute(SPAN).fetchone()
            lengths = connection.execute(LENGTHS).fetchall()
    turns = Counter((role, turn) for role, length in lengths for turn in range(length))
    rounds = sum(-(-there // options.concurrency) for there in turns.values())
    return Figures(calls, rounds, (last - first) * 86400, cpu)


def settings(policy: str, barrier: str, base_url: str, options: argparse.Namespace) -> Mapping[str, Any]:
    """Return what the scenario has other than the shipped one."""
    model = {"name": "openai-compatible/chaos", "base_url": base_url, "transport": "aiohttp", "realisation": "json"}
    roles = {"user": model | {"concurrency": options.concurrency}}
    if policy == "talking":
        roles["policy"] = model | {"concurrency": options.concurrency}
    return {
        "users.count": options.users,
        "seed": options.seed,
        "recommenders": [{"name": policy, "settings": POLICIES[policy]}],
        "models": roles,
        "barrier": barrier,
        "conversation.max_turns": options.turns,
        "conversation.mode": "chat",
    } | NOTHING


def line(policy: str, barrier: str, figures: Figures, options: argparse.Namespace) -> None:
    """Print one line."""
    ideal = figures.calls * options.latency / options.concurrency
    turns = figures.rounds * options.latency
    cells = f"{figures.calls:>7,} {figures.seconds:>8.1f} {ideal:>7.1f} {ideal / figures.seconds:>6.2f}"
    cells += f" {turns:>9.1f} {turns / figures.seconds:>6.2f}"
    print(f"{policy:<10} {barrier:<8} {cells} {figures.cpu_seconds / figures.calls * 1e3:>12.2f}", flush=True)


if __name__ == "__main__":
    main()
