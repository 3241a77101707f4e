"""One call at a time about one prompt, for servers that keep prompts in several places (slots of llama.cpp)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from recsim_llm.language.base.wire import Message

__all__ = ["PromptTurns"]


class PromptTurns:
    """Has questions about one prompt wait for each other, so that it is read once and not once a slot.

    A server like llama.cpp sends a call to the idle slot whose last prompt begins most like it: that of the question before,
    once that one has ended. The slot is never named (``id_slot``): llama.cpp (October 2026) exchanges the keys and values of a
    named slot before it looks whether the slot is busy, and the call that is under way there goes on from another prompt.
    """

    def __init__(self) -> None:
        self._turns: dict[tuple[Message, ...], tuple[asyncio.Lock, list[object]]] = {}

    @asynccontextmanager
    async def turn(self, messages: tuple[Message, ...]) -> AsyncIterator[None]:
        """Wait until no other call about a prompt is under way; it is this call's turn until the end of the block."""
        lock, callers = self._turns.setdefault(messages, (asyncio.Lock(), []))
        callers.append(messages)
        try:
            async with lock:
                yield
        finally:
            callers.pop()
            if not callers:
                del self._turns[messages]
