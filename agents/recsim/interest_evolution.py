"""RecSim's interest evolution: users choose one video of a page, and their interests and time move with what they watch.

Interests u lie in [-1, 1] by topic, uniform at first. Of a page the user chooses at most one video, video i with probability

    (u . f_i - min_normalizer) / (sum over the page of (u . f_j - min_normalizer) + no_click_mass - min_normalizer)

and watches all of it, as far as the time budget goes. Then, with a = alpha_y_intercept (1 - |u|), the interests move by
a * f * (f - u), towards the video with probability (u + 1) / 2 in its topic and away from it otherwise, within [-1, 1]; and
the budget loses what was watched and gains ``user_update_alpha`` * watched * quality, so that good videos keep users longer. A
page without a choice costs ``step_penalty``. The visit ends when the budget is used up. (Ie et al. 2019, section 6.1, with the
utility model of RecSim's ``interest_evolution.py``, in which documents are one-hot and utility is quality.)
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Self

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.bounds import Bounds, Range
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows, probability
from recsim_llm.core.parameters import is_number
from recsim_llm.data.recsim_documents import QUALITY_SPAN
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population

__all__ = ["InterestParameters", "InterestUsers"]

_SURE = 30.0
_CUTS = np.array([-2.0, -0.7, 0.7, 2.0], np.float32)


@dataclass(frozen=True, kw_only=True)
class InterestParameters:
    """Parameters of RecSim's interest evolution, with the values of its utility model as defaults."""

    time_budget: float = 200.0
    """Minutes that a visit has at its start, above 0."""
    video_length: float = 4.0
    """Minutes of every video, above 0."""
    no_click_mass: float = 1.0
    """Weight of choosing nothing, 0 or more."""
    min_normalizer: float = -1.0
    """What is subtracted from every weight; -1 or less, so that none is negative."""
    step_penalty: float = 0.5
    """Minutes lost on a page without a choice, above 0."""
    user_update_alpha: float = 0.9 / 3.4
    """Share of what was watched that a unit of quality gives back, 0 or more; below 1/3.4, so that every page costs time."""
    alpha_y_intercept: float = 0.3
    """Share of the way that a neutral interest moves, 0 to 1."""

    def __post_init__(self) -> None:
        lowest = {"time_budget": 0.01, "video_length": 0.01, "step_penalty": 0.01, "user_update_alpha": 0.0}
        lowest |= {"alpha_y_intercept": 0.0, "no_click_mass": 0.0}
        highest = {"min_normalizer": -1.0, "alpha_y_intercept": 1.0, "user_update_alpha": 1 / QUALITY_SPAN}
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            low, high = lowest.get(name, -np.inf), highest.get(name, np.inf)
            if not is_number(value) or not low <= value <= high:
                raise ConfigError(
                    f"recsim-interest-evolution parameter {name!r}: got {value!r}, expected a number from {low:g} to {high:g}"
                )


