"""One game: an environment and a run that show the same slates to the same users with the same dice see the same happen."""

from __future__ import annotations

import gymnasium
import numpy as np
import pyarrow.dataset as arrow
import pytest

import recsim_llm  # noqa: F401 (registers the environment)
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.building import stage

SMALL = {"users.count": 25, "max_pages": 4, "slate_size": 4, "visits": 1, "seed": 3, "recommenders": ["random"]}
SMALL |= {"reward": "satisfaction", "users.parameters": {"click_bias": 1.0}, "users.noise": {"missing_ratings": 0.3}}
ID = "RecSimLLM/Browse-v0"


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A world and the log of a run in it: for each user the pages, each with its slots."""
    scenario = load_scenario("demo", SMALL)
    folder = run(scenario, tmp_path_factory.mktemp("one_game") / "run")
    with stage(scenario, calls=tmp_path_factory.mktemp("calls") / "calls.sqlite") as built:
        world = built.world
    log = {}
    for page in rows(folder, "pages", ["user_id", "page"]):
        log.setdefault(page["user_id"], []).append(page | {"slots": []})
    for slot in rows(folder, "impressions", ["user_id", "page", "position"]):
        log[slot["user_id"]][slot["page"]]["slots"].append(slot)
    assert len(log) == 25
    assert sum(len(pages) for pages in log.values()) > 50
    return world, log


def rows(folder, kind, order):
    return arrow.dataset(folder / kind).to_table().sort_by([(name, "ascending") for name in order]).to_pylist()


def settings(world):
    names = ("slate_size", "max_pages", "reward")
    return world._asdict() | {name: SMALL[name] for name in names}


def slate(world, page):
    return world.catalog.index_of(np.array([slot["item_id"] for slot in page["slots"]]))


def outcome(feedback, row):
    """Return clicks and stars of a row by slot, as plain values."""
    given = feedback.ratings()[row]
    return [
        (bool(one), None if np.isnan(stars) else float(stars)) for one, stars in zip(feedback.clicked[row], given, strict=True)
    ]


def logged(page):
    return [(slot["clicked"], slot["rating"]) for slot in page["slots"]]


def test_the_single_environment_gives_the_feedback_of_the_run(played):
    world, log = played
    env = gymnasium.make(ID, **settings(world))
    stars = 0
    for user_id, pages in log.items():
        env.reset(seed=SMALL["seed"], options={"user_id": user_id})
        for page in pages:
            _, reward, terminated, truncated, info = env.step(slate(world, page))
            feedback = env.unwrapped.feedback
            assert outcome(feedback, 0) == logged(page)
            assert (reward, info["clicks"]) == (page["reward"], page["clicks"])
            reason = "left" if terminated else "max_pages" if truncated else None
            assert reason == page["stop_reason"]
            stars += np.count_nonzero(feedback.ratings() > 0)
        assert terminated or truncated
    assert stars > 0


def test_rows_of_the_vector_environment_give_the_feedback_of_the_run(played):
    world, log = played
    users = np.array(list(log))
    envs = gymnasium.make_vec(ID, len(users), vectorization_mode="vector_entry_point", **settings(world))
    envs.reset(seed=[SMALL["seed"]] * len(users), options={"user_id": users})
    for number in range(SMALL["max_pages"]):
        # Visits that are over show anything; what is said about them is not looked at.
        last = [pages[min(number, len(pages) - 1)] for pages in log.values()]
        _, reward, *_ = envs.step(np.stack([slate(world, page) for page in last]))
        on = [row for row, pages in enumerate(log.values()) if number < len(pages)]
        for row in on:
            assert outcome(envs.unwrapped.feedback, row) == logged(last[row])
            assert reward[row] == last[row]["reward"]
