"""Line 6, population: do the users differ from each other as people do?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.line import Line, Measure, Role, not_assessed
from recsim_llm.realism.lines.star_shape import REAL
from recsim_llm.realism.resampling import Resampler, Series, Statistic, of_sums
from recsim_llm.realism.thresholds import probabilities, yes
from recsim_llm.realism.trials import CardSettings, Trial, counted_users

__all__ = ["mean_similarity", "population_line"]


_NAME, _QUESTION = "population", "Do its users differ from each other as people do?"
_MEANS = (
    "User means: of held-out ratings ({split}), real ones and ones drawn from the predicted distributions with keyed dice, as "
    "a simulation draws them; spread is their standard deviation over users, correlation is over users"
)
_PROTOCOL = (
    "Popularity slope: least squares slope of consumed or not (real) and yes or no (predicted, as in the taste test at 1:1 "
    "with uniform negatives) on the natural logarithm of 1 + training ratings. Sameness: mean cosine similarity between pairs "
    "of users of what they consume among {panel} common items drawn in proportion to training ratings; predicted users consume "
    "as many as they really did, drawn without replacement with chances from the scores, on the scale fitted to validation "
    "users."
)
_STAR_RIVALS = ("global mean", "user and item biases", "own histogram")


def population_line(trials: Sequence[Trial], settings: CardSettings) -> Line:
    """Return the line; the correlation of users' mean ratings is the headline."""
    users = counted_users(trials, [trial.stars.user_index for trial in trials])
    if np.count_nonzero(users) < 2:
        return not_assessed(
            6, _NAME, _QUESTION, "fewer than two users have held-out ratings; two users with two ratings each would do"
        )
    resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
    starless = trials[0].starless
    measures = [] if starless else _means(trials, resampler)
    users = counted_users(trials, [trial.pages["uniform"].user_index for trial in trials])
    if np.count_nonzero(users) > 1:
        resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
        measures += [_slopes(trials, resampler), _sameness(trials, resampler)]
    if not measures:
        return not_assessed(6, _NAME, _QUESTION, f"{starless}, and fewer than two users have enough held-out items")
    means = f"User means: not assessed, since {starless}" if starless else _MEANS.format(split=settings.split)
    protocol = f"{means}. {_PROTOCOL.format(panel=len(trials[0].panel.item_index))}"
    return Line(number=6, name=_NAME, question=_QUESTION, measures=tuple(measures), protocol=protocol)


def _means(trials: Sequence[Trial], resampler: Resampler) -> list[Measure]:
    models = [row for row, role in trials[0].star_roles.items() if role in ("candidate", "reference")]
    tables = {row: [_mean_table(trial, trial.stars.drawn(row)) for trial in trials] for row in (*models, *_STAR_RIVALS)}
    real = [_mean_table(trial, trial.stars.rating) for trial in trials]
    roles: dict[str, Role] = {row: trials[0].star_roles[row] for row in tables}
    both = {row: Series(roles[row], [of_sums(table, _correlation) for table in values]) for row, values in tables.items()}
    spread = {row: Series(roles[row], [of_sums(table, _spread) for table in values]) for row, values in tables.items()}
    spread[REAL] = Series("real", [of_sums(table, _spread) for table in real])
    return [
        resampler.measure("correlation of user mean ratings", "correlation", "higher", both),
        resampler.measure("spread of user mean ratings", "stars", "real", spread),
    ]


def _mean_table(trial: Trial, predicted: DoubleArray) -> DoubleArray:
    """Return float64 [u, 6]: 1, x, y, xx, yy, xy of each user's mean predicted and real stars; zeros for users without any."""
    user, users = trial.stars.user_index, trial.held.users
    count = np.bincount(user, minlength=users)
    x, y = (np.bincount(user, stars, users) / np.maximum(count, 1) for stars in (predicted, trial.stars.rating))
    return np.where(count > 0, 1.0, 0.0)[:, None] * np.column_stack([np.ones(users), x, y, x * x, y * y, x * y])


def _spread(sums: DoubleArray) -> DoubleArray:
    return np.sqrt(np.maximum(sums[:, 3] / sums[:, 0] - (sums[:, 1] / sums[:, 0]) ** 2, 0.0))