class InterestUsers:
    """Users of the interest evolution world.

    Args:
        catalog: videos, whose features are their topics and whose quality is known.
        population: the users; their personas do not matter.
        parameters: of the dynamics.
        seed: of users' interests.

    Raises:
        ConfigError: nobody knows how good the videos are, or a feature is below 0 or above 1.
    """

    levels: FloatArray = np.arange(1, 6, dtype=np.float32)
    """Stars say how good the video was; RecSim has none."""
    chooses_one = True
    provenance = MappingProxyType({"chooses_one": True})
    """A log of these users cannot be replayed slot by slot."""

    def __init__(self, catalog: Catalog, population: Population, parameters: InterestParameters, seed: int) -> None:
        self.parameters = parameters
        self._topics = catalog.features.astype(np.float64)
        if catalog.quality is None or (catalog.features < 0).any() or (catalog.features.sum(axis=1) > 1).any():
            got = "none" if catalog.quality is None else "features that are no shares of topics"
            raise ConfigError(
                f"recsim-interest-evolution: got videos with {got}, expected a quality, and features that are shares of "
                "topics; take the data recsim-interest-evolution"
            )
        self._quality = (catalog.quality.astype(np.float64) * 2 - 1) * QUALITY_SPAN
        word = keyed.words(seed, "recsim interests", population.user_id[:, None], np.arange(self._topics.shape[1]))
        self._start = 2 * keyed.uniform(word) - 1
        self.most_engagement = parameters.video_length
        """Minutes of a whole video."""

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""
        self._slots = slate_size
        self._interests = np.zeros((rows, self._topics.shape[1]))
        self._budget, self._liked = np.zeros(rows), np.zeros(rows)
        self._towards, self._watched = np.zeros(0), np.zeros(0)

    def copy_rows(self, rows: IntArray) -> Self:
        """Return users who are at this moment what those of int64 [m] rows are, in rows of their own."""
        other = copy(self)
        other._interests, other._budget, other._liked = self._interests[rows], self._budget[rows], self._liked[rows]
        return other

    def examination(self, user_index: IntArray) -> FloatArray:
        """Return ones: users look at the whole page before they choose."""
        return np.ones((len(user_index), self._slots), np.float32)

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each row, with a whole budget; a returning user keeps the interests."""
        if not returning:
            self._interests[rows] = self._start[user_index]
        self._budget[rows] = self.parameters.time_budget
        self._liked[rows] = 0.0

    def decide(self, pages: Pages) -> Decisions:
        """Return the log-odds that each slot is the one that the user chooses."""
        weight = self._weights(np.matvec(self._topics[pages.item_index], self._interests[pages.rows]))
        weight[pages.item_index < 0] = 0.0
        # Slot after slot, as the sums of one user must not depend on who else browses.
        total = np.full(len(weight), self.parameters.no_click_mass - self.parameters.min_normalizer)
        for slot in range(weight.shape[1]):
            total = total + weight[:, slot]
        chance = np.clip(weight / total[:, None], 1e-13, 1 - 1e-13)
        return Decisions(np.log(chance / (1 - chance)).astype(np.float32))

    def appeal(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: log-odds that a video alone on its page is chosen."""
        weight = self._weights(np.matvec(self._topics, self._interests[rows]))
        mass = self.parameters.no_click_mass - self.parameters.min_normalizer
        log_odds: FloatArray = np.log(np.maximum(weight, 1e-13) / mass).astype(np.float32)
        return log_odds

    def rating_log_odds(self, pages: Pages, slot: IntArray, row: IntArray) -> FloatArray:  # noqa: ARG002
        """Return float32 [4, c]: log-odds of each number of stars or fewer, lower by the video's quality."""
        quality = self._quality[pages.item_index.reshape(-1)[slot]]
        log_odds: FloatArray = _CUTS[:, None] - quality.astype(np.float32)
        return log_odds

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:  # noqa: ARG002
        """Move interests and budgets by what was watched."""
        parameters, rows = self.parameters, np.arange(len(self._budget))[pages.rows]
        at, item = rows[row], pages.item_index.reshape(-1)[slot]
        idle = np.ones(len(rows), np.bool_)
        idle[row] = False
        self._budget[rows[idle]] -= parameters.step_penalty
        topics, interests = self._topics[item], self._interests[at]
        move = parameters.alpha_y_intercept * (1 - np.abs(interests)) * topics * (topics - interests)
        towards = self._towards < np.vecdot((interests + 1) / 2, topics)
        self._interests[at] = np.clip(interests + np.where(towards, 1.0, -1.0)[:, None] * move, -1, 1)
        self._liked[at] = self._quality[item]
        self._budget[at] += self._watched * (parameters.user_update_alpha * self._quality[item] - 1)
        leaves = np.where(self._budget[rows] <= 0, _SURE, -_SURE)
        return Mood(self._liked[rows].astype(np.float32), leaves.astype(np.float32))

    def engagement(self, pages: Pages, slot: IntArray, row: IntArray, noise: FloatArray) -> DoubleArray:  # noqa: ARG002
        """Return float64 [c]: minutes watched, as far as the budget goes; the noise says where interests move in ``update``."""
        at = np.arange(len(self._budget))[pages.rows][row]
        self._towards = probability(noise).astype(np.float64)
        self._watched = np.minimum(self._budget[at], self.parameters.video_length)
        return self._watched

    def watch_log_odds(self, rating: FloatArray, user_index: IntArray) -> FloatArray:  # noqa: ARG002
        """Return zeros; engagement says how much was watched."""
        return np.zeros(len(rating), np.float32)

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: the quality of the last video watched; RecSim's users make one visit."""
        log_odds: FloatArray = self._liked[rows].astype(np.float32)
        return log_odds

    def bounds(self) -> Bounds:
        """Return how far each number goes: interests stay within -1 to 1, quality is the videos' own."""
        mass = self.parameters.no_click_mass - self.parameters.min_normalizer
        best = float(np.log((1 - self.parameters.min_normalizer) / mass))
        mood = Range(min(0.0, float(self._quality.min())), max(0.0, float(self._quality.max())))
        return Bounds(
            click_log_odds=Range(-_SURE, best),
            satisfaction=mood,
            leave_log_odds=Range(-_SURE, _SURE),
            return_log_odds=mood,
            taste_displacement=2.0,
        )

    def _weights(self, score: DoubleArray) -> DoubleArray:
        return score - self.parameters.min_normalizer
