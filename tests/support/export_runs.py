"""Runs to be exported: users whose ids and demographics occur nowhere else, and recommenders that repeat themselves."""

from dataclasses import replace

import gymnasium
import numpy as np

from recsim_llm.agents.worlds import choice_world
from recsim_llm.core.pages import Slates
from recsim_llm.population.world import World
from recsim_llm.recommenders import RandomRecommender
from recsim_llm.scenarios import load_scenario, run

SMALL = {"users.count": 12, "max_pages": 3, "slate_size": 4, "seed": 11, "recommenders": ["random", "popularity"]}
FIRST_ID, STEP = 770_000_000_123, 7_919
DEMOGRAPHICS = {"gender": "genderword", "occupation": "occupationword"}


def marked_world(dataset, count=None, *, parameters=None, fitted=None, seed=0):
    """Choice users with ids and demographics that occur nowhere else."""
    world = choice_world(dataset, count, parameters={"click_bias": 1.0} | (parameters or {}), fitted=fitted, seed=seed)
    order = np.arange(len(world.population))
    words = {name: np.array([f"{word}{i % 3}" for i in order], object) for name, word in DEMOGRAPHICS.items()}
    people = replace(world.population, user_id=FIRST_ID + STEP * order, demographics=words)
    return World(world.catalog, people, world.users)


class Stutter(RandomRecommender):
    """Shows the first item of each page twice."""

    def recommend(self, requests, k):
        slates = super().recommend(requests, k)
        item_id = slates.item_id.copy()
        item_id[:, 1] = item_id[:, 0]
        return Slates(item_id, slates.propensity, slates.prefix_propensity, slates.slate_propensity)


class Stubborn(RandomRecommender):
    """Shows everybody the same items on every page."""

    def recommend(self, requests, k):
        return Slates(np.tile(np.arange(1, k + 1), (len(requests.user_id), 1)))


def make_run(folder, **changes):
    settings = SMALL | {"visits": 3, "users.model": "export_runs:marked_world"} | changes
    return run(load_scenario("demo", settings), folder)


def make_environment_log(folder, visits=40, seed=5):
    """Log random pages of a single environment that is seeded once; return its world."""
    world = marked_world("fictional", 12)
    env = gymnasium.make(
        "RecSimLLM/Browse-v0",
        catalog=world.catalog,
        population=world.population,
        users=world.users,
        slate_size=4,
        max_pages=3,
        log=folder,
    )
    env.action_space.seed(1)
    for visit in range(visits):
        env.reset(seed=seed if visit == 0 else None)
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            over = terminated or truncated
    env.close()
    return world
