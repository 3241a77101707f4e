"""Stable-Baselines3: its checker, its algorithms, and the adapter for the vector environment."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.utils.passive_env_checker import data_shares_objects
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from recsim_llm.envs import ActionMask, FlatObservation, FlatVectorObservation, SingleItemAction
from recsim_llm.envs.stable_baselines import StableBaselinesVecEnv
from recsim_llm.errors import ConfigError

# Candidates are observed as a table [candidate, feature]; the checker would rather see it flat, as FlatObservation has it.
TABLE = "ignore:Your observation candidate_features has an unconventional shape"
QUICK = {"device": "cpu", "seed": 0}


@pytest.fixture
def adapter(make_world, make_rows):
    def make(rows=4, *, flat=False, **options):
        env = make_rows(make_world(), rows, autoreset_mode="same_step", **options)
        return StableBaselinesVecEnv(FlatVectorObservation(env) if flat else env)

    return make


@pytest.mark.filterwarnings(TABLE)
@pytest.mark.parametrize("action", ["slate", "candidates", "embedding"])
def test_checker_accepts_the_environment(world, make_env, action):
    check_env(make_env(world, action=action, candidates=8, observation=["page", "summary", "history", "profile"]))


@pytest.mark.parametrize("action", ["slate", "candidates"])
def test_checker_accepts_the_wrapped_environment(world, make_env, action):
    check_env(ActionMask(FlatObservation(SingleItemAction(make_env(world, slate_size=1, action=action, candidates=8)))))


@pytest.mark.parametrize("action", ["slate", "candidates", "embedding"])
def test_ppo_learns_on_the_single_environment_as_it_is(world, make_env, action):
    model = PPO(
        "MultiInputPolicy", make_env(world, action=action, candidates=8), n_steps=32, batch_size=32, n_epochs=1, **QUICK
    )
    model.learn(64)
    assert model.num_timesteps == 64
    assert len(model.ep_info_buffer) > 0


@pytest.mark.parametrize(("policy", "flat"), [("MultiInputPolicy", False), ("MlpPolicy", True)])
@pytest.mark.parametrize("action", ["slate", "embedding"])
def test_ppo_learns_on_the_adapter(adapter, action, policy, flat):
    env = adapter(8, flat=flat, action=action)
    model = PPO(policy, env, n_steps=8, batch_size=32, n_epochs=1, **QUICK)
    model.learn(128)
    assert model.num_timesteps == 128
    assert {"r", "l", "t"} <= set(model.ep_info_buffer[0])


def test_dqn_learns_on_single_items_and_flat_observations(world, make_env):
    env = FlatObservation(SingleItemAction(make_env(world, slate_size=1)))
    model = DQN("MlpPolicy", env, learning_starts=32, buffer_size=200, train_freq=8, batch_size=16, **QUICK)
    model.learn(96)
    assert model.num_timesteps == 96


def test_adapter_equals_stable_baselines_own_vectoriser(make_world, make_env, adapter):
    mine = adapter(3, reward="satisfaction")
    theirs = DummyVecEnv([lambda: Monitor(make_env(make_world(), reward="satisfaction")) for _ in range(3)])
    for env in (mine, theirs):
        env.seed(5)
    assert data_equivalence(dict(mine.reset()), dict(theirs.reset()), exact=True)
    assert mine.reset_infos == theirs.reset_infos
    random, ends = np.random.default_rng(0), 0
    for _ in range(60):
        action = random.integers(0, 60, (3, 4))
        *seen, infos = mine.step(action)
        *expected, their_infos = theirs.step(action)
        assert data_equivalence([dict(seen[0]), *seen[1:]], [dict(expected[0]), *expected[1:]], exact=True)
        for info, their_info in zip(infos, their_infos, strict=True):
            for episode in (info.get("episode"), their_info.get("episode")):
                ends += episode is not None and episode.pop("t") >= 0
            assert data_equivalence(info, their_info, exact=True)
        assert mine.reset_infos == theirs.reset_infos
    assert ends > 6


def test_nothing_returned_is_touched_again(adapter):
    env = adapter(3, history_pages=2)

    def play():
        env.seed(0)
        random = np.random.default_rng(0)
        kept = [env.reset()]
        kept += [env.step(random.integers(0, 60, (3, 4)))[0] for _ in range(30)]
        return kept

    first = play()
    assert data_equivalence(first, play(), exact=True)
    assert not any(data_shares_objects(one, other) for one, other in zip(first, first[1:], strict=False))


def test_reset_uses_seeds_and_options_once(adapter):
    env = adapter(2)
    env.seed(4)
    env.set_options({"user_id": 112})
    env.reset()
    assert [info["user_id"] for info in env.reset_infos] == [112, 112]
    env.reset()
    assert [info["user_id"] for info in env.reset_infos] != [112, 112]


def test_options_that_differ_by_row_in_name_are_refused(adapter):
    env = adapter(2)
    env.set_options([{"user_id": 112}, {}])
    with pytest.raises(ConfigError, match="expected the same names for every row"):
        env.reset()


def test_attributes_belong_to_all_rows(adapter):
    env = adapter(3)
    assert env.get_attr("render_mode") == [None] * 3
    assert len(env.get_attr("session", indices=[0, 2])) == 2
    assert not env.has_attr("action_masks")
    env.set_attr("label", "a")
    assert env.get_attr("label", indices=1) == ["a"]
    with pytest.raises(ConfigError, match="expected None: the rows are one environment"):
        env.set_attr("label", "b", indices=[0])


def test_methods_answer_by_row_where_they_can(adapter):
    env = adapter(3)
    env.set_attr("numbers", lambda: np.arange(3))
    env.set_attr("word", lambda text: text)
    assert env.env_method("numbers", indices=[2, 0]) == [2, 0]
    assert env.env_method("word", "yes") == ["yes"] * 3


def test_evaluation_reads_the_reported_episodes(adapter):
    env = adapter(3)
    assert env.env_is_wrapped(Monitor) == [True] * 3
    assert env.env_is_wrapped(FlatObservation) == [False] * 3
    env.seed(0)
    model = PPO("MultiInputPolicy", env, n_steps=8, batch_size=8, **QUICK)
    returns, lengths = evaluate_policy(model, env, n_eval_episodes=6, return_episode_rewards=True)
    assert len(returns) == 6
    assert all(1 <= length <= 6 for length in lengths)


def test_stable_baselines_own_wrappers_apply(adapter):
    env = VecNormalize(adapter(3, flat=True))
    seen = env.reset()
    assert seen.shape == (3, env.observation_space.shape[0])
    with pytest.warns(UserWarning, match="already wrapped with a"):
        VecMonitor(adapter(3))


def test_closing_is_allowed(adapter):
    adapter(2).close()


def test_other_autoreset_modes_are_refused(world, make_rows):
    with pytest.raises(ConfigError, match=r"with autoreset mode .*NEXT_STEP.* expected autoreset_mode='same_step'; make it by"):
        StableBaselinesVecEnv(make_rows(world))
