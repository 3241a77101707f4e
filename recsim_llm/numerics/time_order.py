"""Time order within each user: what is last, and how old each event is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["event_age", "last_share"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def event_age(user_index: IntArray, timestamp: npt.NDArray[np.number]) -> IntArray:
    """Return for each event the number of later events of the same user.

    Ties in time keep the order of the rows. A user's last event has age 0.

    Args:
        user_index: user of each event, shape [N].
        timestamp: time of each event in any unit, shape [N].
    """
    order = np.lexsort((np.arange(user_index.size), timestamp, user_index))
    end = np.cumsum(np.bincount(user_index))
    age = np.empty(user_index.size, dtype=np.int64)
    age[order] = end[user_index[order]] - 1 - np.arange(user_index.size)
    return age


def last_share(user_index: IntArray, timestamp: npt.NDArray[np.number], *, share: float = 0.2) -> BoolArray:
    """Mark the last ``share`` of each user's events, at least one each.

    Args:
        user_index: user of each event, shape [N].
        timestamp: time of each event, shape [N]; ties keep the order of the rows.
        share: part of each user's events to mark, rounded to whole events.
    """
    count = np.bincount(user_index)
    held = np.maximum(1, np.round(count * share).astype(np.int64))
    return event_age(user_index, timestamp) < held[user_index]
