"""Line 3, stars: how near are the ratings, user by user and item by item?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.numerics.ranking import mean_ranks
from recsim_llm.realism.line import Better, Line, not_assessed
from recsim_llm.realism.resampling import Resampler, Series, Statistic, mean_statistic, of_sums, ratio_statistic
from recsim_llm.realism.trials import CardSettings, HeldOutStars, Trial, counted_users

__all__ = ["LEAST_ROWS", "star_line"]


LEAST_ROWS = 5
"""Held-out ratings that a user needs for measures within the user."""

_NAME, _QUESTION = "stars", "How near are its ratings to the ones that people gave?"
_PROTOCOL = (
    "Held-out ratings ({split}). RMSE and MAE are of the mean of the predicted distribution, the exact share of its likeliest "
    "level, bits a star are -log2 of the real level's chance; Spearman's correlation is within each user with at least {least} "
    "held-out ratings that differ, averaged over users, and undefined for a row that predicts the same for all items. A model "
    "with fewer levels than the data has each level's chance shared out among those around it as in the training histogram."
)
_RIVALS = ("global mean", "item mean", "user and item biases")


def star_line(trials: Sequence[Trial], settings: CardSettings) -> Line:
    """Return the line; the root mean square error is the headline."""
    users = counted_users(trials, [trial.stars.user_index for trial in trials])
    if trials[0].starless or not users.any():
        return not_assessed(3, _NAME, _QUESTION, trials[0].starless or "nothing was held out; a user with two ratings would do")
    resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
    kinds: dict[str, tuple[str, Better, Callable[[Trial, str], Statistic]]] = {
        "RMSE": ("stars", "lower", _rmse),
        "MAE": ("stars", "lower", lambda trial, row: _mean(trial, np.abs(_error(trial.stars, row)))),
        "exact share": ("share", "higher", _exact),
        "bits a star": ("bits", "lower", _bits),
        "Spearman within users": ("correlation", "higher", _spearman),
    }
    rows = {row: role for row, role in trials[0].star_roles.items() if role in ("candidate", "reference") or row in _RIVALS}
    measures = []
    for name, (unit, better, statistic) in kinds.items():
        series = {row: Series(role, [statistic(trial, row) for trial in trials]) for row, role in rows.items()}
        measures.append(resampler.measure(name, unit, better, series))
    protocol = _PROTOCOL.format(split=settings.split, least=LEAST_ROWS)
    return Line(number=3, name=_NAME, question=_QUESTION, measures=tuple(measures), protocol=protocol)


def _error(stars: HeldOutStars, row: str) -> DoubleArray:
    return stars.forecasts[row].mean - stars.rating


def _sums(trial: Trial, values: DoubleArray) -> DoubleArray:
    return np.bincount(trial.stars.user_index, values, trial.held.users).astype(np.float64)


def _mean(trial: Trial, values: DoubleArray) -> Statistic:
    return ratio_statistic(_sums(trial, values), _sums(trial, np.ones(len(values))))


def _rmse(trial: Trial, row: str) -> Statistic:
    square = _error(trial.stars, row) ** 2
    sums = np.column_stack([_sums(trial, square), _sums(trial, np.ones(len(square)))])
    return of_sums(sums, lambda total: np.sqrt(total[:, 0] / total[:, 1]))


def _exact(trial: Trial, row: str) -> Statistic:
    likeliest = trial.stars.forecasts[row].chance.argmax(axis=1)
    return _mean(trial, (likeliest == trial.stars.level).astype(np.float64))


def _bits(trial: Trial, row: str) -> Statistic:
    stars = trial.stars
    chance = stars.forecasts[row].chance[np.arange(len(stars.rating)), stars.level]
    return _mean(trial, -np.log2(np.maximum(chance, 1e-12)))


def _spearman(trial: Trial, row: str) -> Statistic:
    stars, values = trial.stars, np.full(trial.held.users, np.nan)
    order = np.argsort(stars.user_index, kind="stable")
    counts = np.bincount(stars.user_index, minlength=trial.held.users)
    for rows in np.split(order, np.cumsum(counts)[:-1]):
        if len(rows) >= LEAST_ROWS and np.ptp(stars.rating[rows]) > 0:
            left, right = (mean_ranks(given[rows]) for given in (stars.rating, stars.forecasts[row].mean))
            if np.ptp(right) == 0:
                # Constant within one user only: no order is no correlation; constant for all is undefined, see below.
                values[stars.user_index[rows[0]]] = np.nan
            else:
                values[stars.user_index[rows[0]]] = np.corrcoef(left, right)[0, 1]
    return mean_statistic(values)
