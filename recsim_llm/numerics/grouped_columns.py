"""Columns in which everything of one owner stands together, one run after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["take_runs"]

IntArray = npt.NDArray[np.int64]


def take_runs(first: npt.NDArray[np.integer], which: IntArray) -> tuple[IntArray, IntArray]:
    """Return the entries of some runs, run by run: whose they are, int64 [e] places in ``which``, and where, int64 [e].

    Args:
        first: int [r + 1]: first entry of each run; the last one is the number of entries.
        which: int64 [m]: runs, each as often as wanted.
    """
    start = first[which]
    count = first[which + 1] - start
    at = np.repeat(np.arange(len(which)), count)
    return at, np.arange(len(at)) - np.repeat(np.cumsum(count) - count - start, count)
