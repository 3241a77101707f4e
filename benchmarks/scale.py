"""What shards cost and bring: users served a second, memory, what Ray adds to processes, and what a lost worker costs.

    python benchmarks/scale.py                      # 10,000 and 100,000 users; some ten minutes on two cores
    python benchmarks/scale.py --users 1000000 --shards 2

Choice users browse popular items of an invented catalog, 20 pages at most. Every line is a run of its own in a process of its
own, with its log; ``here`` is a run without shards. Memory is the largest sum over the run's processes, seen twice a second
(proportional set sizes, so that what processes share counts once).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PAGES, SLATE = 20, 10


def serve(folder: Path, users: int, backend: str, shards: int, *, kill_after: float) -> None:
    """Serve users and print what it took; to be run in a process of its own."""
    from recsim_llm.scenarios import load_scenario, run, sharded_arms
    from recsim_llm.shards.sharding import Sharding, open_crew

    scenario = load_scenario(
        "demo",
        {"users.count": users, "max_pages": PAGES, "slate_size": SLATE, "seed": 1, "recommenders": ["popularity"]},
    )
    started, told, killed = time.perf_counter(), [], []

    def opened(sharding: Sharding) -> object:
        crew = open_crew(sharding)
        if kill_after:
            threading.Timer(kill_after, lambda: killed.append(os.kill(crew.process_ids[0], signal.SIGKILL))).start()
        return crew

    sharded_arms.open_crew = opened
    sharding = None if backend == "here" else Sharding(backend, shards)
    run(
        scenario,
        folder,
        lambda state: told.append((time.perf_counter(), state.pages)),
        sharding=sharding,
    )
    ended = time.perf_counter()
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*/*.parquet")):
        digest.update(path.read_bytes())
    figures = {
        "seconds": ended - started,
        "serving": told[-1][0] - told[0][0],
        "pages": max(pages for _, pages in told),
        "digest": digest.hexdigest(),
    }
    print(json.dumps(figures))


def family(process_id: int) -> list[int]:
    """Return a process and all that came of it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [process_id]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def memory(process_id: int) -> int:
    """Return the bytes of a process and all that came of it."""
    total = 0
    for one in family(process_id):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def cpu_seconds() -> float:
    """Return the CPU seconds of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def measure(users: int, backend: str, shards: int, kill_after: float = 0.0) -> dict[str, object]:
    """Serve users in a process of its own; return what it took."""
    with tempfile.TemporaryDirectory() as folder:
        before, most = cpu_seconds(), 0
        command = [sys.executable, __file__, "--serve", f"{folder}/run", str(users), backend, str(shards), str(kill_after)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            while process.poll() is None:
                most = max(most, memory(process.pid))
                time.sleep(0.5)
            output = process.stdout.read() if process.stdout else ""
        if process.returncode:
            raise SystemExit(f"{command}: status {process.returncode}")
        return json.loads(output.splitlines()[-1]) | {"cpu": cpu_seconds() - before, "memory": most}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--ray", type=int, default=100_000, help="users for Ray beside processes; 0 leaves it out")
    parser.add_argument("--kill", type=int, default=100_000, help="users for a worker that is killed; 0 leaves it out")
    parser.add_argument("--serve", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        folder, users, backend, shards, kill_after = options.serve
        serve(Path(folder), int(users), backend, int(shards), kill_after=float(kill_after))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {PAGES} pages of {SLATE} items at most\n")
    print(f"{'users':>9}  {'where':<14}{'s':>7}{'CPU s':>8}{'pages':>11}{'pages/s':>9}{'MiB':>7}  same bytes")
    digests: dict[int, object] = {}

    def line(users: int, backend: str, shards: int, kill_after: float = 0.0) -> dict[str, object]:
        found = measure(users, backend, shards, kill_after)
        same = digests.setdefault(users, found["digest"]) == found["digest"]
        where = backend if backend == "here" else f"{backend} {shards}"
        print(
            f"{users:>9,}  {where:<14}{found['seconds']:>7.1f}{found['cpu']:>8.1f}{found['pages']:>11,}"
            f"{found['pages'] / found['seconds']:>9,.0f}{found['memory'] / 2**20:>7,.0f}  {'yes' if same else 'NO'}",
            flush=True,
        )
        return found

    for users in options.users:
        line(users, "here", 1)
        for shards in options.shards:
            line(users, "processes", shards)
    if options.ray:
        print("\nRay beside processes, two shards, in turns")
        pairs = [(line(options.ray, "processes", 2), line(options.ray, "ray", 2)) for _ in range(3)]
        for name, what in (("serving", "from the first page to the last"), ("seconds", "in all, a cluster started for it")):
            ratios = sorted(ray[name] / processes[name] for processes, ray in pairs)
            print(f"{what}: Ray takes {ratios[1]:.2f} [{ratios[0]:.2f}, {ratios[2]:.2f}] times what processes take")
    if options.kill:
        print("\na worker is killed half-way, two shards")
        whole = line(options.kill, "processes", 2)
        killed = line(options.kill, "processes", 2, kill_after=whole["seconds"] / 2)
        print(f"it costs {killed['seconds'] - whole['seconds']:.1f} s of {whole['seconds']:.1f} s")


if __name__ == "__main__":
    main()
