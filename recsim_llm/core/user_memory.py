"""What the memory of a batch of users is to those who play them: it takes in what happens, and says what comes to mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.pages import Rows

__all__ = ["Rendered", "UserMemory"]


@dataclass(frozen=True, eq=False, slots=True)
class Rendered:
    """What a user has in mind, as lines ``- text`` for a prompt; empty where there is nothing."""

    consolidated: str
    """What holds for long, such as facts and the latest reflection: best the same bytes for any query, so that servers can
    reuse what they computed of it."""
    recent: str
    """Memories recalled for the query, in the order in which they were made."""
    dropped: int
    """Lines that were left out, for want of tokens."""
    index: IntArray
    """int64 [r]: numbers of the memories in ``recent``, by which ``touch`` knows them again."""
    time: npt.NDArray[np.float64]
    """float64 [r]: when they were made; ``now - time`` is how old they are."""
    outdated: int = 0
    """Facts shown, in either part, in whose place a later one with the same key was stated."""


class UserMemory(Protocol):
    """The memories of a batch of users, one row each. What comes of a row depends on that row's own memories alone.

    Time is each user's own: pages lived so far, below 0 for what was before the first page. Texts are lines that are safe to
    show to a model as they are. A copy by ``copy.deepcopy`` shares no memories with the original.
    """

    def allocate(self, rows: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""

    def forget(self, rows: Rows) -> None:
        """Forget everything about the given rows: their users come for the first time."""

    def remember(
        self,
        row: npt.ArrayLike,
        time: npt.ArrayLike,
        texts: Sequence[str],
        *,
        importance: npt.ArrayLike,
        valence: npt.ArrayLike,
        topics: npt.ArrayLike | None = None,
        stars: npt.ArrayLike | None = None,
        only_evidence: npt.ArrayLike = False,
    ) -> None:
        """Take in observations, in the order given.

        Args:
            row: int [n]: whose they are; a row may come several times.
            time: float [n] or one number.
            texts: n texts of one line each.
            importance: [n] or one number, 0 to 1.
            valence: [n] or one number, -1 (bad) to 1 (good).
            topics: bool [n, topics]: what they are evidence on.
            stars: [n] or one number: rating given; NaN where none was.
            only_evidence: bool [n] or one: never to be recalled, since a prompt tells it anyway; counts for what is made of it.
        """

    def state_fact(
        self, row: npt.ArrayLike, time: npt.ArrayLike, texts: Sequence[str], keys: Sequence[str] | None = None
    ) -> None:
        """Take in facts: statements that hold until another one of the same row with the same key is stated.

        Args:
            row: int [n]: whose they are; a row may come several times.
            time: float [n] or one number.
            texts: n texts of one line each.
            keys: what each fact is about; None: its text.
        """

    def settle(self, row: IntArray, now: npt.NDArray[np.floating]) -> None:
        """Make something of what has come together, such as a reflection; called after each page of these rows.

        Args:
            row: int64 [m]: different rows.
            now: float [m].
        """

    def render(
        self, row: npt.ArrayLike, queries: Sequence[str], now: npt.ArrayLike, budget_tokens: int, *, touch: bool = True
    ) -> list[Rendered]:
        """Return what each user has in mind as lines for a prompt.

        Args:
            row: int [m]: different rows.
            queries: m texts to recall for, such as what stands on a page.
            now: float [m] or one number.
            budget_tokens: most tokens of both parts together, as ``estimate_tokens`` counts them.
            touch: what is recalled counts as recalled; False changes nothing and leaves it to ``touch``.
        """
        ...

    def touch(self, row: int, index: IntArray, now: float) -> None:
        """Note that memories of one row came to mind.

        Args:
            row: whose they are.
            index: int64 [r]: from ``Rendered.index``; nothing was settled in between.
            now: pages lived.
        """

    def lines(self, row: int) -> list[str]:
        """Return all that one row still has in memory, a line each, for a person to read; what was forgotten is not in it."""
        ...
