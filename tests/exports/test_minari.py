"""The data set for Minari: it loads, holds the log, and is stepped through again with the same rewards."""

import gymnasium
import numpy as np
import pyarrow.parquet as pq
import pytest
from export_runs import FIRST_ID, make_environment_log, make_run

from recsim_llm.errors import ConfigError, ContractError, LogError, SlateError
from recsim_llm.scenarios.export import export
from recsim_llm.scenarios.minari_export import replay

minari = pytest.importorskip("minari", reason="Minari is not installed: pip install minari h5py pandas")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("minari") / "run", **{"users.noise": {"missing_ratings": 0.3}})


@pytest.fixture(scope="module")
def exported(run):
    return run.parent / "sets", export(run, "minari", run.parent / "sets")


@pytest.fixture
def load(monkeypatch):
    def load_from(folder, name):
        monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
        return minari.load_dataset(name)

    return load_from


def options_of(dataset):
    return [metadata.get("options") for metadata in dataset.storage.get_episode_metadata(dataset.episode_indices)]


def table(run, name, arm):
    rows = [row for row in pq.read_table(run / name).to_pylist() if row["arm"] == arm]
    return sorted(rows, key=lambda row: tuple(row.get(key, 0) for key in ("user_id", "visit", "page", "position")))


def test_episodes_are_the_visits_of_the_log(run, exported, load):
    dataset, visits = load(exported[0], "popularity-v0"), table(run, "visits", "popularity")
    assert len(dataset) == len(visits)
    assert dataset.total_steps == sum(visit["pages"] for visit in visits)
    assert exported[1]["arms"]["popularity"] == {
        "folder": "popularity-v0",
        "episodes": len(visits),
        "steps": dataset.total_steps,
        "replays": 1,
    }
    for episode, visit in zip(dataset, visits, strict=True):
        assert episode.rewards.sum() == visit["reward"]
        assert (episode.infos["user_id"][0], episode.infos["visit"][0]) == (visit["user_id"], visit["visit"])
        assert (episode.terminations[-1], episode.truncations[-1]) == (
            visit["stop_reason"] == "left",
            not episode.terminations[-1],
        )
        assert not episode.terminations[:-1].any()
        assert not episode.truncations[:-1].any()


def test_infos_hold_the_propensities_of_the_log_after_that_of_the_reset(run, exported, load):
    dataset, log = load(exported[0], "random-v0"), table(run, "impressions", "random")
    for name in ("propensity", "prefix_propensity"):
        columns = [episode.infos[name] for episode in dataset]
        assert all(np.isnan(column[0]).all() for column in columns)
        assert np.concatenate([column[1:] for column in columns]).reshape(-1).tolist() == [row[name] for row in log]
    pages = np.concatenate([episode.infos["slate_propensity"][1:] for episode in dataset])
    assert pages.tolist() == [page["slate_propensity"] for page in table(run, "pages", "random")]


@pytest.mark.parametrize("arm", ["random", "popularity"])
def test_the_recovered_environment_gives_the_recorded_rewards_on_every_visit(exported, load, arm):
    dataset = load(exported[0], f"{arm}-v0")
    episodes = list(replay(dataset))
    assert len(episodes) == len(dataset)
    assert all(episode.same for episode in episodes)
    assert sum(episode.recorded.sum() for episode in episodes) > 0
    assert max(options["visit"] for options in options_of(dataset)) > 0


def test_observations_and_ends_are_those_of_the_recovered_environment(exported, load):
    dataset = load(exported[0], "popularity-v0")
    env = dataset.recover_environment()
    assert env.observation_space == dataset.observation_space
    assert env.action_space == dataset.action_space
    rated = 0
    for episode, options in zip(dataset, options_of(dataset), strict=True):
        seen = [env.reset(options=options)[0]]
        for action, terminated, truncated in zip(episode.actions, episode.terminations, episode.truncations, strict=True):
            observation, _, *ends, _ = env.step(action)
            seen.append(observation)
            assert ends == [terminated, truncated]
        for name, recorded in episode.observations.items():
            assert np.array_equal(recorded, np.stack([observation[name] for observation in seen]))
        rated += np.count_nonzero(episode.observations["history_rating"])
    assert rated > 0


