"""Runs that ask a model server, killed again and again while they do; and what their calls file says was paid."""

import multiprocessing
import os
import signal
import sqlite3
from contextlib import closing

import numpy as np

from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.scenarios import resume

PAID = "SELECT count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered'"
TWICE = "SELECT key, count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered' GROUP BY key HAVING count(*) > 1"
_LOADED = ["recsim_llm.scenarios", "recsim_llm.agents.worlds", "recsim_llm.language.backends.aiohttp_backend"]


def rows(folder, query):
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return connection.execute(query).fetchall()


def answered(out):
    """Return how many answers are in a folder's calls file."""
    try:
        return rows(out, PAID)[0][0] if (out / FILE_NAME).exists() else 0
    except sqlite3.OperationalError:
        return 0  # the file is just being made


def kill_run(out, calm, kills=20, most=2):
    """Have a run that begins with the manifest of a finished one killed so often, every one to ``most`` answers; end it.

    Returns how often it was killed while it ran.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(_LOADED)
    out.mkdir()
    (out / "manifest.json").write_bytes((calm / "manifest.json").read_bytes())
    dice, killed = np.random.default_rng(5), 0
    while killed < kills and answered(out) < answered(calm):
        killed += _kill_when_answered(processes, out, answered(out) + int(dice.integers(1, most + 1)))
    resume(out)
    return killed


def _kill_when_answered(processes, out, answers):
    """Resume in another process and kill it once so many answers are in its file; tell whether it was still running."""
    process = processes.Process(target=_resume, args=(out, dict(os.environ)))
    process.start()
    while process.is_alive() and answered(out) < answers:
        process.join(0.001)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), "a run that goes wrong by itself would be tried for ever"
    return process.exitcode == -signal.SIGKILL


def _resume(out, environment):
    # The server of forks has the environment of whichever test came first, and with it another cache.
    os.environ.clear()
    os.environ.update(environment)
    resume(out)
