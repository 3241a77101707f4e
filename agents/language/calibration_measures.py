"""What a calibration changes, measured on users who had no part in fitting it: before, after, and how it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from recsim_llm.agents.language.calibration import STAR_LEVELS, Calibration
from recsim_llm.agents.language.calibration_answers import Answered
from recsim_llm.agents.language.calibration_fit import expected_pages, share_levels
from recsim_llm.agents.language.calibration_pages import CalibrationPages
from recsim_llm.agents.language.visit_lengths import VisitLengths
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset
from recsim_llm.realism.candidates import on_levels
from recsim_llm.realism.lines.star_shape import wasserstein
from recsim_llm.realism.resampling import Resampler, Statistic, mean_statistic, of_sums
from recsim_llm.statistics import Estimate

__all__ = ["MeasuredPages", "later_stars", "measure_calibration"]

_OWN_LEVELS = np.arange(1.0, STAR_LEVELS + 1.0)
_BINS = 5
_LEAST = 1e-9

Sides = dict[str, Statistic]
"""``target``, ``before`` and ``after``, those that a measure has."""


class MeasuredPages(NamedTuple):
    """Pages, what was said of them, and how it should be."""

    dataset: Dataset
    """Catalog and ratings."""
    pages: CalibrationPages
    """What was shown, a page a user."""
    answered: Answered
    """What was said."""
    visits: VisitLengths
    """How long the users' visits should be."""
    click_rate: float
    """Share of examined items, drawn uniformly, that users should take."""
    people: IntArray
    """int64 [q]: positions in the data's users, those of the pages among them: whose later stars are the target."""

    def of(self, users: BoolArray) -> MeasuredPages:
        """Return the part of some of the users, bool [p]."""
        one, other, visits = self.pages, self.answered, self.visits
        return self._replace(
            pages=CalibrationPages(
                one.user_index[users], one.item_index[users], one.taken[users], one.stars[users], one.uniform[users]
            ),
            answered=Answered(other.click[users], other.stars[users], other.leave[users]),
            visits=VisitLengths(visits.pages[users], visits.ended[users], visits.basis),
        )


def later_stars(dataset: Dataset, user_index: IntArray) -> tuple[DoubleArray, DoubleArray, IntArray]:
    """Return the later ratings, the last 20%, of users.

    Args:
        dataset: catalog and ratings.
        user_index: int64 [u]: positions in the data's users.

    Returns:
        float64 [n, l]: for users who have some, the share of each one's ratings at each of the data's levels; float64 [l], the
        levels; int64 [n], the users.
    """
    _, later = dataset.ratings.split_by_time(TRAIN_SHARE)
    levels = dataset.ratings.levels.astype(np.float64)
    owner = np.searchsorted(dataset.ratings.users, later.user_id)
    level = np.searchsorted(dataset.ratings.levels, later.rating)
    table = np.bincount(owner * len(levels) + level, minlength=len(dataset.ratings.users) * len(levels))
    counts = table.reshape(-1, len(levels))[user_index].astype(np.float64)
    some = counts.sum(axis=1) > 0
    return counts[some] / counts[some].sum(axis=1, keepdims=True), levels, user_index[some]


def measure_calibration(found: MeasuredPages, calibration: Calibration, *, page_bias: float, seed: int) -> dict[str, Any]:
    """Return the table of measures with their intervals, and what figures show; plain values, keys are stable.

    Intervals are by bootstrap over users.

    Args:
        found: of users who had no part in the fit.
        calibration: what was fitted.
        page_bias: of clicks, that suits the share of items taken on such pages; log loss and reliability are measured with it.
        seed: of the bootstrap.
    """
    users = len(found.pages.user_index)
    resampler = Resampler(np.ones(users, np.bool_), seed)
    measures = {"click_rate": _click_rate(found, calibration), "visit_pages": _visit_pages(found, calibration)}
    log_odds = found.answered.click
    chances = {"before": expit(log_odds), "after": expit(calibration.click_slope * log_odds + page_bias)}
    measures["click_bits"] = _click_bits(found.pages, chances)
    more: dict[str, Any] = {"reliability": _reliability(found.pages, chances)}
    table = {name: {side: _plain(resampler, one) for side, one in sides.items()} for name, sides in measures.items()}
    if found.dataset.feedback == "explicit":
        stars = _Stars(found, calibration)
        table |= stars.measures(seed)
        more["stars"] = stars.shares()
    table["click_rate"]["target"] = {"value": found.click_rate, "low": None, "high": None, "users": 0}
    return {"measured": table, **more}


def _plain(resampler: Resampler, statistic: Statistic) -> dict[str, float | int | None]:
    estimate: Estimate = resampler.estimate(statistic(resampler.weights))
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "users": estimate.users}


def _click_rate(found: MeasuredPages, calibration: Calibration) -> Sides:
    anything = found.pages.uniform

    def mean(log_odds: DoubleArray) -> Statistic:
        return mean_statistic(np.where(anything, expit(log_odds), 0.0).sum(axis=1) / anything.sum(axis=1))

    return {"before": mean(found.answered.click), "after": mean(calibration.click(found.answered.click))}


def _visit_pages(found: MeasuredPages, calibration: Calibration) -> Sides:
    leave = found.answered.leave
    return {
        "target": mean_statistic(found.visits.pages),
        "before": mean_statistic(expected_pages(expit(leave))),
        "after": mean_statistic(expected_pages(expit(calibration.leave(leave)))),
    }


