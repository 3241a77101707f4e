"""How well fitted users predict ratings that they were not fitted on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.choice.choice_fit import FittedUsers, fit_choice
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.pages import probability
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.numerics.rating_biases import fit_rating_biases
from recsim_llm.numerics.time_order import last_share

__all__ = ["held_out_scores"]

_PENALTIES = (0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0)
"""Finer than the realism card's, since the fit is told in percent below these biases: they are to be as good as they can."""
_ROUNDS = 20
_RESAMPLES = 1000


def held_out_scores(dataset: Dataset, seed: int) -> dict[str, float | int | None]:
    """Fit on the first 80% of each user's ratings in time and score the last 20%.

    Baselines are the mean of all ratings, the item's mean, and user and item biases whose ridge penalties are chosen on the
    last 20% of the training part. Nothing else sees the held-out rows. Intervals are 95%, by bootstrap over users.

    Args:
        dataset: all ratings.
        seed: of the fit, of the drawn ratings and of the bootstrap.

    Returns:
        By name: ``held-out rows`` and ``held-out users``; the root mean square error in stars of each baseline and of the
        model, whose prediction is the mean of its rating distribution; how far in percent the model is below the biases;
        Wasserstein-1 in stars between drawn and real ratings; correlation of users' mean ratings; bits a star (log loss,
        base 2) of the model and of the training histogram. Names ending in ``low`` and ``high`` hold the intervals. None
        where a score is undefined, such as a correlation of one user, or in a resample, its interval.
    """
    training, test = dataset.training_part(0.8)
    train, fitted = training.ratings, fit_choice(training, seed)
    chance = _chances(fitted, dataset, test)
    levels = fitted.model.levels.astype(np.float64)
    real = _level_of(levels, test.rating)
    noise = keyed.uniform(keyed.words(seed, "held-out", test.user_id, test.item_id))
    drawn = np.minimum((noise[:, None] > np.cumsum(chance, axis=1)).sum(axis=1), len(levels) - 1)
    histogram = np.bincount(_level_of(levels, train.rating), minlength=len(levels)) / len(train)
    predicted = {**_baselines(dataset, train, test), "fitted users": chance @ levels}
    bits = {"fitted users": _bits(chance, real), "training histogram": -np.log2(histogram[real])}
    by_user = test.user_index
    sums = _UserSums(
        rows=np.bincount(by_user).astype(np.float64),
        errors={name: _sum_by(by_user, (values - test.rating) ** 2) for name, values in predicted.items()},
        bits={name: _sum_by(by_user, values) for name, values in bits.items()},
        real=_level_counts(by_user, real, len(levels)),
        drawn=_level_counts(by_user, drawn, len(levels)),
    )
    return _with_intervals(sums, levels, seed)


def _chances(fitted: FittedUsers, dataset: Dataset, test: Ratings) -> DoubleArray:
    """Return float64 [r, l]: each row's distribution over the levels, as the choice users draw it."""
    row = np.searchsorted(fitted.population.user_id, test.user_id)
    vectors = fitted.population.vectors
    mean = np.einsum("rd,rd->r", vectors["rating"][row], fitted.model.rating_items[dataset.catalog.index_of(test.item_id)])
    below = probability((vectors["cuts"][row] - mean[:, None]) / vectors["noise"][row]).astype(np.float64)
    edges = np.column_stack([np.zeros(len(row)), below, np.ones(len(row))])
    return np.diff(edges, axis=1)


def _level_of(levels: DoubleArray, stars: npt.NDArray[np.float32]) -> IntArray:
    """Return the position of each rating's level, of the nearest one where the training part lacks it."""
    middles = 0.5 * (levels[1:] + levels[:-1])
    return np.searchsorted(middles, stars)


def _sum_by(user: IntArray, values: DoubleArray) -> DoubleArray:
    return np.bincount(user, values).astype(np.float64)


