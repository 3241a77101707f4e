"""Populations built from ratings: one persona for each user, all traits but position bias measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import DataError
from recsim_llm.numerics.ranking import mean_ranks
from recsim_llm.population.personas import TRAITS, Population

__all__ = ["population_from_ratings"]


_TASTE_STRENGTH = 5.0  # mentions; keeps the taste of short histories near 0
_SITTING_PAUSE = 3600  # seconds; a longer pause starts a new sitting
_PATIENCE_UNKNOWN = 30.0  # ratings a sitting where the data has no times


def population_from_ratings(
    ratings: Ratings, catalog: Catalog, demographics: Mapping[str, Mapping[int, str]] | None = None
) -> Population:
    """Build one persona for each user, in the order of ``ratings.users``; all traits but position_bias are measured.

    - activity, rating_mean, rating_spread: number, mean and population standard deviation of the ratings.
    - conformity: mean squared deviation from the items' mean ratings; an item's mean leaves out the rating itself, and
      an item with a single rating takes the mean of all ratings.
    - diversity: smallest number of genres that covers 80% of the history's genre mentions; 0 without mentions.
    - mainstreamness: mean percentile of ``catalog.popularity`` in the history, by mid-rank: ``(rank - 1/2) / items``.
    - patience: median ratings a sitting; a pause of over 3600 s ends a sitting. 30 where all timestamps are 0.
    - pickiness: share of ratings strictly below the user's most frequent one; of equally frequent ones the lowest.
    - position_bias: 1 for everyone, an assumption: ratings do not show what was examined and passed over.
    - taste: ``log(((m + 5 p) / (M + 5)) / p)`` for a genre with ``m`` of the user's ``M`` mentions and the share ``p``
      of all users' mentions: additive smoothing with the population's distribution (Zhai & Lafferty 2004, Dirichlet
      prior of strength 5); 0 for a genre nobody mentions.
    - demographics: given as field to user_id to value; an empty string where a user has none.

    Raises:
        DataError: a rated item is not in the catalog.
    """
    user, item, stars = ratings.user_index, catalog.index_of(ratings.item_id), ratings.rating.astype(np.float64)
    if item.min() < 0:
        raise DataError(f"ratings: got item_id {ratings.item_id[item < 0][0]}, expected ids in the catalog; add it")
    mean = _user_mean(user, stars)
    by_genre = [np.bincount(user[has[item]], minlength=len(mean)) for has in catalog.genres.T]
    mentions = np.array(by_genre, np.int64).reshape(-1, len(mean)).T
    # From SciPy 1.18 on, ranks have the type of what is ranked, and float32 would cost digits.
    percentile = (mean_ranks(catalog.popularity) - 0.5) / len(catalog)
    columns: dict[str, npt.NDArray[np.number]] = {
        "activity": np.bincount(user),
        "conformity": _conformity(user, item, stars),
        "diversity": _diversity(mentions),
        "rating_mean": mean,
        "rating_spread": np.sqrt(_user_mean(user, (stars - mean[user]) ** 2)),
        "mainstreamness": _user_mean(user, percentile[item]),
        "patience": _patience(user, ratings.timestamp),
        "pickiness": _pickiness(user, ratings),
        "position_bias": np.ones(len(mean)),
    }
    users = ratings.users.tolist()
    fields = demographics or {}
    return Population(
        user_id=ratings.users,
        traits=np.column_stack([columns[trait.name] for trait in TRAITS]).astype(np.float32),
        genre_names=catalog.genre_names,
        taste=_taste(mentions),
        demographics={name: np.array([known.get(u, "") for u in users], object) for name, known in fields.items()},
    )


def _user_mean(user: IntArray, values: DoubleArray) -> DoubleArray:
    return np.bincount(user, values) / np.bincount(user)


def _conformity(user: IntArray, item: IntArray, stars: DoubleArray) -> DoubleArray:
    others = np.bincount(item)[item] - 1
    rest = np.bincount(item, stars)[item] - stars
    mean = np.where(others > 0, rest / np.maximum(others, 1), stars.mean())
    return _user_mean(user, (stars - mean) ** 2)


def _diversity(mentions: IntArray) -> IntArray:
    covered = np.cumsum(-np.sort(-mentions, axis=1), axis=1)
    total = mentions.sum(axis=1)
    # Whole numbers on both sides of 4/5: no rounding decides at exactly 80%.
    needed: IntArray = (5 * covered < 4 * total[:, None]).sum(axis=1) + (total > 0)
    return needed


def _patience(user: IntArray, timestamp: IntArray) -> DoubleArray:
    if not timestamp.any():
        return np.full(int(user.max()) + 1, _PATIENCE_UNKNOWN)
    order = np.lexsort((timestamp, user))
    pause = np.diff(timestamp[order]) > _SITTING_PAUSE
    first = np.flatnonzero(np.concatenate([[True], (np.diff(user[order]) > 0) | pause]))
    owner, size = user[order[first]], np.diff(np.append(first, len(user)))
    size = size[np.lexsort((size, owner))]
    count = np.bincount(owner)
    start = np.cumsum(count) - count
    median: DoubleArray = 0.5 * (size[start + (count - 1) // 2] + size[start + count // 2])
    return median


def _pickiness(user: IntArray, ratings: Ratings) -> DoubleArray:
    level = np.searchsorted(ratings.levels, ratings.rating)
    # Sorted runs instead of a users-by-levels table, which continuous ratings would blow up.
    run, count = np.unique(user * len(ratings.levels) + level, return_counts=True)
    owner, star = np.divmod(run, len(ratings.levels))
    best = np.lexsort((star, -count, owner))
    mode = star[best[np.searchsorted(owner, np.arange(owner[-1] + 1))]]
    return _user_mean(user, (level < mode[user]).astype(np.float64))


def _taste(mentions: IntArray) -> FloatArray:
    everyone = mentions.sum(axis=0)
    known = everyone > 0
    share = everyone[known] / max(everyone.sum(), 1)
    own = (mentions[:, known] + _TASTE_STRENGTH * share) / (mentions.sum(axis=1, keepdims=True) + _TASTE_STRENGTH)
    taste = np.zeros(mentions.shape, np.float32)
    taste[:, known] = np.log(own / share)
    return taste
