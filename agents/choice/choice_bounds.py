"""How far choice users can be driven: the bounds that follow from their vectors and parameters."""

from __future__ import annotations

import numpy as np

from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_state import LEAVE, StateLayout
from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.bounds import Bounds, Range

__all__ = ["choice_bounds"]

_BLOCK = 1024  # users at a time


def choice_bounds(
    layout: StateLayout,
    start: FloatArray,
    drive: FloatArray,
    parameters: ChoiceParameters,
    *,
    impatience: FloatArray | None = None,
) -> Bounds:
    """Return the bounds over all users and items.

    With ``r`` the furthest that a taste can be from where it began, drift adds at most ``r`` times an item's length to its
    log-odds or takes as much; boredom takes at most ``boredom_limit`` (or adds it, where ``boredom`` is negative), earlier
    exposures ``exposure_limit``, earlier consumption ``repeat``.

    Args:
        layout: of the state.
        start: float32 [u, d]: each user's row at the start of a visit.
        drive: float32 [u, d]: what a page adds to it.
        parameters: behaviour on the page.
        impatience: float32 [u]: what patience adds to each user's log-odds of leaving, where these go by page; else None.
    """
    reach = _reach(layout, parameters)
    away = reach * layout.lengths
    low, high = _extremes(layout, start, away)
    bored = Range(0.0, parameters.boredom_limit) if parameters.boredom >= 0 else Range(-parameters.boredom_limit, 0.0)
    satisfaction = _satisfaction(parameters)
    returns = [parameters.return_base + parameters.return_slope * value for value in satisfaction]
    return Bounds(
        click_log_odds=Range(
            low - bored.high - parameters.exposure_limit - parameters.repeat,
            high - bored.low,
        ),
        satisfaction=satisfaction,
        leave_log_odds=_leaving(start, drive, parameters, impatience),
        return_log_odds=Range(min(returns), max(returns)),
        taste_displacement=reach * layout.typical,
    )


def _reach(layout: StateLayout, parameters: ChoiceParameters) -> float:
    """Return how long the displacement of a taste can be."""
    return float((layout.pull(parameters) * layout.lengths).max(initial=0.0))


def _extremes(layout: StateLayout, start: FloatArray, away: np.ndarray) -> tuple[float, float]:
    """Return the least and largest log-odds of a click without boredom, with the taste anywhere within reach."""
    low, high = np.inf, -np.inf
    for first in range(0, len(start), _BLOCK):
        log_odds = start[first : first + _BLOCK] @ layout.items.T
        low = min(low, float((log_odds - away).min(initial=np.inf)))
        high = max(high, float((log_odds + away).max(initial=-np.inf)))
    return low, high


def _satisfaction(parameters: ChoiceParameters) -> Range:
    """What was consumed moves it as far as the limit, pages alone towards where their cost and its fading balance."""
    balance = -parameters.page_cost / (1 - parameters.satisfaction_memory)
    limit = parameters.satisfaction_limit
    return Range(min(-limit, balance), max(limit, balance))


def _leaving(start: FloatArray, drive: FloatArray, parameters: ChoiceParameters, impatience: FloatArray | None) -> Range:
    """Between the limits, each user's own start, and where the user tends to as pages go by; or what each page gives."""
    limits = [parameters.leave_floor, parameters.leave_ceiling]
    if parameters.leave_by_page is not None and impatience is not None:
        every = np.concatenate([np.add.outer(np.array(parameters.leave_by_page, np.float32), impatience).reshape(-1), limits])
        return Range(float(every.min()), float(every.max()))
    rest = 1 - parameters.fatigue_memory
    tired = drive[:, LEAVE] / rest if rest > 0 else start[:, LEAVE]
    every = np.concatenate([start[:, LEAVE], tired, limits])
    return Range(float(every.min()), float(every.max()))
