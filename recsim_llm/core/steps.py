"""Steps of simulated time, for those who read a run as well as for those who play it."""

from __future__ import annotations

from math import ceil

__all__ = ["never_begins"]

_HOURS = 24


def never_begins(at: float, *, days: int, step: str) -> bool:
    """Tell whether what begins at a time begins with no step of a run: within a step nothing changes.

    Args:
        at: days since the beginning.
        days: length of the run.
        step: ``day`` or ``hour``.
    """
    hours = _HOURS if step == "day" else 1
    # Rounded, since an hour is no exact part of a day: day 3 hour 17 is 3.7083….
    return ceil(round(at * _HOURS, 6) / hours) * hours >= days * _HOURS
