"""Ratings that people chose to give, and what they would say of items shown at random: planted, so that the truth is known."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.ratings import Dataset, Ratings

USERS, ITEMS = 120, 80
GENRES = ("bold", "calm", "dark", "soft")


class Planted(NamedTuple):
    """What was planted."""

    chosen: Dataset
    """Ratings of what users chose."""
    propensity: np.ndarray
    """Chance of each of these ratings."""
    shown: Exposures
    """Ratings of ten items a user, drawn at random."""
    mean: float
    """Mean stars of all items over all users."""


def plant(seed=5, *, liking=1.0, reach=0.12):
    """Users of two kinds like genres differently and rate what they expect to like, at a known chance."""
    rng = np.random.default_rng(seed)
    kind, genre = rng.integers(0, 2, USERS), rng.integers(0, 4, ITEMS)
    taste = np.array([[0.9, 0.3, -0.5, -0.9], [-0.9, -0.4, 0.4, 0.9]])
    expected = 2.6 + taste[kind][:, genre] + rng.normal(0, 0.3, USERS)[:, None] + rng.normal(0, 0.2, ITEMS)
    stars = np.clip(np.round(expected + rng.normal(0, 0.8, expected.shape)), 1, 5)
    chance = expit(np.log(reach / (1 - reach)) + liking * 1.6 * (expected - 2.6))
    user, item = np.nonzero(rng.random(expected.shape) < chance)
    catalog = Catalog.from_columns(
        item_id=np.arange(ITEMS), title=[f"item {i}" for i in range(ITEMS)], genres=[[GENRES[g]] for g in genre]
    )
    ratings = Ratings(
        user_id=user, item_id=item, rating=stars[user, item].astype(np.float32), timestamp=np.zeros(len(user), np.int64)
    )
    kinds = {"gender": {u: "FM"[kind[u]] for u in range(USERS)}}
    chosen = Dataset(name="chosen", catalog=catalog, ratings=ratings, demographics=kinds)
    others = np.argsort(rng.random(expected.shape), axis=1)[:, :10]
    rows = np.repeat(np.arange(USERS), 10)
    shown = exposures("shown", rows, others.ravel(), stars[rows, others.ravel()])
    return Planted(chosen, chance[user, item], shown, float(stars.mean()))


def exposures(name, user, item, rating=None, propensity=None):
    """One page a user of which the order says nothing."""
    rows = len(user)
    return Exposures(
        name=name,
        user_id=user,
        session=user,
        page=np.zeros(rows, np.int64),
        position=np.full(rows, -1),
        item_id=item,
        clicked=np.ones(rows, np.bool_),
        rating=rating,
        propensity=propensity,
    )
