"""Which place of a server a prompt is read in, where each place keeps the last prompt that it read (slots of llama.cpp)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from recsim_llm.language.base.wire import Message

__all__ = ["SlotPins"]


class SlotPins:
    """Sends questions about one prompt to one slot, so that it is read once and not once a slot.

    A prompt goes where it is read already; else to the idle slot whose last prompt begins most like it, which is that of the
    same user's page before; else to the one with the fewest calls. Which one changes the time that a call takes, and nothing
    else but the last bits of its numbers.

    Args:
        slots: of the server, 1 or more.
    """

    def __init__(self, slots: int) -> None:
        self._calls = [0] * slots
        self._prompts: list[tuple[Message, ...]] = [()] * slots

    @contextmanager
    def pin(self, messages: tuple[Message, ...]) -> Iterator[int]:
        """Return the slot for a call about a prompt, taken until the end of the block."""
        slot = self._find(messages)
        self._calls[slot] += 1
        self._prompts[slot] = messages
        try:
            yield slot
        finally:
            self._calls[slot] -= 1

    def _find(self, messages: tuple[Message, ...]) -> int:
        if messages in self._prompts:
            return self._prompts.index(messages)
        fewest = min(self._calls)
        free = [slot for slot, calls in enumerate(self._calls) if calls == fewest]
        return max(free, key=lambda slot: _common(messages, self._prompts[slot]))


def _common(one: Sequence[Message], other: Sequence[Message]) -> int:
    """Return how many characters two prompts begin with alike."""
    first, second = ("\0".join(message.content for message in prompt) for prompt in (one, other))
    different = (place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1])
    return next(different, min(len(first), len(second)))
