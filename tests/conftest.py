"""Worlds for the tests: small, made of random numbers, and different in nothing else from fitted ones."""

from __future__ import annotations

import signal
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

try:
    version("recsim_llm")
except PackageNotFoundError:
    pytest.exit("recsim_llm is not installed: run pip install -e .", returncode=4)

from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.core.catalog import Catalog
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.population.world import World

SUPPORT = Path(__file__).parent / "support"
GENRES = ("Comedy", "Crime", "Drama", "Horror", "War")
TYPICAL = {"activity": 50, "conformity": 1, "diversity": 5, "rating_mean": 3.5, "rating_spread": 1, "mainstreamness": 0.5}

# How long an example takes is the machine's affair.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Make errors of the support modules' warnings too; they have no package whose name setup.cfg could give."""
    # What is started in the background ignores Ctrl-C, and so does all that it starts: tests would wait for it in vain.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for module in SUPPORT.glob("*.py"):
        config.addinivalue_line("filterwarnings", f"error:::{module.stem}$")


def build_world(items: int = 60, users: int = 40, *, retired: int = 0, click_bias: float = -1.0, **parameters: Any) -> World:
    """Return a world in which about one examined slot in four is clicked; keyword arguments are choice parameters."""
    random = np.random.default_rng(0)
    catalog = _catalog(random, items, retired)
    vectors = {
        "click": np.hstack([np.full((users, 1), click_bias), random.normal(size=(users, 7)) * 0.4]).astype(np.float32),
        "rating": (random.normal(size=(users, 9)) * 0.4).astype(np.float32),
        "cuts": np.sort(random.normal(size=(users, 9)) * 2, axis=1).astype(np.float32),
        "noise": np.ones((users, 1), np.float32),
    }
    traits = TYPICAL | {"patience": 10, "pickiness": 0.5, "position_bias": 1}
    population = Population(
        user_id=np.arange(users) * 3 + 100,
        traits=np.tile(np.array([traits[trait.name] for trait in TRAITS], np.float32), (users, 1)),
        genre_names=catalog.genre_names,
        taste=random.normal(size=(users, len(GENRES))).astype(np.float32),
        demographics={"age": np.array([("18-24", "25-34", "")[user % 3] for user in range(users)], dtype=object)},
        vectors=vectors,
    )
    model = ChoiceModel(
        item_id=catalog.item_id,
        click_items=np.hstack([np.ones((items, 1)), random.normal(size=(items, 7)) * 0.4]).astype(np.float32),
        rating_items=(random.normal(size=(items, 9)) * 0.4).astype(np.float32),
        levels=((np.arange(10) + 1) / 2).astype(np.float32),
        parameters=ChoiceParameters(**parameters),
        click_bias=0.0,
        patience_median=10.0,
        mainstreamness_mean=0.5,
        mainstreamness_spread=0.2,
        fitted_on="invented",
    )
    return World(catalog, population, ChoiceUsers(catalog, population, model))


def _catalog(random: np.random.Generator, items: int, retired: int) -> Catalog:
    catalog = Catalog.from_columns(
        item_id=np.arange(items) * 7 + 5,
        title=[f"Film {number}" for number in range(items)],
        genres=[sorted({GENRES[item % 5], GENRES[item // 5 % 5]}) for item in range(items)],
        popularity=random.pareto(1.0, items) + 1,
    )
    if retired:
        gone = np.zeros(items, np.bool_)
        gone[:retired] = True
        object.__setattr__(catalog, "retired", gone)
    return catalog


@pytest.fixture
def world() -> World:
    """A small world."""
    return build_world()


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    """The builder of small worlds, ``build_world``."""
    return build_world
