"""Clicks that simulated users give to items which nobody has rated: what a conventional recommender is warmed by.

Every user of the training part is asked about items without ratings, and clicks them by keyed dice. What the user model says of
the items' worth stays, their order and how much one is better than another; the level does not: all log-odds are shifted by one
number, at which the items get a given number of clicks in the mean. A user model that was never calibrated has no level of its
own, and the level of a new item is not to be had from its content.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.checked_columns import check_number, check_whole_number
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.realism.candidates import Candidate, checked_taste

__all__ = ["EVERYTHING", "INTERACTIONS", "Asked", "ask_tastes", "count_asked", "draw_users", "share_clicked", "simulate_clicks"]

INTERACTIONS = "interactions.csv"
"""Name of the file that simulated clicks are kept in."""
_CELLS = 200_000
_FARTHEST = 60.0
_MOST_CLICKED = 0.2


class Asked(NamedTuple):
    """Who is asked about what."""

    clicks: float | None = None
    """Mean simulated clicks an item; None: as many as rated items have ratings of as many users in the mean, or one click for
    each five times that an item is shown, where that is less."""
    shown: int | None = None
    """Items that each user is asked about, drawn for the user; None: all."""
    users: int | None = None
    """Users who are asked, drawn by the seed; None: all of the training part."""


EVERYTHING = Asked()
"""All users are asked about all items."""


def simulate_clicks(
    candidate: Candidate, training: Dataset, item_index: IntArray, *, seed: int, asked: Asked = EVERYTHING
) -> Ratings:
    """Return what users of the training part click among some items.

    Args:
        candidate: the simulated users, built from the training part.
        training: the training part.
        item_index: int64 [c]: the items, positions in its catalog.
        seed: of the dice, and of who is shown what.
        asked: who is asked about what.

    Returns:
        One row a click, later than all training ratings, with the mean of their stars: a click is no opinion.

    Raises:
        ConfigError: so many clicks are more than the users are shown, or a number is not above 0.
        DataError: nobody clicked anything.
    """
    share = share_clicked(training, item_index, asked)
    users = draw_users(training, asked, seed=seed)
    user_id = training.ratings.users[users]
    items = _shown(training, user_id, item_index, asked.shown, seed=seed)
    score = ask_tastes(candidate, users, items)
    reach = _FARTHEST - float(score.min()), _FARTHEST + float(score.max())
    chance = expit(score + brentq(lambda shift: float(expit(score + shift).mean()) - share, -reach[1], reach[0]))
    item_id = training.catalog.item_id[items]
    row, place = np.nonzero(keyed.uniform(keyed.words(seed, "simulated click", user_id[:, None], item_id)) < chance)
    if not row.size:
        raise DataError(f"simulated clicks: got none at {share:g} of what is shown, expected at least one; ask for more")
    ratings = training.ratings
    return Ratings(
        user_id=user_id[row],
        item_id=item_id[row, place],
        rating=np.full(row.size, ratings.rating.mean(dtype=np.float64), np.float32),
        timestamp=np.full(row.size, ratings.timestamp.max() + 1),
    )


def share_clicked(training: Dataset, item_index: IntArray, asked: Asked) -> float:
    """Return the share of all that is shown which shall be clicked; arguments as of ``simulate_clicks``.

    Raises:
        ConfigError: so many clicks are more than the users are shown, or a number is not above 0.
    """
    for name in ("shown", "users"):
        if getattr(asked, name) is not None:
            check_whole_number(f"simulated clicks, {name}", getattr(asked, name), least=1)
    if asked.clicks is not None:
        check_number("simulated clicks, clicks an item", asked.clicks, above=0.0)
    users, shown = count_asked(training, item_index, asked)
    times = users * shown / len(item_index)
    wanted = asked.clicks
    if wanted is None:
        ratings = training.ratings
        usual = len(ratings) / len(np.unique(ratings.item_id)) * users / len(ratings.users)
        wanted = min(usual, _MOST_CLICKED * times)
    if wanted >= times:
        raise ConfigError(
            f"simulated clicks: got {wanted:g} an item, each of which is shown {times:g} times, expected fewer than that; "
            "lower the clicks, or show more items to more users"
        )
    return wanted * len(item_index) / (users * shown)


def count_asked(training: Dataset, item_index: IntArray, asked: Asked) -> tuple[int, int]:
    """Return how many users are asked, and about how many of the items each; arguments as of ``simulate_clicks``."""
    users, items = len(training.ratings.users), len(item_index)
    return min(users, asked.users or users), min(items, asked.shown or items)


def draw_users(training: Dataset, asked: Asked, *, seed: int) -> IntArray:
    """Return int64 [u]: who is asked, positions in the training part's users; arguments as of ``simulate_clicks``."""
    everyone = training.ratings.users
    if asked.users is None or asked.users >= len(everyone):
        return np.arange(len(everyone))
    return np.sort(keyed.words(seed, "simulated users", everyone).argsort(kind="stable")[: asked.users])


def _shown(training: Dataset, user_id: IntArray, item_index: IntArray, shown: int | None, *, seed: int) -> IntArray:
    """Return int64 [u, s]: positions of the items that each user is asked about."""
    if shown is None or shown >= len(item_index):
        return np.broadcast_to(item_index, (len(user_id), len(item_index)))
    word = keyed.words(seed, "shown to a simulated user", user_id[:, None], training.catalog.item_id[item_index])
    return item_index[np.argsort(word, axis=1, kind="stable")[:, :shown]]


def ask_tastes(candidate: Candidate, users: IntArray, items: IntArray) -> DoubleArray:
    """Return float64 [u, s]: log-odds of a click, some users at a time.

    Args:
        candidate: the simulated users.
        users: int64 [u]: positions in its training part.
        items: int64 [u, s]: what each is asked about.
    """
    score = np.empty(items.shape)
    step = max(1, _CELLS // items.shape[1])
    for start in range(0, len(items), step):
        rows = slice(start, start + step)
        score[rows] = checked_taste(candidate, users[rows], items[rows])
    return score
