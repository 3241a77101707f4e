"""Who is put before the pages of an exposure log when a card is made."""

from __future__ import annotations

from typing import cast

import numpy as np

from recsim_llm.agents.browsing.click_models import CLICK_MODELS
from recsim_llm.agents.browsing.fitted_browsers import browsers_of
from recsim_llm.agents.choice.log_readers import LogReaders
from recsim_llm.agents.worlds import choice_world
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, DataError, one_of
from recsim_llm.realism.behaviour.browsers import BrowserFactory
from recsim_llm.realism.behaviour.world_browsers import WorldBrowsers
from recsim_llm.registry import import_attribute

__all__ = ["LOG_USERS", "choice_browsers", "log_browsers"]

LOG_USERS = "user-browsing"
"""Who is judged by a log alone where nobody is named."""


def log_browsers(users: str) -> BrowserFactory:
    """Return what fits users to a log alone.

    Args:
        users: a click model, ``choice`` for choice users who behave as the training part tells, or ``module:attribute`` of a
            factory that takes the training part of a log.

    Raises:
        ConfigError: nothing has that name.
    """
    if users in CLICK_MODELS:
        return browsers_of(users)
    if users == "choice":
        return LogReaders
    if ":" not in users:
        raise ConfigError(
            f"realism: got {users} users and a log without ratings, expected {one_of(users, ['choice', *CLICK_MODELS])}, or "
            "module:attribute; with --data they are judged by ratings too"
        )
    return cast(BrowserFactory, import_attribute(users, "users"))


def choice_browsers(dataset: Dataset, exposures: Exposures, seed: int) -> BrowserFactory:
    """Return what fits choice users who are put before the pages of a log.

    They are fitted on ratings; those of items that a held-out user was shown are left out, for a click may be a rating.

    Args:
        dataset: ratings of the log's users.
        exposures: the whole log.
        seed: of the fit.
    """
    shown = _pairs(dataset, exposures.user_id, exposures.item_id)

    def fit(training: Exposures) -> WorldBrowsers:
        held_out = ~np.isin(exposures.user_id, training.users)
        hidden = np.isin(_pairs(dataset, dataset.ratings.user_id, dataset.ratings.item_id), shown[held_out])
        known = dataset.of_ratings(dataset.ratings.take(np.flatnonzero(~hidden)))
        missing = np.setdiff1d(exposures.users, known.ratings.users)
        if len(missing):
            raise DataError(
                f"{exposures.name}: got user {missing[0]} without a rating of an item that the log does not show them, as "
                f"{len(missing)} of {len(exposures.users)} users are, expected some; take other ratings, or leave --data out"
            )
        return WorldBrowsers(choice_world(known, seed=seed))

    return fit


def _pairs(dataset: Dataset, user_id: IntArray, item_id: IntArray) -> IntArray:
    """Return int64 [n]: one number for each user and item."""
    items = np.sort(dataset.catalog.item_id)
    return user_id * np.int64(len(items) + 1) + np.searchsorted(items, item_id)
