"""Beyond relevance: novelty, serendipity, diversity within a page, and fit to the genres of a user's history.

Shapes: ``n`` items, ``g`` genres, ``p`` pages of ``k`` slots. ``item`` is int64 [p, k], positions of the shown items in the
catalog, -1 for an empty slot.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_flags, as_numbers, as_places, check_number, check_whole_number

__all__ = [
    "CALIBRATION_MIX",
    "cosine_diversity",
    "genre_diversity",
    "genre_shares",
    "miscalibration",
    "most_popular",
    "self_information",
    "serendipitous",
]


CALIBRATION_MIX = 0.01
"""Share of the history's genres mixed into the recommended ones, so that a genre never shown costs much but not infinitely."""


def self_information(popularity: npt.ArrayLike) -> DoubleArray:
    """Return float64 [n], bits: how surprising it is that an interaction is with this item.

    ``-log2 p`` with ``p`` the item's share of all training interactions (Vargas & Castells 2011, *RecSys*, free discovery). One
    is added to every count, so that items without interactions have a number.

    Args:
        popularity: [n], interactions of each item in the training part.

    Raises:
        DataError: a count is negative or not finite.
    """
    counts = as_numbers("popularity", popularity, ("items",), bounds=(0.0, np.inf)) + 1.0
    bits: DoubleArray = -np.log2(counts / counts.sum())
    return bits


def most_popular(popularity: npt.ArrayLike, size: int) -> BoolArray:
    """Return bool [n]: the ``size`` items with the most interactions, of equal ones those that come first in the catalog.

    Raises:
        ConfigError: ``size`` is no number of items.
        DataError: a count is negative or not finite.
    """
    check_whole_number("size", size, least=0)
    order = np.argsort(-as_numbers("popularity", popularity, ("items",), bounds=(0.0, np.inf)), kind="stable")
    chosen = np.zeros(len(order), np.bool_)
    chosen[order[:size]] = True
    return chosen


def serendipitous(item: IntArray, useful: BoolArray, expected: BoolArray) -> BoolArray:
    """Return bool, the shape of ``item``: which recommendations are both unexpected and useful.

    Over the number of recommendations this is serendipity after Ge, Delgado-Battenfeld & Jannach (2010, *RecSys*): useful
    items of the list that a primitive recommender would not have offered.

    Args:
        item: int64, any shape, -1 for an empty slot.
        useful: bool, same shape, for instance what was clicked.
        expected: bool [n], what the primitive recommender offers, for instance ``most_popular``.

    Raises:
        DataError: shapes differ, or an item is no position in the catalog.
    """
    expected = as_flags("expected", expected, ("items",))
    item = as_places("item", item, (...,), len(expected))
    useful = as_flags("useful", useful, item.shape)
    found: BoolArray = useful & (item >= 0) & ~expected[item]
    return found


def genre_diversity(item: IntArray, genres: BoolArray) -> DoubleArray:
    """Return float64 [p] in 0..1: mean Jaccard distance of genres over the pairs of items on a page; NaN without a pair.

    One less the intra-list similarity of Ziegler et al. (2005, *WWW*) with the Jaccard index for similarity. Pairs of
    items that both have no genre do not count.

    Args:
        item: int64 [p, k].
        genres: bool [n, g].

    Raises:
        DataError: an item is no position in the catalog, or the genres are no table of True and False.
    """
    genres = as_flags("genres", genres, ("items", "genres"))
    item = as_places("item", item, ("pages", "slots"), len(genres))
    words = _packed(genres)[item]
    one, other = np.triu_indices(item.shape[1], k=1)
    shared = _ones(words[:, one] & words[:, other])
    either = _ones(words[:, one] | words[:, other])
    counted = (item[:, one] >= 0) & (item[:, other] >= 0) & (either > 0)
    distance = np.where(counted, 1.0 - shared / np.maximum(either, 1), 0.0)
    return _mean_of(distance, counted)


