"""Arms that know the users, and what it means where another arm beats them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from recsim_llm.comparison.outcomes import ORACLE, PLANNER
from recsim_llm.statistics import Estimate

__all__ = ["Beaten", "find_beaten"]


class Beaten(NamedTuple):
    """A ceiling that an arm is above, beyond chance."""

    arm: str
    """The arm."""
    ceiling: str
    """``planner`` or ``oracle``."""
    metric: str
    """Key of the metric."""
    by: Estimate
    """How much more the arm got."""


def find_beaten(rows: Iterable[Beaten], *, planned: str | None) -> tuple[Beaten, ...]:
    """Return the ceilings that are beaten, those of the planner first.

    The planner is a ceiling for what the scenario rewards, the oracle for clicks. That the planner beats the oracle is as it
    should be.

    Args:
        rows: every arm's difference from every ceiling of the run, on one metric or several.
        planned: key of the metric that the planner planned for; None where it is not known.
    """
    metric = {PLANNER: planned, ORACLE: "clicks_per_user"}
    above = [row for row in rows if row.metric == metric[row.ceiling] and row.by.low is not None and row.by.low > 0.0]
    real = [row for row in above if row.arm != PLANNER]
    return tuple(sorted(real, key=lambda row: (row.ceiling != PLANNER, -(row.by.value or 0.0))))
