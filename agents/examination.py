"""Examination: how likely a user is to look at each position of a page, the same for every user model."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import FloatArray
from recsim_llm.errors import ConfigError

__all__ = ["examination_by_user", "examination_curve"]


def examination_by_user(curve: FloatArray, position_bias: FloatArray) -> FloatArray:
    """Return float32 [m, k]: the curve, raised to each user's position bias.

    Args:
        curve: float32 [k]: from ``examination_curve``.
        position_bias: float32 [m]: exponents; 0 reads everything, 1 follows the curve.
    """
    chances: FloatArray = curve ** position_bias[:, None]
    return chances


def examination_curve(slate_size: int, decay: float, curve: tuple[float, ...] | None = None) -> FloatArray:
    """Return float32 [k]: probability that a user of position bias 1 examines each position.

    Geometric as in the position-based model (Craswell et al. 2008), unless a measured curve is given.

    Args:
        slate_size: number of positions ``k``.
        decay: factor from one position to the next, 0 to 1.
        curve: probability by position, at least one a slot; replaces the geometric curve.

    Raises:
        ConfigError: the curve is shorter than the slate.
    """
    if curve is None:
        return (decay ** np.arange(slate_size)).astype(np.float32)
    if len(curve) < slate_size:
        raise ConfigError(f"position_curve: got {len(curve)} positions, expected at least {slate_size}, the slate size")
    return np.asarray(curve[:slate_size], np.float32)
