"""Small worlds in time."""

import numpy as np

from recsim_llm.core.catalog import Catalog
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.scenarios import load_scenario

SMALL = {
    "users.count": 60,
    "max_pages": 5,
    "slate_size": 4,
    "seed": 3,
    "recommenders": ["random", "mf"],
    "clock": {"days": 6, "arrive_days": 2, "gap_days": 1.5},
    "users.parameters.return_base": 2.0,
}
EVERYTHING = [
    {"name": "drift", "at": "day 1", "change": {"drift": {"size": 2.0, "days": 2}}, "who": {"trait": "activity", "above": 0.3}},
    {"name": "season", "at": 0, "change": {"season": {"genres": ["Comedy"], "size": 1.0, "period": 4}}},
    {"name": "hype", "at": 1, "until": 4, "change": {"trend": {"items": {"rare": 0.2}, "size": 1.5, "fades": True}}},
    {"name": "sale", "at": 2, "change": {"price": {"items": {"share": 0.3}, "change": -0.5}}},
    {"name": "slot", "at": 1, "until": 5, "change": {"promote": {"items": {"rare": 0.3}, "slot": 1}}},
    {"name": "new", "at": "day 3", "change": {"release": {"items": {"share": 0.2}}}},
    {"name": "old", "at": 2, "change": {"retire": {"items": {"popular": 0.1}}}},
    {"name": "late", "at": 3, "change": {"arrive": {}}, "who": {"share": 0.3}},
    {"name": "harm", "at": 0, "change": {"harm": {"items": {"share": 0.2}}}},
    {"name": "slips", "at": 4, "change": {"accidents": {"share": 0.02}}},
    {"name": "hurry", "at": 2, "until": 3, "change": {"impatience": {"size": 0.5}}},
]


def living(**changes):
    """Return a scenario of a hundred films and sixty users over six days."""
    return load_scenario("small", SMALL | changes)


def tiny_population(users=6):
    """Return users with tastes for three genres."""
    taste = np.array([[1.0, 0.0, -1.0], [-0.5, 0.5, 0.0]] * (users // 2), np.float32)
    traits = np.ones((users, len(TRAITS)), np.float32) * np.arange(users, dtype=np.float32)[:, None]
    return Population(
        user_id=np.arange(users) + 100,
        traits=traits,
        genre_names=("A", "B", "C"),
        taste=taste,
        demographics={"age": np.array(["young", "old"] * (users // 2), object)},
    )


def tiny_catalog(items=6):
    """Return items of three genres; the first ones are the most popular."""
    genres = [("A",), ("B",), ("A", "B"), ("C",), ("C",), ("A", "B", "C")]
    return Catalog.from_columns(
        item_id=np.arange(items) + 11,
        title=[f"film {item}" for item in range(items)],
        genres=[genres[item % 6] for item in range(items)],
        popularity=np.arange(items)[::-1] + 1,
        provider=[f"studio {item % 2}" for item in range(items)],
    )
