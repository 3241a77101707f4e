"""Results by group of users: what the mean over everybody hides.

Every group gets the t interval of its own paired differences at ``1 - (1 - confidence) / groups``, so that all intervals hold
together (Bonferroni; Dunn 1961, *JASA* 56). The group with the lowest mean is found by looking, and of many
groups that are all alike one is always lowest; it is named only if its interval lies below everybody else's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.core.checked_columns import as_labels
from recsim_llm.errors import DataError
from recsim_llm.statistics.effects import Effect, check_share, mean_effect, rows_of_users
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["Groups", "group_effects"]


@dataclass(frozen=True, kw_only=True)
class Groups:
    """One arm minus another by group of users."""

    names: tuple[str, ...]
    """The groups, in sorted order."""
    effects: tuple[Effect, ...]
    """By group: mean of the users' differences; the intervals hold all together, the p values are each group's alone."""
    confidence: float
    """That all intervals hold together, 0 to 1."""
    worst: str | None
    """The group that gains least or loses most, if its interval lies wholly below that of every other group; else None."""
    harmed: tuple[str, ...]
    """Groups whose interval lies wholly below 0: the one arm gives them less than the other."""


def group_effects(one: npt.ArrayLike, other: npt.ArrayLike, groups: npt.ArrayLike, *, confidence: float = CONFIDENCE) -> Groups:
    """Compare two arms within each group of users.

    Args:
        one: [n], what each user gave the one arm; more is better (turn the signs round where less is).
        other: [n], what the same users gave the other.
        groups: [n], label of each user's group, fixed before the run.
        confidence: that all intervals hold together, 0 to 1.

    Raises:
        DataError: the columns differ in length, hold a number that is not finite, or are empty.
    """
    check_share("confidence", confidence)
    first, second = rows_of_users("paired outcomes", one, other)
    labels = as_labels("groups", groups, first.shape)
    if not len(first):
        raise DataError("groups: got no users, expected 1 or more; compare without groups")
    unique, number = np.unique(labels, return_inverse=True)
    single = 1.0 - (1.0 - confidence) / len(unique)
    difference = first - second
    effects = tuple(
        mean_effect(difference[number == place], confidence=single, method="paired t, Bonferroni")
        for place in range(len(unique))
    )
    names = tuple(str(label) for label in unique)
    return Groups(
        names=names,
        effects=effects,
        confidence=confidence,
        worst=_worst(names, effects),
        harmed=tuple(
            name for name, effect in zip(names, effects, strict=True) if effect.high is not None and effect.high < 0.0
        ),
    )


def _worst(names: tuple[str, ...], effects: tuple[Effect, ...]) -> str | None:
    # A group without an interval could be anywhere, so nobody can be called worst beside it.
    ends = [(effect.high, effect.low) for effect in effects if effect.high is not None and effect.low is not None]
    if len(ends) < len(effects) or len(ends) < 2:
        return None
    lowest = min(range(len(ends)), key=lambda place: ends[place][0])
    rest = [low for place, (_, low) in enumerate(ends) if place != lowest]
    return names[lowest] if ends[lowest][0] < min(rest) else None
