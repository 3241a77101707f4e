"""Policies and checkpoints of anybody: taken as numbers and words, or refused in one line; nothing in them runs."""

import base64
import json
import pickle
import shutil
import zipfile

import gymnasium
import numpy as np
import pytest
from fuzzing import ODD_VALUES, Planted, Refusal, damaged, encoded, fuzz, outcome, spoiled
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
library = pytest.importorskip("stable_baselines3")

from recsim_llm.envs.action_wrappers import VectorSingleItemAction  # noqa: E402
from recsim_llm.envs.stable_baselines import StableBaselinesVecEnv  # noqa: E402
from recsim_llm.envs.wrappers import FlatVectorObservation  # noqa: E402
from recsim_llm.training.learners import open_learner, policy_world  # noqa: E402
from recsim_llm.training.stable_baselines_zip import open_zip  # noqa: E402

TEXT = """name: mine
slate_size: {slots}
recommenders: [random]
train: {{algorithm: {kind}, action: {action}, observation: [page, summary]}}
"""
KINDS = {
    "ppo": ("embedding", "MlpPolicy", {"policy_kwargs": {"net_arch": {"pi": [8], "vf": [4]}, "activation_fn": torch.nn.ReLU}}),
    "a2c": ("slate", "MultiInputPolicy", {}),
    "sac": ("embedding", "MlpPolicy", {"policy_kwargs": {"net_arch": [8]}}),
    "td3": ("embedding", "MlpPolicy", {"policy_kwargs": {"net_arch": [8]}}),
    "dqn": ("slate", "MlpPolicy", {"policy_kwargs": {"net_arch": [8], "activation_fn": torch.nn.ELU}}),
}


@pytest.fixture(scope="module")
def models(make_world, tmp_path_factory):
    """Return by kind: the environment, the library's model, its zip and the scenario that describes it."""
    folder, found = tmp_path_factory.mktemp("models"), {}
    for kind, (action, policy, settings) in KINDS.items():
        slots = 1 if kind == "dqn" else 3
        env = gymnasium.make_vec(
            "RecSimLLM/Browse-v0",
            num_envs=2,
            autoreset_mode="same_step",
            slate_size=slots,
            action=action,
            observation=["page", "summary"],
            **make_world()._asdict(),
        )
        seen = VectorSingleItemAction(env) if kind == "dqn" else env
        seen = FlatVectorObservation(seen) if policy == "MlpPolicy" else seen
        more = {"buffer_size": 8} if kind in ("sac", "td3", "dqn") else {}
        made = getattr(library, kind.upper())(policy, StableBaselinesVecEnv(seen), device="cpu", seed=1, **more, **settings)
        made.save(folder / f"{kind}.zip")
        described = folder / f"{kind}.yaml"
        described.write_text(TEXT.format(slots=slots, kind=kind, action=action))
        found[kind] = env, made, folder / f"{kind}.zip", str(described)
    return found


def opened(path, models, kind):
    env, _, _, scenario = models[kind]
    _, read = open_zip(path, scenario, None)
    return read(policy_world(env))


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_answers_as_the_library_does(kind, models):
    env, made, path, _ = models[kind]
    policy = opened(path, models, kind)
    observation, _ = env.reset(seed=5)
    flat = policy._flattener
    given_ = observation if flat is None else flat.flatten(observation, 2)
    expected, _ = made.policy.predict(given_, deterministic=True)
    np.testing.assert_allclose(policy.act(observation).action, expected, rtol=1e-5, atol=1e-6)


def rewritten_zip(source, target, changes):
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w") as spoilt:
        for name in whole.namelist():
            if changes.get(name, b"") is not None:
                spoilt.writestr(name, changes.get(name) or whole.read(name))
    return target


@pytest.mark.parametrize("kind", ["ppo", "a2c"])
@fuzz(40)
@given(data=st.data())
def test_words_of_other_shapes(kind, models, tmp_path, data):
    with zipfile.ZipFile(models[kind][2]) as whole:
        content = json.loads(whole.read("data"))
    names = ["policy_class", "observation_space", "action_space", "policy_kwargs", "use_sde"]
    chosen = {name: content[name] for name in names}
    for one in chosen.values():
        if isinstance(one, dict):
            one.pop("__doc__", None)
    spoilt = encoded(json.dumps(content | data.draw(spoiled(chosen).filter(lambda one: isinstance(one, dict)))))
    outcome(lambda: opened(rewritten_zip(models[kind][2], tmp_path / "x.zip", {"data": spoilt}), models, kind))


