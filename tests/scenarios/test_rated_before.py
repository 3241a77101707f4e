"""Where repeats are allowed, what users rated before a run is no news to them: in runs, environments and replays alike."""

from __future__ import annotations

import json
from itertools import groupby
from operator import itemgetter

import gymnasium
import numpy as np
import pyarrow.dataset as arrow
import pytest

import recsim_llm  # noqa: F401 (registers the environment)
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.recorded import RecordedEnv

SMALL = {
    "users.count": 20,
    "max_pages": 3,
    "slate_size": 6,
    "seed": 5,
    "repeats": "allow",
    "recommenders": [{"name": "old", "recommender": "old_favourites:OldFavourites"}],
}
LOSS = 3.0
CASCADE = {"users.model": "cascade", "models.user": "scripted/genres"}
KINDS = {
    "choice": {},
    "choice with noise": {"users.noise": {"missing_ratings": 0.5}},
    "cascade": CASCADE | {"users.parameters.threshold": 1.0, "users.parameters.audit": 0.0},
}


def rows(folder, kind):
    table = arrow.dataset(folder / kind).to_table()
    keys = [(name, "ascending") for name in ("user_id", "visit", "page", "position") if name in table.column_names]
    return table.sort_by(keys).to_pylist()


def log_odds(slot):
    chance = slot["click_prob"] / slot["examine_prob"]
    return np.log(chance) - np.log1p(-chance)


def play(folder, changes, **parameters):
    prefix = "users.parameters.choice" if "users.model" in changes else "users.parameters"
    scenario = load_scenario("demo", SMALL | changes | {f"{prefix}.{name}": value for name, value in parameters.items()})
    return scenario, run(scenario, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_users_lose_interest_in_what_they_rated_before_and_in_nothing_else(kind, tmp_path):
    (_, new), (_, old) = (play(tmp_path / str(loss), KINDS[kind], repeat=loss) for loss in (0.0, LOSS))
    first = [
        (one, two) for one, two in zip(rows(new, "impressions"), rows(old, "impressions"), strict=False) if one["page"] == 0
    ]
    loss = np.array([log_odds(one) - log_odds(two) for one, two in first]).reshape(-1, SMALL["slate_size"])
    assert len(loss) == SMALL["users.count"]
    np.testing.assert_allclose(loss, np.tile([LOSS] * 3 + [0.0] * 3, (len(loss), 1)), atol=1e-3)


def test_environment_and_replay_of_a_run_go_by_the_same_rule(tmp_path):
    scenario, folder = play(tmp_path / "run", {}, click_bias=3.0, repeat=1.0)
    manifest = json.loads((folder / "manifest.json").read_text())
    fingerprints = {name: manifest[name]["fingerprint"] for name in ("data", "population")}
    environments = {
        "environment": gymnasium.make("RecSimLLM/Browse-v0", scenario=scenario),
        "replay": RecordedEnv(manifest["settings"], fingerprints),
    }
    shown = rows(folder, "impressions")
    items = environments["environment"].unwrapped.catalog
    paid: dict[str, list[float]] = {name: [] for name in environments}
    for name, env in environments.items():
        for user, visit in groupby(shown, key=itemgetter("user_id")):
            # A run's replay takes its dice by itself.
            env.reset(seed=None if name == "replay" else scenario.seed, options={"user_id": user})
            for _, page in groupby(visit, key=itemgetter("page")):
                slate = items.index_of(np.array([slot["item_id"] for slot in page]))
                paid[name].append(env.step(slate)[1])
        env.close()
    pages = rows(folder, "pages")
    assert scenario.reward == "clicks"
    assert paid == {name: [page["reward"] for page in pages] for name in environments}
    assert sum(slot["clicked"] for slot in shown if slot["position"] < 3) > 20
