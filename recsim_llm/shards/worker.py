"""A worker: one job, on a thread of its own, which is called step by step."""

from __future__ import annotations

import queue
import threading
from typing import Any

from recsim_llm.registry import import_attribute
from recsim_llm.shards.crew import Ended, Failed, Job, Part, Step

__all__ = ["Worker"]

_AHEAD = 2
"""Parts that a job may be ahead of who takes them: it works while they are sent, and memory stays bounded."""


class _Stopped(BaseException):
    """Ends a job that nobody waits for any more; no job catches it by accident."""


class Worker:
    """Does a job and hands its steps to whoever calls.

    Args:
        job: begun at once.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._steps: queue.Queue[Step] = queue.Queue(_AHEAD)
        self._answers: queue.Queue[Any] = queue.Queue()
        self._stopped, self._asked = threading.Event(), False
        self._thread = threading.Thread(target=self._work, name="shard", daemon=True)
        self._thread.start()

    def call(self, answer: Any) -> Step:
        """Return the job's next step.

        Args:
            answer: to the part before, if it waits for one.
        """
        if self._asked:
            self._answers.put(answer)
        step = self._steps.get()
        self._asked = isinstance(step, Part) and step.waits
        return step

    def stop(self) -> None:
        """Let the job end at its next step, and wait for that."""
        self._stopped.set()
        self._answers.put(None)
        while self._thread.is_alive():
            try:
                self._steps.get(timeout=0.05)
            except queue.Empty:
                continue

    def hand_over(self, value: Any) -> None:
        """Do as ``Port`` says."""
        self._put(Part(value, waits=False))

    def ask(self, value: Any) -> Any:
        """Do as ``Port`` says."""
        self._put(Part(value, waits=True))
        answer = self._answers.get()
        self._check()
        return answer

    def _put(self, step: Step) -> None:
        self._check()
        self._steps.put(step)
        self._check()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stopped

    def _work(self) -> None:
        try:
            work = import_attribute(self._job.work, "work of a shard")
            self._put(Ended(work(self, **self._job.arguments)))
        except _Stopped:
            return
        except BaseException as error:
            if not self._stopped.is_set():
                self._steps.put(Failed(error))
