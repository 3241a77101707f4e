"""Reading a page from the top: whether an item is looked at hangs on what was clicked above it.

The form of the user browsing model (Dupret & Piwowarski 2008, "A user browsing model to predict search engine click data from
past observations"): examination by rank and by the rank of the last click above. Position-based examination is the case in
which all columns agree, the cascade model that in which nobody looks past a click.
"""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import BoolArray, FloatArray

__all__ = ["at_first", "read_in_order"]

_NEVER = np.float32(np.inf)
_STEPS = np.float32(2**18)


def at_first(examine: FloatArray) -> FloatArray:
    """Return float32 [m, k]: how likely each position is examined as long as nothing was clicked above it.

    Args:
        examine: as ``UserModel.examination`` returns it, [m, k] or [m, k, k + 1].
    """
    return examine if examine.ndim == 2 else np.ascontiguousarray(examine[:, :, 0])


def read_in_order(log_odds: FloatArray, draws: FloatArray, examine: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Draw which slots are examined and clicked, from the top down.

    Args:
        log_odds: float32 [u, k]: of a click on a slot that is examined.
        draws: float32 [u, 3, k + 1]: the pages' dice; ``draws[:, 0, :k]`` is set to +inf where a slot is not examined.
        examine: float32 [u, k, k + 1]: chance of examination by position and last click above: 0 for none, else its position
            counted from 1.

    Returns:
        Clicked slots, bool [u, k], and the chance with which each was examined given the clicks above, float32 [u, k].
    """
    bar, look = draws[:, 0, :-1], draws[:, 2, :-1]
    clicked, chance = np.zeros(log_odds.shape, np.bool_), np.empty(log_odds.shape, np.float32)
    row, last = np.arange(len(log_odds)), np.zeros(len(log_odds), np.int64)
    for position in range(log_odds.shape[1]):
        chance[:, position] = examine[row, position, last]
        bar[look[:, position] >= np.rint(chance[:, position] * _STEPS), position] = _NEVER
        hit = log_odds[:, position] > bar[:, position]
        clicked[:, position] = hit
        last[hit] = position + 1
    return clicked, chance
