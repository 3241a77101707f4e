"""Waiting for many replies at once: what futures do, for a tenth of their objects.

A ``concurrent.futures.Future`` is a dozen objects that the garbage collector walks through. Whoever asks and waits has no use
for them: one event and one seat an ask are enough.
"""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from typing import Generic, Protocol, TypeVar

from recsim_llm.errors import ModelReplyError

__all__ = ["Batch", "Seat", "Waiter", "unraised"]

Outcome = TypeVar("Outcome")
Given = TypeVar("Given", contravariant=True)


class Waiter(Protocol[Given]):
    """What is told how an ask ended: a ``Seat`` or a ``concurrent.futures.Future``."""

    def set_running_or_notify_cancel(self) -> bool:
        """Return whether anybody still waits."""

    def set_result(self, result: Given, /) -> None:
        """Tell the reply."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Tell the error."""


class Seat(Generic[Outcome]):
    """The place of one ask in a batch."""

    __slots__ = ("_batch", "error", "result")

    def __init__(self, batch: Batch[Outcome]) -> None:
        self._batch = batch
        self.result: Outcome | None = None
        self.error: BaseException | None = None

    def set_running_or_notify_cancel(self) -> bool:
        """Return True: nobody leaves before the whole batch is given up."""
        return True

    def set_result(self, result: Outcome) -> None:
        """Take the reply."""
        self.result = result
        self._batch.fill()

    def set_exception(self, exception: BaseException) -> None:
        """Take the error."""
        self.error = exception
        self._batch.fill()


class Batch(Generic[Outcome]):
    """Asks whose replies are awaited together; seats are filled by one thread and awaited by another.

    Args:
        size: number of asks.
    """

    def __init__(self, size: int) -> None:
        self.seats: list[Seat[Outcome]] = [Seat(self) for _ in range(size)]
        self._empty, self._done = size, threading.Event()
        if not size:
            self._done.set()

    def fill(self) -> None:
        """Count a seat that was filled."""
        self._empty -= 1
        if not self._empty:
            self._done.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until every seat is filled, or for ``timeout`` seconds."""
        self._done.wait(timeout)

    def results(self) -> list[Outcome]:
        """Return every result in order, or raise the first error."""
        results: list[Outcome] = []
        for seat in self.seats:
            if seat.error is not None:
                raise seat.error
            if seat.result is not None:
                results.append(seat.result)
        return results


def unraised(future: Future[Outcome]) -> Future[Outcome | ModelReplyError]:
    """Return a future to which a reply that cannot be read is a result; it raises all else that the given one raises."""
    told: Future[Outcome | ModelReplyError] = Future()

    def tell(ended: Future[Outcome]) -> None:
        error = CancelledError() if ended.cancelled() else ended.exception()
        if error is None:
            told.set_result(ended.result())
        elif isinstance(error, ModelReplyError):
            told.set_result(error)
        else:
            told.set_exception(error)

    future.add_done_callback(tell)
    return told
