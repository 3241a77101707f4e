"""How often whole numbers come that are not known beforehand, a batch at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["KeyCounts"]

IntArray = npt.NDArray[np.int64]
_MERGE_ROWS = 1 << 20


class KeyCounts:
    """Counts by key for keys that are not known beforehand; merges are rare, so adding costs the batch, not the table."""

    def __init__(self) -> None:
        self._keys = np.empty(0, np.int64)
        self._counts = np.empty(0, np.int64)
        self._pending: list[tuple[IntArray, IntArray]] = []
        self._waiting = 0

    def add(self, keys: IntArray) -> None:
        """Count int64 [m] keys."""
        unique, counts = np.unique(keys, return_counts=True)
        self._pending.append((unique, counts))
        self._waiting += len(unique)
        if self._waiting > max(len(self._keys), _MERGE_ROWS):
            self.merged()

    def merged(self) -> tuple[IntArray, IntArray]:
        """Return int64 [n] twice: the keys counted so far, ascending, and how often each came."""
        keys = np.concatenate([self._keys, *(keys for keys, _ in self._pending)])
        counts = np.concatenate([self._counts, *(counts for _, counts in self._pending)])
        self._keys, place = np.unique(keys, return_inverse=True)
        # float64 weights are exact for counts below 2**53.
        self._counts = np.bincount(place, weights=counts, minlength=len(self._keys)).astype(np.int64)
        self._pending, self._waiting = [], 0
        return self._keys, self._counts
