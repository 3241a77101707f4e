"""Stars of items shown at random, against users who were fitted to ratings of items that people chose.

People rate what they expect to like, so that ratings say too much good of the rest. Only random exposure shows how much: it is
what the users are scored on here, and nothing may be chosen by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import DataError
from recsim_llm.realism.candidates import Candidate, on_levels
from recsim_llm.realism.line import Measure, Role
from recsim_llm.realism.lines.star_shape import wasserstein
from recsim_llm.realism.resampling import Resampler, Series, Statistic, of_sums

__all__ = [
    "MEAN_ERROR",
    "STAR_DISTANCE",
    "TRIVIAL",
    "UPPER",
    "RandomExposure",
    "random_exposure_error",
    "score_on_random_exposure",
]

MEAN_ERROR, STAR_DISTANCE, SQUARED_ERROR = (f"randomly shown items, {what}" for what in ("mean error", "Wasserstein-1", "RMSE"))
"""Names of the measures: of the mean of all stars, of their distribution, and of single ratings."""
TRIVIAL, UPPER = "training histogram", "other half of the ratings"
"""Names of the rows beside the candidates."""


_PROTOCOL = (
    "Randomly shown items: {ratings} ratings by {users} users of {items} items of {name}, which were shown to them at random; "
    "everybody is fitted to the {chosen} ratings of {data} that users chose to give, none of them among these{left_out}. Mean "
    "error: of the mean of all stars, without sign. One fit, seed {seed}."
)


class RandomExposure(NamedTuple):
    """How users are scored on items that were shown at random."""

    measures: tuple[Measure, ...]
    """As of ``random_exposure_error``."""
    protocol: str
    """How it was measured."""


class _Shown(NamedTuple):
    """Ratings of items that were shown at random, by users and items of the training part."""

    user: IntArray
    item: IntArray
    level: IntArray
    levels: DoubleArray


class _Counts(NamedTuple):
    """What each user adds, float64 [u, ...]."""

    real: DoubleArray
    """[u, l]: ratings at each level."""
    expected: DoubleArray
    """[u, l]: the same as expected by a predictor, over as many ratings."""
    squares: DoubleArray
    """[u]: squared errors of the expected stars."""


def random_exposure_error(
    exposures: Exposures, candidates: Mapping[str, Candidate], training: Dataset, *, seed: int, resamples: int = 1000
) -> tuple[Measure, ...]:
    """Score users on ratings of items that were shown at random.

    Args:
        exposures: the random part; rows without stars say nothing. All users and items are those of ``training``.
        candidates: row name to users, the first one on trial, such as ``doubly robust``, ``weighted`` and ``naive``; see
            ``recsim_llm.agents.selection_candidates``.
        training: what they were fitted to: ratings of items that people chose, none of them among the random ones;
            ``score_on_random_exposure`` sees to that.
        seed: of the bootstrap over users and of the halves.
        resamples: draws of users.

    Returns:
        Mean error (stars, without sign), Wasserstein-1 (stars) and root mean square error, each with a row a candidate, one of
        the histogram of the training part, and one of half of each user's random ratings against the other half.

    Raises:
        DataError: there are no stars, or a user or an item is unknown to the training part.
    """
    shown = _read(exposures, training)
    users, levels = len(training.ratings.users), shown.levels
    stars = np.bincount(np.searchsorted(levels, training.ratings.rating), minlength=len(levels)).astype(np.float64)
    chances = {name: _expected(shown, candidate, stars) for name, candidate in candidates.items()}
    chances[TRIVIAL] = np.tile(stars / stars.sum(), (len(shown.user), 1))
    tables = {row: _count(shown, chance, users) for row, chance in chances.items()} | {UPPER: _halves(shown, users, seed)}
    roles: dict[str, Role] = dict.fromkeys(tables, "reference")
    roles |= {next(iter(candidates)): "candidate", TRIVIAL: "trivial"}
    resampler = Resampler(np.bincount(shown.user, minlength=users) > 0, seed, resamples)
    statistics: dict[str, Callable[[_Counts], Statistic]] = {
        MEAN_ERROR: lambda table: _mean_error(table, levels),
        STAR_DISTANCE: lambda table: _distance(table, levels),
        SQUARED_ERROR: _squared_error,
    }
    measures = []
    for name, statistic in statistics.items():
        rows = [row for row in tables if name != SQUARED_ERROR or row != UPPER]
        series = {row: Series(roles[row], [statistic(tables[row])]) for row in rows}
        measures.append(resampler.measure(name, "stars", "lower", series))
    return tuple(measures)


def score_on_random_exposure(
    dataset: Dataset, shown: Exposures, build: Callable[[Dataset], Mapping[str, Candidate]], *, seed: int, resamples: int = 1000
) -> RandomExposure:
    """Fit users to the ratings that people chose to give, and score them on ratings of items that were shown at random.

    Args:
        dataset: ratings that people chose to give; what is also among those of randomly shown items is left out of the fit.
        shown: the random part; users and items that the fit does not know are left out, and counted.
        build: fits candidates, the one on trial first.
        seed: of the fit, named in the protocol, and of the bootstrap.
        resamples: draws of users.

    Raises:
        DataError: nothing is left of the random part, or of the ratings.
    """
    training = _chosen_only(dataset, shown)
    known = np.isin(shown.user_id, training.ratings.users) & (training.catalog.index_of(shown.item_id) >= 0)
    known &= np.zeros(len(shown), np.bool_) if shown.rating is None else ~np.isnan(shown.rating)
    if not known.any():
        raise DataError(
            f"{shown.name}: got no stars of users and items of {dataset.name}, expected ratings of items shown at random; take "
            "a log of the same users and items that has them"
        )
    there = shown.take(known)
    lost = int((~known).sum())
    protocol = _PROTOCOL.format(
        ratings=f"{len(there):,}",
        users=f"{len(there.users):,}",
        items=f"{len(there.items):,}",
        name=shown.name,
        chosen=f"{len(training.ratings):,}",
        data=dataset.name,
        left_out=f"; {lost:,} rows without stars or of other users or items are left out" if lost else "",
        seed=seed,
    )
    return RandomExposure(random_exposure_error(there, build(training), training, seed=seed, resamples=resamples), protocol)


def _chosen_only(dataset: Dataset, shown: Exposures) -> Dataset:
    """Return the ratings without those of pairs of users and items that were shown at random."""
    ratings, items = dataset.ratings, np.union1d(dataset.ratings.item_id, shown.item_id)
    own, random = (
        user * np.int64(len(items)) + np.searchsorted(items, item)
        for user, item in ((ratings.user_id, ratings.item_id), (shown.user_id, shown.item_id))
    )
    kept = ~np.isin(own, random)
    if not kept.any():
        raise DataError(
            f"{shown.name}: got ratings of items shown at random alone in {dataset.name}, expected others that people chose to "
            "give; leave the random ones out of the data"
        )
    return dataset if kept.all() else dataset.of_ratings(ratings.take(kept))


def _read(exposures: Exposures, training: Dataset) -> _Shown:
    if exposures.rating is None or np.isnan(exposures.rating).all():
        raise DataError(f"{exposures.name}: got no stars, expected ratings of items shown at random; take a log that has them")
    rated = ~np.isnan(exposures.rating)
    stars = exposures.rating[rated].astype(np.float32)
    users, ids = training.ratings.users, exposures.user_id[rated]
    user = np.minimum(np.searchsorted(users, ids), len(users) - 1)
    item = training.catalog.index_of(exposures.item_id[rated])
    for name, own, unknown in (("user", ids, users[user] != ids), ("item", exposures.item_id[rated], item < 0)):
        if unknown.any():
            raise DataError(
                f"{exposures.name}: got {name} {own[unknown][0]}, which {training.name} lacks, expected its users and "
                "items; leave such rows out"
            )
    levels = np.union1d(training.ratings.levels, stars)
    return _Shown(user, item, np.searchsorted(levels, stars), levels.astype(np.float64))


def _expected(shown: _Shown, candidate: Candidate, stars: DoubleArray) -> DoubleArray:
    """Return the chance of each level of the data, float64 [n, l]."""
    chance = candidate.stars(shown.user, shown.item[:, None])[:, 0]
    return on_levels(chance, candidate.levels, shown.levels, stars)


def _count(shown: _Shown, chance: DoubleArray, users: int) -> _Counts:
    real = np.eye(len(shown.levels))[shown.level]
    squares = (chance @ shown.levels - shown.levels[shown.level]) ** 2
    return _Counts(
        _by_user(shown.user, real, users),
        _by_user(shown.user, chance, users),
        np.bincount(shown.user, squares, users).astype(np.float64),
    )


def _halves(shown: _Shown, users: int, seed: int) -> _Counts:
    """Return one half of each user's ratings as real ones, and the other half, as many or one more, as expected ones."""
    order = np.lexsort((np.random.default_rng(seed).random(len(shown.user)), shown.user))
    half = np.zeros(len(order), np.bool_)
    half[order[1::2]] = True
    real = np.eye(len(shown.levels))[shown.level]
    given, other = (_by_user(shown.user[rows], real[rows], users) for rows in (half, ~half))
    both = (given.sum(axis=1) > 0) & (other.sum(axis=1) > 0)
    scale = np.where(both, given.sum(axis=1) / np.maximum(other.sum(axis=1), 1.0), 0.0)[:, None]
    return _Counts(given * both[:, None], other * scale, np.zeros(users))


def _by_user(user: IntArray, values: DoubleArray, users: int) -> DoubleArray:
    return np.stack([np.bincount(user, column, users) for column in values.T], axis=1)


def _mean_error(table: _Counts, levels: DoubleArray) -> Statistic:
    sums = np.column_stack([(table.expected - table.real) @ levels, table.real.sum(axis=1)])
    return of_sums(sums, lambda drawn: np.abs(drawn[:, 0] / drawn[:, 1]))


def _distance(table: _Counts, levels: DoubleArray) -> Statistic:
    width = len(levels)

    def distance(drawn: DoubleArray) -> DoubleArray:
        left, right = drawn[:, :width], drawn[:, width:]
        return wasserstein(left / left.sum(axis=1, keepdims=True), right / right.sum(axis=1, keepdims=True), levels)

    return of_sums(np.column_stack([table.real, table.expected]), distance)


def _squared_error(table: _Counts) -> Statistic:
    return of_sums(np.column_stack([table.squares, table.real.sum(axis=1)]), lambda drawn: np.sqrt(drawn[:, 0] / drawn[:, 1]))
