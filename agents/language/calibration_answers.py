"""What a model's users say, uncalibrated, of pages of which it is known what became of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.calibration_pages import CalibrationPages
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.rating_history import known_people
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Pages
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["Answered", "ask_pages", "uncalibrated_users"]


class Answered(NamedTuple):
    """Answers about the first page of a first visit, before any calibration."""

    click: DoubleArray
    """float64 [p, k]: log-odds of a click by position."""
    stars: DoubleArray
    """float64 [p, k, 5]: distribution of the rating."""
    leave: DoubleArray
    """float64 [p]: log-odds of leaving after the page, nothing taken."""


def uncalibrated_users(model: LanguageModel, dataset: Dataset, parameters: LanguageParameters, seed: int) -> LanguageUsers:
    """Return the data's users, as the first 80% of each one's ratings show them, played by a model as a run would have it.

    Args:
        model: plays them.
        dataset: catalog and ratings.
        parameters: how users are asked; the calibration in them is overlooked.
        seed: of the order of presentation, and what tells sampled answers apart.
    """
    known, _ = dataset.training_part(TRAIN_SHARE)
    population, history = known_people(known)
    plain = replace(parameters, calibration=Calibration())
    return LanguageUsers(known.catalog, population, model, parameters=plain, seed=seed, history=history)


def ask_pages(users: LanguageUsers, pages: CalibrationPages, progress: Callable[[int, int], None]) -> Answered:
    """Ask about all pages at once and wait for the answers.

    Args:
        users: of the data, uncalibrated.
        pages: what is shown.
        progress: told how many of how many pages are answered, whenever some are.

    Raises:
        RecSimError: the model failed; what it answered is kept where its calls are.
    """
    count, size = pages.item_index.shape
    first = np.zeros(count, np.int64)
    shown = Pages(ALL_ROWS, pages.user_index, first, first, pages.item_index)
    users.allocate(count, size)
    users.begin(ALL_ROWS, pages.user_index, False)
    users.start(shown)
    done = 0
    while done < count:
        progress(done, count)
        done += len(users.collect())
    progress(done, count)
    click = users.decide(shown).click_log_odds.astype(np.float64)
    slot = np.arange(count * size)
    log_odds = users.rating_log_odds(shown, slot, slot // size).astype(np.float64)
    below = 0.5 + 0.5 * np.tanh(0.5 * log_odds)
    edges = np.vstack([np.zeros(len(slot)), below, np.ones(len(slot))])
    stars = np.maximum(np.diff(edges, axis=0).T, 0.0).reshape(count, size, -1)
    nothing = np.zeros(0, np.int64)
    mood = users.update(shown, nothing, nothing, np.zeros(0, np.float32))
    return Answered(click, stars, mood.leave_log_odds.astype(np.float64))
