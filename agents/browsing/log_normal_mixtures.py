"""Times as a mixture of log-normal distributions: how long people stay with what they clicked, and when they come back.

Times on the web spread over orders of magnitude, and several kinds of visits lie in one log: glances, readings, forgotten tabs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsim_llm.agents.browsing.item_chances import sum_by
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_numbers, as_whole_numbers, check_number, check_whole_number
from recsim_llm.errors import DataError
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = ["LogNormalMixture", "fit_log_normal_mixture", "quantile_intervals"]

_SHORTEST = 0.5
_MOST_COMPONENTS = 3
_LEAST_DEVIATION = 0.1
_ROUNDS = 500
_ENOUGH = 1e-7


@dataclass(frozen=True, kw_only=True, eq=False)
class LogNormalMixture:
    """A distribution of times above 0."""

    weight: DoubleArray
    """float64 [c]: shares of the components, which add up to 1."""
    mean: DoubleArray
    """float64 [c]: of the logarithm of seconds, ascending."""
    deviation: DoubleArray
    """float64 [c]: of the logarithm of seconds."""
    times: int
    """Times that it was fitted on."""

    def log_density(self, seconds: DoubleArray) -> DoubleArray:
        """Return float64 [n]: the natural logarithm of the density of the logarithm of seconds."""
        each = _log_shares(_logs(seconds), self.weight, self.mean, deviation=self.deviation)
        return np.asarray(np.logaddexp.reduce(each, axis=0), np.float64)

    def share_below(self, seconds: DoubleArray) -> DoubleArray:
        """Return float64, of the shape of ``seconds``: the share of times that are not longer."""
        from scipy.special import ndtr

        place = (np.log(np.maximum(np.asarray(seconds, np.float64), 1e-300))[..., None] - self.mean) / self.deviation
        return np.asarray((self.weight * ndtr(place)).sum(axis=-1), np.float64)

    def quantile(self, share: DoubleArray) -> DoubleArray:
        """Return float64, of the shape of ``share``: seconds that this share of times does not exceed."""
        wanted = np.asarray(share, np.float64)
        low = np.full(wanted.shape, float((self.mean - 12.0 * self.deviation).min()))
        high = np.full(wanted.shape, float((self.mean + 12.0 * self.deviation).max()))
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = self.share_below(np.exp(middle)) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.exp(0.5 * (low + high))

    def sample(self, word: keyed.Words) -> DoubleArray:
        """Return seconds, float64 of the shape of the words, one draw each."""
        return self.quantile(keyed.uniform(word))


def fit_log_normal_mixture(seconds: DoubleArray, user_id: IntArray, components: int | None = None) -> LogNormalMixture:
    """Fit a mixture by expectation maximisation.

    Times are recorded in whole seconds as a rule; one below half a second counts as half a second.

    Args:
        seconds: float64 [n], 0 or more, finite.
        user_id: int64 [n]: whose time it is.
        components: 1 or more; None chooses 1 to 3 by likelihood of users left out, every user once in two halves.

    Raises:
        DataError: columns disagree, or there are fewer than two different times.
        ConfigError: the number of components cannot be.
    """
    seconds = as_numbers("times, seconds", seconds, ("times",), bounds=(0.0, np.inf))
    user_id = as_whole_numbers("times, user_id", user_id, seconds.shape, least=0)
    if len(np.unique(np.maximum(seconds, _SHORTEST))) < 2:
        raise DataError("times: got fewer than two different times, expected a distribution; use a longer log")
    if components is None:
        components = _choose(seconds, user_id)
    check_whole_number("components", components, least=1)
    return _fit(_logs(seconds), np.ones(len(seconds)), components)


def quantile_intervals(
    seconds: DoubleArray,
    user_id: IntArray,
    shares: tuple[float, ...],
    *,
    components: int,
    seed: int,
    resamples: int = 100,
    confidence: float = CONFIDENCE,
) -> tuple[Estimate, ...]:
    """Return quantiles of the fitted mixture with percentile intervals over redrawn users.

    Args:
        seconds: float64 [n].
        user_id: int64 [n].
        shares: of times below each quantile, above 0 and below 1.
        components: of the mixture.
        seed: of the draws, which are keyed by seed, resample and user.
        resamples: how often users are drawn again.
        confidence: of the intervals.

    Raises:
        DataError: columns disagree, or there are fewer than two different times.
        ConfigError: a setting cannot work.
    """
    whole = fit_log_normal_mixture(seconds, user_id, components)
    check_whole_number("seed", seed, least=0)
    check_whole_number("resamples", resamples, least=20)
    check_number("confidence", confidence, above=0.0, below=1.0)
    for share in shares:
        check_number("share", share, above=0.0, below=1.0)
    users, owner = np.unique(user_id, return_inverse=True)
    value, drawn = whole.quantile(np.array(shares)), np.empty((resamples, len(shares)))
    for number in range(resamples):
        place = keyed.uniform(keyed.words(seed, "times bootstrap", number, np.arange(len(users)))) * len(users)
        times = np.bincount(place.astype(np.int64), minlength=len(users)).astype(np.float64)
        drawn[number] = _fit(_logs(seconds), times[owner], components).quantile(np.array(shares))
    low, high = np.quantile(drawn, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0], axis=0)
    return tuple(
        Estimate(value=float(v), low=float(a), high=float(b), users=len(users))
        for v, a, b in zip(value, low, high, strict=True)
    )


def _logs(seconds: DoubleArray) -> DoubleArray:
    return np.asarray(np.log(np.maximum(seconds, _SHORTEST)))


def _choose(seconds: DoubleArray, user_id: IntArray) -> int:
    half = np.unique(user_id, return_inverse=True)[1] % 2
    if half.max() == 0:
        return 1
    left_out = []
    for components in range(1, _MOST_COMPONENTS + 1):
        total = 0.0
        for part in (0, 1):
            rest = half != part
            model = _fit(_logs(seconds[rest]), np.ones(int(rest.sum())), components)
            total += float(model.log_density(seconds[~rest]).sum())
        left_out.append(total)
    return 1 + int(np.argmax(left_out))


def _log_shares(logs: DoubleArray, weight: DoubleArray, mean: DoubleArray, *, deviation: DoubleArray) -> DoubleArray:
    """Return float64 [c, n]: log of each component's share of the density."""
    place = (logs - mean[:, None]) / deviation[:, None]
    return np.asarray(-0.5 * place**2 + np.log(weight / deviation / np.sqrt(2.0 * np.pi))[:, None])


