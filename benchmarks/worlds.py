"""Made-up worlds of any size for the benchmarks."""

from __future__ import annotations

import numpy as np

from recsim_llm.agents import ChoiceModel, ChoiceParameters, ChoiceUsers
from recsim_llm.core.catalog import Catalog
from recsim_llm.population import TRAITS, Population, World

GENRES = 18
CLICK_WIDTH, RATING_WIDTH = 40, 37


def make_world(items: int, users: int, seed: int = 1) -> World:
    """Return a world with random vectors of the sizes that fits yield; random pages get about 1% clicks, as after a fit."""
    random = np.random.default_rng(seed)
    catalog = make_catalog(items, random)

    def normal(rows: int, columns: int, scale: float) -> np.ndarray:
        return (random.normal(size=(rows, columns)) * scale).astype(np.float32)

    model = ChoiceModel(
        item_id=catalog.item_id,
        click_items=normal(items, CLICK_WIDTH, 0.6),
        rating_items=normal(items, RATING_WIDTH, 0.3),
        levels=np.arange(1, 11, dtype=np.float32) / 2,
        parameters=ChoiceParameters(),
        click_bias=-6.0,
        patience_median=30.0,
        mainstreamness_mean=0.5,
        mainstreamness_spread=0.2,
        fitted_on="made up",
    )
    typical = {"activity": 60, "conformity": 0.8, "diversity": 8, "rating_mean": 3.5, "rating_spread": 0.9}
    typical |= {"mainstreamness": 0.5, "patience": 30, "pickiness": 0.3, "position_bias": 1}
    population = Population(
        user_id=np.arange(users),
        traits=np.tile(np.array([typical[trait.name] for trait in TRAITS], np.float32), (users, 1)),
        genre_names=catalog.genre_names,
        taste=np.zeros((users, GENRES), np.float32),
        vectors={
            "click": normal(users, CLICK_WIDTH, 0.6),
            "rating": normal(users, RATING_WIDTH, 0.3),
            "cuts": np.sort(normal(users, 9, 2.0), axis=1),
            "noise": np.ones((users, 1), np.float32),
        },
    )
    return World(catalog, population, ChoiceUsers(catalog, population, model))


def make_catalog(items: int, random: np.random.Generator) -> Catalog:
    """Return a catalog with two genres an item and Zipf-like popularity."""
    names = [f"genre {number}" for number in range(GENRES)]
    return Catalog.from_columns(
        item_id=np.arange(items),
        title=[f"item {number}" for number in range(items)],
        genres=[[names[number % GENRES], names[(number // GENRES) % GENRES]] for number in range(items)],
        popularity=random.pareto(1.0, items) + 1,
    )


def random_slates(items: int, rows: int, slots: int, count: int, *, random: np.random.Generator) -> list[np.ndarray]:
    """Return ``count`` batches of slates of different items."""
    base = random.integers(items, size=(count, rows, 1))
    steps = np.stack([random.choice(items, slots, replace=False) for _ in range(count)])
    return list((base + steps[:, None, :]) % items)
