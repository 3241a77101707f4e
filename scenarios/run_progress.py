"""How far a run is, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from recsim_llm.language.calls.meter import Meter

__all__ = ["Progress", "Report"]


class Progress(NamedTuple):
    """How far a run is."""

    arm: str
    """The arm that is being served."""
    arm_number: int
    """Its position, from 0."""
    arms: int
    """How many there are."""
    users: int
    """Users still browsing."""
    everyone: int
    """Users of the arm."""
    pages: int
    """Pages served by this arm."""
    clicks: int
    """Clicks on them."""
    share: float
    """Share of the arm's page budget that has been offered, 0 to 1."""
    spent: Meter | None
    """What the language models have used so far; None without them."""


Report = Callable[[Progress], None]
