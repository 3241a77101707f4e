"""Workers in processes of their own on this machine."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from recsim_llm.errors import ConfigError
from recsim_llm.shards.crew import Job, Lost, Step
from recsim_llm.shards.process_worker import unpacked

__all__ = ["ProcessCrew"]

_GONE = (EOFError, OSError)
_LONGEST_END = 5.0


class _Process(subprocess.Popen[bytes]):
    """A Python process that does one job, and the line to it.

    It is not forked, since threads and locks of this process would come along half alive, and does not import the caller's
    main module, so that notebooks and scripts without a guard can have shards.
    """

    def __init__(self, job: Job) -> None:
        mine, its_own = socket.socketpair()
        # Its other end is read by nobody here: when this process ends, however it does, the worker sees that and ends, too.
        read, lifeline = os.pipe()
        self._lifeline: int | None = lifeline
        try:
            line = its_own.fileno()
            command = [sys.executable, "-m", "recsim_llm.shards.process_worker", str(line), str(read)]
            super().__init__(command, stdin=subprocess.DEVNULL, pass_fds=(line, read))
        except OSError:
            os.close(lifeline)
            mine.close()
            raise
        finally:
            its_own.close()
            os.close(read)
        self.line = Connection(mine.detach())
        # The worker finds what this process finds: plug-ins beside a script or a notebook.
        self.tell((sys.path, job))

    def tell(self, message: Any) -> None:
        """Send something; that it is gone will be seen when it is heard."""
        try:
            self.line.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
        except _GONE:
            return

    def hear(self) -> Step:
        """Return its next step."""
        try:
            content = self.line.recv_bytes()
        except _GONE:
            return Lost(self._how_it_ended())
        return unpacked(content)

    def end(self) -> None:
        """End it; ending it twice does nothing."""
        if self._lifeline is None:
            return
        os.close(self._lifeline)
        self._lifeline = None
        self.line.close()
        self.kill()
        self.wait()

    def _how_it_ended(self) -> str:
        try:
            status = self.wait(_LONGEST_END)
        except subprocess.TimeoutExpired:
            return "closed its line"
        return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"


class ProcessCrew:
    """A ``Crew`` of processes on this machine.

    Raises:
        ConfigError: this system cannot hand a line to a process.
    """

    def __init__(self) -> None:
        if os.name != "posix":
            raise ConfigError(f"backend processes: got {os.name}, expected a POSIX system; use ray, or no shards")
        self._processes: list[_Process] = []

    def start(self, jobs: Sequence[Job]) -> None:
        """Start a process for every job."""
        for job in jobs:
            self._processes.append(_Process(job))

    @property
    def process_ids(self) -> list[int]:
        """Process id of every worker."""
        return [process.pid for process in self._processes]

    def call(self, answers: Mapping[int, Any]) -> dict[int, Step]:
        """Call some workers, all at the same time."""
        for number, answer in answers.items():
            self._processes[number].tell(answer)
        return {number: self._processes[number].hear() for number in answers}

    def end(self, number: int) -> None:
        """End a process."""
        self._processes[number].end()

    def restart(self, number: int, job: Job) -> None:
        """Start another process in the place of one."""
        self._processes[number] = _Process(job)

    def stop(self) -> None:
        """End all processes."""
        processes, self._processes = self._processes, []
        for process in processes:
            process.end()
