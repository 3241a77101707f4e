"""How many calls may be in flight: few at first, more while all goes well, half when the provider is overloaded.

Additive increase, multiplicative decrease (Chiu and Jain 1989) with the slow start of TCP (Jacobson 1988), counted in replies
and not in time: nothing here reads a clock, except to wait as long as a provider asks.
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush

from recsim_llm.errors import BackendError, ConfigError

__all__ = ["AdaptiveLimiter"]

_OVERLOAD = ("rate_limit", "overloaded")


class AdaptiveLimiter:
    """Hands out slots, to the most urgent first and else in the order of asking; all of it on one event loop.

    Until the first overload each answer adds a slot, so they double in a round trip; afterwards a full window of answers adds
    one. An overload halves them, once for all calls that were on their way at that time. Slots are added only while all are
    taken.

    Args:
        start: slots at first.
        most: slots at most.
        longest_pause: seconds that a provider may ask to wait; a longer wait is an error.
    """

    def __init__(self, start: int, most: int, *, longest_pause: float = 60.0) -> None:
        if not 1 <= start <= most:
            raise ConfigError(f"limiter: got {start} slots at first and {most} at most, expected 1 <= first <= most")
        self.most, self.longest_pause = most, longest_pause
        self._slots, self._in_flight = start, 0
        self._slow_start, self._answered = True, 0
        self._tickets, self._halved_at = 0, 0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._asked = 0
        self._pause: asyncio.TimerHandle | None = None

    @property
    def concurrency(self) -> int:
        """Slots that there are now."""
        return self._slots

    @property
    def in_flight(self) -> int:
        """Slots that are taken."""
        return self._in_flight

    async def acquire(self, urgency: float = 0.0) -> int:
        """Wait for a slot and for the end of any pause; return a ticket for ``release``.

        Args:
            urgency: who has more of it goes first.
        """
        if self._waiting or self._pause is not None or self._in_flight >= self._slots:
            await self._wait(urgency)
        else:
            self._in_flight += 1
        self._tickets += 1
        return self._tickets

    def release(self, ticket: int, error: BackendError | None = None, *, answered: bool = True) -> None:
        """Give a slot back.

        Args:
            ticket: what ``acquire`` returned.
            error: how the call failed; an overload halves the slots, a ``retry_after`` makes all wait.
            answered: False: no call was made, or it was broken off; that says nothing about the provider.

        Raises:
            BackendError: the provider asks to wait for longer than ``longest_pause``.
        """
        if error is not None:
            if error.cause in _OVERLOAD and ticket > self._halved_at:
                self._halve()
        elif answered and self._in_flight >= self._slots:
            self._grow()
        self._in_flight -= 1
        try:
            if error is not None and error.retry_after:
                self._pause_for(error, error.retry_after)
        finally:
            self._admit()

    def _halve(self) -> None:
        self._slots = max(1, self._slots // 2)
        self._slow_start, self._answered, self._halved_at = False, 0, self._tickets

    def _grow(self) -> None:
        self._answered += 1
        if self._slots < self.most and (self._slow_start or self._answered >= self._slots):
            self._slots += 1
            self._answered = 0

    def _pause_for(self, error: BackendError, seconds: float) -> None:
        if seconds > self.longest_pause:
            text = (
                f"{error}; the provider asks to wait {seconds:g} s, at most {self.longest_pause:g} s are waited; resume later"
            )
            raise BackendError(error.cause, text, retryable=False, retry_after=seconds, status=error.status) from error
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if self._pause is None or self._pause.when() < until:
            self._cancel_pause()
            self._pause = loop.call_at(until, self._end_pause)

    def _cancel_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _end_pause(self) -> None:
        self._pause = None
        self._admit()

    async def _wait(self, urgency: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._asked += 1
        heappush(self._waiting, (-urgency, self._asked, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._in_flight -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and self._pause is None and self._in_flight < self._slots:
            _, _, turn = heappop(self._waiting)
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)
