"""How well the scores of a page agree with what was taken from it: pairs in the right order, and right answers."""

from __future__ import annotations

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.realism.taste_pages import TastePages
from recsim_llm.realism.thresholds import assign_folds, yes

__all__ = ["accuracies", "areas", "pair_areas"]


def pair_areas(score: DoubleArray, positive: BoolArray, negative: BoolArray) -> DoubleArray:
    """Return float64 [m]: each row's share of pairs of a positive and a negative in the right order, ties counting half.

    The area under the receiver operating characteristic (Hanley & McNeil 1982, "The meaning and use of the area under a
    receiver operating characteristic (ROC) curve").

    Args:
        score: float64 [m, n].
        positive: bool [m, n]: one or more of each row.
        negative: bool [m, n]: likewise; columns that are neither do not count.
    """
    pairs = positive[:, :, None] & negative[:, None, :]
    above = score[:, :, None] - score[:, None, :]
    wins = ((above > 0) + 0.5 * (above == 0)) * pairs
    share: DoubleArray = wins.sum(axis=(1, 2)) / pairs.sum(axis=(1, 2))
    return share


def areas(page: TastePages, score: DoubleArray, ratio: int) -> DoubleArray:
    """Return float64 [m]: ``pair_areas`` of what was taken and what was not, among the items of a ratio of these.

    Args:
        page: the pages.
        score: float64 [m, n], higher means likelier.
        ratio: items not taken to one that was.
    """
    kept = page.page(ratio)
    return pair_areas(score, kept & page.taken, kept & ~page.taken)


def accuracies(page: TastePages, score: DoubleArray, user_id: IntArray, seed: int) -> DoubleArray:
    """Return float64 [m]: each user's share of right answers at 1:1, with a threshold of a yes from users of other folds.

    Args:
        page: the pages.
        score: float64 [m, n], higher means likelier.
        user_id: int64 [u]: outside ids by user index.
        seed: of the folds.
    """
    kept = page.page(1)
    answer = yes(score, page.taken, kept, assign_folds(user_id[page.user_index], seed))
    share: DoubleArray = ((answer == page.taken) & kept).sum(axis=1) / kept.sum(axis=1)
    return share
