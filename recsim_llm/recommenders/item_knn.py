"""Item-based nearest neighbours."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests
from recsim_llm.recommenders.scoring import ScoringRecommender

__all__ = ["ItemKNN", "nearest_items"]

_ROWS = 256


class ItemKNN(ScoringRecommender):
    """Recommends what is similar to the items that the user consumed in the training part or clicked in the run.

    The score of an item is the sum of its similarities to those of its nearest neighbours that the user consumed (Deshpande &
    Karypis 2004, "Item-based top-N recommendation algorithms"). Similarity is the cosine of the items' columns of the
    binary training matrix, shrunk towards 0 for rare items (as in Ferrari Dacrema et al. 2019, "Are we really making much
    progress?", section 3.2): ``common / (sqrt(n_i n_j) + shrinkage)``.

    Users without training ratings are served from their clicks. Where nothing consumed is near, popularity decides.
    """

    class Settings(FrozenSettings):
        """Settings of ``ItemKNN``."""

        neighbours: int = Field(default=50, ge=1)
        """Nearest items that are kept for each item."""
        shrinkage: float = Field(default=20.0, ge=0)
        """Added to the denominator of the similarity, in users; 0 takes the plain cosine."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)

    def _learn(self) -> None:
        self._order = self._known.popularity_order - np.float32(1)
        self._near = nearest_items(self._known.matrix, self.settings.neighbours, self.settings.shrinkage)

    def _score(self, requests: Requests) -> FloatArray:
        scores: FloatArray = (self._known.profiles(requests) @ self._near).toarray()
        np.copyto(scores, self._order, where=scores == 0)
        return scores


def nearest_items(matrix: sp.csr_array, neighbours: int, shrinkage: float) -> sp.csr_array:
    """Return float32 sparse [n, n]: entry (j, i) is the similarity of i and j where j is one of i's neighbours.

    Args:
        matrix: binary, float32 sparse [u, n]: who consumed what.
        neighbours: most of them that an item has.
        shrinkage: added to the denominator of the cosine.
    """
    items = matrix.shape[1]
    by_item = matrix.T.tocsr()
    length = np.sqrt(np.diff(by_item.indptr)).astype(np.float32)
    near_item, item, value = [], [], []
    for start in range(0, items, _ROWS):
        common = by_item[start : start + _ROWS] @ matrix
        common.sort_indices()
        for row in range(common.shape[0]):
            part = slice(common.indptr[row], common.indptr[row + 1])
            other, count = common.indices[part], common.data[part]
            similarity = count / (length[start + row] * length[other] + np.float32(shrinkage))
            similarity[other == start + row] = 0
            kept = _largest(similarity, neighbours)
            near_item.append(other[kept])
            value.append(similarity[kept])
            item.append(np.full(len(kept), start + row))
    place = (np.concatenate(near_item), np.concatenate(item))
    return sp.csr_array((np.concatenate(value), place), shape=(items, items))


def _largest(values: FloatArray, k: int) -> IntArray:
    """Return the places of the up to ``k`` largest positive values, ascending; among equal ones the first."""
    kept = values > 0
    if np.count_nonzero(kept) > k:
        kth = np.partition(values, len(values) - k)[len(values) - k]
        kept = values > kth
        ties = np.flatnonzero(values == kth)
        kept[ties[: k - np.count_nonzero(kept)]] = True
    return np.flatnonzero(kept)
