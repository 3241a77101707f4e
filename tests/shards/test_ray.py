"""Shards on Ray: the same bytes as without, an actor that is killed, and too little room."""

import os

import pytest

pytest.importorskip("ray", reason="needs Ray: pip install 'recsim_llm[ray]'")

import ray
from stopped_runs import log_bytes

from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.errors import ConfigError
from recsim_llm.scenarios import load_scenario, run, sharded_arms
from recsim_llm.shards.crew import Job
from recsim_llm.shards.sharding import Sharding, open_crew
from recsim_llm.training.sharded_env import ShardedBrowseEnv

pytestmark = [
    pytest.mark.slow,
    # Of Ray's own client, when its processes end.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A cluster of this machine with two CPUs, which ends with the tests; no other one is touched."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def small(**more):
    return load_scenario(
        "demo", {"users.count": 30, "seed": 3, "max_pages": 4, "recommenders": ["popularity", "linucb"]} | more
    )


def test_ray_gives_the_same_bytes(tmp_path):
    scenario = small(visits=2)
    sharded = run(scenario, tmp_path / "sharded", sharding=Sharding("ray", 3))
    assert log_bytes(sharded) == log_bytes(run(scenario, tmp_path / "whole"))


def test_conversations_on_ray_have_the_same_bytes(tmp_path):
    settings = {"data": "fictional-100", "users.count": 9, "conversation.max_turns": 4, "max_pages": 4, "seed": 3}
    arms = {"recommenders": ["asking", "linucb"], "measure": None, "expect": []}
    scenario = load_scenario("conversation", settings | arms)
    sharded = run(scenario, tmp_path / "sharded", sharding=Sharding("ray", 3))
    assert log_bytes(sharded) == log_bytes(run(scenario, tmp_path / "whole"))


def test_rows_of_a_training_on_ray_answer_the_same():
    world = load_scenario("demo", {"data": "fictional-100", "users.count": 20, "slate_size": 3, "max_pages": 3, "seed": 3})
    pages = {"autoreset_mode": "same_step", "action": "embedding", "observation": ["page", "summary"]}
    whole = BrowseVectorEnv(5, scenario=world, **pages)
    sharded = ShardedBrowseEnv(world, Sharding("ray", 2), 5, pages)
    whole.reset(seed=1)
    sharded.reset(seed=1)
    whole.action_space.seed(1)
    for _ in range(8):
        actions = whole.action_space.sample()
        for expected, got in zip(whole.step(actions)[:4], sharded.step(actions)[:4], strict=True):
            assert str(expected) == str(got)
        assert (whole.feedback.draws == sharded.feedback.draws).all()
    sharded.close()
    whole.close()


def test_an_actor_that_is_killed_is_replaced(tmp_path, monkeypatch):
    scenario, crews, seen = small(), [], []

    def opened(sharding):
        crews.append(open_crew(sharding))
        return crews[-1]

    def kill_one(state):
        seen.append(state)
        if len(seen) in (2, 6):
            ray.kill(crews[-1]._actors[1])

    monkeypatch.setattr(sharded_arms, "open_crew", opened)
    sharded = run(scenario, tmp_path / "sharded", kill_one, sharding=Sharding("ray", 2))
    assert len(seen) > 6
    assert log_bytes(sharded) == log_bytes(run(scenario, tmp_path / "whole"))


def test_too_little_room_is_one_line():
    crew = open_crew(Sharding("ray", 9))
    with pytest.raises(ConfigError, match=r"got 2 free CPUs in the cluster for 9 shards, expected 4.5, half a CPU each"):
        crew.start([Job("shard_works:count", {"upto": 1})] * 9)
    crew.stop()
