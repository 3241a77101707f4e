"""Two samples of dialogues, drawn again and shuffled together, and what every measure is made from: sums over dialogues.

Intervals are by bootstrap: the dialogues of each sample are drawn with replacement, apart from the other's (Efron & Tibshirani
1993, *An Introduction to the Bootstrap*, sections 8.3 and 13.3). A distance between two samples is never 0, not even where
both are from one source; how large it would be then, the same dialogues tell when they are shuffled together and dealt out
anew into samples of the two sizes (Fisher's permutation test: ibid., chapter 15).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray

__all__ = ["Sums", "draw_sums"]

_BLOCK_CELLS = 4_000_000


class Sums(NamedTuple):
    """Sums over dialogues of their features, ``f`` of them, in ``b`` draws; the first row counts each dialogue once."""

    left: DoubleArray
    """float64 [b + 1, f]: of the simulated dialogues, drawn with replacement."""
    right: DoubleArray
    """float64 [b + 1, f]: of people's."""
    shuffled_left: DoubleArray
    """float64 [b, f]: of as many dialogues of both, drawn without replacement."""
    shuffled_right: DoubleArray
    """float64 [b, f]: of the others."""


def draw_sums(left: DoubleArray, right: DoubleArray, *, seed: int, resamples: int) -> Sums:
    """Return the sums of two samples.

    Args:
        left: float64 [m, f]: features of each simulated dialogue.
        right: float64 [n, f]: of each of people's.
        seed: of the draws.
        resamples: how many draws.
    """
    random = np.random.default_rng(seed)
    drawn = [np.vstack([table.sum(axis=0), *_with_replacement(table, random, resamples)]) for table in (left, right)]
    both = np.vstack([left, right])
    dealt = np.vstack([*_dealt(both, len(left), random, resamples)])
    return Sums(drawn[0], drawn[1], dealt, both.sum(axis=0) - dealt)


def _with_replacement(table: DoubleArray, random: np.random.Generator, resamples: int) -> Iterator[DoubleArray]:
    count = len(table)
    for draws in _blocks(count, resamples):
        yield random.multinomial(count, np.full(count, 1 / count), draws) @ table


def _dealt(table: DoubleArray, size: int, random: np.random.Generator, resamples: int) -> Iterator[DoubleArray]:
    first = np.arange(len(table)) < size
    for draws in _blocks(len(table), resamples):
        yield random.permuted(np.tile(first, (draws, 1)), axis=1) @ table


def _blocks(count: int, resamples: int) -> Iterator[int]:
    """Yield how many draws are made at a time, so that little is in memory; the draws are the same for any size."""
    most = max(_BLOCK_CELLS // count, 1)
    for start in range(0, resamples, most):
        yield min(most, resamples - start)
