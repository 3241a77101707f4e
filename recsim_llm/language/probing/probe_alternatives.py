"""How many alternatives of a token a server lets one ask for: some refuse more than 5, some refuse any."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Protocol

from recsim_llm.errors import BackendError
from recsim_llm.language.backends.http_backend import HttpBackend
from recsim_llm.language.base.wire import Abilities, Backend, Call, RawReply

__all__ = ["MOST_ALTERNATIVES", "Send", "find_most_alternatives"]

MOST_ALTERNATIVES = Abilities(elicitations=()).alternatives
"""What is asked for first, and where the server was never probed."""

_FEWEST = 2


class Send(Protocol):
    """Sends a call to a backend, again after failures that pass."""

    def __call__(self, call: Call, backend: Backend | None = None) -> Awaitable[RawReply]:
        """Send a call; without a backend to the one that is probed."""
        ...


async def find_most_alternatives(send: Send, call: Call, backend: Backend) -> tuple[RawReply, int]:
    """Return a reply with log-probabilities, and the most alternatives of a token that the server lets one ask for.

    Args:
        send: sends a call.
        call: asks for log-probabilities.
        backend: where to; one that is no HTTP server has no such limit.

    Raises:
        BackendError: the server refuses even two alternatives, or fails otherwise.
    """
    try:
        return await send(call, backend), MOST_ALTERNATIVES
    except BackendError as error:
        if error.cause != "refused" or not isinstance(backend, HttpBackend):
            raise
        refusal = error
    reply: RawReply | None = None
    works, fails = _FEWEST - 1, MOST_ALTERNATIVES
    # The fewest first: where log-probabilities are refused as such, one more call shows it.
    tried = _FEWEST
    while fails - works > 1:
        known = backend.abilities or Abilities(elicitations=())
        capped = backend.with_abilities(replace(known, alternatives=tried, forced_alternatives=tried))
        try:
            reply, works = await send(call, capped), tried
        except BackendError as error:
            if error.cause != "refused":
                raise
            fails = tried
        finally:
            await capped.close()
        tried = (works + fails) // 2
    if reply is None:
        raise refusal.with_traceback(None)
    return reply, works
