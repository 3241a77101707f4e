"""What users consumed, in order: the training part by time, then the clicks of the run."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders.interactions import Interactions

__all__ = ["Sequences"]


class Sequences:
    """Every user's items in the order in which they were consumed.

    Args:
        known: the training part, by catalog position.
        ratings: the same, with times; equal times keep file order.
    """

    def __init__(self, known: Interactions, ratings: Ratings) -> None:
        self._known = known
        item = known.catalog.index_of(ratings.item_id)
        order = np.lexsort((ratings.timestamp, ratings.user_index))
        order = order[item[order] >= 0]
        self.user: IntArray = ratings.user_index[order]
        """int64 [r]: rows of ``Interactions.matrix``, ascending."""
        self.item: IntArray = item[order]
        """int64 [r]: catalog positions, each user's in order of time."""

    def latest(self, requests: Requests, length: int) -> IntArray:
        """Return int64 [u, length]: what each user consumed last, the latest on the right; -1 where there is nothing."""
        start, end = (np.searchsorted(self.user, self._known.user_rows(requests.user_id), side) for side in ("left", "right"))
        place = end[:, None] + np.arange(-length, 0)
        trained = np.where(place >= start[:, None], self.item[np.maximum(place, 0)], -1)
        shown = self._known.catalog.index_of(requests.history_item)
        both = np.concatenate([trained, np.where(requests.history_clicked, shown, -1)], axis=1)
        filled_last = np.argsort(both >= 0, axis=1, kind="stable")[:, -length:]
        return np.take_along_axis(both, filled_last, axis=1)