def test_other_dice_or_pages_give_other_rewards(exported, load):
    dataset = load(exported[0], "popularity-v0")
    env = dataset.recover_environment()
    rewards = {0: [], 1: []}
    for change, gained in rewards.items():
        for episode, options in zip(dataset, options_of(dataset), strict=True):
            if options["visit"] == 0:
                env.reset(seed=12 if change else 11, options=options)
                gained.append(env.step(episode.actions[0])[1])
    assert rewards[0] == [episode.rewards[0] for episode in dataset if episode.infos["visit"][0] == 0]
    assert rewards[1] != rewards[0]


def test_recovered_environment_takes_any_policy_and_refuses_what_cannot_be(exported, load):
    env = load(exported[0], "random-v0").recover_environment()
    env.reset(seed=3)
    *_, info = env.step(np.array([1, 1, 2, 3]))
    assert info["invalid_slots"] == 1
    assert (info["user_id"] - FIRST_ID) % 7_919 == 0
    with pytest.raises(SlateError, match="expected 4 integers"):
        env.step(np.array([1, 2]))
    with pytest.raises(SlateError, match="expected 0 to 1499"):
        env.step(np.array([1, 2, 3, 1500]))
    with pytest.raises(ConfigError, match=f"got visit 1 of user {FIRST_ID}, expected it after that user's visit 0"):
        env.reset(options={"user_id": FIRST_ID, "visit": 1})
    with pytest.raises(ConfigError, match="expected a user of the run"):
        env.reset(options={"user_id": 1})
    with pytest.raises(ConfigError, match="expected 'user_id' and 'visit'"):
        env.reset(options={"who": 1})


def test_a_visit_that_is_over_takes_no_page(exported, load):
    env = load(exported[0], "random-v0").recover_environment().unwrapped
    with pytest.raises(ContractError, match=r"expected reset\(\) first"):
        env.step(np.arange(4))


def test_blank_slots_are_minus_one_and_come_out_again(tmp_path, load):
    run = make_run(tmp_path / "run", recommenders=[{"name": "s", "recommender": "export_runs:Stutter"}], invalid="count")
    export(run, "minari", tmp_path / "sets")
    dataset = load(tmp_path / "sets", "s-v0")
    assert {int(page[1]) for episode in dataset for page in episode.actions} == {-1}
    assert all(dataset.action_space.contains(page) for episode in dataset for page in episode.actions)
    assert all(episode.same for episode in replay(dataset))
    assert all((episode.infos["invalid_slots"][1:] == 1).all() for episode in dataset)


def test_changed_data_are_noticed_by_the_environment(exported, load):
    spec = load(exported[0], "random-v0").env_spec
    spec.kwargs["fingerprints"]["population"] = "0"
    with pytest.raises(LogError, match="the population changed since the run"):
        gymnasium.make(spec)


def test_visits_of_language_users_load_without_an_environment(tmp_path, load):
    settings = {"users.model": "language", "models.user.name": "scripted/genres", "visits": 1, "users.count": 4}
    run = make_run(tmp_path / "run", **settings)
    content = export(run, "minari", tmp_path / "sets", arm="random")
    dataset = load(tmp_path / "sets", "random-v0")
    assert (len(dataset), content["arms"]["random"]["replays"]) == (4, 0)
    with pytest.raises(ConfigError, match="without an environment, expected env"):
        next(replay(dataset))


def test_an_environments_log_is_stepped_through_in_an_environment_like_it(tmp_path, load):
    world = make_environment_log(tmp_path / "log")
    export(tmp_path / "log", "minari", tmp_path / "sets", world=world)
    dataset = load(tmp_path / "sets", "policy-v0")
    people = {"catalog": world.catalog, "population": world.population, "users": world.users}
    env = gymnasium.make("RecSimLLM/Browse-v0", **people, slate_size=4, max_pages=3)
    assert (env.observation_space, env.action_space) == (dataset.observation_space, dataset.action_space)
    episodes = list(replay(dataset, env))
    assert len(episodes) == 40
    assert all(episode.same for episode in episodes)
    assert sum(episode.recorded.sum() for episode in episodes) > 0


def test_portions_change_nothing(run, exported, load, tmp_path, monkeypatch):
    monkeypatch.setattr("recsim_llm.exports.arm_log.PORTION_SLOTS", 10)
    monkeypatch.setattr("recsim_llm.scenarios.minari_export._TOGETHER", 2)
    export(run, "minari", tmp_path / "sets", arm="random")
    whole, parts = load(exported[0], "random-v0"), load(tmp_path / "sets", "random-v0")
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one.actions, other.actions)
        assert all(np.array_equal(one.observations[name], other.observations[name]) for name in one.observations)
