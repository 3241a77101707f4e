"""Means over users and repetitions at once: the same users, met by several policies that were trained alike."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import as_numbers, check_number
from recsim_llm.statistics.effects import student_quantile
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = ["crossed_mean", "crossed_ratio"]


def crossed_mean(values: DoubleArray, *, confidence: float = CONFIDENCE) -> Estimate:
    """Return the mean of a table whose rows are trainings and whose columns are users, with an interval over both.

    Of two crossed factors (Cornfield & Tukey 1956) the variance of the mean is at most that of the users' means over the
    number of users plus that of the trainings' means over their number; the degrees of freedom are Satterthwaite's (1946). Of
    one training alone the interval holds for users only.

    Args:
        values: float64 [trainings, users], one training or more.
        confidence: of the interval, 0 to 1.

    Raises:
        DataError: the shape is another, or a number is not finite.
        ConfigError: the confidence is not within 0 and 1.
    """
    check_number("confidence", confidence, above=0.0, below=1.0)
    values = as_numbers("values", values, ("trainings", "users"), fewest=1)
    if not values.shape[1]:
        return Estimate(value=None, users=0)
    parts = [
        (axis.var(ddof=1) / len(axis), len(axis) - 1) for axis in (values.mean(axis=0), values.mean(axis=1)) if len(axis) > 1
    ]
    variance = sum(part for part, _ in parts)
    value, users = float(values.mean()), values.shape[1]
    if not variance > 0:
        return Estimate(value=value, users=users)
    degrees = variance**2 / sum(part**2 / freedom for part, freedom in parts)
    reach = student_quantile(float(degrees), confidence) * float(np.sqrt(variance))
    return Estimate(value=value, low=value - reach, high=value + reach, users=users)


def crossed_ratio(numerator: DoubleArray, denominator: DoubleArray, *, confidence: float = CONFIDENCE) -> Estimate:
    """Return the ratio of the means of two tables, by the delta method, with the interval of ``crossed_mean``.

    Args:
        numerator: float64 [trainings, users], one training or more.
        denominator: float64 of the same shape.
        confidence: of the interval, 0 to 1.

    Returns:
        Without a value where the denominator's mean is not above 0.

    Raises:
        DataError: the shapes do not fit, or a number is not finite.
        ConfigError: the confidence is not within 0 and 1.
    """
    check_number("confidence", confidence, above=0.0, below=1.0)
    numerator = as_numbers("numerator", numerator, ("trainings", "users"), fewest=1)
    denominator = as_numbers("denominator", denominator, numerator.shape)
    if not denominator.sum() > 0:
        return Estimate(value=None, users=numerator.shape[1])
    ratio, whole = float(numerator.mean() / denominator.mean()), denominator.mean()
    error = crossed_mean((numerator - ratio * denominator) / whole, confidence=confidence)
    low, high = (None if end is None else ratio + end for end in (error.low, error.high))
    return Estimate(value=ratio, low=low, high=high, users=error.users)