def _correlation(sums: DoubleArray) -> DoubleArray:
    one, x, y, xx, yy, xy = sums.T
    top, bottom = one * xy - x * y, (one * xx - x * x) * (one * yy - y * y)
    return np.where(bottom > 1e-12, top / np.sqrt(np.where(bottom > 1e-12, bottom, 1.0)), np.nan)


def _slopes(trials: Sequence[Trial], resampler: Resampler) -> Measure:
    series = {row: Series(role, [_slope(trial, row) for trial in trials]) for row, role in trials[0].roles.items()}
    series[REAL] = Series("real", [_slope(trial, None) for trial in trials])
    return resampler.measure("popularity slope of clicks", "share a unit of log count", "real", series)


def _slope(trial: Trial, row: str | None) -> Statistic:
    page = trial.pages["uniform"]
    kept = page.page(1)
    answer = page.taken if row is None else yes(trial.scores["uniform"][row], page.taken, kept, trial.fold)
    y, x = answer.astype(np.float64), np.log1p(trial.held.counts(held_out=False))[page.item_index]
    columns = [np.where(kept, values, 0.0).sum(axis=1) for values in (np.ones(x.shape), x, y, x * x, x * y)]
    sums = np.zeros((trial.held.users, 5))
    sums[page.user_index] = np.column_stack(columns)

    def function(total: DoubleArray) -> DoubleArray:
        one, sx, sy, sxx, sxy = total.T
        spread = one * sxx - sx * sx
        return np.where(spread > 1e-12, (one * sxy - sx * sy) / np.where(spread > 1e-12, spread, 1.0), np.nan)

    return of_sums(sums, function)


def _sameness(trials: Sequence[Trial], resampler: Resampler) -> Measure:
    series = {}
    for row, role in trials[0].roles.items():
        series[row] = Series(role, [_similarity(trial, _consumed(trial, row)) for trial in trials])
    series[REAL] = Series("real", [_similarity(trial, trial.panel.taken) for trial in trials])
    return resampler.measure("sameness of users", "cosine", "real", series)


def _consumed(trial: Trial, row: str) -> npt.NDArray[np.bool_]:
    """Draw as many open items of the panel for each user as the user really consumed: Plackett-Luce by Gumbel noise.

    Yellott 1977, "The relationship between Luce's choice axiom, Thurstone's theory of comparative judgment, and the double
    exponential distribution".
    """
    panel, page = trial.panel, trial.pages["uniform"]
    _, slope = probabilities(trial.scores["uniform"][row], page.taken, page.page(9), trial.fold)
    outside = trial.held.training.ratings.users[page.user_index]
    words = keyed.words(trial.seed, "panel choice", outside[:, None], panel.item_index)
    utility = slope[:, None] * panel.scores[row] - np.log(-np.log(keyed.uniform(words)))
    rank = np.argsort(np.argsort(np.where(panel.open, -utility, np.inf), axis=1, kind="stable"), axis=1, kind="stable")
    consumed: npt.NDArray[np.bool_] = rank < panel.taken.sum(axis=1, keepdims=True)
    return consumed


def _similarity(trial: Trial, consumed: npt.NDArray[np.bool_]) -> Statistic:
    table = np.zeros((trial.held.users, consumed.shape[1]))
    table[trial.pages["uniform"].user_index] = consumed
    return mean_similarity(table)


def mean_similarity(consumed: DoubleArray) -> Statistic:
    """Return the mean cosine similarity over pairs of different users who consumed something.

    With unit rows ``a_u`` the sum over pairs ``u != v`` of ``w_u w_v a_u.a_v`` is ``|sum w_u a_u|^2 - sum w_u^2``. A user
    whom the bootstrap drew twice is no pair with itself.

    Args:
        consumed: float64 [u, n], 1 where the user consumed the item.
    """
    length = np.sqrt((consumed**2).sum(axis=1, keepdims=True))
    unit = np.where(length > 0, consumed / np.where(length > 0, length, 1.0), 0.0)
    some = (length[:, 0] > 0).astype(np.float64)

    def statistic(weights: DoubleArray) -> DoubleArray:
        own = (weights**2) @ some
        pairs = (weights @ some) ** 2 - own
        total = ((weights @ unit) ** 2).sum(axis=1) - own
        return np.where(pairs > 0, total / np.where(pairs > 0, pairs, 1.0), np.nan)

    return statistic
