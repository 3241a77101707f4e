"""What runs in the process of a worker; started by ``process_crew``, never by hand."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection

from recsim_llm.errors import PlugInError
from recsim_llm.shards.crew import Failed, Step
from recsim_llm.shards.worker import Worker

__all__ = ["packed", "unpacked"]


def packed(step: Step) -> bytes:
    """Return a step as bytes; an error that cannot be put into bytes becomes one that says the same."""
    if not isinstance(step, Failed):
        return pickle.dumps(step, pickle.HIGHEST_PROTOCOL)
    error = step.error
    error.add_note("".join(traceback.format_exception(error)))
    try:
        content = pickle.dumps(step, pickle.HIGHEST_PROTOCOL)
        unpacked(content)
    except Exception:
        plain = PlugInError(f"{type(error).__name__}: {error}")
        plain.add_note(error.__notes__[-1])
        content = pickle.dumps(Failed(plain), pickle.HIGHEST_PROTOCOL)
    return content


def unpacked(content: bytes) -> Step:
    """Return a step of its bytes, which a worker of ours has written."""
    step: Step = pickle.loads(content)
    return step


def _end_with(lifeline: int) -> None:
    """End this process at once when the one that started it is gone."""
    os.read(lifeline, 1)
    os._exit(1)


def _serve(line: Connection) -> None:
    path, job = pickle.loads(line.recv_bytes())
    sys.path[:] = path
    worker = Worker(job)
    while True:
        answer = pickle.loads(line.recv_bytes())
        line.send_bytes(packed(worker.call(answer)))


if __name__ == "__main__":
    # Who interrupts the run interrupts whoever started this process, which then sees to its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(int(sys.argv[2]),), daemon=True).start()
    try:
        _serve(Connection(int(sys.argv[1])))
    except (EOFError, OSError):
        os._exit(1)
