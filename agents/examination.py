"""Examination: how likely a user is to look at each position of a page, the same for every user model."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import FloatArray
from recsim_llm.errors import ConfigError

__all__ = ["examination_by_user", "examination_curve", "examination_in_order"]


def examination_by_user(curve: FloatArray, position_bias: FloatArray) -> FloatArray:
    """Return float32 [m, k] or [m, k, k + 1]: the chances, raised to each user's position bias.

    Args:
        curve: float32 [k] from ``examination_curve``, or [k, k + 1] from ``examination_in_order``.
        position_bias: float32 [m]: exponents; 0 reads everything, 1 follows the curve.
    """
    chances: FloatArray = curve ** position_bias.reshape(-1, *[1] * curve.ndim)
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


def examination_in_order(slate_size: int, table: tuple[tuple[float, ...], ...]) -> FloatArray:
    """Return float32 [k, k + 1]: probability that a user of position bias 1 examines each position, by the last click above.

    Args:
        slate_size: number of positions ``k``.
        table: a row a position, at least one a slot; columns: no click above, then by the position of the last one.

    Raises:
        ConfigError: the table is shorter than the slate.
    """
    if len(table) < slate_size:
        raise ConfigError(f"examination_table: got {len(table)} positions, expected at least {slate_size}, the slate size")
    return np.array([row[: slate_size + 1] for row in table[:slate_size]], np.float32)
