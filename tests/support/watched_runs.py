"""Small scenarios to watch, and how a watched run is played without anything that shows it."""

from __future__ import annotations

from contextlib import contextmanager

from recsim_llm.scenarios import load_scenario
from recsim_llm.watch.watched_run import open_watched

SMALL = {"users.count": 24, "max_pages": 3, "slate_size": 5, "seed": 3, "recommenders": ["popularity", "random"]}
CLOCK = {"clock": {"days": 5, "arrive_days": 2, "gap_days": 1.0}}
LANGUAGE = {"users.model": "language", "models.user": "scripted/genres", "users.count": 4}


def small(**changes):
    """Return a small scenario; without a clock unless ``changes`` bring one."""
    return load_scenario("demo", SMALL | changes)


def play(run, steps=None):
    """Play so many steps, or to the end."""
    while not run.finished and steps != 0:
        for _ in run.step():
            pass
        steps = None if steps is None else steps - 1


@contextmanager
def watched(out=None, **changes):
    """Open a small scenario to be watched."""
    with open_watched(small(**changes), out) as run:
        yield run


def log_of(folder):
    """Return the bytes of a run's log and manifest by path; clock times and costs stand apart."""
    left_out = ("timings.parquet", "serving.parquet", "calls.sqlite", "calls.sqlite-wal", "calls.sqlite-shm")
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in sorted(files.items()) if name not in left_out}
