"""How long visits are: of choice users fitted to the same data, whose patience is measured, or as declared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.agents.choice.choice_fit import FittedUsers
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.language.calibration_fit import VISIT_LIMIT
from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import Kernel
from recsim_llm.core.pages import probability
from recsim_llm.errors import ConfigError

__all__ = ["VisitLengths", "choice_visits", "declared_visits"]


class VisitLengths(NamedTuple):
    """Visits that are cut off after ``VISIT_LIMIT`` pages."""

    pages: DoubleArray
    """float64 [u]: expected pages of each user's visit."""
    ended: DoubleArray
    """float64 [u]: probability that the user ends it before it is cut off."""
    basis: str
    """What they rest on, in words."""


def choice_visits(fitted: FittedUsers, catalog: Catalog, user_index: IntArray, *, seed: int, page_size: int) -> VisitLengths:
    """Return the visits of choice users to whom uniformly drawn items are shown.

    Clicks are drawn; whether a user left is not, its probability is used instead.

    Args:
        fitted: the users.
        catalog: their items.
        user_index: int64 [u]: whose visits.
        seed: of what is shown and clicked.
        page_size: items a page.
    """
    people, rows = fitted.population, len(user_index)
    users = ChoiceUsers(catalog, people, fitted.model, fitted.model.parameters)
    kernel = Kernel(users=users, user_id=people.user_id, rows=rows, slate_size=page_size, max_pages=VISIT_LIMIT)
    visit = np.zeros(rows, np.int64)
    kernel.begin(slice(None), user_index, visit, kernel.dice(user_index, visit, seed_words(seed)))
    pages, here = np.zeros(rows), np.ones(rows)
    for page in range(VISIT_LIMIT):
        pages += here
        order = keyed.words(seed, "calibration visit", people.user_id[user_index][:, None], page, np.arange(len(catalog)))
        shown = np.argpartition(order, page_size - 1, axis=1)[:, :page_size]
        here = here * (1.0 - probability(kernel.step(shown).mood.leave_log_odds).astype(np.float64))
    return VisitLengths(pages, 1.0 - here, "choice users fitted to the same data: patience measured, the rest assumed")


def declared_visits(pages: float, users: int) -> VisitLengths:
    """Return visits of a declared mean length.

    Args:
        pages: above 1 and below ``VISIT_LIMIT``.
        users: how many.

    Raises:
        ConfigError: the length is out of range.
    """
    if not 1 < pages < VISIT_LIMIT:
        raise ConfigError(f"calibrate: got visits of {pages} pages, expected more than 1 and fewer than {VISIT_LIMIT}")
    return VisitLengths(np.full(users, float(pages)), np.ones(users), "declared")
