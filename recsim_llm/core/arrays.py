"""The columns that values are made of, by the type of one entry."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["BoolArray", "DoubleArray", "FloatArray", "IntArray", "TextArray"]

IntArray = npt.NDArray[np.int64]
"""int64: ids, places and counts."""
FloatArray = npt.NDArray[np.float32]
"""float32: probabilities, ratings and features, as the kernel and its logs hold them."""
DoubleArray = npt.NDArray[np.float64]
"""float64: sums and estimates, where float32 would lose digits."""
BoolArray = npt.NDArray[np.bool_]
"""bool: which of them."""
TextArray = npt.NDArray[np.object_]
"""str: names and labels; None where unknown."""
