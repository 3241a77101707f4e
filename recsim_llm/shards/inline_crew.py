"""Workers in this process: what the others are measured against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsim_llm.shards.crew import Job, Step
from recsim_llm.shards.worker import Worker

__all__ = ["InlineCrew"]


class InlineCrew:
    """A ``Crew`` of threads of this process, none of which can be lost."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []

    def start(self, jobs: Sequence[Job]) -> None:
        """Give every worker its job."""
        self._workers = [Worker(job) for job in jobs]

    def call(self, answers: Mapping[int, Any]) -> dict[int, Step]:
        """Call some workers one after the other; each works on while the others are called."""
        return {number: self._workers[number].call(answer) for number, answer in answers.items()}

    def end(self, number: int) -> None:
        """End a worker at its next step."""
        self._workers[number].stop()

    def restart(self, number: int, job: Job) -> None:
        """Put another worker in the place of one."""
        self._workers[number] = Worker(job)

    def stop(self) -> None:
        """End all jobs."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.stop()