def _level_counts(user: IntArray, level: IntArray, levels: int) -> DoubleArray:
    counts = np.bincount(user * levels + level, minlength=(int(user.max()) + 1) * levels)
    return counts.reshape(-1, levels).astype(np.float64)


def _bits(chance: DoubleArray, real: IntArray) -> DoubleArray:
    return -np.log2(np.maximum(chance[np.arange(len(real)), real], 1e-12))


def _baselines(dataset: Dataset, train: Ratings, test: Ratings) -> dict[str, DoubleArray]:
    users = dataset.ratings.users
    user, item = np.searchsorted(users, train.user_id), dataset.catalog.index_of(train.item_id)
    later_user, later_item = np.searchsorted(users, test.user_id), dataset.catalog.index_of(test.item_id)
    items, stars = len(dataset.catalog), train.rating.astype(np.float64)
    mean = float(stars.mean())
    total, count = np.bincount(item, stars, items), np.bincount(item, minlength=items)
    item_mean = np.where(count > 0, total / np.maximum(count, 1), mean)
    biases = fit_rating_biases(
        user,
        item,
        stars,
        shape=(len(users), items),
        held_back=last_share(user, train.timestamp),
        penalties=_PENALTIES,
        rounds=_ROUNDS,
    )
    return {
        "mean of all": np.full(len(test), mean),
        "item mean": item_mean[later_item],
        "user and item biases": biases.predict(later_user, later_item),
    }


class _UserSums(NamedTuple):
    """Sums over each user's held-out rows; users are what the bootstrap draws."""

    rows: DoubleArray
    """float64 [u]: number of rows."""
    errors: dict[str, DoubleArray]
    """Squared errors by predictor, each float64 [u]."""
    bits: dict[str, DoubleArray]
    """Log loss by predictor, each float64 [u]."""
    real: DoubleArray
    """float64 [u, l]: rows at each level."""
    drawn: DoubleArray
    """float64 [u, l]: the same of the drawn ratings."""

    def scores(self, weight: DoubleArray, levels: DoubleArray) -> dict[str, float]:
        """Return every score when user ``j`` counts ``weight[j]`` times."""
        total = float(weight @ self.rows)
        errors = {f"RMSE {name}": float(np.sqrt(weight @ values / total)) for name, values in self.errors.items()}
        gap = np.abs(np.cumsum(weight @ (self.real - self.drawn) / total))[:-1] @ np.diff(levels)
        real, drawn = (count @ levels / self.rows for count in (self.real, self.drawn))
        return errors | {
            "percent below user and item biases": _percent_below(
                errors["RMSE fitted users"], errors["RMSE user and item biases"]
            ),
            "Wasserstein-1 of drawn stars": float(gap),
            "correlation of users' mean stars": _correlation(real, drawn, weight),
            **{f"bits a star, {name}": float(weight @ values / total) for name, values in self.bits.items()},
        }


def _with_intervals(sums: _UserSums, levels: DoubleArray, seed: int) -> dict[str, float | int | None]:
    users = len(sums.rows)
    weights = np.random.default_rng(seed).multinomial(users, np.full(users, 1 / users), _RESAMPLES).astype(np.float64)
    resamples = [sums.scores(weight, levels) for weight in weights]
    table: dict[str, float | int | None] = {"held-out rows": int(sums.rows.sum()), "held-out users": users}
    for name, value in sums.scores(np.ones(users), levels).items():
        low, high = np.quantile([sample[name] for sample in resamples], [0.025, 0.975])
        table |= {name: _known(value), f"{name}, low": _known(low), f"{name}, high": _known(high)}
    return table


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _correlation(left: DoubleArray, right: DoubleArray, weight: DoubleArray) -> float:
    left, right = left - weight @ left / weight.sum(), right - weight @ right / weight.sum()
    scale = np.sqrt((weight @ left**2) * (weight @ right**2))
    return float(weight @ (left * right) / scale) if scale > 0 else float("nan")


def _percent_below(error: float, baseline: float) -> float:
    return 100 * (1 - error / baseline) if baseline > 0 else float("nan")
