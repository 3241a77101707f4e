"""What was known of users before the run, and differences adjusted for it (CUPED)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsim_llm.comparison.outcomes import Pair
from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.checked_columns import as_labels, as_numbers
from recsim_llm.errors import DataError
from recsim_llm.statistics import Adjusted, cuped_paired

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["PrePeriod", "adjust_difference"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PrePeriod:
    """What was known of a run's users before it; axes are the users of the log by ascending id.

    Raises:
        DataError: shapes do not fit, or a number is not finite.
    """

    groups: npt.NDArray[np.str_]
    """str [u]: group of each user, fixed before the run."""
    covariates: tuple[str, ...]
    """Names of what differences are adjusted for."""
    before: DoubleArray
    """float64 [u, covariates]: behaviour before the run."""
    expected: DoubleArray
    """float64 [covariates]: its known means in the population that the users are a sample of."""
    everyone: bool
    """The run served that whole population: it is then a sample of nothing that is known, and nothing is adjusted."""

    def __post_init__(self) -> None:
        before = as_numbers("pre-period, before", self.before, ("users", len(self.covariates)))
        as_labels("pre-period, groups", self.groups, (len(before),))
        object.__setattr__(self, "before", before)
        object.__setattr__(self, "expected", as_numbers("pre-period, expected", self.expected, (len(self.covariates),)))


def adjust_difference(pair: Pair, known: PrePeriod | None, users: BoolArray, *, confidence: float) -> Adjusted | None:
    """Adjust a difference for what was known before; None where it cannot be.

    Args:
        pair: two arms on one metric.
        known: of all users of the log; None where nothing is known.
        users: bool [u]: those whom the pair is about.
        confidence: of the interval, 0 to 1.
    """
    if known is None or known.everyone or pair.values is None:
        return None
    difference = pair.values[0] - pair.values[1]
    before = known.before[users]
    varying = np.ptp(before, axis=0) > 0.0
    if not varying.any() or not difference.any():
        return None
    try:
        return cuped_paired(difference, before[:, varying], known.expected[varying], confidence=confidence)
    except DataError:
        # Too few users for so many covariates: said in the notes.
        return None