def _click_bits(pages: CalibrationPages, chances: Mapping[str, DoubleArray]) -> Sides:
    """Return the log loss a decision on taken items and the others as popular."""
    counted, taken = ~pages.uniform, pages.taken

    def bits(chance: DoubleArray) -> Statistic:
        loss = -np.log2(np.maximum(np.where(taken, chance, 1.0 - chance), _LEAST))
        return mean_statistic(np.where(counted, loss, 0.0).sum(axis=1) / counted.sum(axis=1))

    return {side: bits(chance) for side, chance in chances.items()}


def _reliability(pages: CalibrationPages, chances: Mapping[str, DoubleArray]) -> dict[str, list[dict[str, float]]]:
    """Return by side bins of about as many decisions each: mean chance, share taken, decisions."""
    counted = ~pages.uniform
    taken = pages.taken[counted]
    curves = {}
    for side, chance in chances.items():
        order = np.argsort(chance[counted], kind="stable")
        bins = [part for part in np.array_split(order, _BINS) if len(part)]
        curves[side] = [
            {"chance": float(chance[counted][part].mean()), "taken": float(taken[part].mean()), "decisions": len(part)}
            for part in bins
        ]
    return curves


class _Stars:
    """The stars that people gave later, and the distributions that calibrated and uncalibrated users would draw from.

    People are all who were kept apart, users those of them who were asked about; both are drawn together in the bootstrap.
    """

    def __init__(self, found: MeasuredPages, calibration: Calibration) -> None:
        said, taken = found.answered.stars, found.pages.taken
        self._real, self._levels, people = later_stars(found.dataset, found.people)
        self._row = np.searchsorted(people, found.pages.user_index)
        known, _ = found.dataset.ratings.split_by_time(TRAIN_SHARE)
        level = np.searchsorted(found.dataset.ratings.levels, known.rating)
        self._histogram = np.bincount(level, minlength=len(self._levels)).astype(np.float64)
        shares = share_levels(found.pages.stars[taken])
        sides = {"before": said, "after": calibration.stars(said)}
        self._own = {side: _mean_of_taken(stars, taken) for side, stars in sides.items()}
        self._bits = {side: _bits(stars, shares, taken) for side, stars in sides.items()}

    def measures(self, seed: int) -> dict[str, dict[str, Any]]:
        """Return the sides of each measure as plain values."""
        people = Resampler(np.ones(len(self._real), np.bool_), seed)
        sides = {side: (self._of_people(own), _OWN_LEVELS) for side, own in self._own.items()}
        both = {"target": (self._real, self._levels), **sides}
        users = dict.fromkeys(sides, len(self._row)) | {"target": len(self._real)}
        spread = {side: self._of_people(self._on_data_levels(own)) for side, own in self._own.items()}
        table = {
            "star_mean": {side: mean_statistic(shares @ levels) for side, (shares, levels) in both.items()},
            "star_spread": {side: _spread(shares, levels) for side, (shares, levels) in both.items()},
            "star_wasserstein": {side: self._distance(shares) for side, shares in spread.items()},
            "star_bits": {side: mean_statistic(self._of_people(loss)) for side, loss in self._bits.items()},
        }
        return {
            name: {side: _plain(people, one) | {"users": users[side]} for side, one in found.items()}
            for name, found in table.items()
        }

    def shares(self) -> dict[str, list[float]]:
        """Return the mean distributions on the data's levels."""
        spread = {side: self._on_data_levels(own).mean(axis=0).tolist() for side, own in self._own.items()}
        return {"levels": self._levels.tolist(), "real": self._real.mean(axis=0).tolist(), **spread}

    def _of_people(self, own: DoubleArray) -> DoubleArray:
        """Return the users' values in the people's rows; NaN for those who were not asked about."""
        values = np.full((len(self._real), *own.shape[1:]), np.nan)
        values[self._row] = own
        return values

    def _on_data_levels(self, own: DoubleArray) -> DoubleArray:
        return on_levels(own, _OWN_LEVELS.astype(np.float32), self._levels, self._histogram)

    def _distance(self, shares: DoubleArray) -> Statistic:
        size, there = len(self._levels), ~np.isnan(shares[:, :1])
        sums = np.hstack([self._real, np.ones((len(shares), 1)), np.where(there, shares, 0.0), there])

        def function(total: DoubleArray) -> DoubleArray:
            real, own = total[:, : size + 1], total[:, size + 1 :]
            return wasserstein(real[:, :-1] / real[:, -1:], own[:, :-1] / own[:, -1:], self._levels)

        return of_sums(sums, function)


def _mean_of_taken(stars: DoubleArray, taken: BoolArray) -> DoubleArray:
    """Return float64 [p, 5]: each user's mean distribution over the items taken."""
    mean: DoubleArray = (stars * taken[..., None]).sum(axis=1) / taken.sum(axis=1, keepdims=True)
    return mean


def _bits(stars: DoubleArray, outcome: DoubleArray, taken: BoolArray) -> DoubleArray:
    """Return float64 [p]: mean bits a rating."""
    loss = np.zeros(taken.shape)
    loss[taken] = -(outcome * np.log2(np.maximum(stars[taken], _LEAST))).sum(axis=1)
    mean: DoubleArray = loss.sum(axis=1) / taken.sum(axis=1)
    return mean


def _spread(shares: DoubleArray, levels: DoubleArray) -> Statistic:
    """Return the standard deviation of all ratings together, each user with the same weight; NaN in a row leaves it out."""
    there = ~np.isnan(shares[:, 0])
    known = np.where(there[:, None], shares, 0.0)
    sums = np.column_stack([there, known @ levels, known @ levels**2])
    return of_sums(sums, lambda total: np.sqrt(np.maximum(total[:, 2] / total[:, 0] - (total[:, 1] / total[:, 0]) ** 2, 0.0)))
