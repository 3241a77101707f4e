"""Bursts of calls: how many at once a server takes, and how many are worth it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from recsim_llm.errors import BackendError, ConfigError
from recsim_llm.language.base.wire import RawReply

__all__ = ["Clock", "find_concurrency", "together"]

Clock = Callable[[], float]
"""Returns the seconds of a steady clock."""

_BURST_SECONDS = 20.0
_RISE = 1.2


async def find_concurrency(
    send: Callable[[], Awaitable[None]], most: int, *, clock: Clock = time.perf_counter, seconds: float = _BURST_SECONDS
) -> tuple[int, str, str]:
    """Send bursts of 1, 2, 4, … calls at once until a call is turned away or two bursts bring no fifth more throughput.

    Args:
        send: sends one short call; raises ``BackendError`` where it fails.
        most: size of the largest burst.
        clock: seconds of a steady clock.
        seconds: after which no more is tried.

    Returns:
        Calls at once that are worth it, the finding's answer, and its evidence.
    """
    if most < 1:
        raise ConfigError(f"probe: got at most {most} calls at once, expected 1 or more")
    begun, size, worth, best, flat = clock(), 1, 1, 0.0, 0
    seconds = min(seconds, _BURST_SECONDS)
    while size <= most and flat < 2 and clock() - begun < seconds:
        started = clock()
        try:
            async with asyncio.timeout(seconds - (started - begun)):
                results = await asyncio.gather(*[send() for _ in range(size)], return_exceptions=True)
        except TimeoutError:
            break
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed:
            return _broken_burst(failed, size, worth)
        rate = size / max(clock() - started, 1e-9)
        rises = rate >= _RISE * best
        worth, best, flat = (size, rate, 0) if rises else (worth, best, flat + 1)
        size *= 2
    end = "more at once bring less than a fifth more" if flat else "more were not tried"
    return worth, "yes", f"{best:.0f} calls a second at {worth} at once; {end}"


async def together(sends: list[Awaitable[RawReply]]) -> list[RawReply]:
    """Return all replies; wait for all, also after a failure, so that nothing runs on unseen."""
    results = await asyncio.gather(*sends, return_exceptions=True)
    replies = [result for result in results if isinstance(result, RawReply)]
    failed = next((result for result in results if isinstance(result, BaseException)), None)
    if failed is not None:
        raise failed
    return replies


def _broken_burst(failed: list[BaseException], size: int, worth: int) -> tuple[int, str, str]:
    unexpected = next((error for error in failed if not isinstance(error, BackendError)), None)
    if unexpected is not None:
        raise unexpected
    first = next(error for error in failed if isinstance(error, BackendError))
    seen = f"{len(failed)} of {size} calls at once failed: {first}"
    if size == 1:
        raise first
    return worth, "yes", f"up to {worth} at once; {seen}"
