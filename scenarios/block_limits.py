"""One limit over all blocks of a comparison, each of which is a run with calls of its own."""

from __future__ import annotations

import time
from pathlib import Path

from recsim_llm.language.base.settings import LimitSettings
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.calls.store import Paid, read_paid

__all__ = ["SHARED", "BlockLimits"]

SHARED = ("calls", "tokens", "cost", "seconds")
"""Limits that hold for all blocks together; a user is in one block alone, with the limit on calls about it."""


class BlockLimits:
    """What the limits of a comparison leave to each of its blocks, which are served one after the other.

    Args:
        limits: of all blocks together.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits.model_dump(exclude_none=True)
        self._started = time.monotonic()
        self._paid: dict[Path, Paid] = {}

    def finish(self, block: Path) -> None:
        """Count what a block has used up, which asks nothing more from here on; one that was counted is not counted again."""
        calls = block / FILE_NAME
        if block not in self._paid and calls.is_file():
            self._paid[block] = read_paid(calls)

    def left(self, block: Path) -> dict[str, float]:
        """Return what a block may use up, what it did before included, by name; no limit is below 0.

        Args:
            block: the run folder, finished or not.
        """
        others = [paid for folder, paid in self._paid.items() if folder != block]
        used: dict[str, float] = {name: sum(getattr(paid, name) for paid in others) for name in ("calls", "tokens", "cost")}
        used["seconds"] = time.monotonic() - self._started
        return {name: max(allowed - used.get(name, 0), 0) for name, allowed in self._limits.items()}
