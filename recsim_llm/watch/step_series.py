"""Series of a watched arm: what happened in each step, as numbers that can be drawn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import probability

__all__ = ["SERIES", "Series", "StepSeries"]


class Series(NamedTuple):
    """What a series is."""

    name: str
    """Key."""
    title: str
    """In a word or two."""
    meaning: str
    """In a line."""
    unit: str
    """Of its values; ``share`` are 0 to 1."""


SERIES = (
    Series("clicks_a_page", "Clicks a page", "mean over the pages of the step", "clicks"),
    Series("reward_a_page", "Reward a page", "mean over the pages of the step", "reward"),
    Series("users", "Users active", "who saw a page in the step", "users"),
    Series("satisfaction", "Satisfaction", "mean over the active users, after the last page of each", "share"),
    Series(
        "return_share", "Return share", "of the visits that ended in the step, those after which the user comes back", "share"
    ),
    Series("coverage", "Coverage", "share of the items that anybody was shown so far", "share"),
)
"""The series of every arm, a value a step; NaN where a step has none."""


class StepSeries:
    """Adds up a step, and keeps what came of each."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {series.name: [] for series in SERIES}
        """By name, a value a step."""
        self._begin()

    def _begin(self) -> None:
        self._pages = self._clicks = self._visits = self._returned = 0
        self._reward = 0.0
        self._satisfaction: dict[str, list[Any]] = {"user": [], "value": []}

    def page(self, feedback: Feedback, reward: DoubleArray) -> None:
        """Add one page of a batch of users."""
        self._pages += len(reward)
        self._clicks += len(feedback.slot)
        self._reward += float(reward.sum())
        self._satisfaction["user"].append(feedback.pages.user_index)
        self._satisfaction["value"].append(probability(feedback.mood.satisfaction))

    def visits(self, returned: BoolArray, last: BoolArray) -> None:
        """Add visits that are over; after ``last`` ones no other is simulated, and nothing is to be said of them."""
        self._visits += int(np.count_nonzero(~last))
        self._returned += int(np.count_nonzero(returned & ~last))

    def end(self, shown: float) -> None:
        """End the step.

        Args:
            shown: share of the items that anybody was shown so far.
        """
        users, satisfaction = self._last_satisfaction()
        values = {
            "clicks_a_page": _ratio(self._clicks, self._pages),
            "reward_a_page": _ratio(self._reward, self._pages),
            "users": float(users),
            "satisfaction": satisfaction,
            "return_share": _ratio(self._returned, self._visits),
            "coverage": shown,
        }
        for name, value in values.items():
            self.values[name].append(value)
        self._begin()

    def _last_satisfaction(self) -> tuple[int, float]:
        """Return how many users saw a page, and their mean satisfaction after the last one of the step."""
        if not self._pages:
            return 0, float("nan")
        user, value = (np.concatenate(parts) for parts in self._satisfaction.values())
        _, last = np.unique(user[::-1], return_index=True)
        return len(last), float(value[::-1][last].mean())


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else float("nan")
