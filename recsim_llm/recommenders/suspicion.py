"""How much a history looks like that of a fake user: by the company that it keeps."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.ratings import Ratings

__all__ = ["similarity_suspicion"]

_NEIGHBOURS = 10
_TO_DEVIATION = 1.4826
_ROWS = 500


def similarity_suspicion(ratings: Ratings) -> DoubleArray:
    """Return float64 [u]: how unusual each user's nearness to others is, in robust standard deviations, 0 or more.

    Nearness is DegSim, the mean similarity of a profile to those of its ten nearest neighbours (Chirita, Nejdl & Zamfir
    2005, *Preventing shilling attacks in online recommender systems*, section 4), here by the cosine of who rated what. Copies
    of one recipe lie nearer to each other than people do, and profiles filled at random farther from everyone; so the distance
    from the median counts on either side, divided by 1.4826 times the median of these distances (Hampel 1974), which a minority
    cannot move. Fewer than eleven copies are nearest neighbours of genuine users too, and stand out less.

    Args:
        ratings: of whoever is to be judged; stars do not matter.
    """
    _, item = np.unique(ratings.item_id, return_inverse=True)
    nearness = _nearness(ratings.user_index, item, len(ratings.users))
    distance = np.abs(nearness - np.median(nearness))
    usual = _TO_DEVIATION * float(np.median(distance))
    suspicion: DoubleArray = distance / usual if usual > 0 else np.zeros(len(distance))
    return suspicion


def _nearness(user: IntArray, item: IntArray, users: int) -> DoubleArray:
    """Return float64 [u]: mean cosine of each user's items with those of the ten nearest others."""
    matrix = sp.csr_array((np.ones(len(user)), (user, item)), shape=(users, int(item.max()) + 1))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    # Numbers of common items are whole, so that no order of summation matters.
    length = np.sqrt(np.diff(matrix.indptr))
    others = matrix.T.tocsr()
    count = min(_NEIGHBOURS, users - 1)
    nearness = np.zeros(users)
    if count < 1:
        return nearness
    for start in range(0, users, _ROWS):
        rows = np.arange(start, min(start + _ROWS, users))
        cosine = (matrix[rows] @ others).toarray() / (length[rows, None] * length)
        cosine[np.arange(len(rows)), rows] = -1.0
        nearest = -np.sort(-np.partition(cosine, users - count, axis=1)[:, users - count :], axis=1)
        nearness[rows] = nearest.mean(axis=1)
    return nearness
