"""How alike two lists are that one user was given: the measures by which FaiRLLM compares lists.

After Zhang et al. 2023, *Is ChatGPT fair for recommendation? Evaluating fairness in large language model recommendation*
(RecSys), section 3. Each compares ``k`` items with ``k`` others, is 0 where the two share nothing, and 1 where they are the
same in the same order. Lists are item ids by position, none of them twice in a list.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_whole_numbers

__all__ = ["jaccard_similarity", "prag_similarity", "serp_similarity"]


def jaccard_similarity(lists: npt.ArrayLike, reference: npt.ArrayLike) -> DoubleArray:
    """Return float64 [u]: items in both lists over items in either; their order does not matter.

    Args:
        lists: whole numbers [u, k].
        reference: whole numbers [u, k], the lists that they are compared with.

    Raises:
        DataError: shapes differ, or a number is negative or has a fraction.
    """
    same = _same(lists, reference)
    shared, slots = same.any(axis=2).sum(axis=1), same.shape[1]
    similarity: DoubleArray = shared / np.maximum(2 * slots - shared, 1)
    return similarity


def serp_similarity(lists: npt.ArrayLike, reference: npt.ArrayLike) -> DoubleArray:
    """Return float64 [u]: SERP*, which weighs an item that is in the reference, too, with how high it stands in the list.

    ``2 sum_v [v in reference] (k - r_v + 1) / (k (k + 1))`` over the items ``v`` of the list at ranks ``r_v`` from 1; after the
    score for search pages of Tomlein et al. 2021. Where it stands in the reference does not matter.

    Args:
        lists: whole numbers [u, k].
        reference: whole numbers [u, k].

    Raises:
        DataError: shapes differ, or a number is negative or has a fraction.
    """
    same = _same(lists, reference)
    slots = same.shape[1]
    weight = np.arange(slots, 0, -1, dtype=np.float64)
    similarity: DoubleArray = same.any(axis=2) @ weight / max(slots * (slots + 1) / 2, 1)
    return similarity


def prag_similarity(lists: npt.ArrayLike, reference: npt.ArrayLike) -> DoubleArray:
    """Return float64 [u]: PRAG*, the share of pairs of the list whose order is that of the reference.

    Of a pair the item that stands first must be in the reference, and there before the other, or the other not there at all;
    after the pairwise ranking accuracy gap of Beutel et al. 2019. A list of one item is compared as such. The sum is divided by
    the ``k (k - 1) / 2`` pairs, as in the code that the paper's authors published, so that 1 means the same list.

    Args:
        lists: whole numbers [u, k].
        reference: whole numbers [u, k].

    Raises:
        DataError: shapes differ, or a number is negative or has a fraction.
    """
    same = _same(lists, reference)
    slots = same.shape[1]
    found: BoolArray = np.asarray(same.any(axis=2))
    if slots < 2:
        return np.asarray(found.all(axis=1), np.float64)
    place: IntArray = np.where(found, same.argmax(axis=2), slots)
    first, then = np.triu_indices(slots, 1)
    kept: BoolArray = found[:, first] & (place[:, first] < place[:, then])
    return np.asarray(kept.mean(axis=1), np.float64)


def _same(lists: npt.ArrayLike, reference: npt.ArrayLike) -> BoolArray:
    """Return bool [u, k, k]: which item of a list is which of the reference."""
    ours = as_whole_numbers("lists", lists, ("users", "slots"), least=0)
    theirs = as_whole_numbers("reference", reference, ours.shape, least=0)
    same: BoolArray = ours[:, :, None] == theirs[:, None, :]
    return same
