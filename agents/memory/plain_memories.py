"""Memories to compare with: the last few things that happened, and nothing at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.memory.inputs import check_numbers, check_rows
from recsim_llm.agents.memory.memory_kinds import MemoryParts
from recsim_llm.agents.memory.memory_text import BULLET, fit
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.pages import Rows
from recsim_llm.core.user_memory import Rendered
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.tokens import estimate_tokens

__all__ = ["NoMemory", "WindowMemory"]


class _Line(NamedTuple):
    time: float
    text: str
    key: str | None
    """Of a fact."""


class WindowMemory:
    """The last things that happened and nothing else: facts are told and pass like everything, nothing is made of anything.

    This is what a prompt that holds the latest part of a conversation remembers.

    Args:
        parts: not used.
        observations: most things that are remembered.

    Raises:
        ConfigError: ``observations`` is no whole number of 1 or more.
    """

    def __init__(self, parts: MemoryParts, *, observations: int = 20) -> None:  # noqa: ARG002 (every kind gets them)
        if isinstance(observations, bool) or not isinstance(observations, int) or observations < 1:
            raise ConfigError(f"memory window, observations: got {observations!r}, expected a whole number of 1 or more")
        self._most = observations
        self.allocate(0)

    def allocate(self, rows: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        self._held: list[deque[_Line]] = [deque(maxlen=self._most) for _ in range(rows)]

    def forget(self, rows: Rows) -> None:
        """Forget everything about the given rows."""
        for row in np.arange(len(self._held))[rows].tolist():
            self._held[row].clear()

    def remember(
        self,
        row: npt.ArrayLike,
        time: npt.ArrayLike,
        texts: Sequence[str],
        *,
        importance: npt.ArrayLike,  # noqa: ARG002
        valence: npt.ArrayLike,  # noqa: ARG002
        topics: npt.ArrayLike | None = None,  # noqa: ARG002
        stars: npt.ArrayLike | None = None,  # noqa: ARG002
        only_evidence: npt.ArrayLike = False,
    ) -> None:
        """Add observations but those that are evidence alone; of what they are evidence does not count."""
        silent = np.broadcast_to(np.asarray(only_evidence, np.bool_), len(texts))
        told = np.flatnonzero(~silent)
        times = np.broadcast_to(np.asarray(time, np.float64), len(texts))
        self._add(np.asarray(row)[told], times[told], [texts[place] for place in told.tolist()], [None] * len(told))

    def state_fact(
        self, row: npt.ArrayLike, time: npt.ArrayLike, texts: Sequence[str], keys: Sequence[str] | None = None
    ) -> None:
        """Add facts, which pass as everything does."""
        self._add(row, time, texts, list(texts if keys is None else keys))

    def settle(self, row: IntArray, now: npt.NDArray[np.floating]) -> None:
        """Make nothing of it."""

    def render(
        self,
        row: npt.ArrayLike,
        queries: Sequence[str],
        now: npt.ArrayLike,  # noqa: ARG002
        budget_tokens: int,
        *,
        touch: bool = True,  # noqa: ARG002
    ) -> list[Rendered]:
        """Return the last things, as many as fit, whatever they are recalled for."""
        return [self._render(owner, budget_tokens) for owner in check_rows(row, len(self._held), queries).tolist()]

    def touch(self, row: int, index: IntArray, now: float) -> None:
        """Do nothing: what comes to mind does not stay longer."""

    def lines(self, row: int) -> list[str]:
        """Return what one row remembers, oldest first."""
        return [line.text for line in self._held[row]]

    def _add(self, row: npt.ArrayLike, time: npt.ArrayLike, texts: Sequence[str], keys: Sequence[str | None]) -> None:
        rows = check_rows(row, len(self._held), texts).tolist()
        times = check_numbers("time", time, len(rows)).tolist()
        for owner, moment, text, key in zip(rows, times, texts, keys, strict=True):
            self._held[owner].append(_Line(moment, text, key))

    def _render(self, row: int, budget: int) -> Rendered:
        held = list(self._held[row])
        fitting = fit([estimate_tokens(line.text) for line in held[::-1]], budget)
        shown = np.array(sorted(len(held) - 1 - place for place in fitting), np.int64)
        latest = {line.key: place for place, line in enumerate(held)}
        told = [held[place] for place in shown.tolist()]
        outdated = sum(
            line.key is not None and latest[line.key] != place for place, line in zip(shown.tolist(), told, strict=True)
        )
        lines = "\n".join(f"{BULLET}{line.text}" for line in told)
        return Rendered("", lines, len(held) - len(shown), shown, np.array([line.time for line in told]), outdated)


class NoMemory:
    """Users who remember nothing: every page is their first.

    Args:
        parts: not used.
    """

    def __init__(self, parts: MemoryParts) -> None:  # noqa: ARG002 (every kind gets them)
        self.allocate(0)

    def allocate(self, rows: int) -> None:
        """Note how many users there are."""
        self._rows = rows

    def forget(self, rows: Rows) -> None:
        """Do nothing."""

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
        """Do nothing."""

    def state_fact(
        self, row: npt.ArrayLike, time: npt.ArrayLike, texts: Sequence[str], keys: Sequence[str] | None = None
    ) -> None:
        """Do nothing; ``LanguageUsers`` refuses facts where there is no memory."""

    def settle(self, row: IntArray, now: npt.NDArray[np.floating]) -> None:
        """Do nothing."""

    def render(
        self,
        row: npt.ArrayLike,
        queries: Sequence[str],
        now: npt.ArrayLike,  # noqa: ARG002
        budget_tokens: int,  # noqa: ARG002
        *,
        touch: bool = True,  # noqa: ARG002
    ) -> list[Rendered]:
        """Return that nothing comes to mind."""
        rows = check_rows(row, self._rows, queries)
        return [Rendered("", "", 0, np.zeros(0, np.int64), np.zeros(0)) for _ in rows]

    def touch(self, row: int, index: IntArray, now: float) -> None:
        """Do nothing."""

    def lines(self, row: int) -> list[str]:  # noqa: ARG002
        """Return nothing."""
        return []
