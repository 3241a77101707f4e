"""Pages that are with a language model, and how they tell that they were answered."""

from __future__ import annotations

from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import Reply

__all__ = ["Asked", "AskedPage", "Tell"]


class AskedPage(NamedTuple):
    """One page of one user, in Python's own numbers."""

    user: int
    visit: int
    page: int
    items: tuple[int, ...]
    friends: tuple[int, ...] = ()
    """By position: id of the friend who liked the item, -1 for none; empty where nobody has friends."""
    written: tuple[tuple[str, str], ...] = ()
    """By position: explanation and title of the recommender's own, empty where there is none; empty where nothing is read."""
    query: str = ""
    """What the user typed and the page answers; empty where it answers nothing."""


class Asked(NamedTuple):
    """A page that was put to the model."""

    page: AskedPage
    order: tuple[int, ...]
    """Positions in the order in which they were presented."""
    dropped: int
    """Memories that did not fit."""
    reply: Future[Reply]


class Tell:
    """Puts a page into the queue of those that ended, whichever way; called by the model's thread."""

    def __init__(self, queue: SimpleQueue[tuple[int, Asked]], row: int, asked: Asked) -> None:
        self._queue, self._ended = queue, (row, asked)

    def __call__(self, reply: Future[Reply]) -> None:  # noqa: ARG002 (a callback's signature)
        """Take the end of the request; whatever came of it is looked up later."""
        self._queue.put(self._ended)
