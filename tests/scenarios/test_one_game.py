"""One game: an environment and a run that show the same slates to the same users with the same dice see the same happen."""

from __future__ import annotations

from dataclasses import fields

import gymnasium
import numpy as np
import pyarrow.dataset as arrow
import pytest
from wild_pages import WildPages

import recsim_llm  # noqa: F401 (registers the environment)
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.core.pages import probability
from recsim_llm.scenarios import load_scenario, run

ID = "RecSimLLM/Browse-v0"
SMALL = {
    "users.count": 16,
    "max_pages": 4,
    "slate_size": 4,
    "seed": 3,
    "recommenders": [{"name": "wild", "recommender": "wild_pages:WildPages"}],
    "reward": "satisfaction",
    "invalid": "count",
}
KEYS = ["user_id", "visit", "page", "position"]
UNLIKE = {"arm", "propensity", "prefix_propensity", "slate_propensity"}
"""What only a run knows."""


def parameters(seed):
    """Return other values of all parameters of the choice model, at which users click often."""
    random = np.random.default_rng(seed)
    numbers = {field.name: field.default for field in fields(ChoiceParameters) if isinstance(field.default, float)}
    return {name: float(value * random.uniform(0.6, 1.0)) for name, value in numbers.items()} | {"click_bias": 4.0}


def noise(seed):
    random = np.random.default_rng(seed)
    return {name: float(random.uniform(0, 0.4)) for name in ("random_clicks", "missed_clicks", "missing_ratings")}


LANGUAGE = {"users.count": 6, "models.user": "scripted/genres", "max_pages": 3}
GAMES = {
    "choice users, one visit": {"users.parameters": {"click_bias": 4.0}, "reward": "watch"},
    "choice users, three visits": {"visits": 3, "users.parameters": parameters(1), "users.noise": noise(1)},
    "choice users who run free": {"visits": 2, "users.parameters": parameters(2), "users.noise": noise(2), "barrier": "visit"},
    "anything repeated": {"visits": 2, "users.parameters": parameters(3), "repeats": "allow", "reward": "rating"},
    "cascade": LANGUAGE
    | {
        "visits": 2,
        "users.model": "cascade",
        "users.parameters": {"choice": parameters(4), "threshold": 0.1, "audit": 0.3},
        "users.noise": noise(4),
    },
    "language": LANGUAGE | {"visits": 3, "users.model": "language", "users.noise": noise(5)},
    "replay": {"visits": 3, "users.parameters": parameters(6), "replayed": True},
}


@pytest.fixture(scope="module", params=GAMES)
def played(request, tmp_path_factory):
    """A scenario, the log of its run, and the slates that were asked for, by user, visit and page."""
    changes = dict(GAMES[request.param])
    replayed = changes.pop("replayed", False)
    folder = tmp_path_factory.mktemp("one_game")
    scenario = load_scenario("demo", SMALL | changes)
    if replayed:
        recorded = {"run": str(run(scenario, folder / "recorded"))}
        again = {"users.model": "replay", "users.parameters": recorded, "users.count": None}
        scenario = load_scenario("demo", SMALL | changes | again)
    WildPages.shown.clear()
    log = run(scenario, folder / "run")
    return scenario, log, dict(WildPages.shown)


def rows(folder, kind):
    """Return the rows of a log without what only a run knows; the visits of each user are counted from 0."""
    table = arrow.dataset(folder / kind).to_table()
    table = table.select([name for name in table.column_names if name not in UNLIKE])
    found = table.sort_by([(name, "ascending") for name in KEYS if name in table.column_names]).to_pylist()
    numbers: dict[int, list[int]] = {}
    for row in found:
        seen = numbers.setdefault(row["user_id"], [])
        if row["visit"] not in seen:
            seen.append(row["visit"])
        row["visit"] = seen.index(row["visit"])
    return found


def slates_by_user(shown, catalog):
    """Return each user's slates as catalog positions, by visit and page."""
    users: dict[int, dict[tuple[int, int], np.ndarray]] = {}
    for (user, visit, page), items in shown.items():
        users.setdefault(user, {})[visit, page] = catalog.index_of(items)
    return users


def test_the_log_of_the_single_environment_is_the_log_of_the_run(played, tmp_path):
    scenario, log, shown = played
    env = gymnasium.make(ID, scenario=scenario, log=tmp_path / "log")
    for user, slates in slates_by_user(shown, env.unwrapped.catalog).items():
        env.reset(seed=scenario.seed, options={"user_id": user})
        place, over = (0, 0), False
        while not over:
            *_, terminated, truncated, info = env.step(slates[place])
            over = terminated or truncated
            place = (place[0] + 1, 0) if info["visit_ended"] else (place[0], place[1] + 1)
        assert place[0] == max(visit for visit, _ in slates) + 1
    env.close()
    for kind in ("impressions", "pages", "visits"):
        assert rows(tmp_path / "log", kind) == rows(log, kind)
    assert sum(page["invalid_slots"] for page in rows(log, "pages")) > 3
    assert sum(page["clicks"] for page in rows(log, "pages")) > 3
    assert scenario.visits == 1 or any(visit["returned"] for visit in rows(log, "visits"))


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_rows_of_any_number_and_order_see_what_the_run_saw(played, mode):
    """Some users are left out, some sit in several rows, and the rows go on with other users when theirs are gone."""
    scenario, log, shown = played
    random, slots = np.random.default_rng(0), scenario.slate_size
    expected = {}
    for slot in rows(log, "impressions"):
        expected.setdefault((slot["user_id"], slot["visit"], slot["page"]), []).append(slot)
    pages = {(page["user_id"], page["visit"], page["page"]): page for page in rows(log, "pages")}
    users = random.choice(sorted({user for user, _, _ in shown}), 11)
    envs = gymnasium.make_vec(ID, len(users), scenario=scenario, autoreset_mode=mode)
    slates = slates_by_user(shown, envs.unwrapped.session.world.catalog)
    envs.reset(seed=[scenario.seed] * len(users), options={"user_id": users})
    place = [(int(user), 0, 0) for user in users]
    over = np.zeros(len(users), bool)
    for _ in range(scenario.visits * scenario.max_pages):
        if mode == "disabled" and over.any():
            envs.reset(options={"reset_mask": over})
        on = [row for row, key in enumerate(place) if key in pages]
        if not on or (scenario.users.model == "replay" and len(on) < len(users)):
            break  # Replay users know nothing of the pages that whoever comes next would be shown.
        given = np.tile(np.arange(slots), (len(users), 1))
        for row in on:
            user, visit, page = place[row]
            given[row] = slates[user][visit, page]
        _, reward, terminated, truncated, info = envs.step(given)
        over = terminated | truncated
        feedback, said = envs.unwrapped.feedback, info.get("final_info", info)
        stars, leave = feedback.ratings(), probability(feedback.mood.leave_log_odds)
        for row in on:
            page, user = pages[place[row]], place[row][0]
            assert feedback.clicked[row].tolist() == [slot["clicked"] for slot in expected[place[row]]]
            assert [None if np.isnan(given) else given for given in stars[row].tolist()] == [
                slot["rating"] for slot in expected[place[row]]
            ]
            assert (reward[row], leave[row]) == (page["reward"], np.float32(page["leave_prob"]))
            ended = (said if over[row] and mode == "same_step" else info)["visit_ended"][row]
            assert ended == (page["stop_reason"] is not None)
            _, visit, number = place[row]
            place[row] = (user, visit, number + 1) if not ended else (user, visit + 1, 0) if not over[row] else (user, -1, -1)
    envs.close()