def cosine_diversity(item: IntArray, features: npt.NDArray[np.floating]) -> DoubleArray:
    """Return float64 [p] in 0..2: mean cosine distance over the pairs of items on a page; NaN without a pair.

    As ``genre_diversity`` with the cosine of feature vectors. Items whose features are all 0 have no direction and do not
    count.

    Args:
        item: int64 [p, k].
        features: [n, f].

    Raises:
        DataError: an item is no position in the catalog, or a feature is not finite.
    """
    features = as_numbers("features", features, ("items", "features"))
    item = as_places("item", item, ("pages", "slots"), len(features))
    length = np.sqrt((features.astype(np.float64) ** 2).sum(axis=1))
    unit = features / np.where(length > 0, length, 1.0)[:, None]
    one, other = np.triu_indices(item.shape[1], k=1)
    there = (item >= 0) & (length[item] > 0)
    vectors = unit[item]
    cosine = (vectors @ vectors.transpose(0, 2, 1))[:, one, other]
    counted = there[:, one] & there[:, other]
    return _mean_of(np.where(counted, 1.0 - cosine, 0.0), counted)


def genre_shares(genres: BoolArray) -> DoubleArray:
    """Return float64 [n, g]: an item's weight spread evenly over its genres, 0 in a row without genres.

    This is ``p(g|i)`` of Steck (2018, *RecSys*).

    Raises:
        DataError: the genres are no table of True and False.
    """
    genres = as_flags("genres", genres, ("items", "genres"))
    shares: DoubleArray = genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)
    return shares


def miscalibration(history: DoubleArray, shown: DoubleArray, mix: float = CALIBRATION_MIX) -> DoubleArray:
    """Return float64 [u], bits, 0 or more: how far the genres shown to a user are from those of their history.

    ``KL(p || (1 - mix) q + mix p)`` with ``p`` the genres of the history and ``q`` those shown (Steck 2018, *RecSys*,
    with a mix of .01). NaN where a user has no history or was shown nothing with a genre.

    Args:
        history: float64 [u, g], weights of the genres in the history, 0 or more.
        shown: float64 [u, g], the same of what was shown.
        mix: share of ``p`` mixed into ``q``, above 0 to 1.

    Raises:
        ConfigError: ``mix`` is no such share.
        DataError: shapes differ, or a weight is negative or not finite.
    """
    check_number("mix", mix, above=0.0, below=np.nextafter(1.0, 2.0))
    history = as_numbers("history", history, ("users", "genres"), bounds=(0.0, np.inf))
    shown = as_numbers("shown", shown, history.shape, bounds=(0.0, np.inf))
    totals = history.sum(axis=1), shown.sum(axis=1)
    known = (totals[0] > 0) & (totals[1] > 0)
    wanted, got = (
        rows / np.where(total > 0, total, 1.0)[:, None] for rows, total in zip((history, shown), totals, strict=True)
    )
    ratio = np.where(wanted > 0, wanted / np.where(wanted > 0, (1.0 - mix) * got + mix * wanted, 1.0), 1.0)
    # Rounding may leave -1e-17 where the two agree.
    divergence: DoubleArray = np.where(known, np.maximum((wanted * np.log2(ratio)).sum(axis=1), 0.0), np.nan)
    return divergence


def _packed(genres: BoolArray) -> npt.NDArray[np.uint64]:
    """Return uint64 [n, w]: the genres as bits, so that sets meet in one operation."""
    words = -(-max(genres.shape[1], 1) // 64)
    wide = np.zeros((len(genres), words * 64), np.bool_)
    wide[:, : genres.shape[1]] = genres
    return np.packbits(wide, axis=1).view(np.uint64)


def _ones(words: npt.NDArray[np.uint64]) -> IntArray:
    counts: IntArray = np.bitwise_count(words).sum(axis=-1, dtype=np.int64)
    return counts


def _mean_of(values: DoubleArray, counted: BoolArray) -> DoubleArray:
    count = counted.sum(axis=1)
    mean: DoubleArray = np.divide(values.sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0)
    return mean
