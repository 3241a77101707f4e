"""Trainings whose rows are in shards: the environment answers as without, and what is learned has the same bytes."""

import os
import signal

import gymnasium
import numpy as np
import pytest

from recsim_llm.cli.main import main
from recsim_llm.errors import BudgetExceeded, ConfigError, LogError
from recsim_llm.scenarios.schema import load_scenario
from recsim_llm.shards.sharding import Sharding
from recsim_llm.training import train as training
from recsim_llm.training.sharded_env import ShardedBrowseEnv
from recsim_llm.training.train import resume_training, train

ROWS = 7
INLINE = Sharding("inline", 3)
SMALL = {"data": "fictional-100", "users.count": 60, "slate_size": 3, "max_pages": 3, "visits": 2, "seed": 3}
TRAINED = SMALL | {
    "train.algorithm": "bandit",
    "train.steps": 60,
    "train.rows": ROWS,
    "train.evaluate_every": 30,
    "train.evaluation_users": 8,
}
FLAGS = [f"--set={key}={value}" for key, value in TRAINED.items()]
EVERYTHING = ["page", "summary", "history", "visit", "taste", "fresh"]
LANGUAGE = {"users.model": "language", "models.user": "scripted/genres"}


def scenario(**changes):
    return load_scenario("demo", TRAINED | changes)


def opened(sharding, action="slate", observation=EVERYTHING, **changes):
    """Open an environment of a small scenario, in shards or without."""
    pages = {"autoreset_mode": "same_step", "action": action, "observation": observation, "candidates": 9}
    pages |= {"history_pages": 2, "invalid": "count"}
    world = load_scenario("demo", SMALL | changes)
    if sharding is None:
        return gymnasium.make_vec("RecSimLLM/Browse-v0", num_envs=ROWS, scenario=world, **pages)
    return ShardedBrowseEnv(world, sharding, ROWS, pages)


def played(env, pages, *, before=lambda _: None):
    """Play an environment twice; return all that it said."""
    said = []
    for seed, options in (
        (5, None),
        (None, None),
        ([*range(ROWS)], {"user_id": env.unwrapped.session.world.population.user_id[:ROWS]}),
    ):
        said.append(env.reset(seed=seed, options=options))
        env.action_space.seed(1)
        for page in range(pages):
            before(page)
            said.append(env.step(env.action_space.sample()))
            feedback = env.unwrapped.feedback
            said += [feedback.clicked, feedback.given, feedback.watched, feedback.pages.item_index, env.unwrapped.allowed()]
    env.close()
    return said


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_same(first, second)
    elif isinstance(one, np.ndarray) and one.dtype == object:
        assert_same(one.tolist(), other.tolist())
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize(
    ("action", "observation"),
    [("slate", EVERYTHING), ("candidates", ["page", "taste", "candidates"]), ("embedding", ["page", "summary"])],
)
def test_an_environment_in_shards_answers_as_one_without(action, observation):
    whole = played(opened(None, action, observation), 12)
    assert_same(played(opened(INLINE, action, observation), 12), whole)


def test_every_row_may_have_a_shard_of_its_own():
    kind = "embedding", ["page", "summary"]
    assert_same(played(opened(Sharding("inline", ROWS), *kind), 8), played(opened(None, *kind), 8))


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_by_one_that_knows_as_much():
    env = opened(Sharding("processes", 2))

    def kill(page):
        if page == 5:
            os.kill(env._crew.process_ids[1], signal.SIGKILL)

    assert_same(played(env, 8, before=kill), played(opened(None), 8))


@pytest.mark.slow
def test_a_lost_worker_whose_users_a_model_played_ends_the_training():
    env = opened(Sharding("processes", 2), **LANGUAGE, visits=1)
    env.reset(seed=1)
    os.kill(env._crew.process_ids[1], signal.SIGKILL)
    with pytest.raises(LogError, match=r"shard 1 of 2: got a worker that was ended by signal 9.*resume the training"):
        env.step(env.action_space.sample())
    env.close()


def contents(folder):
    """Return what must not hang on shards: the policies, their evaluations, the manifest."""
    kept = ("policy", "evaluation.parquet", "manifest.json", "progress.json")
    names = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.relative_to(folder).parts[0] in kept]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training without shards."""
    return train(scenario(), tmp_path_factory.mktemp("trainings") / "whole")


def test_the_command_trains_in_processes_to_the_same_bytes(whole, tmp_path):
    out = tmp_path / "sharded"
    assert main(["train", "demo", *FLAGS, "--backend", "processes", "--shards", "2", "--out", str(out), "--quiet"]) == 0
    assert contents(out) == contents(whole)
    assert (out / "report.html").is_file()


def test_a_stopped_training_goes_on_in_another_number_of_shards(whole, tmp_path, monkeypatch):
    def stop(state):
        if state.steps >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(scenario(), tmp_path / "run", stop, sharding=INLINE)
    monkeypatch.setattr(training, "_evaluate", lambda *_: None)
    monkeypatch.setattr(training, "write_training_report", lambda _: None)
    resume_training(tmp_path / "run", sharding=Sharding("inline", 2))
    assert contents(tmp_path / "run") == contents(whole)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["ppo", "slate_q", "sac"])
def test_every_kind_of_learner_learns_the_same(algorithm, tmp_path):
    pytest.importorskip("stable_baselines3")
    trained = scenario(**{"train.algorithm": algorithm})
    folders = [train(trained, tmp_path / name, sharding=sharding) for name, sharding in (("whole", None), ("sharded", INLINE))]
    assert contents(folders[0]) == contents(folders[1])


@pytest.mark.parametrize(
    ("changes", "shards", "kind", "said"),
    [
        ({}, 8, ConfigError, "shards: got 8 for train.rows 7, expected at most one a row"),
        (LANGUAGE | {"limits.calls_a_user": 3}, 2, ConfigError, "limits.calls_a_user: got 3 for a training in shards"),
        (LANGUAGE | {"limits.calls": 1}, 2, BudgetExceeded, "limit calls: got too little left of 1 allowed"),
        (LANGUAGE | {"models.user": {"name": "scripted/genres", "concurrency": 1}}, 2, ConfigError, "got 1 for 2 shards"),
    ],
)
def test_what_cannot_be_sharded_is_refused_and_leaves_nothing(changes, shards, kind, said, tmp_path):
    with pytest.raises(kind, match=said):
        train(scenario(**changes), tmp_path / "run", sharding=Sharding("inline", shards))
    assert not (tmp_path / "run").exists()
