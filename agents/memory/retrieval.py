"""Recall: which memories come to mind, by recency, importance and relevance, and which have faded.

The score of a memory is a weighted mean of three parts, each from 0 to 1 (Park et al. 2023, "Generative Agents", section
4.1: a weighted sum of recency, importance and relevance):

    recency    = 2 ** (-(now - last touched) / recency_half_life)
    importance = as given
    relevance  = cosine(memory, query) / the best cosine among the user's memories that can be recalled, 0 where none is
    score      = (w_r * recency + w_i * importance + w_v * relevance) / (w_r + w_i + w_v)

The paper scales all three parts by their least and greatest value; here recency and importance keep their meaning instead of
being stretched by the user's most extreme memory, and relevance, whose size depends on how long the query is, is scaled by
the best match. To be recalled is to be touched, as in the paper; unlike in the authors' code, which raises the decay to the
rank of memories sorted oldest first, the memory touched last has the highest recency.

A memory is retained by ``exp(-(now - last touched) / s)`` with ``s = strength * (1 + touches) * (1 + importance_strength *
importance)``: the forgetting curve of Ebbinghaus (1885), its strength growing with each recall as in MemoryBank (Zhong et al.
2024). Once retention is below ``forgotten_below``, the memory is not recalled any more. Facts and the latest reflection never
fade.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from math import log

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray

__all__ = ["MemoryKind", "Recalled", "batches", "best", "fades_at", "scores"]

_LONGEST_BATCH = 1 << 15
_MOST_ROWS = 256
_FEW = 8
"""Up to so many best memories are looked for one by one."""
_LOW_BITS = (1 << 32) - 1


class MemoryKind(IntEnum):
    """What a memory is."""

    OBSERVATION = 0
    """Something that happened; fades."""
    REFLECTION = 1
    """What a user made of what happened; the next one takes its place."""
    FACT = 2
    """A statement that holds until another with the same key takes its place."""


@dataclass(frozen=True, eq=False, slots=True)
class Recalled:
    """What came to mind, best first."""

    row: IntArray
    """int64 [m]: rows that were asked."""
    index: IntArray
    """int64 [m, k]: positions among the memories of the row, oldest 0; -1 where there was nothing more to recall."""
    score: FloatArray
    """float32 [m, k]: 0 to 1; NaN where there is no memory."""


def fades_at(
    touched: npt.NDArray[np.float64], touches: npt.NDArray[np.int32], importance: FloatArray, settings: MemorySettings
) -> npt.NDArray[np.float64]:
    """Return the time from which observations are not recalled any more, in pages; any shape."""
    stronger = (1 + touches.astype(np.float64)) * (1 + settings.importance_strength * importance.astype(np.float64))
    return touched - log(settings.forgotten_below) * settings.strength * stronger


def scores(age: npt.NDArray[np.float64], importance: FloatArray, cosine: FloatArray, settings: MemorySettings) -> FloatArray:
    """Return the score of each memory, 0 to 1.

    Args:
        age: float64 [m, n]: pages since the memory was last touched.
        importance: float32 [m, n].
        cosine: float32 [m, n]: 0 where the memory cannot be recalled.
        settings: the weights and the half-life.
    """
    total = settings.recency_weight + settings.importance_weight + settings.relevance_weight
    score = np.exp2(np.maximum(age, 0) * (-1 / settings.recency_half_life)).astype(np.float32)
    score *= np.float32(settings.recency_weight / total)
    score += importance * np.float32(settings.importance_weight / total)
    closest = cosine.max(axis=1, keepdims=True)
    score += cosine * (np.float32(settings.relevance_weight / total) / np.where(closest > 0, closest, np.float32(1)))
    return np.clip(score, 0, 1, out=score)


def best(score: FloatArray, candidate: BoolArray, k: int) -> tuple[IntArray, FloatArray]:
    """Return columns and scores of the best ``k`` candidates of each row, best first; of equals the later one goes first.

    Args:
        score: float32 [m, n], not negative.
        candidate: bool [m, n].
        k: how many.

    Returns:
        int64 [m, k], -1 where there are fewer candidates, and float32 [m, k], NaN there.
    """
    width = score.shape[1]
    # Bits of non-negative floats sort as the floats do; the column below them makes every key different.
    key = score.view(np.int32).astype(np.int64) << 32
    key |= np.arange(width)
    key[~candidate] = -1
    if k <= _FEW and k < width:
        key = _largest(key, k)
    else:
        if k < width:
            key = np.partition(key, width - k, axis=1)[:, width - k :]
        key = np.sort(key, axis=1)[:, ::-1]
    if k > width:
        key = np.pad(key, ((0, 0), (0, k - width)), constant_values=-1)
    found = key >= 0
    value = (key >> 32).astype(np.int32).view(np.float32)
    return np.where(found, key & _LOW_BITS, -1), np.where(found, value, np.float32(np.nan))


def _largest(key: IntArray, k: int) -> IntArray:
    """Return the ``k`` largest keys of each row, int64 [m, k], the largest first; the keys are overwritten.

    Memories lie by age, and keys grow with it on the whole: such rows take a partition many times as long as ``k`` passes.
    """
    row, found = np.arange(len(key)), np.empty((len(key), k), np.int64)
    for place in range(k):
        column = key.argmax(axis=1)
        found[:, place] = key[row, column]
        key[row, column] = -1
    return found


def batches(count: IntArray) -> Iterator[IntArray]:
    """Yield positions of rows that are searched together: of about the same length, and not too many at once.

    Args:
        count: int64 [m]: how many memories each row has; rows without any are left out.
    """
    order = np.argsort(count, kind="stable")
    order = order[count[order] > 0]
    first = 0
    while first < len(order):
        last = min(first + _MOST_ROWS, len(order))
        while last > first + 1 and int(count[order[last - 1]]) * (last - first) > _LONGEST_BATCH:
            last = first + (last - first) // 2
        yield order[first:last]
        first = last
