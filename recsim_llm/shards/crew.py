"""The protocol of shards: a crew of workers, each of which does one job and is called once for each step of it.

A job is a function ``work(port, **arguments)`` that hands over a part after each step and may wait for an answer before it goes
on. What it computes hangs on its arguments and on the answers alone, so that a worker that was lost is replaced by starting its
job again and telling it the same. Who calls decides what an answer is; see ``recsim_llm.scenarios.sharded_arms``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Crew", "Ended", "Failed", "Job", "Lost", "Part", "Port", "Step", "Work", "cut"]


class Job(NamedTuple):
    """What a worker does."""

    work: str
    """Dotted path ``module:function`` of a ``Work``."""
    arguments: Mapping[str, Any]
    """By name; can be pickled."""


class Part(NamedTuple):
    """What a worker hands over after a step."""

    value: Any
    """The part."""
    waits: bool
    """Whether the worker waits for an answer, which comes with the next call; otherwise it goes on meanwhile."""


class Ended(NamedTuple):
    """What a worker hands over last."""

    result: Any
    """What its function returned."""


class Failed(NamedTuple):
    """What a worker hands over last if its job raised an error."""

    error: BaseException
    """The error; where it was raised in another process it says in its notes where."""


class Lost(NamedTuple):
    """Stands for the step of a worker that is gone: it was killed, or its machine was."""

    why: str
    """What is known of it."""


Step = Part | Ended | Failed | Lost


class Port(Protocol):
    """What a job sees of whoever calls it."""

    def hand_over(self, value: Any) -> None:
        """Hand over a part and go on; waits while the one before has not been taken."""

    def ask(self, value: Any) -> Any:
        """Hand over a part and return the answer to it."""


class Work(Protocol):
    """A job's function."""

    def __call__(self, port: Port, **arguments: Any) -> Any:
        """Do the work and return what is left to say at its end."""


class Crew(Protocol):
    """Workers, a job each. They end at the latest with the process that started them."""

    def start(self, jobs: Sequence[Job]) -> None:
        """Give every worker its job; called once."""

    def call(self, answers: Mapping[int, Any]) -> dict[int, Step]:
        """Call some workers once, all at the same time, and wait for the next step of each.

        Args:
            answers: by number of the worker: what it has asked for, None if it has asked for nothing.

        Returns:
            By number of the worker, in the order of ``answers``.
        """

    def end(self, number: int) -> None:
        """End a worker, whatever it does, whether it is lost or not."""

    def restart(self, number: int, job: Job) -> None:
        """Put another worker, with a job of its own, in the place of one that was ended."""

    def stop(self) -> None:
        """End all workers, whatever they do; stopping twice does nothing."""


def cut(whole: int, shards: int) -> list[tuple[int, int]]:
    """Return where each shard's part of ``whole`` rows begins and ends: neighbours of each other, as equal as can be."""
    bounds = [whole * number // shards for number in range(shards + 1)]
    return list(zip(bounds[:-1], bounds[1:], strict=True))
