"""Ranking against held-out truth: what a list of recommendations would have been worth to the real person.

All functions take lists of ``u`` users in rank order, first rank first: ``relevant`` is bool [u, k] and tells which of the
``k`` recommended items are relevant, ``total`` is int64 [u] and counts the user's relevant items, recommended or not.
Every one returns float64 [u] in 0..1, NaN for users without a relevant item: nobody could have served them. Every one raises
``DataError`` where ``relevant`` is no table of True and False, ``total`` is no whole numbers, one a user, or counts fewer than
are on the list.
"""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_flags, as_whole_numbers
from recsim_llm.errors import DataError

__all__ = ["hit_rate", "ndcg", "precision", "recall", "reciprocal_rank"]


def ndcg(relevant: BoolArray, total: IntArray) -> DoubleArray:
    """Return the normalised discounted cumulative gain with gains of 0 or 1.

    ``DCG = sum over ranks r from 1 of relevant_r / log2(r + 1)``, divided by that of a list with all relevant items first
    (Järvelin & Kekäläinen 2002, *ACM TOIS* 20, with the discount of Burges et al. 2005, *ICML*).
    """
    relevant, total = _checked(relevant, total)
    discount = 1.0 / np.log2(np.arange(relevant.shape[1]) + 2.0)
    ideal = np.concatenate([[0.0], discount.cumsum()])[np.minimum(total, relevant.shape[1])]
    gained: DoubleArray = np.where(relevant, discount, 0.0).sum(axis=1)
    return _over(gained, ideal)


def recall(relevant: BoolArray, total: IntArray) -> DoubleArray:
    """Return the share of the user's relevant items that are on the list (Herlocker et al. 2004, *ACM TOIS* 22)."""
    relevant, total = _checked(relevant, total)
    return _over(_hits(relevant), total.astype(np.float64))


def precision(relevant: BoolArray, total: IntArray) -> DoubleArray:
    """Return the share of the list's ``k`` places that hold a relevant item (Herlocker et al. 2004, *ACM TOIS* 22)."""
    relevant, total = _checked(relevant, total)
    share: DoubleArray = _hits(relevant) / max(relevant.shape[1], 1)
    return _known(share, total)


def reciprocal_rank(relevant: BoolArray, total: IntArray) -> DoubleArray:
    """Return one over the rank of the first relevant item, 0 if there is none on the list (Voorhees 1999, *TREC-8*).

    Its mean over users is the mean reciprocal rank, MRR.
    """
    relevant, total = _checked(relevant, total)
    if not relevant.shape[1]:
        return _known(np.zeros(len(relevant)), total)  # there is no first place to look for
    found: DoubleArray = np.where(relevant.any(axis=1), 1.0 / (relevant.argmax(axis=1) + 1.0), 0.0)
    return _known(found, total)


def hit_rate(relevant: BoolArray, total: IntArray) -> DoubleArray:
    """Return 1 where the list holds a relevant item, else 0 (Deshpande & Karypis 2004, *ACM TOIS* 22)."""
    relevant, total = _checked(relevant, total)
    found: DoubleArray = np.where(relevant.any(axis=1), 1.0, 0.0)
    return _known(found, total)


def _checked(relevant: BoolArray, total: IntArray) -> tuple[BoolArray, IntArray]:
    relevant = as_flags("relevant", relevant, ("users", "places"))
    total = as_whole_numbers("total", total, relevant.shape[:1], least=0)
    short = np.flatnonzero(relevant.sum(axis=1) > total)
    if len(short):
        raise DataError(
            f"total: got {total[short[0]]} relevant items of user {short[0]} with {relevant[short[0]].sum()} on the list, "
            "expected as many or more; count those off the list too"
        )
    return relevant, total


def _hits(relevant: BoolArray) -> DoubleArray:
    hits: DoubleArray = relevant.sum(axis=1, dtype=np.float64)
    return hits


def _known(values: DoubleArray, total: IntArray) -> DoubleArray:
    known: DoubleArray = np.where(total > 0, values, np.nan)
    return known


def _over(above: DoubleArray, below: DoubleArray) -> DoubleArray:
    share: DoubleArray = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return share