def _fit(logs: DoubleArray, times: DoubleArray, components: int) -> LogNormalMixture:
    """Fit to logarithms, float64 [n], that count so many times, float64 [n]; begins with equal parts in order."""
    order = np.argsort(logs, kind="stable")
    part = np.minimum((np.cumsum(times[order]) / times.sum() * components).astype(np.int64), components - 1)
    counts = np.maximum(sum_by(part, times[order], components), 1e-9)
    mean = sum_by(part, times[order] * logs[order], components) / counts
    spread = float(np.sqrt(np.average((logs - np.average(logs, weights=times)) ** 2, weights=times)))
    deviation = np.full(components, max(spread / components, _LEAST_DEVIATION))
    weight = np.full(components, 1.0 / components)
    before = -np.inf
    for _ in range(_ROUNDS):
        each = _log_shares(logs, weight, mean, deviation=deviation)
        total = np.logaddexp.reduce(each, axis=0)
        found = float(np.average(total, weights=times))
        if found - before < _ENOUGH:
            break
        before = found
        belongs = np.exp(each - total) * times
        counts = np.maximum(belongs.sum(axis=1), 1e-9)
        weight, mean = counts / counts.sum(), (belongs @ logs) / counts
        variance = (belongs * (logs - mean[:, None]) ** 2).sum(axis=1) / counts
        deviation = np.sqrt(np.maximum(variance, _LEAST_DEVIATION**2))
    place = np.argsort(mean)
    return LogNormalMixture(weight=weight[place], mean=mean[place], deviation=deviation[place], times=len(logs))
