"""How many users clicked each item: exactly, or with differential privacy for every user.

Two logs are neighbours if one has all pages of one user more than the other. A release is epsilon-differentially private if
no set of outcomes is more than ``exp(epsilon)`` times as probable with one of them as with the other (Dwork & Roth 2014, *The
Algorithmic Foundations of Differential Privacy*, definition 2.4). A user counts once an item, and for at most ``C`` items,
drawn at random: so one user changes the counts by at most ``C`` in all, their L1 sensitivity. Each count gets noise of its own
with ``P(x)`` proportional to ``exp(-epsilon |x| / C)`` over the whole numbers: the Laplace mechanism (Dwork & Roth, definition
3.3 and theorem 3.6) in its form for counts, the geometric mechanism (Ghosh, Roughgarden & Sundararajan 2009, *Universally
Utility-maximizing Privacy Mechanisms*, STOC). Whole numbers carry no low bits that give the noise away (Mironov 2012, *On
Significance of the Least Significant Bits for Differential Privacy*, CCS).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.checked_columns import check_number, check_whole_number
from recsim_llm.exports.own_names import cell
from recsim_llm.exports.source import ExportSource

__all__ = ["COUNTS_FILE", "Privacy", "count_users", "geometric_noise", "write_counts"]

COUNTS_FILE = "counts.csv"
"""Name of the table of an arm."""


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """What a release may tell of any one user."""

    epsilon: float
    """Of the whole release, above 0: arms show the same users, and each gets an equal part (Dwork & Roth, corollary 3.15)."""
    most_items: int = 10
    """Items for which a user counts in an arm, at most."""

    def __post_init__(self) -> None:
        check_number("epsilon", self.epsilon, above=0.0)
        check_whole_number("most items", self.most_items, least=1)

    def scale(self, arms: int) -> float:
        """Return the scale of the noise of one count, in users, where so many arms are released."""
        return arms * self.most_items / self.epsilon


def write_counts(source: ExportSource, folder: Path, *, privacy: Privacy | None = None, arms: int = 1) -> dict[str, int]:
    """Write ``counts.csv`` (item_id, title, users): how many users clicked each item of the catalog.

    Args:
        source: an arm; nobody's name, words or pages are written.
        folder: of the arm.
        privacy: None counts exactly. Noisy counts can lie below 0: cut off there, they would be too large on average.
        arms: released together.

    Returns:
        The number of rows, which is that of the catalog whatever users did.
    """
    user, item = _clicks(source)
    items = len(source.catalog)
    counts = count_users(user, item, items, most_items=None if privacy is None else privacy.most_items)
    if privacy is not None:
        counts += geometric_noise(items, privacy.scale(arms))
    rows = zip(source.item_labels(source.catalog.item_id), source.catalog.title, counts.tolist(), strict=True)
    with (folder / COUNTS_FILE).open("w", encoding="utf-8", newline="") as stream:
        for row in (("item_id", "title", "users"), *rows):
            stream.write(",".join(cell(value) for value in row) + "\n")
    return {"items": items}


def count_users(
    user: IntArray, item: IntArray, items: int, *, most_items: int | None = None, random: Callable[[int], bytes] = os.urandom
) -> IntArray:
    """Return int64 [items]: how many users took each item.

    Args:
        user: int64 [c]: who took something.
        item: int64 [c]: what, a position below ``items``; a pair may occur often.
        items: of the catalog.
        most_items: for which a user counts, drawn anew; None for all.
        random: gives so many random bytes.
    """
    pairs = np.unique(np.column_stack([user, item]), axis=0)
    if most_items is not None:
        order = np.lexsort((_uniform(len(pairs), random), pairs[:, 0]))
        pairs = pairs[order]
        _, first, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
        place = np.arange(len(pairs)) - np.repeat(first, counts)
        pairs = pairs[place < most_items]
    return np.bincount(pairs[:, 1], minlength=items).astype(np.int64)


def geometric_noise(count: int, scale: float, *, random: Callable[[int], bytes] = os.urandom) -> IntArray:
    """Return int64 [count] of noise ``x`` with probabilities ``(1 - a) / (1 + a) * a**abs(x)``, ``a = exp(-1 / scale)``.

    Args:
        count: how many.
        scale: above 0.
        random: gives so many random bytes; whoever could foretell them could take the noise away.
    """
    # The difference of two geometric variates, each by inversion: P(floor(-scale * log(u)) >= k) = exp(-k / scale).
    one, other = (np.floor(-scale * np.log(_uniform(count, random))) for _ in range(2))
    return (one - other).astype(np.int64)


def _uniform(count: int, random: Callable[[int], bytes]) -> DoubleArray:
    """Return float64 [count] in (0, 1]."""
    words = np.frombuffer(random(8 * count), np.uint64)
    return np.asarray(((words >> np.uint64(11)).astype(np.float64) + 1.0) * 2.0**-53)


def _clicks(source: ExportSource) -> tuple[IntArray, IntArray]:
    """Return who clicked, and what by catalog position, int64 [c] each, once a pair and portion."""
    users, items = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for portion in source.portions():
        row, slot = np.nonzero(portion.clicked)
        index = source.item_index(portion.item_id[row, slot])
        pairs = np.unique(np.column_stack([portion.user_id[row], index]), axis=0)
        users.append(pairs[:, 0])
        items.append(pairs[:, 1])
    return np.concatenate(users), np.concatenate(items)
