"""Groups of users: who is served less."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, TextArray
from recsim_llm.core.checked_columns import as_column, as_numbers, check_number, check_whole_number
from recsim_llm.statistics import CONFIDENCE, Estimate, mean_estimate

__all__ = ["LEAST_USERS", "GroupGap", "group_gap", "shares_below", "terciles"]


LEAST_USERS = 10
"""Users that a group must have for its mean to be compared."""


@dataclass(frozen=True, kw_only=True)
class GroupGap:
    """How differently groups of users fare."""

    gap: Estimate
    """Highest group mean less the lowest, in the unit of the measure; the interval is that of the difference of these two
    groups and holds for all pairs of groups together (Bonferroni), so picking the widest pair is paid for. It excludes 0
    where the groups can be told apart. None: fewer than two groups."""
    highest: str | None
    """Group with the highest mean."""
    lowest: str | None
    """Group with the lowest mean: the worst group."""
    worst: Estimate
    """Mean of the worst group; the interval holds for all groups together (Bonferroni), so picking the worst is paid for."""
    means: Mapping[str, Estimate]
    """Mean by group, groups sorted by name."""
    left_out: int
    """Users in no group, or in one of fewer than ``LEAST_USERS``."""


def terciles(values: npt.ArrayLike) -> TextArray:
    """Return str [u]: ``low``, ``middle`` or ``high``, cut at one and two thirds of the users; equal values stay together.

    What counts is the share of users below a value plus half the share of those who have it.

    Args:
        values: [u], for instance a trait; None is returned for everyone where all are equal.

    Raises:
        DataError: a value is not finite.
    """
    share = shares_below(values)
    labels = np.full(len(share), None, object)
    if len(share) and np.ptp(share) > 0.0:
        labels[:] = "middle"
        labels[share < 1 / 3] = "low"
        labels[share >= 2 / 3] = "high"
    return labels


def shares_below(values: npt.ArrayLike) -> DoubleArray:
    """Return float64 [u], 0 to 1: the share of users below each one's value plus half the share of those who have it.

    Args:
        values: [u], for instance a trait.

    Raises:
        DataError: a value is not finite.
    """
    values = as_numbers("values", values, ("users",))
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    share: DoubleArray = ((count.cumsum() - count / 2.0) / max(len(place), 1))[place]
    return share


def group_gap(
    values: DoubleArray, groups: TextArray, *, least_users: int = LEAST_USERS, confidence: float = CONFIDENCE
) -> GroupGap:
    """Compare the means of groups of users.

    Intervals of differences are Welch's (1947, *Biometrika* 34), with the Welch-Satterthwaite degrees of freedom.

    Args:
        values: float64 [u], what each user got; users with NaN do not count.
        groups: str [u], None where unknown; fixed before the run.
        least_users: smaller groups are left out.
        confidence: that the intervals of all pairs hold together, 0 to 1.

    Raises:
        ConfigError: a setting cannot work.
        DataError: values and groups differ in length, or a value is infinite.
    """
    check_number("confidence", confidence, above=0.0, below=1.0)
    check_whole_number("least_users", least_users, least=1)
    values = as_numbers("values", values, ("users",), unknown=True)
    groups = np.array([None if label is None else str(label) for label in as_column("groups", groups, values.shape)], object)
    known = np.array([label is not None for label in groups], np.bool_) & ~np.isnan(values)
    names, number = np.unique(groups[known].astype(str), return_inverse=True)
    parts = {str(name): values[known][number == place] for place, name in enumerate(names)}
    parts = {name: part for name, part in parts.items() if len(part) >= least_users}
    means = {name: mean_estimate(part) for name, part in parts.items()}
    users = sum(map(len, parts.values()))
    left_out = int((~np.isnan(values)).sum()) - users
    if len(parts) < 2:
        nothing = Estimate(value=None, users=users)
        return GroupGap(gap=nothing, highest=None, lowest=None, worst=nothing, means=means, left_out=left_out)
    highest = max(parts, key=lambda name: parts[name].mean())
    lowest = min(parts, key=lambda name: parts[name].mean())
    pairs = len(list(combinations(parts, 2)))
    gap = _welch(parts[highest], parts[lowest], 1.0 - (1.0 - confidence) / pairs)
    worst = mean_estimate(parts[lowest], confidence=1.0 - (1.0 - confidence) / len(parts))
    return GroupGap(gap=gap, highest=highest, lowest=lowest, worst=worst, means=means, left_out=left_out)


def _welch(one: DoubleArray, other: DoubleArray, confidence: float) -> Estimate:
    from scipy.special import stdtrit

    difference, users = float(one.mean() - other.mean()), len(one) + len(other)
    errors = np.array([part.var(ddof=1) / len(part) if len(part) > 1 else np.nan for part in (one, other)])
    if not errors.sum() > 0.0:
        return Estimate(value=difference, users=users)
    degrees = errors.sum() ** 2 / (errors**2 / (np.array([len(one), len(other)]) - 1)).sum()
    reach = float(stdtrit(degrees, 0.5 + confidence / 2.0) * np.sqrt(errors.sum()))
    return Estimate(value=difference, low=difference - reach, high=difference + reach, users=users)
