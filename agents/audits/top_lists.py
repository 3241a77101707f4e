"""How far two top lists of the same request agree, and two recommenders' exposure."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.statistics.intervals import Estimate

__all__ = ["average_overlap", "exposure_distance", "footrule"]


def average_overlap(one: IntArray, other: IntArray) -> DoubleArray:
    """Return float64 [u]: the mean over depths 1 to k of the share of items that two lists have in common down to there.

    1 for equal lists, 0 for lists without a common item; what stands first weighs most (Fagin, Kumar & Sivakumar 2003,
    *Comparing Top k Lists*, section 2: intersection metric, of which this is one less).

    Args:
        one: int64 [u, k]: items, each once in a row.
        other: int64 [u, k], likewise.
    """
    k = one.shape[1]
    depth = np.arange(1, k + 1)
    # A pair of equal items counts at all depths that reach both.
    worth = np.cumsum((1 / depth)[::-1])[::-1] / k
    first = np.maximum(depth[:, None], depth[None, :]) - 1
    return np.asarray(((one[:, :, None] == other[:, None, :]) * worth[first]).sum(axis=(1, 2)))


def footrule(one: IntArray, other: IntArray) -> DoubleArray:
    """Return float64 [u]: the sum over all items of either list of the difference of their ranks, over its largest value.

    An item that a list lacks has rank k + 1 in it (Fagin, Kumar & Sivakumar 2003, section 3.2: F with location parameter
    k + 1); 0 for equal lists, 1 for lists without a common item.

    Args:
        one: int64 [u, k]: items, each once in a row.
        other: int64 [u, k], likewise.
    """
    k = one.shape[1]
    same = one[:, :, None] == other[:, None, :]
    rank = np.arange(1, k + 1)
    both = (same * np.abs(rank[:, None] - rank[None, :])).sum(axis=(1, 2))
    lacking = sum(((k + 1 - rank) * ~same.any(axis=axis)).sum(axis=1) for axis in (2, 1))
    return np.asarray((both + lacking) / (k * (k + 1)))


def exposure_distance(one: IntArray, other: IntArray, items: int) -> Estimate:
    """Return the total variation distance of the items' shares of all slots, 0 to 1, without an interval.

    Args:
        one: int64 [u, k]: pages by catalog position.
        other: int64 [u, k], of the same users.
        items: in the catalog.
    """
    shares = [np.bincount(page.reshape(-1), minlength=items) / page.size for page in (one, other)]
    return Estimate(value=float(np.abs(shares[0] - shares[1]).sum() / 2), users=len(one))
