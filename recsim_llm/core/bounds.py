"""What a user model declares about itself: how far the numbers that it works with can go, whatever is shown.

A recommender that reaches a number outside these bounds has found a fault of the user model, not a better page.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from recsim_llm.core.pages import probability

__all__ = ["PLAUSIBLE_CLICK_RATE", "UNDECLARED", "Bounds", "Range", "widest"]


class Range(NamedTuple):
    """The least and the largest value that a number can take."""

    low: float
    """Nothing is below."""
    high: float
    """Nothing is above."""

    @property
    def probability(self) -> Range:
        """The same range of log-odds, as probabilities."""
        return Range(*probability(np.array(self, np.float32)).tolist())

    def holds(self, low: float, high: float, *, slack: float = 1e-4) -> bool:
        """Return whether all from ``low`` to ``high`` lies inside, up to the rounding of float32."""
        return bool(self.low - slack <= low and high <= self.high + slack)


class Bounds(NamedTuple):
    """How far each number of a user model can go, over all of its users and items and whatever is shown to them."""

    click_log_odds: Range
    """Log-odds of a click, given that the slot is examined."""
    satisfaction: Range
    """``Mood.satisfaction``, on the log-odds scale."""
    leave_log_odds: Range
    """``Mood.leave_log_odds``: the hazard of leaving after a page is never below ``leave_log_odds.probability.low``."""
    return_log_odds: Range
    """Log-odds of coming back for another visit."""
    taste_displacement: float
    """How far, in log-odds of a click on an item of typical length, a user's taste can be moved from where it began; 0 where
    nothing moves it."""


_ANY = Range(-np.inf, np.inf)
UNDECLARED = Bounds(
    click_log_odds=_ANY, satisfaction=_ANY, leave_log_odds=_ANY, return_log_odds=_ANY, taste_displacement=np.inf
)
"""Of a user model that declares nothing."""

PLAUSIBLE_CLICK_RATE = Range(0.001, 0.14)
"""Clicks per impression, over whole runs, that published logs of people allow.

Low end: 0.35% to 0.69% by campaign and policy, random items included, on a fashion shop's page (Open Bandit; Saito et al. 2021,
Table 1), less a factor of three for pages made to be bad. High end: 13.6% on the *first* result of a web search and 4.3% over
ten (TREC Session Track 2014, 3,596 pages), and 9.7% on news front pages that were recorded only when something was clicked
(EB-NeRD sample, 1,046 pages); a page all of whose slots were as good as people's first search results reaches 14%. Ratings, on
which users are fitted, say nothing about this level: it follows ``click_rate``, which is assumed.
"""


def widest(bounds: Iterable[Bounds]) -> Bounds:
    """Return the bounds of users of whom each may follow any of several models."""
    every = list(bounds)

    def union(name: str) -> Range:
        ranges: list[Range] = [getattr(one, name) for one in every]
        return Range(min(one.low for one in ranges), max(one.high for one in ranges))

    return Bounds(
        click_log_odds=union("click_log_odds"),
        satisfaction=union("satisfaction"),
        leave_log_odds=union("leave_log_odds"),
        return_log_odds=union("return_log_odds"),
        taste_displacement=max(one.taste_displacement for one in every),
    )
