"""``trained:`` addresses in runs."""

import json
import shutil

import gymnasium
import numpy as np
import pyarrow.parquet as pq
import pytest

from recsim_llm.cli.main import main
from recsim_llm.core.pages import Requests
from recsim_llm.data import open_dataset
from recsim_llm.envs.action_wrappers import SingleItemAction
from recsim_llm.envs.stable_baselines import StableBaselinesVecEnv
from recsim_llm.envs.wrappers import FlatObservation, FlatVectorObservation
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.recommenders import open_recommender
from recsim_llm.scenarios.runner import run
from recsim_llm.scenarios.schema import load_scenario
from recsim_llm.training.train import train

SMALL = {
    "users.count": 60,
    "slate_size": 5,
    "max_pages": 3,
    "seed": 3,
    "train.algorithm": "counting_learner:Counting",
    "train.steps": 100,
    "train.rows": 10,
    "train.evaluate_every": 100,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(load_scenario("demo", SMALL), tmp_path_factory.mktemp("trained") / "policy")


def requests(users, history=()):
    item = np.tile(np.array(history, np.int64), (users, 1))
    none = np.zeros(users, np.int64)
    page = np.full(users, item.shape[1] // 5)
    return Requests(np.arange(users) + 900_000, none, page, item, np.zeros(item.shape, bool), np.full(item.shape, np.nan, "f4"))


def fitted(trained, **settings):
    training, _ = open_dataset("fictional").training_part(0.8)
    recommender = open_recommender(f"trained:{trained}", settings)
    recommender.fit(training.catalog, training.ratings, 7)
    return recommender


def test_a_policy_without_chance_is_certain_and_repeats_nothing(trained):
    recommender = fitted(trained)
    first = recommender.recommend(requests(3), 5)
    assert (first.propensity == 1).all()
    assert (first.slate_propensity == 1).all()
    second = recommender.recommend(requests(3, first.item_id[0]), 5)
    assert not set(second.item_id.ravel()) & set(first.item_id.ravel())


def test_propensities_of_a_policy_with_chance_are_those_that_it_draws_by(trained):
    recommender = fitted(trained, stochastic=True)
    slates = recommender.recommend(requests(4_000), 5)
    assert all(len(set(row)) == 5 for row in slates.item_id.tolist())
    np.testing.assert_allclose(slates.slate_propensity, slates.prefix_propensity.prod(axis=1, dtype=float), rtol=1e-6)
    item, counts = np.unique(slates.item_id[:, 0], return_counts=True)
    often = item[counts.argmax()]
    chance = slates.prefix_propensity[slates.item_id[:, 0] == often, 0]
    assert np.ptp(chance) == 0
    assert abs(counts.max() / 4_000 - chance[0]) < 4 * np.sqrt(chance[0] / 4_000)
    part = recommender.recommend(requests(4_000)._replace(user_id=np.arange(4_000) + 900_000), 5)
    np.testing.assert_array_equal(part.item_id, slates.item_id)


def test_it_serves_the_verbs_under_its_address(trained, tmp_path, capsys):
    out = tmp_path / "run"
    more = ["--n-users", "20", "--slate-size", "5", "--pages", "2", "--seed", "1", "--quiet"]
    assert main(["run", "demo", "--recommenders", f"popularity,trained:{trained}", *more, "--out", str(out)]) == 0
    assert len(set(pq.read_table(out / "visits")["arm"].to_pylist())) == 2
    assert (
        main(["run", "demo", "--recommenders", f"trained:{trained}", "--slate-size", "4", "--out", str(tmp_path / "no")]) == 2
    )
    assert "--slate-size 5" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("address", "settings", "said"),
    [
        ("nowhere", {}, "got nowhere, which does not exist"),
        ("TRAINED", {"seed": 1}, "got seed 1, expected 0 to 0"),
        ("TRAINED", {"scenario": "demo"}, "got setting 'scenario' for a training folder"),
        ("TRAINED", {"stochastik": True}, r"got unknown key 'stochastik'.*did you mean 'stochastic'\?"),
        ("nowhere.zip", {}, "got no such file"),
        ("MODEL", {}, "got no setting 'scenario'"),
        ("MODEL", {"scenario": "demo", "algorithm": "bandit"}, "expected one of Stable-Baselines3"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_in_one_line(address, settings, said, trained, model):
    address = {"TRAINED": trained, "MODEL": model[0]}.get(address, address)
    with pytest.raises(ConfigError, match=said):
        open_recommender(f"trained:{address}", settings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"terms.json: got no such file, expected what `recsim-llm train` wrote"),
        ("{", r"terms.json: got something else than JSON, expected what"),
        ("[1]", r"terms.json: got no settings by name, expected what"),
        ("{}", r"terms.json: algorithm: got nothing, expected text; restore the file or train again"),
    ],
)
def test_damaged_terms_are_told_in_plain_words(text, said, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "damaged")
    terms = tmp_path / "damaged" / "policy" / "0" / "terms.json"
    terms.unlink() if text is None else terms.write_text(text)
    with pytest.raises(LogError, match=said):
        open_recommender(f"trained:{tmp_path / 'damaged'}")


def arm_of(trained, **more):
    return {"name": "agent", "recommender": f"trained:{trained}"} | more


def wrapped(trained):
    return {"name": "agent", "recommender": "mmr", "settings": {"base": f"trained:{trained}", "candidates": 5}}


@pytest.mark.parametrize("arm", [arm_of, wrapped])
def test_held_out_users_that_training_met_are_refused_with_a_share_that_works(arm, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = train(load_scenario("demo", SMALL | {"train.holdout": 0.1}), tmp_path / "tenth")
    text = {"name": "two", "slate_size": 5, "max_pages": 2, "seed": 1, "users": {"count": 60, "part": "held_out"}}
    (tmp_path / "two.yaml").write_text(json.dumps(text | {"data": "fictional", "recommenders": ["random", arm(own.name)]}))
    asked = ["run", str(tmp_path / "two.yaml"), "--quiet", "--out", str(tmp_path / "run")]
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert "expected at most 0.1, the share of the users that its training never met" in said
    assert not (tmp_path / "run").exists()
    assert main([*asked, *said.rpartition("pass ")[2].split()]) == 0


def test_what_was_trained_before_is_not_fitted_anew(trained, tmp_path):
    changes = {"recommenders": ["random", arm_of(trained, retrain="visit")], "visits": 2}
    with pytest.raises(ConfigError, match=r"^recommender 'agent', retrain: got 'visit' for one that was trained before"):
        run(load_scenario("demo", SMALL | changes), tmp_path / "run")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model from a loop of somebody's own, and the scenario that describes it."""
    from stable_baselines3 import PPO

    folder = tmp_path_factory.mktemp("model")
    env = gymnasium.make_vec(
        "RecSimLLM/Browse-v0",
        num_envs=4,
        autoreset_mode="same_step",
        population=20,
        slate_size=5,
        action="embedding",
        observation=["page", "summary"],
    )
    PPO("MlpPolicy", StableBaselinesVecEnv(FlatVectorObservation(env)), n_steps=4, batch_size=16, device="cpu", seed=1).save(
        folder / "mine.zip"
    )
    text = "name: mine\nslate_size: 5\nrecommenders: [random]\ntrain: {action: embedding, observation: [page, summary]}\n"
    (folder / "mine.yaml").write_text(text)
    return folder / "mine.zip", folder / "mine.yaml"


def test_a_model_saved_by_the_library_recommends_with_its_scenario(model):
    slates = fitted(model[0], scenario=str(model[1])).recommend(requests(3), 5)
    assert len(set(slates.item_id[0])) == 5
    model[1].write_text(model[1].read_text().replace("[page, summary]", "[page]"))
    with pytest.raises(ConfigError, match=r"got observations \[36\], expected \[1\] by the scenario"):
        fitted(model[0], scenario=str(model[1]))


def test_a_network_that_names_single_items_fills_pages_of_one_and_no_longer_ones(tmp_path):
    from stable_baselines3 import DQN

    world = {"population": 20, "slate_size": 1, "observation": ["page"]}
    env = FlatObservation(SingleItemAction(gymnasium.make("RecSimLLM/Browse-v0", **world)))
    DQN("MlpPolicy", env, buffer_size=1, device="cpu", seed=1).save(tmp_path / "single.zip")
    described = tmp_path / "single.yaml"
    text = "name: single\nslate_size: 1\nrecommenders: [random]\ntrain: {algorithm: dqn, observation: [page]}\n"
    described.write_text(text)
    slates = fitted(tmp_path / "single.zip", scenario=str(described)).recommend(requests(3), 1)
    assert slates.item_id.shape == (3, 1)
    assert (slates.slate_propensity == 1).all()
    described.write_text(text.replace("slate_size: 1", "slate_size: 5"))
    with pytest.raises(ConfigError, match=r"got actions of \d+, expected 5 of \d+ by the scenario"):
        fitted(tmp_path / "single.zip", scenario=str(described))
