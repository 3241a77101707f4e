"""Workers on the machines of a Ray cluster: an actor each, one call a step."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from recsim_llm.errors import ConfigError, ServiceError
from recsim_llm.numerics.arithmetic import describe_arithmetic
from recsim_llm.shards.crew import Failed, Job, Lost, Step
from recsim_llm.shards.process_worker import packed, unpacked
from recsim_llm.shards.worker import Worker

try:
    import ray
    from ray.exceptions import RayActorError, RayError
except ImportError as error:
    raise ConfigError(
        f"backend ray: got no package ray ({error}), expected it; pip install 'recsim_llm[ray]', or take --backend processes"
    ) from error

__all__ = ["RayCrew"]

_SHARE_OF_A_CPU = 0.5
"""What a worker reserves: a small cluster must not hang because workers took all that there is."""
_LONGEST_START = 120.0
_LOOKS = 5.0
"""Seconds after which it is looked whether the head is still there, and that it is waited for."""
_MOST_TRIES = 5
_STARTED_LAST = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()) / "ray" / "ray_current_cluster"
"""File in which Ray keeps the address of the cluster that was started last."""
_QUIET = {"RAY_AUTH_MODE": "disabled", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


class _Actor:
    """A worker in a process of a cluster."""

    def __init__(self, path: Sequence[str]) -> None:
        sys.path[:] = [*path, *(place for place in sys.path if place not in path)]
        self._worker: Worker | None = None

    def begin(self, job: Job) -> dict[str, str]:
        """Begin a job; return the arithmetic of this machine."""
        self._worker = Worker(job)
        return describe_arithmetic()

    def call(self, answer: Any) -> bytes:
        """Return the next step, packed."""
        assert self._worker is not None
        return packed(self._worker.call(answer))


class RayCrew:
    """A ``Crew`` of Ray actors.

    Args:
        address: of the cluster, such as ``auto`` or ``ray://head:10001``; None starts one on this machine, which ends with it.

    Raises:
        ServiceError: there is no cluster at the address.
    """

    def __init__(self, address: str | None = None) -> None:
        self._mine = not ray.is_initialized()
        self._actors: list[Any] = []
        if self._mine:
            _connect(address)
        self._head: str = ray.get_runtime_context().gcs_address

    def start(self, jobs: Sequence[Job]) -> None:
        """Start an actor for every job.

        Raises:
            ConfigError: the cluster has too little room, or machines whose last digits differ from this one's.
            ServiceError: an actor was lost before it began.
        """
        available: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
        free, needed = available.get("CPU", 0.0), len(jobs) * _SHARE_OF_A_CPU
        if free < needed:
            raise ConfigError(
                f"backend ray: got {free:g} free CPUs in the cluster for {len(jobs)} shards, expected {needed:g}, half a CPU "
                "each; lower --shards, add a node, or wait until others are done"
            )
        self._actors = [_new_actor() for _ in jobs]
        try:
            self._begin(list(enumerate(jobs)))
        except RayActorError as error:
            raise _lost(error, 1) from error

    def call(self, answers: Mapping[int, Any]) -> dict[int, Step]:
        """Call some actors, all at the same time."""
        calls = {number: self._actors[number].call.remote(answer) for number, answer in answers.items()}
        return {number: self._hear(call) for number, call in calls.items()}

    def end(self, number: int) -> None:
        """End an actor."""
        ray.kill(self._actors[number])

    def restart(self, number: int, job: Job) -> None:
        """Start another actor, on whatever machine has room, in the place of one.

        Raises:
            ConfigError: no machine has room.
            ServiceError: none began.
        """
        for tries in range(1, _MOST_TRIES + 1):
            ray.kill(self._actors[number])
            self._actors[number] = _new_actor()
            try:
                self._begin([(number, job)])
            except RayActorError as error:
                # The cluster may not have noticed yet that a machine is gone, and have put the actor there.
                if tries == _MOST_TRIES:
                    raise _lost(error, tries) from error
            else:
                return

    def stop(self) -> None:
        """End all actors, and the cluster where it was started here."""
        actors, self._actors = self._actors, []
        for actor in actors:
            ray.kill(actor)
        if self._mine and ray.is_initialized():
            ray.shutdown()

    def _hear(self, call: Any) -> Step:
        """Return an actor's next step.

        Raises:
            ServiceError: the cluster's head is gone, and nobody will ever answer.
        """
        while not ray.wait([call], timeout=_LOOKS)[0]:
            self._see_head()
        try:
            return unpacked(ray.get(call))
        except RayActorError as error:
            self._see_head()
            return Lost(f"is gone with its actor: {_first_line(error)}")
        except RayError as error:
            return Failed(error)

    def _see_head(self) -> None:
        """See to it that the head is there: without it Ray waits for a minute and then ends this process without a word.

        Raises:
            ServiceError: it is not.
        """
        if why := _silence(self._head):
            raise ServiceError(
                f"backend ray: got no head at {self._head} any more ({why}), expected the cluster that the run began in; "
                "nothing is lost: start it again",
                cause="connection",
            )

    def _begin(self, jobs: Sequence[tuple[int, Job]]) -> None:
        """Give actors their jobs.

        Raises:
            ConfigError: the cluster has no room for them, or has put one on a machine whose last digits differ from this one's.
            RayActorError: an actor is gone.
        """
        begun = [self._actors[number].begin.remote(job) for number, job in jobs]
        ready, waiting = ray.wait(begun, num_returns=len(begun), timeout=_LONGEST_START)
        if waiting:
            raise ConfigError(
                f"backend ray: got room for {len(ready)} of {len(begun)} workers within {_LONGEST_START:g} s, expected all; "
                "add a node, or lower --shards"
            )
        here = describe_arithmetic()
        for (number, _), there in zip(jobs, ray.get(begun), strict=True):
            if there != here:
                raise ConfigError(
                    f"backend ray: got a node of the arithmetic {there} for shard {number}, expected that of this machine, "
                    f"{here}, since last digits differ and with them the log; use nodes of one kind of processor, or set "
                    "OPENBLAS_CORETYPE to the same kernel on all of them"
                )


def _lost(error: RayActorError, tries: int) -> ServiceError:
    return ServiceError(
        f"backend ray: got {_first_line(error)} ({tries} tries), expected an actor that begins; nothing is lost: resume "
        "the run when the cluster is well",
        cause="connection",
    )


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _new_actor() -> Any:
    # On as many machines as there are: the shards of a run are equal, and a lost machine then costs few of them.
    kind = ray.remote(num_cpus=_SHARE_OF_A_CPU, max_restarts=0, scheduling_strategy="SPREAD")(_Actor)
    return kind.remote(sys.path)


def _silence(address: str) -> str:
    """Return why nobody listens at ``host:port``; empty where somebody does."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_LOOKS).close()
    except (OSError, ValueError, OverflowError) as error:
        return (isinstance(error, OSError) and error.strerror) or str(error)
    return ""


def _listed(address: str) -> str:
    """Return an address as ``host:port``; of ``auto`` that of the last cluster here, empty where none is known."""
    if address != "auto":
        return address.rpartition("://")[2].partition("/")[0]
    told = os.environ.get("RAY_ADDRESS", "")
    with suppress(OSError, UnicodeError):
        told = told or _STARTED_LAST.read_text(encoding="utf-8").strip()
    return "" if told == "auto" else _listed(told)


def _connect(address: str | None) -> None:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    # Where nobody listens Ray tries for minutes, and says so in lines of its own.
    why = _silence(listed) if address not in (None, "local") and (listed := _listed(address)) else ""
    try:
        if why:
            raise ConnectionError(why)
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if address is None else None,
        )
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ServiceError(
            f"backend ray: got no cluster at {address} ({error}), expected one that runs; start it with `ray start --head`, or "
            "leave --address out",
            cause="connection",
        ) from error
