"""Who is put before the pages of an exposure log when a card is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np

from recsim_llm.agents.browsing.click_models import CLICK_MODELS
from recsim_llm.agents.browsing.fitted_browsers import browsers_of
from recsim_llm.agents.choice.choice_fit import fit_choice
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.choice.log_behaviour import fit_log_behaviour, with_behaviour
from recsim_llm.agents.choice.log_readers import LogReaders, reading_on, widest_page
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError, DataError, one_of
from recsim_llm.population.world import World
from recsim_llm.realism.behaviour.browsers import BrowserFactory
from recsim_llm.realism.behaviour.world_browsers import WorldBrowsers
from recsim_llm.registry import import_attribute

__all__ = ["LOG_USERS", "behaving_choice_world", "log_browsers", "world_browsers"]

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


def world_browsers(build: Callable[[Dataset, Exposures], World], dataset: Dataset, exposures: Exposures) -> BrowserFactory:
    """Return what fits users of ratings who are put before the pages of a log.

    Ratings of items that a held-out user was shown are left out, for a click may be a rating.

    Args:
        build: makes the users, from ratings and the training part of the log.
        dataset: ratings of the log's users.
        exposures: the whole log.
    """
    shown = _pairs(dataset, exposures.user_id, exposures.item_id)
    slots = widest_page(exposures)

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
        return WorldBrowsers(build(known, training), slots)

    return fit


def behaving_choice_world(known: Dataset, training: Exposures, *, slots: int, seed: int) -> World:
    """Return choice users fitted to ratings who behave as a log tells.

    Args:
        known: the ratings.
        training: the log.
        slots: of the widest page that they will be shown; what is deeper than the log's pages is read like their last slots.
        seed: of the fits.
    """
    fitted = with_behaviour(fit_choice(known, seed), fit_log_behaviour(training, seed=seed, intervals=False), known)
    model = replace(fitted.model, parameters=reading_on(fitted.model.parameters, slots))
    return World(known.catalog, fitted.population, ChoiceUsers(known.catalog, fitted.population, model))


def _pairs(dataset: Dataset, user_id: IntArray, item_id: IntArray) -> IntArray:
    """Return int64 [n]: one number for each user and item."""
    items = np.sort(dataset.catalog.item_id)
    return user_id * np.int64(len(items) + 1) + np.searchsorted(items, item_id)
