"""Work that is done beside the caller, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread

__all__ = ["WorkBeside"]

Work = Callable[[], None]


class WorkBeside:
    """Does one piece of work at a time in a thread that ends with it, so that a program at rest has one thread.

    Work that fails is kept, and is done again by whoever waits for it: the error is raised to the caller, and where its cause
    is gone by then, as on a disk that has room again, nothing is lost. Whoever holds the lock does the work, so that it is done
    once also where Ctrl-C breaks a wait off (up to Python 3.12 a thread whose ``join`` is broken off passes for ended).
    """

    def __init__(self) -> None:
        self._busy = Lock()
        self._work: Work | None = None
        self._settled = False

    def begin(self, work: Work) -> None:
        """Begin a piece of work, once the one before it is done.

        Args:
            work: what to do; may be done again after it failed.

        Raises:
            Exception: what the work before this one raises; this one is not begun then.
        """
        self.finish()
        self._work, self._settled, begun = work, False, Event()
        Thread(target=self._try, args=(begun,), name="recsim_llm log").start()
        begun.wait()

    def finish(self) -> None:
        """Wait until the work is done.

        Raises:
            Exception: what the work raises, each time that this is called until it succeeds.
        """
        with self._busy:
            self._do()

    def settle(self) -> None:
        """Wait until nothing is being done, whether it succeeded or not."""
        with self._busy:
            # A thread that Ctrl-C did not let begin yet shall not begin behind the caller's back.
            self._settled = True

    def _try(self, begun: Event) -> None:
        # What went wrong comes up again where it can be told, in ``finish``.
        with self._busy, suppress(Exception):
            begun.set()
            if not self._settled:
                self._do()

    def _do(self) -> None:
        if self._work is not None:
            self._work()
            self._work = None
