"""Rows beside the candidate: browsers who know rates and nothing else."""

from __future__ import annotations

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.realism.behaviour.browsers import Browsed, BrowserFactory
from recsim_llm.realism.line import Role

__all__ = ["PLAIN_BROWSERS", "RankRates", "SameRate"]

_PAGES = 20
_LEAST_DWELL = 0.1


class SameRate:
    """Click everything at one rate, leave after every page at one rate, stay for times of one exponential distribution.

    Args:
        training: part of a log that the rates are counted on.
    """

    def __init__(self, training: Exposures) -> None:
        self._click = float(training.clicked.mean())
        self._leave = float(training.pages.last_of_session.mean())
        dwell = _known_dwell(training)
        self._dwell = float(dwell.mean()) if dwell.size else None

    def browse(self, shown: Exposures, seed: int) -> Browsed:
        """Return what they do."""
        dice = _Dice(shown, seed)
        clicked = dice.click < self._click
        dwell = None if self._dwell is None else np.where(clicked, -self._dwell * np.log(dice.dwell), np.nan)
        return Browsed(clicked, np.full(len(shown.pages.first), self._leave), dwell)


class RankRates:
    """Click each rank, and leave after each page of a session, at its own rate; stay for log-normal times.

    A rank's rate is examination times one attractiveness for all items: the position-based model (Craswell et al. 2008) of
    users to whom all items are alike.

    Args:
        training: part of a log that the rates are counted on.
    """

    def __init__(self, training: Exposures) -> None:
        self._click = _rates(training.position + 1, training.clicked, float(training.clicked.mean()))
        pages = training.pages
        usual = float(pages.last_of_session.mean())
        self._leave = _rates(np.minimum(pages.page, _PAGES), pages.last_of_session, usual)
        self._usual_click, self._usual_leave = float(training.clicked.mean()), usual
        dwell = np.log(np.maximum(_known_dwell(training), _LEAST_DWELL))
        self._dwell = (float(dwell.mean()), float(dwell.std())) if dwell.size else None

    def browse(self, shown: Exposures, seed: int) -> Browsed:
        """Return what they do."""
        dice = _Dice(shown, seed)
        clicked = dice.click < _look_up(self._click, shown.position + 1, self._usual_click)
        leave = _look_up(self._leave, np.minimum(shown.pages.page, _PAGES), self._usual_leave)
        return Browsed(clicked, leave, self.dwell(shown, clicked, seed))

    def dwell(self, shown: Exposures, clicked: BoolArray, seed: int) -> DoubleArray | None:
        """Return how long they stay with what was clicked, float64 [n], NaN elsewhere; None where the fit saw no times.

        Args:
            shown: the pages.
            clicked: bool [n].
            seed: of the dice.
        """
        if self._dwell is None:
            return None
        dice, (centre, spread) = _Dice(shown, seed), self._dwell
        normal = np.sqrt(-2.0 * np.log(dice.dwell)) * np.cos(2.0 * np.pi * dice.turn)
        return np.where(clicked, np.exp(centre + spread * normal), np.nan)


PLAIN_BROWSERS: dict[str, tuple[Role, BrowserFactory]] = {
    "same rate": ("trivial", SameRate),
    "rates by rank": ("cheap", RankRates),
}
"""Rows by name, fitted to the same training parts as the candidate."""


class _Dice:
    """Keyed by user, session, page and item, so that they are the same whatever else is in the log."""

    def __init__(self, shown: Exposures, seed: int) -> None:
        page = (shown.user_id, shown.session, shown.page, shown.item_id)
        self.click, self.dwell, self.turn = (
            keyed.uniform(keyed.words(seed, f"plain browsers, {purpose}", *page)) for purpose in ("click", "dwell", "turn")
        )


def _known_dwell(training: Exposures) -> DoubleArray:
    if training.dwell is None:
        return np.empty(0)
    dwell: DoubleArray = training.dwell[training.clicked & ~np.isnan(training.dwell)]
    return dwell


def _rates(place: IntArray, happened: np.ndarray, usual: float) -> DoubleArray:
    """Return float64 [k]: rate at each place; at places without a row the usual one."""
    count = np.bincount(place)
    return np.where(count > 0, np.bincount(place, happened) / np.maximum(count, 1), usual)


def _look_up(rates: DoubleArray, place: IntArray, usual: float) -> DoubleArray:
    return np.where(place < len(rates), rates[np.minimum(place, len(rates) - 1)], usual)
