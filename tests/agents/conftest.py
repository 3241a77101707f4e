"""A tiny hand-made model of choice users: builders that tests take as fixtures of the same names."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import RatedItems
from recsim_llm.population.personas import TRAITS, Population

ITEMS, USERS = 6, 5


def numbers(*shape, seed=0, scale=0.7):
    return (np.random.default_rng([seed, *shape]).normal(size=shape) * scale).astype(np.float32)


def build_catalog(items=ITEMS):
    genres = [("A",), ("A",), ("A", "B"), ("B",), ("C",), ("A", "B", "C")]
    return Catalog.from_columns(
        item_id=np.arange(items) + 11,
        title=[f"film {item}" for item in range(items)],
        genres=[genres[item % 6] for item in range(items)],
        popularity=[[50, 9, 200, 3, 1, 20][item % 6] + item // 6 for item in range(items)],
    )


def build_population(users=USERS, width=3, wide=2, levels=3, genre_names=("A", "B", "C")):
    place = np.arange(users)
    columns = {
        "rating_mean": 3 + place % 4 / 2,
        "mainstreamness": 0.3 + place % 7 / 10,
        "patience": [0.0, 1.0, 8.0, 20.0, 130.0][: min(users, 5)] + [7.5 + n for n in range(users - 5)],
        "position_bias": place % 3 / 1.7,
    }
    return Population(
        user_id=place * 3 + 1,
        traits=np.column_stack([columns.get(trait.name, np.ones(users)) for trait in TRAITS]).astype(np.float32),
        genre_names=genre_names,
        taste=np.zeros((users, len(genre_names)), np.float32),
        vectors={
            "click": numbers(users, width),
            "rating": numbers(users, wide),
            "cuts": np.sort(numbers(users, levels - 1, seed=5), axis=1),
            "noise": np.abs(numbers(users, 1, seed=6)) + np.float32(0.2),
        },
    )


def build_model(items=ITEMS, width=3, wide=2, levels=3, **settings):
    return ChoiceModel(
        item_id=np.arange(items) + 11,
        click_items=numbers(items, width, seed=3) + np.float32(0.5),
        rating_items=numbers(items, wide, seed=4),
        levels=np.arange(1, levels + 1, dtype=np.float32),
        parameters=ChoiceParameters(**settings),
        click_bias=-0.3,
        patience_median=8.0,
        mainstreamness_mean=0.6,
        mainstreamness_spread=0.25,
        fitted_on="",
    )


def build_rated(pairs):
    """Return ``RatedItems`` of users and items of the tiny model, as pairs of positions."""
    user, item = np.array(sorted(pairs)).T
    stars = np.full(len(user), 3, np.float32)
    ratings = Ratings(user_id=user * 3 + 1, item_id=item + 11, rating=stars, timestamp=np.zeros(len(user), np.int64))
    return RatedItems.of(ratings, build_population().user_id, build_catalog())


def build_tiny(slots=ITEMS, rows=USERS, rated=None, **settings):
    """Return choice users of the tiny model, each in the row of the same number at the start of a first visit.

    Unlike by default, items lose nothing by being shown or consumed again.
    """
    quiet = {"repeat": 0.0, "exposure_loss": 0.0}
    users = ChoiceUsers(build_catalog(), build_population(), build_model(**quiet | settings))
    users.take_rated(rated)
    users.allocate(rows, slots)
    users.begin(ALL_ROWS, np.arange(rows), False)
    return users


@pytest.fixture
def tiny():
    return build_tiny


@pytest.fixture
def catalog():
    return build_catalog


@pytest.fixture
def population():
    return build_population


@pytest.fixture
def model():
    return build_model


@pytest.fixture
def rated_items():
    return build_rated
