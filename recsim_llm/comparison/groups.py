"""Differences by group of users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from recsim_llm.comparison.outcomes import Pair
from recsim_llm.comparison.results import PairGroups
from recsim_llm.statistics import group_effects

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["compare_groups"]


def compare_groups(
    pairs: Sequence[Pair], labels: npt.NDArray[np.str_], *, confidence: float
) -> tuple[tuple[PairGroups, ...], str | None]:
    """Compare every pair within each group of users.

    Args:
        pairs: on one metric, the primary one.
        labels: str [u]: group of each of the pairs' users.
        confidence: that all intervals of all pairs hold together, 0 to 1.

    Returns:
        The differences; or none, and why users could not be grouped.
    """
    names, sizes = np.unique(labels, return_counts=True)
    # Groups of every pair are looked at together, so all of them count.
    single = 1.0 - (1.0 - confidence) / len(pairs)
    rows = []
    for pair in pairs:
        columns = [np.zeros(len(labels)), np.zeros(len(labels))]
        for name in names:
            members = labels == name
            for column, side in zip(columns, (pair.one, pair.other), strict=True):
                values = side.values_of(members)
                if values is None:
                    return (), f"Users could not be grouped: {pair.metric.label.lower()} is undefined in group {name}."
                column[members] = values
        groups = group_effects(columns[0], columns[1], labels, confidence=single)
        rows.append(PairGroups(arm=pair.arm, against=pair.against, sizes=tuple(map(int, sizes)), groups=groups))
    return tuple(rows), None
