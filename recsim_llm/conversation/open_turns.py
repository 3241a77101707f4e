"""Turns of dialogues that wait for language models, each going on by itself as soon as it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.conversation.conversational import ActsBegun
from recsim_llm.conversation.dialogue_turns import Prepared
from recsim_llm.core.arrays import IntArray

__all__ = ["Choosing", "OpenTurns"]


class Choosing(NamedTuple):
    """Dialogues in which it is the policy's turn."""

    rows: IntArray
    """int64 [m]: of the dialogues."""
    begun: ActsBegun
    """What the policy works on, in the same order."""


class OpenTurns:
    """What dialogues wait for: a user's answer to an act, or an act of the policy; one thing each."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[Prepared | Choosing, int, Future[Any]]] = {}
        self._ended: SimpleQueue[int] = SimpleQueue()

    def __len__(self) -> int:
        """Return how many dialogues wait."""
        return len(self._open)

    def add(self, turn: Prepared | Choosing, replies: Sequence[Future[Any]]) -> None:
        """Let the dialogues of a turn wait for a reply each, [m] in the order of its rows."""
        for place, (row, reply) in enumerate(zip(turn.rows.tolist(), replies, strict=True)):
            self._open[row] = turn, place, reply
            reply.add_done_callback(partial(self._note, row))

    def collect(self) -> list[tuple[Prepared | Choosing, IntArray]]:
        """Wait until at least one dialogue need not wait any more, and forget those that need not.

        Returns:
            Turns, each with the places int64 [t], ascending, of those of its dialogues that go on.

        Raises:
            RecSimError: a model failed; raised after all that is waited for has ended.
        """
        rows = [self._ended.get()]
        while not self._ended.empty():
            rows.append(self._ended.get())
        ready: dict[int, tuple[Prepared | Choosing, list[int]]] = {}
        for row in sorted(rows):
            turn, place, reply = self._open[row]
            if reply.exception() is not None:
                wait([other for _, _, other in self._open.values()])
                reply.result()
            ready.setdefault(id(turn), (turn, []))[1].append(place)
        for row in rows:
            del self._open[row]
        return [(turn, np.sort(np.array(places, np.int64))) for turn, places in ready.values()]

    def _note(self, row: int, _: Future[Any]) -> None:
        self._ended.put(row)
