"""Rating events as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Events"]


@dataclass(frozen=True, kw_only=True)
class Events:
    """Rating events as columns."""

    user_index: npt.NDArray[np.int64]
    """User of each event, shape [N]."""
    item_index: npt.NDArray[np.int64]
    """Item of each event, shape [N]."""
    rating: npt.NDArray[np.float64]
    """Rating of each event, shape [N]."""
    timestamp: npt.NDArray[np.float64]
    """Time of each event, any unit, shape [N]; all equal means the order of the rows."""

    def take(self, rows: npt.NDArray[np.bool_]) -> Events:
        """Return the events marked in ``rows``, shape [N]."""
        return Events(
            user_index=self.user_index[rows],
            item_index=self.item_index[rows],
            rating=self.rating[rows],
            timestamp=self.timestamp[rows],
        )
