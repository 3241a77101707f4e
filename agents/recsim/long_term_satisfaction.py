"""RecSim's long-term satisfaction: clickbait pays at once and costs later (choc and kale).

A user is one number, the net positive exposure NPE. The user always consumes the first item of the page, whose clickbait score
is c, and engages with it for exp(N(m, s)) with

    m = (c * choc_mean + (1 - c) * kale_mean) * SAT,   s = c * choc_stddev + (1 - c) * kale_stddev,
    SAT = 1 / (1 + exp(-sensitivity * NPE))

and then NPE <- memory_discount * NPE - 2 (c - 1/2) + N(0, innovation_stddev). (Ie et al. 2019, section 6.2 and RecSim's
``long_term_satisfaction.py``, whose documentation has the opposite sign of the second term.) RecSim ends a session after
``time_budget`` = 60 steps; here that is the page budget.

A click is certain, so that its log-odds need only be large. They are 30 plus the log of the engagement that is expected at this
moment: whoever ranks by them ranks by what the next page pays, which in this world is the greedy policy. Stars are none of
RecSim's: they tell how satisfied the user is, and are the higher the less of a clickbait the item was.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from scipy.special import ndtri

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.bounds import Bounds, Range
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows
from recsim_llm.core.parameters import is_number
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population

__all__ = ["LongTermParameters", "LongTermUsers"]

_SURE = np.float32(30.0)
"""Log-odds far beyond every draw of the dice, which have 23 bits."""
_FARTHEST = 8.5
"""Standard deviations beyond which no keyed draw lies."""
_CUTS = np.array([-2.0, -0.7, 0.7, 2.0], np.float32)


_MOST = {"memory_discount": 0.99, "sensitivity": 1.0, "innovation_stddev": 1.0, "choc_stddev": 2.0, "kale_stddev": 2.0}
_MOST_LOG = 8.0


@dataclass(frozen=True, kw_only=True)
class LongTermParameters:
    """Parameters of RecSim's choc and kale, with its published values as defaults."""

    memory_discount: float = 0.7
    """Share of the exposure that is left one item later, 0 to 0.99."""
    sensitivity: float = 0.01
    """Log-odds of satisfaction a unit of exposure, 0 to 1."""
    innovation_stddev: float = 0.05
    """Standard deviation of what else moves the exposure, 0 to 1."""
    choc_mean: float = 5.0
    """Mean log engagement with pure clickbait, at satisfaction 1; 0 to 8."""
    choc_stddev: float = 1.0
    """Its standard deviation, 0 or more."""
    kale_mean: float = 4.0
    """Mean log engagement with what is no clickbait at all, at satisfaction 1; 0 to 8."""
    kale_stddev: float = 1.0
    """Its standard deviation, 0 or more."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            most = _MOST.get(field.name, _MOST_LOG)
            if not is_number(value) or not 0 <= value <= most:
                raise ConfigError(f"recsim-lts parameter {field.name!r}: got {value!r}, expected a number from 0 to {most:g}")


class LongTermUsers:
    """Users of the long-term satisfaction world.

    Args:
        catalog: documents, whose first feature is the clickbait score.
        population: the users; their personas do not matter.
        parameters: of the dynamics.
        seed: of where users begin, and with the noise of a page of what else moves them.

    Raises:
        ConfigError: the items have no clickbait score.
    """

    levels: FloatArray = np.arange(1, 6, dtype=np.float32)
    """Stars say how satisfied the user is; RecSim has none."""
    most_engagement = 100.0
    """Engagement that counts as having seen the whole item, as in what RecSim lets be observed."""

    def __init__(self, catalog: Catalog, population: Population, parameters: LongTermParameters, seed: int) -> None:
        self.parameters, self._seed = parameters, seed
        if catalog.features.shape[1] != 1 or not 0 <= catalog.features.min() <= catalog.features.max() <= 1:
            raise ConfigError(
                f"recsim-lts: got items with {catalog.features.shape[1]} features, expected one, the clickbait score from 0 to "
                "1; take the data recsim-lts"
            )
        self._score = catalog.features[:, 0].astype(np.float64)
        share = keyed.uniform(keyed.words(seed, "recsim exposure", population.user_id))
        self._start = (share - 0.5) / (1 - parameters.memory_discount)

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        self._examined = np.zeros(slate_size, np.float32)
        self._examined[0] = 1.0
        self._exposure = np.zeros(rows)
        self._innovation = np.zeros(0)

    def copy_rows(self, rows: IntArray) -> Self:
        """Return users who are at this moment what those of int64 [m] rows are, in rows of their own."""
        other = copy(self)
        other._exposure = self._exposure[rows]
        return other

    def examination(self, user_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: 1 for the first slot, 0 for all others."""
        return np.repeat(self._examined[None], len(user_index), axis=0)

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each row; a returning user keeps the exposure."""
        if not returning:
            self._exposure[rows] = self._start[user_index]

    def decide(self, pages: Pages) -> Decisions:
        """Return log-odds of a click, which are large; by how much tells the engagement that is expected."""
        return Decisions(_SURE + self._expected(self._exposure[pages.rows][:, None], self._score[pages.item_index]))

    def appeal(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: log-odds of a click on each item."""
        return _SURE + self._expected(self._exposure[rows][:, None], self._score)

    def rating_log_odds(self, pages: Pages, slot: IntArray, row: IntArray) -> FloatArray:
        """Return float32 [4, c]: log-odds of each number of stars or fewer, lower by satisfaction, higher by clickbait."""
        mood = self.parameters.sensitivity * self._exposure[_rows_of(pages, row)]
        health = 1 - 2 * self._score[pages.item_index.reshape(-1)[slot]]
        log_odds: FloatArray = _CUTS[:, None] - (mood + health).astype(np.float32)
        return log_odds

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:  # noqa: ARG002
        """Move the exposure of everyone who consumed something."""
        at, parameters = _rows_of(pages, row), self.parameters
        score = self._score[pages.item_index.reshape(-1)[slot]]
        innovation = parameters.innovation_stddev * self._innovation
        self._exposure[at] = parameters.memory_discount * self._exposure[at] - 2.0 * (score - 0.5) + innovation
        mood = self.parameters.sensitivity * self._exposure[pages.rows]
        return Mood(mood.astype(np.float32), np.full(len(mood), -_SURE))

    def engagement(self, pages: Pages, slot: IntArray, row: IntArray, noise: FloatArray) -> DoubleArray:
        """Return float64 [c]: how long each consumed item is engaged with, in RecSim's seconds.

        What else will move the exposure in ``update`` is drawn here too, from a hash of the noise: it is of the page's dice.
        """
        self._innovation = ndtri(keyed.uniform(keyed.words(self._seed, "recsim innovation", noise.view(np.int32))))
        score = self._score[pages.item_index.reshape(-1)[slot]]
        satisfied = self._satisfaction(self._exposure[_rows_of(pages, row)])
        normal = ndtri(1 / (1 + np.exp(-noise.astype(np.float64))))
        engaged: DoubleArray = np.exp(self._mean(score) * satisfied + self._spread(score) * normal)
        return engaged

    def watch_log_odds(self, rating: FloatArray, user_index: IntArray) -> FloatArray:  # noqa: ARG002
        """Return zeros; engagement says how much was watched."""
        return np.zeros(len(rating), np.float32)

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: the log-odds of satisfaction; RecSim's users make one visit."""
        log_odds: FloatArray = (self.parameters.sensitivity * self._exposure[rows]).astype(np.float32)
        return log_odds

    def bounds(self) -> Bounds:
        """Return how far satisfaction goes; clicks are certain by design."""
        farthest = (1 + _FARTHEST * self.parameters.innovation_stddev) / (1 - self.parameters.memory_discount)
        mood = self.parameters.sensitivity * farthest
        parameters, sure = self.parameters, float(_SURE)
        longest = max(
            parameters.choc_mean + parameters.choc_stddev**2 / 2, parameters.kale_mean + parameters.kale_stddev**2 / 2
        )
        return Bounds(
            click_log_odds=Range(sure, sure + longest),
            satisfaction=Range(-mood, mood),
            leave_log_odds=Range(-sure, -sure),
            return_log_odds=Range(-mood, mood),
            taste_displacement=0.0,
        )

    def _satisfaction(self, exposure: DoubleArray) -> DoubleArray:
        satisfied: DoubleArray = 1 / (1 + np.exp(-self.parameters.sensitivity * exposure))
        return satisfied

    def _expected(self, exposure: DoubleArray, score: DoubleArray) -> FloatArray:
        """Return the log of the mean engagement: of a log-normal, mean of the log plus half its variance."""
        expected: FloatArray = (self._satisfaction(exposure) * self._mean(score) + self._spread(score) ** 2 / 2).astype(
            np.float32
        )
        return expected

    def _spread(self, score: DoubleArray) -> DoubleArray:
        return score * self.parameters.choc_stddev + (1 - score) * self.parameters.kale_stddev

    def _mean(self, score: DoubleArray) -> DoubleArray:
        return score * self.parameters.choc_mean + (1 - score) * self.parameters.kale_mean


def _rows_of(pages: Pages, row: IntArray) -> IntArray:
    return row if isinstance(pages.rows, slice) else pages.rows[row]
