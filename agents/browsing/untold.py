"""What a log does not tell, said so."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Untold"]


@dataclass(frozen=True)
class Untold:
    """Stands where a fit would."""

    why: str
    """For a person, without a full stop."""
