"""Line 4, the shape of the stars: are they spread over the levels as people spread theirs?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.line import Better, Line, Role, not_assessed
from recsim_llm.realism.lines.stars import LEAST_ROWS
from recsim_llm.realism.resampling import Resampler, Series, Statistic, mean_statistic, of_sums
from recsim_llm.realism.trials import CardSettings, Trial, counted_users

__all__ = ["REAL", "jensen_shannon", "shape_line", "wasserstein"]


REAL = "real users"
"""Row of the people themselves."""

_NAME, _QUESTION = "star shape", "Are its ratings spread over the levels as people spread theirs?"
_PROTOCOL = (
    "Held-out ratings ({split}) against what is expected of the ratings that would be drawn, the mean of the predicted "
    "distributions; so no dice are in it. Per user: users with at least {least} held-out ratings. Wasserstein-1 is in stars, "
    "Jensen-Shannon divergence in bits, the spread ratio is the standard deviation of all drawn ratings over that of the real "
    "ones."
)
_RIVALS = {"global mean": "global histogram", "own histogram": "own histogram"}


class _Counts(NamedTuple):
    """Ratings of each user by level, real ones and expected ones, float64 [u, l] each."""

    real: DoubleArray
    expected: DoubleArray
    levels: DoubleArray


def shape_line(trials: Sequence[Trial], settings: CardSettings) -> Line:
    """Return the line; Wasserstein-1 of all ratings is the headline."""
    users = counted_users(trials, [trial.stars.user_index for trial in trials])
    if trials[0].starless or not users.any():
        return not_assessed(4, _NAME, _QUESTION, trials[0].starless or "nothing was held out; a user with two ratings would do")
    resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
    counts = {row: [_counts(trial, row) for trial in trials] for row in _rows(trials[0])}
    roles: dict[str, Role] = {_RIVALS.get(row, row): role for row, role in _rows(trials[0]).items()}
    tables = {_RIVALS.get(row, row): table for row, table in counts.items()}
    real = [_Counts(table.real, table.real, table.levels) for table in next(iter(counts.values()))]
    kinds: dict[str, tuple[str, Better, Callable[[_Counts], Statistic]]] = {
        "Wasserstein-1, all ratings": ("stars", "lower", lambda table: _global(table, wasserstein)),
        "Jensen-Shannon, all ratings": ("bits", "lower", lambda table: _global(table, jensen_shannon)),
        "Wasserstein-1 per user": ("stars", "lower", lambda table: _own(table, wasserstein)),
        "Jensen-Shannon per user": ("bits", "lower", lambda table: _own(table, jensen_shannon)),
        "spread ratio": ("ratio", "real", _spread_ratio),
        "share of one and two stars": ("share", "real", _low_share),
    }
    measures = []
    for name, (unit, better, statistic) in kinds.items():
        shown = tables | ({REAL: real} if better == "real" else {})
        series = {row: Series(roles.get(row, "real"), [statistic(table) for table in values]) for row, values in shown.items()}
        measures.append(resampler.measure(name, unit, better, series))
    protocol = _PROTOCOL.format(split=settings.split, least=LEAST_ROWS)
    curves = {"levels": [float(level) for level in real[0].levels], "shares": {REAL: _shares(real), **_all_shares(tables)}}
    return Line(number=4, name=_NAME, question=_QUESTION, measures=tuple(measures), protocol=protocol, curves=curves)


def wasserstein(left: DoubleArray, right: DoubleArray, levels: DoubleArray) -> DoubleArray:
    """Return the area between two distribution functions, in stars, float64 [b], of shares, float64 [b, l].

    Vallender 1974, "Calculation of the Wasserstein distance between probability distributions on the line".
    """
    gap: DoubleArray = np.abs(np.cumsum(left - right, axis=-1))[..., :-1] @ np.diff(levels)
    return gap


def jensen_shannon(left: DoubleArray, right: DoubleArray, levels: DoubleArray) -> DoubleArray:  # noqa: ARG001 (as for wasserstein)
    """Return the Jensen-Shannon divergence in bits, float64 [b], of shares, float64 [b, l] (Lin 1991, equation 3.1)."""
    middle = 0.5 * (left + right)
    return 0.5 * (_divergence(left, middle) + _divergence(right, middle))


def _divergence(left: DoubleArray, right: DoubleArray) -> DoubleArray:
    there = left > 0
    ratio = np.where(there, left, 1.0) / np.where(there, right, 1.0)
    divergence: DoubleArray = np.sum(np.where(there, left * np.log2(ratio), 0.0), axis=-1)
    return divergence


def _rows(trial: Trial) -> dict[str, Role]:
    models = {row: role for row, role in trial.star_roles.items() if role in ("candidate", "reference")}
    return models | {row: trial.star_roles[row] for row in _RIVALS}


def _counts(trial: Trial, row: str) -> _Counts:
    stars, users = trial.stars, trial.held.users
    size = len(stars.levels)
    real = np.bincount(stars.user_index * size + stars.level, minlength=users * size).reshape(users, size)
    expected = np.column_stack([np.bincount(stars.user_index, chance, users) for chance in stars.forecasts[row].chance.T])
    return _Counts(real.astype(np.float64), expected.astype(np.float64), stars.levels)


def _global(table: _Counts, distance: Callable[[DoubleArray, DoubleArray, DoubleArray], DoubleArray]) -> Statistic:
    size = len(table.levels)

    def function(sums: DoubleArray) -> DoubleArray:
        total = sums[:, :size].sum(axis=1, keepdims=True)
        return distance(sums[:, :size] / total, sums[:, size:] / total, table.levels)

    return of_sums(np.hstack([table.real, table.expected]), function)


def _own(table: _Counts, distance: Callable[[DoubleArray, DoubleArray, DoubleArray], DoubleArray]) -> Statistic:
    rows = table.real.sum(axis=1)
    total = np.maximum(rows, 1.0)[:, None]
    return mean_statistic(
        np.where(rows >= LEAST_ROWS, distance(table.real / total, table.expected / total, table.levels), np.nan)
    )


def _spread_ratio(table: _Counts) -> Statistic:
    moments = np.column_stack([np.ones(len(table.levels)), table.levels, table.levels**2])

    def function(sums: DoubleArray) -> DoubleArray:
        one, other = (np.sqrt(part[:, 2] / part[:, 0] - (part[:, 1] / part[:, 0]) ** 2) for part in (sums[:, :3], sums[:, 3:]))
        return np.where(other > 0, one / np.where(other > 0, other, 1.0), np.nan)

    return of_sums(np.hstack([table.expected @ moments, table.real @ moments]), function)


def _low_share(table: _Counts) -> Statistic:
    low = (table.levels <= 2.0).astype(np.float64)
    sums = np.column_stack([table.expected @ low, table.expected.sum(axis=1)])
    return of_sums(sums, lambda total: total[:, 0] / total[:, 1])


def _shares(tables: Sequence[_Counts]) -> list[float]:
    total = sum(table.expected.sum(axis=0) for table in tables)
    return [float(share) for share in np.asarray(total) / np.sum(total)]


def _all_shares(tables: dict[str, list[_Counts]]) -> dict[str, list[float]]:
    return {row: _shares(values) for row, values in tables.items()}
