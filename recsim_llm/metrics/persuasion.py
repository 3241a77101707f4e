"""What words on pages did to clicks, causally: the same pages for the same users with and without their words.

For a slot with words let ``p`` be the probability of a click as it was decided, and ``q`` that of the same page without its
words, decided at the same moment; both are exact, so that their difference needs no draw. The click hangs on one die for both,
so that of a click that was made ``1 - q / p`` is the probability that it would not have been made without the words, where
``p > q``, and 0 elsewhere. By these weights clicks are divided into those that words caused and those made anyway, and what
users thought of the ones and of the others are two means of ratings; their difference is the regret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.checked_columns import as_flags, as_numbers, as_places
from recsim_llm.statistics import Estimate, ratio_estimate, weighted_contrast

__all__ = ["Persuasion", "judge_persuasion", "sum_persuasion"]


@dataclass(frozen=True, kw_only=True)
class Persuasion:
    """What words did; intervals by user."""

    slots: int
    """Slots with words of which it is known what they would have been without."""
    unknown: int
    """Slots with words of which it is not, since users read the words themselves and nobody asked them without."""
    lift: Estimate
    """How much likelier a click was for the words, as a difference of probabilities, a slot."""
    caused: Estimate
    """Share of the clicks on slots with words that would not have been made without them."""
    rating_caused: Estimate
    """Mean stars of these clicks."""
    rating_anyway: Estimate
    """Mean stars of the other clicks on slots with words."""
    regret: Estimate
    """Stars that the clicks which words caused are below the others."""


def sum_persuasion(
    user: npt.ArrayLike,
    worded: npt.ArrayLike,
    *,
    click_prob: npt.ArrayLike,
    plain_click_prob: npt.ArrayLike,
    clicked: npt.ArrayLike,
    rating: npt.ArrayLike,
    users: int,
) -> dict[str, DoubleArray]:
    """Add up by user what words did; of a few users at a time, if need be.

    Args:
        user: int [s]: row of each slot's user.
        worded: bool [s]: whether anything is written beside it.
        click_prob: [s]: probability of a click.
        plain_click_prob: [s]: the same without words; NaN where unknown.
        clicked: bool [s].
        rating: [s]: stars, NaN where none were given, which then do not count.
        users: how many there are.

    Returns:
        float64 [users] each, for ``judge_persuasion``; those of different users may be added.

    Raises:
        DataError: the columns do not fit each other.
    """
    who = as_places("user", user, ("slots",), users)
    told = as_flags("worded", worded, who.shape)
    chance = as_numbers("click_prob", click_prob, who.shape, bounds=(0.0, 1.0))
    plain = as_numbers("plain_click_prob", plain_click_prob, who.shape, bounds=(0.0, 1.0), unknown=True)
    taken = as_flags("clicked", clicked, who.shape)
    stars = as_numbers("rating", rating, who.shape, unknown=True)
    known = told & ~np.isnan(plain)

    def by_user(values: npt.NDArray[Any]) -> DoubleArray:
        sums: DoubleArray = np.bincount(who, np.where(known, values, 0.0), users).astype(np.float64)
        return sums

    by_words = np.where(chance > plain, 1 - plain / np.where(chance > 0, chance, 1.0), 0.0)
    caused: DoubleArray = taken.astype(np.float64) * by_words
    anyway: DoubleArray = taken.astype(np.float64) - caused
    rated: BoolArray = taken & ~np.isnan(stars)
    given = np.nan_to_num(stars)
    words = np.bincount(who, told, users).astype(np.float64)
    return {
        "slots": by_user(known),
        "unknown": words - by_user(known),
        "gained": by_user(chance - plain),
        "taken": by_user(taken),
        "caused": by_user(caused),
        "stars caused": by_user(given * caused * rated),
        "stars anyway": by_user(given * anyway * rated),
        "rated caused": by_user(caused * rated),
        "rated anyway": by_user(anyway * rated),
    }


def judge_persuasion(sums: Mapping[str, DoubleArray]) -> Persuasion:
    """Return what words did.

    Args:
        sums: float64 [users] each, as ``sum_persuasion`` returns them.
    """
    stars = [sums["stars caused"], sums["stars anyway"]]
    rated = [sums["rated caused"], sums["rated anyway"]]
    regret = weighted_contrast(stars, rated, [-1.0, 1.0])
    return Persuasion(
        slots=int(sums["slots"].sum()),
        unknown=int(sums["unknown"].sum()),
        lift=ratio_estimate(sums["gained"], sums["slots"], bounds=(-1.0, 1.0)),
        caused=ratio_estimate(sums["caused"], sums["taken"], bounds=(0.0, 1.0)),
        rating_caused=ratio_estimate(stars[0], rated[0], bounds=(1.0, 5.0)),
        rating_anyway=ratio_estimate(stars[1], rated[1], bounds=(1.0, 5.0)),
        regret=Estimate(value=regret.value, low=regret.low, high=regret.high, users=regret.users),
    )
