"""Runs in shards whose workers are killed on the way, and what their calls files say was paid for."""

import os
import signal
import sqlite3
from contextlib import closing

from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.scenarios import sharded_arms
from recsim_llm.shards.sharding import open_crew


def kill_workers(monkeypatch, victims):
    """Let workers of the next run be killed by SIGKILL.

    Args:
        monkeypatch: takes it back.
        victims: by the number of a report of progress, from 1: which of the workers is killed there.

    Returns:
        What the run is to report its progress to, and the list of all reports.
    """
    crews, seen = [], []

    def opened(sharding):
        crews.append(open_crew(sharding))
        return crews[-1]

    def kill(state):
        seen.append(state)
        if len(seen) in victims:
            os.kill(crews[-1].process_ids[victims[len(seen)]], signal.SIGKILL)

    monkeypatch.setattr(sharded_arms, "open_crew", opened)
    return kill, seen


def paid(folder):
    """Return how many answers were paid for."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return connection.execute("SELECT count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered'").fetchone()[0]
