"""Filter bubbles: whether a user's choices narrow over time, and whether users become alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.checked_columns import as_flags, as_numbers
from recsim_llm.errors import DataError

__all__ = ["entropy", "overlap_by_user", "pair_values", "top_share", "trend"]


def entropy(weights: npt.ArrayLike) -> DoubleArray:
    """Return float64 [...], bits, 0 to ``log2 g``: Shannon entropy over the last axis (Shannon 1948); NaN where all is 0.

    Estimated from few choices it comes out too small, so only equal numbers of choices may be compared.

    Args:
        weights: [..., g], 0 or more; need not sum to 1.

    Raises:
        DataError: a weight is negative or not finite.
    """
    counts = as_numbers("weights", weights, (..., "categories"), bounds=(0.0, np.inf))
    total = counts.sum(axis=-1, keepdims=True)
    share = counts / np.where(total > 0, total, 1.0)
    bits = -(share * np.log2(np.where(share > 0, share, 1.0))).sum(axis=-1) + 0.0
    found: DoubleArray = np.where(total[..., 0] > 0, bits, np.nan)
    return found


def top_share(weights: npt.ArrayLike) -> DoubleArray:
    """Return float64 [...], 0 to 1: the largest share over the last axis, of one category; NaN where all is 0.

    Estimated from few choices it comes out too large, so only equal numbers of choices may be compared.

    Args:
        weights: [..., g], 0 or more; need not sum to 1.

    Raises:
        DataError: a weight is negative or not finite.
    """
    counts = as_numbers("weights", weights, (..., "categories"), bounds=(0.0, np.inf))
    total = counts.sum(axis=-1)
    share: DoubleArray = np.where(total > 0, counts.max(axis=-1, initial=0.0) / np.where(total > 0, total, 1.0), np.nan)
    return share


def trend(values: DoubleArray) -> DoubleArray:
    """Return float64 [u]: slope of the least-squares line through each row, in units a column; NaN where a value is.

    Args:
        values: float64 [u, t], two columns or more, in order of time.

    Raises:
        DataError: there are fewer columns, or a value is infinite.
    """
    values = as_numbers("values", values, ("users", "times"), unknown=True)
    if values.shape[1] < 2:
        raise DataError(f"values: got {values.shape[1]} points in time, expected two or more; a line needs two")
    time = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2.0
    slope: DoubleArray = (values * time).sum(axis=1) / (time**2).sum()
    return slope


def overlap_by_user(sets: BoolArray) -> DoubleArray:
    """Return float64 [u] in 0..1: mean Jaccard index of each user's set of items with those of all others.

    The mean over users is the mean over pairs, the homogeneity of Chaney, Stewart & Engelhardt (2018,
    *RecSys*). Users with an empty set are NaN and nobody's others; a single user is NaN too.

    Args:
        sets: bool [u, n], which items each user consumed.

    Raises:
        DataError: it is no table of True and False.
    """
    sets = as_flags("sets", sets, ("users", "items"))
    size = sets.sum(axis=1)
    there = size > 0
    result = np.full(len(sets), np.nan)
    if there.sum() < 2:
        return result
    # Items that one user alone has meet nobody; whole numbers below 2**24 are exact in float32.
    shared = sets[there][:, sets.sum(axis=0) > 1].astype(np.float32)
    both = (shared @ shared.T).astype(np.float64)
    own = size[there].astype(np.float64)
    jaccard = both / (own[:, None] + own[None, :] - both)
    np.fill_diagonal(jaccard, 0.0)
    result[there] = jaccard.sum(axis=1) / (there.sum() - 1)
    return result


def pair_values(by_user: DoubleArray) -> DoubleArray:
    """Return float64 [u]: values whose mean is the mean over pairs, and whose spread is the jackknife's.

    Source: Arvesen 1969, *Annals of Mathematical Statistics* 40.

    Args:
        by_user: float64 [u], each user's mean over pairs with all others, NaN where there is none.
    """
    known = by_user[~np.isnan(by_user)]
    values: DoubleArray = 2.0 * by_user - (known.mean() if len(known) else np.nan)
    return values
