"""``scenario=``: the environment is the world of that scenario."""

from __future__ import annotations

import copy
import json
import sqlite3
from contextlib import closing

import gymnasium
import numpy as np
import pytest
import yaml

import recsim_llm  # noqa: F401 (registers the environment)
from recsim_llm.cli.main import main
from recsim_llm.errors import ConfigError, ContractError, DataError
from recsim_llm.scenarios import load_scenario

ID = "RecSimLLM/Browse-v0"
SMALL = {
    "users.count": 14,
    "max_pages": 4,
    "slate_size": 4,
    "visits": 3,
    "seed": 3,
    "recommenders": ["random"],
    "reward": "satisfaction",
    "users.parameters": {"click_bias": 1.0, "return_base": 0.4},
    "users.noise": {"missing_ratings": 0.3, "random_clicks": 0.1},
}
LANGUAGE = {**SMALL, "users.count": 5, "visits": 2, "max_pages": 3, "users.model": "language"}
LANGUAGE |= {"users.parameters": {}, "models.user": "scripted/genres"}


def test_a_shipped_scenario_by_name_and_a_file_by_path_are_the_same_world(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(load_scenario("demo").model_dump(mode="json", exclude_unset=True)), encoding="utf-8")

    def seen(scenario):
        env = gymnasium.make(ID, scenario=scenario)
        _, info = env.reset(seed=9)
        return info["user_id"], [env.step(np.arange(10) + 10 * page)[1] for page in range(6)]

    assert seen("demo") == seen(str(path)) == seen(path) == seen(load_scenario("demo"))
    assert seen("demo") != seen(load_scenario("demo", {"users.parameters.click_bias": 4.0}))


ORDER = [
    ({}, (4, 4, 3, False)),
    ({"slate_size": 6, "max_pages": 9, "visits": 1}, (6, 9, 1, False)),
    ({"invalid": "error"}, (4, 4, 3, True)),
]


@pytest.mark.parametrize(("options", "expected"), ORDER)
def test_arguments_go_before_the_scenario(options, expected):
    session = gymnasium.make(ID, scenario=load_scenario("demo", SMALL), **options).unwrapped.session
    kept = (session.kernel.slate_size, int(session._visits._last[0]), session._most_visits, session._refuse)
    assert kept == expected


def test_the_scenarios_own_word_on_invalid_items_holds_where_it_has_one():
    repeated = np.array([1, 1, 2, 3])
    anything = SMALL | {"repeats": "allow"}
    silent = gymnasium.make(ID, scenario=load_scenario("demo", anything))
    silent.reset(seed=1)
    assert silent.step(repeated)[4]["invalid_slots"] == 1
    strict = gymnasium.make(ID, scenario=load_scenario("demo", anything | {"invalid": "error"}))
    strict.reset(seed=1)
    with pytest.raises(ContractError, match="got item 1 again"):
        strict.step(repeated)


def test_population_and_users_go_before_the_scenario_too():
    env = gymnasium.make(ID, scenario=load_scenario("demo", SMALL), population=8)
    assert len(env.unwrapped.session.world.population) == 8
    with gymnasium.make(ID, scenario=load_scenario("demo", LANGUAGE), users="choice", population=8) as env:
        env.reset(seed=1)
        env.step(np.arange(4))


def test_a_scenario_without_a_seed_has_the_same_people_in_every_environment():
    def people():
        scenario = load_scenario("demo", SMALL | {"seed": None})
        return gymnasium.make(ID, scenario=scenario).unwrapped.session.world.population.user_id.tolist()

    assert people() == people()


REFUSED = [
    ({"scenario": "dmeo"}, "scenario: got 'dmeo', expected .* did you mean 'demo'"),
    ({"scenario": "no.yaml"}, "scenario: got no.yaml, which does not exist"),
    ({"scenario": 5}, "scenario: got 5, expected a name, the path of a .yaml file, or a Scenario"),
    ({"scenario": "demo", "slate_size": 0}, "slate_size: got 0, expected 1 or more"),
    ({"scenario": "demo", "slate_size": 10**6}, "slate_size 1000000, .*items on sale"),
    ({"scenario": "demo", "model": "scripted/genres"}, "model: got 'scripted/genres' for users 'choice', who ask none"),
    ({"scenario": "demo", "users": "language"}, "users 'language': got no language model, expected model='provider/name'"),
    ({"users": "language"}, "users 'language': got no language model, expected model='provider/name', for instance model="),
    ({"users": "language", "model": "scripted"}, "model: got 'scripted', expected provider/name"),
    ({"users": "choice", "model": "scripted/genres"}, "expected users='language' or 'cascade'"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        gymnasium.make(ID, **options)
    assert "\n" not in str(caught.value)
    assert "--" not in str(caught.value)


def test_objects_beside_a_scenario_are_refused(world):
    with pytest.raises(ConfigError, match="got a scenario and catalog Catalog, population Population"):
        gymnasium.make(ID, scenario="demo", **world._asdict())


def test_data_of_a_scenario_that_is_not_there_are_named():
    with pytest.raises((ConfigError, DataError), match="nowhere"):
        gymnasium.make(ID, scenario=load_scenario("demo", {"data": "nowhere"}))


@pytest.mark.parametrize("users", ["language", "cascade"])
def test_the_remedy_for_users_without_a_model_works_and_close_closes_it(users):
    env = gymnasium.make(ID, users=users, model="scripted/genres", population=5, slate_size=4)
    env.reset(seed=1)
    env.step(np.arange(4))
    env.close()
    env.close()
    with pytest.raises(ContractError, match=r"after close\(\)"):
        env.step(np.arange(4) + 4)


def test_a_copy_does_not_close_the_models_of_the_original():
    env = gymnasium.make(ID, scenario=load_scenario("demo", LANGUAGE))
    env.reset(seed=1)
    other = copy.deepcopy(env)
    other.step(np.arange(4))
    other.close()
    env.step(np.arange(4))
    env.close()


def test_the_log_of_a_language_environment_keeps_its_calls_and_makes_a_report(tmp_path):
    env = gymnasium.make(ID, scenario=load_scenario("demo", LANGUAGE), log=tmp_path / "log")
    env.reset(seed=1)
    env.step(np.arange(4))
    env.close()
    with closing(sqlite3.connect(tmp_path / "log" / "calls.sqlite")) as calls:
        assert calls.execute("SELECT COUNT(*) FROM calls").fetchone()[0] > 0
    calls.close()
    assert main(["report", str(tmp_path / "log"), "--quiet"]) == 0
    assert (tmp_path / "log" / "report.html").stat().st_size > 1000


def test_the_log_of_a_scenarios_environment_says_which_one(tmp_path):
    env = gymnasium.make(ID, scenario=load_scenario("demo", SMALL), log=tmp_path / "log")
    env.reset(seed=1)
    env.step(np.arange(4))
    env.close()
    manifest = json.loads((tmp_path / "log" / "manifest.json").read_text())
    assert (manifest["environment_scenario"]["name"], manifest["visits"]) == ("demo", 3)
