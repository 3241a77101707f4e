"""From a model's answers about a page to log-odds by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.prompts import LEVELS
from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.bounds import Bounds, Range
from recsim_llm.language.base.questions import Answer

__all__ = ["PageAnswers", "answer_bounds", "blank_answers", "read_answers"]

_LEAST = 1e-6  # probabilities stay this far from 0 and 1, so that log-odds are finite


class PageAnswers(NamedTuple):
    """What the users in each row of a batch answered last."""

    click: FloatArray
    """float32 [u, k]: log-odds of a click by position."""
    stars: FloatArray
    """float32 [u, k, 4]: log-odds that the rating is at most 1, 2, 3 and 4 stars, ascending."""
    satisfaction: FloatArray
    """float32 [u]: log-odds of the expected level, scaled to 0..1."""
    leave: FloatArray
    """float32 [u]: log-odds of ending the visit."""


def blank_answers(rows: int, slots: int) -> PageAnswers:
    """Return room for the answers of ``rows`` users about pages of ``slots`` positions."""
    return PageAnswers(
        click=np.zeros((rows, slots), np.float32),
        stars=np.zeros((rows, slots, LEVELS - 1), np.float32),
        satisfaction=np.zeros(rows, np.float32),
        leave=np.zeros(rows, np.float32),
    )


def read_answers(
    into: PageAnswers, row: int, order: Sequence[int], answers: Sequence[Answer], *, calibration: Calibration
) -> None:
    """Write one page's answers to their row, calibrated; positions that were not asked about get the least click chance.

    Args:
        into: of the batch.
        row: whose answers.
        order: positions in the order in which they were presented.
        answers: to the questions of ``PromptWriter.questions`` about these items, in their order.
        calibration: applied to clicks, stars and leaving.
    """
    count, place = len(order), list(order)
    yes = np.array([answer.probabilities[0] for answer in (*answers[:count], answers[-1])], np.float64)
    stars = np.array([answer.probabilities for answer in answers[count : 2 * count]], np.float64).reshape(count, LEVELS)
    log_odds = _log_odds(yes)
    into.click[row] = _log_odds(np.zeros(1))[0]
    into.click[row, place] = calibration.click(log_odds[:-1])
    into.stars[row] = _at_most(np.full((1, LEVELS), 1 / LEVELS))
    into.stars[row, place] = _at_most(calibration.stars(stars))
    into.satisfaction[row] = _log_odds(np.array([(answers[-2].mean - 1) / (LEVELS - 1)]))[0]
    into.leave[row] = calibration.leave(log_odds[-1:])[0]


def answer_bounds(calibration: Calibration, return_base: float, return_slope: float) -> Bounds:
    """Return how far answers can go: they are read afresh on every page, and what they say is kept from certainty.

    Args:
        calibration: applied to clicks and leaving.
        return_base: log-odds of coming back at satisfaction 0.
        return_slope: log-odds of coming back, a unit of satisfaction.
    """
    raw = _log_odds(np.array([0.0, 1.0]))
    click, leave = calibration.click(raw), calibration.leave(raw)
    back = return_base + return_slope * raw
    return Bounds(
        # Positions that were not asked about get the least chance, uncalibrated.
        click_log_odds=Range(float(min(click.min(), raw[0])), float(click.max())),
        satisfaction=Range(*raw.tolist()),
        # Before the first answer the log-odds of leaving are 0.
        leave_log_odds=Range(float(min(leave.min(), 0.0)), float(max(leave.max(), 0.0))),
        return_log_odds=Range(float(back.min()), float(back.max())),
        taste_displacement=0.0,
    )


def _at_most(chances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return _log_odds(np.cumsum(chances, axis=-1)[..., :-1])


def _log_odds(chances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    bounded = np.clip(chances, _LEAST, 1 - _LEAST)
    log_odds: npt.NDArray[np.float64] = np.log(bounded / (1 - bounded))
    return log_odds
