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
    weight: npt.NDArray[np.float64] | None = None
    """How many ratings each event stands for, above 0, shape [N]; None means one each."""

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """The weight of each event, shape [N]."""
        return np.ones(self.rating.size) if self.weight is None else self.weight

    def take(self, rows: npt.NDArray[np.bool_]) -> Events:
        """Return the events marked in ``rows``, shape [N]."""
        return Events(
            user_index=self.user_index[rows],
            item_index=self.item_index[rows],
            rating=self.rating[rows],
            timestamp=self.timestamp[rows],
            weight=None if self.weight is None else self.weight[rows],
        )
