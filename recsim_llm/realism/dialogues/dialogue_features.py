"""Dialogues as features that are summed over dialogues, and distances between two such sums."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.realism.dialogues.dialogue_samples import ACTS, DialogueSample
from recsim_llm.realism.lines.star_shape import wasserstein

__all__ = ["Distance", "Features", "distances", "shares"]


class Features:
    """What is summed over the dialogues of two samples, by name.

    ``acts`` counts utterances by act, ``read`` those with an act and all, ``turns`` dialogues by length, ``accepted`` those
    that accepted at least, at most, and all; ``satisfaction`` counts dialogues by level, ``turn satisfaction`` turns.

    Args:
        users: the simulated dialogues.
        people: those of people, to whose levels satisfaction is rounded.
    """

    def __init__(self, users: DialogueSample, people: DialogueSample) -> None:
        both = (users, people)
        self.lengths: DoubleArray = np.unique([one.turns for sample in both for one in sample.dialogues]).astype(np.float64)
        """float64 [l]: turns that dialogues have, ascending."""
        self.levels: DoubleArray = np.array(people.levels)
        """float64 [s]: levels of satisfaction, ascending."""
        widths = (len(ACTS), 2, len(self.lengths), 3, len(self.levels), len(self.levels))
        names = ("acts", "read", "turns", "accepted", "satisfaction", "turn satisfaction")
        ends = np.cumsum(widths).tolist()
        self._part = {name: slice(end - width, end) for name, end, width in zip(names, ends, widths, strict=True)}

    def table(self, sample: DialogueSample) -> DoubleArray:
        """Return float64 [d, f]: the features of each dialogue."""
        told = sample.dialogues
        turns = np.array([[one.turns] for one in told], np.float64) == self.lengths
        accepted = [[one.accepted is True, one.accepted is not False, True] for one in told]
        whole = [self._levels([] if one.satisfaction is None else [one.satisfaction]) for one in told]
        each = [self._levels(one.turn_satisfaction) for one in told]
        return np.hstack([sample.act_counts(), turns, np.array(accepted, np.float64), np.vstack(whole), np.vstack(each)])

    def _levels(self, values: tuple[float, ...] | list[float]) -> DoubleArray:
        nearest = np.abs(np.asarray(values, np.float64)[:, None] - self.levels).argmin(axis=1)
        return np.bincount(nearest, minlength=len(self.levels)).astype(np.float64)

    def of(self, name: str, sums: DoubleArray) -> DoubleArray:
        """Return the columns of a name from sums float64 [b, f]."""
        return sums[:, self._part[name]]


class Distance(NamedTuple):
    """A question of how far apart two samples are."""

    name: str
    """Of the measure."""
    unit: str
    """Of the distance."""
    features: str
    """By which of ``Features`` it is answered."""
    trivial: str
    """What the row is called of users who are all alike."""
    between: Callable[[DoubleArray, DoubleArray], DoubleArray]
    """Returns float64 [b] of shares, float64 [b, f] each, simulated and people's."""
    of_trivial: Callable[[DoubleArray], DoubleArray]
    """Returns float64 [b]: the distance of users who are all alike from people, of whose shares it is told."""


def distances(features: Features) -> tuple[Distance, ...]:
    """Return the questions that two samples are asked.

    Total variation is half the sum of differences between shares; Wasserstein-1 the area between distribution functions
    (Vallender 1974), that of a constant the mean distance from it.
    """
    lengths, levels = features.lengths, features.levels
    of_scale = partial(_from_one, levels=levels, place=lambda share: np.full(len(share), len(levels) // 2))
    on_scale = partial(wasserstein, levels=levels)
    middle = "always the middle of the scale"
    return (
        Distance("acts, total variation", "share", "acts", "every act as often", _variation, _from_even),
        Distance(
            "turns, Wasserstein-1",
            "turns",
            "turns",
            "everybody as long",
            partial(wasserstein, levels=lengths),
            partial(_from_one, levels=lengths, place=_median),
        ),
        Distance("satisfaction, Wasserstein-1", "of the scale", "satisfaction", middle, on_scale, of_scale),
        Distance("satisfaction turn by turn, Wasserstein-1", "of the scale", "turn satisfaction", middle, on_scale, of_scale),
    )


def shares(sums: DoubleArray) -> DoubleArray:
    """Return sums float64 [b, f] as shares of their rows; NaN where a row is nothing."""
    total = sums.sum(axis=1, keepdims=True)
    share: DoubleArray = np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.nan)
    return share


def _variation(left: DoubleArray, right: DoubleArray) -> DoubleArray:
    distance: DoubleArray = 0.5 * np.abs(left - right).sum(axis=1)
    return distance


def _from_even(share: DoubleArray) -> DoubleArray:
    return _variation(np.full_like(share, 1 / share.shape[1]), share)


def _from_one(share: DoubleArray, levels: DoubleArray, place: Callable[[DoubleArray], IntArray]) -> DoubleArray:
    """Return the mean distance from one level of each row, whose place is found from the shares."""
    distance: DoubleArray = (share * np.abs(levels - levels[place(share)][:, None])).sum(axis=1)
    return distance


def _median(share: DoubleArray) -> IntArray:
    # Half of the sum, rounding aside.
    place: IntArray = np.argmax(np.cumsum(share, axis=1) >= 0.5 - 1e-9, axis=1)
    return place
