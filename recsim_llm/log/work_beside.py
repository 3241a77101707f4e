"""Work that is done beside the caller, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Thread

__all__ = ["WorkBeside"]

Work = Callable[[], None]


class WorkBeside:
    """Does one piece of work at a time in a thread that ends with it, so that a program at rest has one thread.

    Work that fails is kept, and is done again by whoever waits for it: the error is raised to the caller, and where its cause
    is gone by then, as on a disk that has room again, nothing is lost.
    """

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._work: Work | None = None

    def begin(self, work: Work) -> None:
        """Begin a piece of work, once the one before it is done.

        Args:
            work: what to do; may be done again after it failed.

        Raises:
            Exception: what the work before this one raises; this one is not begun then.
        """
        self.finish()
        self._work = work
        self._thread = Thread(target=self._try, name="recsim_llm log")
        self._thread.start()

    def finish(self) -> None:
        """Wait until the work is done.

        Raises:
            Exception: what the work raises, each time that this is called until it succeeds.
        """
        self.settle()
        if self._work is not None:
            self._work()
            self._work = None

    def settle(self) -> None:
        """Wait until nothing is being done, whether it succeeded or not."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _try(self) -> None:
        assert self._work is not None
        # What went wrong comes up again where it can be told, in ``finish``.
        with suppress(Exception):
            self._work()
            self._work = None
