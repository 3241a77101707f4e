"""Time and memory of the report of a large log: ``python benchmarks/report_scale.py --impressions 10e6 100e6``.

A real run of the invented films, one visit a user, is written down again and again through the log's own writer: under further
user ids until there are as many users as wanted, and as further visits until there are as many impressions. So the log has the
columns, files and sizes of one that a run wrote, and costs minutes less. Each report is written by a process of its own, of
which wall-clock time and the most memory ever resident are printed; the command itself stays small.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from env_speed import processor

import recsim_llm
from recsim_llm.log import open_run, open_segments, read_manifest, write_manifest
from recsim_llm.log.reader import RunReader
from recsim_llm.log.segments import SegmentWriter
from recsim_llm.log.tables import read_table, write_table

RECOMMENDERS = ["random", "popularity"]
WRITTEN_ONCE = 5_000
"""Users of the run that is written again and again, at most."""
REPORT = "import sys; from recsim_llm.cli.main import main; sys.exit(main(['report', sys.argv[1], '--quiet']))"
SCENARIO = {"visits": 1, "max_pages": 20, "slate_size": 10, "seed": 1, "recommenders": RECOMMENDERS}


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--impressions", type=float, nargs="+", default=[1e6, 1e7], help="slots in the log, roughly")
    parser.add_argument("--users", type=int, default=100_000, help="users in the log (100,000)")
    parser.add_argument("--folder", type=Path, help="where to write, and to leave the logs; else a temporary folder")
    options = parser.parse_args()
    print(f"recsim_llm {recsim_llm.__version__}, Python {platform.python_version()}, pyarrow {pa.__version__}, {processor()}")
    print(f"{os.cpu_count()} cores; {options.users:,} users, {len(RECOMMENDERS)} recommenders, pages of 10\n")
    print(f"{'impressions':>12} {'files MB':>9} {'visits':>7} {'written s':>10} {'report s':>9} {'CPU s':>8} {'peak MB':>8}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        base = make_run(folder / "base", min(options.users, WRITTEN_ONCE))
        for wanted in options.impressions:
            show(base, folder / f"{wanted:.0e}-{options.users}", int(wanted), options.users)
            if options.folder is None:
                shutil.rmtree(folder / f"{wanted:.0e}-{options.users}")


def show(base: Path, out: Path, wanted: int, users: int) -> None:
    """Write a log, report it, and print a line."""
    began = time.perf_counter()
    if not out.exists():
        repeat_run(base, out, wanted, users)
    written = time.perf_counter() - began
    log = open_run(out)
    rows = sum(segment.rows["impressions"] for segment in log.segments)
    size = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    began = time.perf_counter()
    report = subprocess.Popen([sys.executable, "-c", REPORT, str(out)])
    _, status, used = os.wait4(report.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"the report of {out} failed")
    figures = f"{rows:>12,} {size / 1e6:>9,.0f} {read_manifest(out)['visits']:>7} {written:>10.0f}"
    print(f"{figures} {seconds:>9.1f} {used.ru_utime + used.ru_stime:>8.1f} {used.ru_maxrss / 1024:>8,.0f}", flush=True)


def make_run(folder: Path, users: int) -> Path:
    """Return a run of one visit a user, made by a process of its own."""
    if not folder.exists():
        code = "import json, sys, pathlib; from recsim_llm.scenarios import load_scenario, run; "
        code += "run(load_scenario('demo', json.loads(sys.argv[2])), pathlib.Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", code, str(folder), json.dumps(SCENARIO | {"users.count": users})], check=True)
    return folder


def repeat_run(base: Path, out: Path, wanted: int, users: int) -> None:
    """Write a run down again as more users and more visits, segment by segment."""
    log = open_run(base)
    once, copies = int(log.manifest["users"]), -(-users // int(log.manifest["users"]))
    rows = sum(segment.rows["impressions"] for segment in log.segments)
    visits = max(round(wanted / (rows * copies)), 1)
    out.mkdir()
    write_manifest(out, {**log.manifest, "users": once * copies, "visits": visits})
    step = int(pc_max(read_table(base, "users")["user_id"])) + 1
    write_table(out, "users", pa.concat_tables(shift(read_table(base, "users"), copy * step, 0) for copy in range(copies)))
    for name in ("items", "held_out"):
        write_table(out, name, read_table(base, name))
    writer = open_segments(out)
    for place, arm in enumerate(log.arms):
        repeat_arm(log, writer, place, arm, copies=copies, step=step, visits=visits)


def repeat_arm(log: RunReader, writer: SegmentWriter, place: int, arm: str, *, copies: int, step: int, visits: int) -> None:
    """Write an arm's segments down again, those of about half a million impressions together, as a run has them."""
    parts = list(log.split(arm))
    tables = {
        name: pa.concat_tables(pq.read_table(log.folder / part.segments[0].files[name]) for part in parts)
        for name in ("impressions", "pages", "visits")
    }
    together = max(1, min(copies, round(500_000 / len(tables["impressions"]))))
    starts = range(0, copies, together)
    for visit in range(visits):
        for number, start in enumerate(starts):
            some = range(start, min(start + together, copies))
            shifted = {name: pa.concat_tables(shift(table, c * step, visit) for c in some) for name, table in tables.items()}
            last = (visit, number) == (visits - 1, len(starts) - 1)
            writer.add(arm, place, visit * len(starts) + number, tables=shifted, last=last)


def shift(table: pa.Table, user: int, visit: int) -> pa.Table:
    """Return rows under other user ids and visits."""
    for name, added in (("user_id", user), ("visit", visit)):
        if name in table.column_names:
            place = table.column_names.index(name)
            kind = table.schema.field(name).type
            moved = np.asarray(table.column(name)) + added
            table = table.set_column(place, table.schema.field(name), pa.array(moved, kind))
    return table


def pc_max(column: pa.ChunkedArray) -> int:
    """Return the largest of whole numbers."""
    return int(np.asarray(column).max())


if __name__ == "__main__":
    main()
