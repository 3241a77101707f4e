"""Let d3rlpy learn from a run's log, and let its policy come back as a recommender.

    python scripts/offline_rl_d3rlpy.py OUT                        # makes build/d3rlpy-venv the first time, some 2 GB
    python scripts/offline_rl_d3rlpy.py OUT --environment FOLDER   # another place for d3rlpy's environment

d3rlpy 2.8.1 pins Gymnasium 1.0.0, so it lives in an environment of its own, and this script runs twice: with this project's
interpreter it serves users, exports the log for Minari and compares; with d3rlpy's it learns from the Minari data set
(``--learn``). Its Q network has the layers of Stable-Baselines3's DQN, so that its weights become a ``.zip`` which
``trained:`` takes. Everything is left in OUT.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("d3rlpy==2.8.1", "minari[hdf5]==0.5.4", "pillow")
WORLD = {"slate_size": 1, "max_pages": 20}
PARTS = ("page", "summary")
UNITS = 64
LOGGING = {"name": "logging", "recommender": "softmax", "settings": {"base": "popularity", "temperature": 0.5}}


def main() -> int:
    """Learn, or do everything, as the arguments say, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the log, the data set, the policy and the comparison; must be new")
    parser.add_argument("--users", type=int, default=5000, help="users of the log")
    parser.add_argument("--steps", type=int, default=10_000, help="gradient steps")
    parser.add_argument(
        "--environment", type=Path, default=ROOT / "build" / "d3rlpy-venv", help="folder of d3rlpy's environment"
    )
    parser.add_argument("--learn", action="store_true", help="learn from OUT/sets; only in d3rlpy's environment")
    options = parser.parse_args()
    if options.learn:
        learn(options.out, options.steps)
        return 0
    log(options.out, options.users)
    interpreter = options.environment / "bin" / "python"
    if not interpreter.exists():
        venv.create(options.environment, with_pip=True)
        subprocess.run([interpreter, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    again = [interpreter, __file__, options.out, "--learn", "--steps", str(options.steps)]
    subprocess.run(again, check=True)
    write_zip(options.out)
    compare(options.out)
    return 0


def log(out: Path, users: int) -> None:
    """Serve training users with a policy that draws its pages, and export the log."""
    from recsim_llm import load_scenario, run
    from recsim_llm.scenarios.export import export

    changes = {**WORLD, "users.part": "training", "users.count": users, "recommenders": [LOGGING], "seed": 21}
    export(run(load_scenario("small", changes), out / "log"), "minari", out / "sets")


def learn(out: Path, steps: int) -> None:
    """Learn conservative Q-values (CQL) of single items from the Minari data set, and write the network's layers."""
    os.environ["MINARI_DATASETS_PATH"] = str(out.resolve() / "sets")
    import d3rlpy
    import minari

    episodes = list(minari.load_dataset("logging-v0"))
    d3rlpy.seed(1)
    data = d3rlpy.dataset.MDPDataset(
        np.concatenate([flat(episode.observations)[:-1] for episode in episodes]),
        np.concatenate([episode.actions for episode in episodes]),
        np.concatenate([episode.rewards for episode in episodes]).astype(np.float32),
        np.concatenate([episode.terminations for episode in episodes]),
        np.concatenate([episode.truncations for episode in episodes]),
    )
    encoder = d3rlpy.models.VectorEncoderFactory([UNITS, UNITS])
    algorithm = d3rlpy.algos.DiscreteCQLConfig(
        learning_rate=1e-3, batch_size=256, gamma=0.95, alpha=1.0, encoder_factory=encoder, target_update_interval=500
    ).create(device="cpu:0")
    quiet = d3rlpy.logging.NoopAdapterFactory()
    algorithm.fit(data, n_steps=steps, n_steps_per_epoch=max(1, steps // 5), show_progress=False, logger_adapter=quiet)
    network = algorithm.impl.q_function[0].state_dict()
    np.savez(out / "layers.npz", *(value.numpy() for value in network.values()))


def flat(observations: dict[str, np.ndarray]) -> np.ndarray:
    """Return what the policy sees, float32 [t + 1, w], as ``FlatObservation`` puts it together."""
    return np.concatenate([observations[part] for part in PARTS], axis=1, dtype=np.float32)


def write_zip(out: Path) -> None:
    """Write the layers as a model of Stable-Baselines3, and beside it the scenario that says what it sees."""
    import gymnasium
    import torch
    import yaml
    from stable_baselines3 import DQN

    from recsim_llm.envs.action_wrappers import SingleItemAction
    from recsim_llm.envs.wrappers import FlatObservation

    env = gymnasium.make("RecSimLLM/Browse-v0", scenario="small", observation=list(PARTS), **WORLD)
    model = DQN("MlpPolicy", FlatObservation(SingleItemAction(env)), policy_kwargs={"net_arch": [UNITS, UNITS]}, buffer_size=1)
    with np.load(out / "layers.npz") as file:
        layers = [torch.as_tensor(file[name]) for name in file.files]
    model.q_net.load_state_dict(dict(zip(model.q_net.state_dict(), layers, strict=True)))
    model.save(out / "policy.zip")
    train = {"algorithm": "dqn", "action": "slate", "observation": list(PARTS)}
    described = {"name": "offline", "data": "fictional-100", "recommenders": ["random"], "train": train, **WORLD}
    (out / "policy.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")


def compare(out: Path) -> None:
    """Serve users whom the log does not know with both policies and baselines, and estimate one from the other's log."""
    command = Path(sys.executable).with_name("recsim-llm")
    settings = {"scenario": str(out / "policy.yaml")}
    learned = {"name": "cql", "recommender": f"trained:{out / 'policy.zip'}", "settings": settings}
    from recsim_llm import load_scenario, run

    arms = ["random", "popularity", LOGGING, learned, "oracle"]
    changes = {**WORLD, "users.part": "held_out", "recommenders": arms, "seed": 22}
    run(load_scenario("small", changes), out / "comparison")
    subprocess.run([command, "report", out / "comparison"], check=True)
    subprocess.run([command, "ope", out / "comparison", "--logging", "logging", "--target", "cql"], check=True)


if __name__ == "__main__":
    sys.exit(main())