@fuzz(40)
@given(data=st.data())
def test_damaged_models(models, tmp_path, data):
    path = models["ppo"][2]
    with zipfile.ZipFile(path) as whole:
        name = data.draw(st.sampled_from(["data", "policy.pth"]))
        inside = data.draw(damaged(whole.read(name)))
    changed = data.draw(st.booleans())
    target = tmp_path / "x.zip"
    if changed:
        rewritten_zip(path, target, {name: inside})
    else:
        target.write_bytes(data.draw(damaged(path.read_bytes())))
    outcome(lambda: opened(target, models, "ppo"))


def test_pickles_in_a_saved_model_stay_texts(models, tmp_path):
    planted = Planted(tmp_path / "it ran")
    serialized = base64.b64encode(pickle.dumps(planted)).decode()
    with zipfile.ZipFile(models["ppo"][2]) as whole:
        content = json.loads(whole.read("data"))
    spoilt = {key: value | {":serialized:": serialized} if isinstance(value, dict) else value for key, value in content.items()}
    path = rewritten_zip(models["ppo"][2], tmp_path / "x.zip", {"data": json.dumps(spoilt).encode()})
    assert not isinstance(outcome(lambda: opened(path, models, "ppo")), Refusal)
    assert not (tmp_path / "it ran").exists()
    torch.save({"weight": planted}, tmp_path / "policy.pth")
    path = rewritten_zip(models["ppo"][2], tmp_path / "y.zip", {"policy.pth": (tmp_path / "policy.pth").read_bytes()})
    assert isinstance(outcome(lambda: opened(path, models, "ppo")), Refusal)
    assert not (tmp_path / "it ran").exists()


LEARNERS = {
    "sac": {"learning_starts": 4, "buffer_size": 16, "batch_size": 4, "policy_kwargs": {"net_arch": [8]}},
    "slate_q": {"memory": 4, "hidden": 8, "dimensions": 4},
    "bandit": {},
}


@pytest.fixture(scope="module")
def learners(make_world, tmp_path_factory):
    """Return by name: a learner and the folder of its state and of its policy."""
    found = {}
    for name, settings in LEARNERS.items():
        parts = {} if name == "sac" else {"observation": list(open_learner(name).observation)}
        env = gymnasium.make_vec(
            "RecSimLLM/Browse-v0",
            num_envs=2,
            autoreset_mode="same_step",
            slate_size=2,
            action="embedding" if name == "sac" else "slate",
            **({"observation": ["page", "summary"]} | parts),
            **(make_world(items=12, users=6)._asdict() if name == "sac" else {"population": 8}),
        )
        kind = open_learner(name)
        made = kind(env, kind.read_settings(settings, "x"), gamma=0.9, steps=16, seed=1)
        made.learn(8, seed=2)
        state, policy = (tmp_path_factory.mktemp(f"{name}-{part}") for part in ("state", "policy"))
        made.save(state)
        made.policy().save(policy)
        found[name] = env, made, state, policy
    return found


@pytest.mark.parametrize("name", LEARNERS)
@fuzz(20)
@given(data=st.data())
def test_damaged_states_and_policies(name, learners, tmp_path, data):
    env, made, *folders = learners[name]
    part = data.draw(st.sampled_from([0, 1]))
    folder = tmp_path / "x"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(folders[part], folder)
    path = folder / data.draw(st.sampled_from(sorted(one.name for one in folder.iterdir())))
    if path.suffix == ".json":
        spoilt = spoiled(json.loads(path.read_text())) | st.sampled_from(ODD_VALUES)
        path.write_bytes(encoded(json.dumps(data.draw(spoilt))))
    else:
        path.write_bytes(data.draw(damaged(path.read_bytes())))
    if part:
        outcome(lambda: type(made).read_policy(folder, policy_world(env)))
    else:
        outcome(lambda: made.load(folder))
    for one in folders[0].iterdir():
        shutil.copy(one, folder / one.name)
    if not part:
        made.load(folder)


def test_states_hold_no_pickle_that_runs(learners, tmp_path):
    planted = Planted(tmp_path / "it ran")
    for _, made, state, _ in learners.values():
        for path in state.iterdir():
            folder = shutil.copytree(state, tmp_path / f"{state.name}-{path.stem}")
            if path.suffix == ".npz":
                np.savez(folder / path.name, **{name: np.array([planted], object) for name in np.load(path).files})
            else:
                torch.save({"parameters": planted, "learned": planted}, folder / path.name)
            assert isinstance(outcome(lambda made=made, folder=folder: made.load(folder)), Refusal)
            made.load(state)
    assert not (tmp_path / "it ran").exists()
