"""Small scenarios to watch, and how a watched run is played without anything that shows it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from patience import PATIENCE

from recsim_llm.scenarios import load_scenario
from recsim_llm.watch.pacing import Pacer
from recsim_llm.watch.watch_server import WatchServer
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


@contextmanager
def served(out=None, **changes):
    """Serve a small scenario that is watched; give the run, its pacer and the address."""
    with watched(out, **changes) as run:
        pacer, ready, started = Pacer(run), Future(), Future()

        async def serve():
            started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
            with suppress(asyncio.CancelledError):
                await WatchServer(run, pacer).serve(0, ready.set_result)

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            yield run, pacer, ready.result(PATIENCE)
        finally:
            loop, serving = started.result(PATIENCE)
            loop.call_soon_threadsafe(serving.cancel)
            thread.join()
            pacer.close()
