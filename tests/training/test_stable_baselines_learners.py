"""Algorithms of Stable-Baselines3 as learners."""

import gymnasium
import numpy as np
import pytest

from recsim_llm.core import keyed
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.training.learners import open_learner, policy_world

SHORT = {"learning_starts": 8, "buffer_size": 64, "batch_size": 8, "policy_kwargs": {"net_arch": [8]}}
CASES = {
    "ppo": ("embedding", {"n_steps": 4, "batch_size": 8, "n_epochs": 1}),
    "ppo candidates": ("candidates", {"n_steps": 4, "batch_size": 8, "n_epochs": 1}),
    "ppo parts": ("embedding", {"n_steps": 4, "batch_size": 8, "n_epochs": 1, "policy": "MultiInputPolicy"}),
    "a2c": ("slate", {}),
    "sac": ("embedding", SHORT),
    "td3": ("embedding", SHORT),
    "dqn": ("slate", SHORT | {"target_update_interval": 8}),
}


@pytest.fixture(scope="module")
def opened(make_world):
    """Return an environment of four rows and the learner of a case; the world is the same for all."""
    world = make_world()

    def make(case, gamma=0.9, seed=1):
        name, (action, settings) = case.split()[0], CASES[case]
        env = gymnasium.make_vec(
            "RecSimLLM/Browse-v0",
            num_envs=4,
            autoreset_mode="same_step",
            slate_size=1 if name == "dqn" else 3,
            max_pages=4,
            action=action,
            candidates=8,
            observation=["page", "summary"],
            **world._asdict(),
        )
        kind = open_learner(name)
        learner = kind(env, kind.read_settings(settings, "x"), gamma=gamma, steps=48, seed=seed)
        return env, kind, learner

    return make


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def saved(policy, folder):
    folder.mkdir()
    policy.save(folder)
    return files(folder)


@pytest.mark.parametrize("case", CASES)
def test_a_learner_that_was_saved_and_loaded_goes_on_as_the_one_that_was_not(case, opened, tmp_path):
    _, _, learner = opened(case)
    learner.learn(24, seed=5)
    (tmp_path / "state").mkdir()
    learner.save(tmp_path / "state")
    first = saved(learner.policy(), tmp_path / "first")
    _, _, other = opened(case, seed=2)
    other.load(tmp_path / "state")
    for one in (learner, other):
        one.learn(24, seed=6)
    assert saved(learner.policy(), tmp_path / "one") == saved(other.policy(), tmp_path / "other") != first


@pytest.mark.parametrize("case", CASES)
def test_a_policy_answers_alike_whatever_the_batch_and_after_reading(case, opened, tmp_path):
    env, kind, learner = opened(case)
    learner.learn(16, seed=5)
    policy = learner.policy()
    saved(policy, tmp_path / "policy")
    again = kind.read_policy(tmp_path / "policy", policy_world(env))
    observation, _ = env.reset(seed=3)
    observation = {name: np.concatenate([column] * 100) for name, column in observation.items()}
    word = keyed.words(7, "x", np.arange(400))
    for words in (None, word):
        whole = policy.act(observation, words)
        some = np.array([399, 2, 257, 5])
        part = again.act({name: column[some] for name, column in observation.items()}, None if words is None else words[some])
        np.testing.assert_array_equal(part.action, whole.action[some])
        if whole.scores is not None:
            np.testing.assert_array_equal(part.scores, whole.scores[some])


def test_a_policy_of_another_world_is_refused(opened, make_world, tmp_path):
    env, kind, learner = opened("ppo")
    saved(learner.policy(), tmp_path / "policy")
    other = gymnasium.make_vec(
        "RecSimLLM/Browse-v0", num_envs=1, observation=["page"], action="embedding", **make_world()._asdict()
    )
    with pytest.raises(ConfigError, match=r"got weights .* of shape .*, expected .* in this world"):
        kind.read_policy(tmp_path / "policy", policy_world(other))
    (tmp_path / "policy" / "weights.npz").write_bytes(b"PK")
    with pytest.raises(LogError, match=r"weights.npz: got .*, expected a policy's weights as they were written"):
        kind.read_policy(tmp_path / "policy", policy_world(env))


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("ppo", {"n_step": 3}, r"got unknown key 'n_step', expected one of .*did you mean 'n_steps'\?"),
        ("sac", {"gamma": 0.5}, "got unknown key 'gamma', expected it as train.gamma"),
        ("a2c", {"n_steps": "many"}, "n_steps: got 'many', expected a whole number"),
        ("dqn", {"policy": "CnnPolicy"}, "got policy 'CnnPolicy', expected one of MlpPolicy"),
        ("td3", {"device": "cuda"}, "expected nothing, since it learns on the processor"),
    ],
)
def test_settings_are_checked_before_anything_is_built(name, settings, said):
    with pytest.raises(ConfigError, match=said):
        open_learner(name).read_settings(settings, f"algorithm {name!r}")


def test_a_missing_library_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "stable_baselines3", None)
    with pytest.raises(ConfigError, match=r"algorithm 'ppo': got no stable_baselines3.*pip install 'recsim_llm\[rl\]'"):
        open_learner("ppo").read_settings({}, "x")
