"""Policies of Stable-Baselines3: networks that answer batches of observations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from scipy.special import ndtri

from recsim_llm.core import keyed
from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.wrappers import Flattener
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.numerics.threads import one_torch_thread
from recsim_llm.training.learners import Choice, PolicyWorld
from recsim_llm.training.network_files import fixed_batches, read_weights, write_weights

__all__ = ["StableBaselinesPolicy", "actions_of", "build_network", "fill_network", "policy_class", "read_network"]

_DESCRIPTION = "network.json"
_FLAT = "observation"


class StableBaselinesPolicy:
    """A network of Stable-Baselines3 that acts.

    Of slates it tells the log-probability of each option, or what it is worth (DQN). With chance, actor-critic networks draw
    points from their normal distributions; the other algorithms' have no chance in them.

    Args:
        network: ``stable_baselines3.common.policies.BasePolicy``.
        world: whose observations it sees.
        described: how it is built, by names of the library's arguments.
    """

    def __init__(self, network: Any, world: PolicyWorld, described: Mapping[str, Any]) -> None:
        self._network, self._described, self._slots = network, dict(described), world.slate_size
        self._flattener = None
        if not isinstance(network.observation_space, spaces.Dict):
            self._flattener = Flattener(world.observation_space, world.catalog)
        network.set_training_mode(False)

    def act(self, observation: Observation, word: keyed.Words | None = None) -> Choice:
        """Return one action for each row; arguments as of ``Policy``."""
        rows = len(next(iter(observation.values())))
        if self._flattener is not None:
            observation = {_FLAT: self._flattener.flatten(observation, rows)}
        with one_torch_thread():
            parts = [
                self._answer(part if self._flattener is None else part[_FLAT], here, None if word is None else word[at])
                for at, here, part in fixed_batches(observation)
            ]
        actions, scores = zip(*parts, strict=True)
        known = None if scores[0] is None else np.concatenate(scores)
        return Choice(np.concatenate(actions), scores=known, chance=hasattr(self._network, "get_distribution"))

    def save(self, folder: Path) -> None:
        """Write the weights, and how the network is built, into a folder."""
        weights = {name: value.detach().cpu().numpy() for name, value in self._network.state_dict().items()}
        write_weights(folder, weights)
        write_atomically(folder / _DESCRIPTION, json.dumps(self._described, indent=2, sort_keys=True).encode() + b"\n")

    def _answer(self, given: Any, rows: int, word: keyed.Words | None) -> tuple[npt.NDArray[Any], FloatArray | None]:
        """Return actions and scores of the first rows of a batch."""
        import torch

        network = self._network
        with torch.no_grad():
            action, _ = network.predict(given, deterministic=True)
            tensors, _ = network.obs_to_tensor(given)
            if hasattr(network, "q_net"):
                return action[:rows], network.q_net(tensors).numpy()[:rows, None]
            if not hasattr(network, "get_distribution"):
                return action[:rows], None
            law = network.get_distribution(tensors)
        if hasattr(law, "scores"):
            return action[:rows], np.repeat(law.scores.numpy()[:rows, None], self._slots, axis=1)
        law = law.distribution
        if isinstance(law, list):
            return action[:rows], np.stack([slot.logits.numpy()[:rows] for slot in law], axis=1)
        return (action[:rows] if word is None else self._point(law, word)), None

    def _point(self, law: Any, word: keyed.Words) -> FloatArray:
        """Draw points from normal distributions; each hangs on its word."""
        mean, deviation = law.mean.numpy()[: len(word)], law.stddev.numpy()[: len(word)]
        uniform = keyed.uniform(keyed.absorb(word[:, None], np.arange(mean.shape[1])))
        space = self._network.action_space
        point: FloatArray = np.clip(mean + deviation * ndtri(uniform), space.low, space.high).astype(np.float32)
        return point


def build_network(algorithm: Any, described: Mapping[str, Any], world: PolicyWorld) -> Any:
    """Return a network of an algorithm with random weights.

    Args:
        algorithm: the library's class.
        described: ``policy``, and where they were given ``policy_kwargs`` and ``use_sde``.
        world: whose observations it will see.
    """
    space: Any = world.observation_space
    if described["policy"] == "MlpPolicy":
        space = Flattener(space, world.catalog).space
    more = {name: described[name] for name in ("use_sde",) if name in described} | (described.get("policy_kwargs") or {})
    kind = policy_class(described["policy"])
    actions = actions_of(algorithm, world)
    return (algorithm.policy_aliases[kind] if isinstance(kind, str) else kind)(space, actions, lambda _: 0.0, **more)


def actions_of(algorithm: Any, world: PolicyWorld) -> spaces.Space[Any]:
    """Return the actions of an algorithm's networks: those of the world, but for DQN on pages of one item, which names it."""
    actions: Any = world.action_space
    alone = algorithm.__name__ == "DQN" and world.slate_size == 1
    return spaces.Discrete(int(actions.nvec[0])) if alone else actions


def policy_class(name: str) -> Any:
    """Return what the library's classes take for a policy of this name: the name, or the class of this package."""
    if name != "CandidatePolicy":
        return name
    from recsim_llm.training.candidate_policy import CandidatePolicy

    return CandidatePolicy


def read_network(algorithm: Any, folder: Path, world: PolicyWorld) -> StableBaselinesPolicy:
    """Return the policy that ``StableBaselinesPolicy.save`` wrote.

    Raises:
        ConfigError: it belongs to other observations or actions.
        LogError: the files cannot be used.
    """
    path = folder / _DESCRIPTION
    try:
        described = read_json(path)
        network = build_network(algorithm, described, world)
    except Exception as error:  # Whatever the library raises of arguments that it cannot take.
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise LogError(f"{path}: got {said}, expected what `recsim-llm train` wrote; train again") from error
    fill_network(network, read_weights(folder), f"policy {folder}")
    return StableBaselinesPolicy(network, world, described)


def fill_network(network: Any, weights: Mapping[str, Any], source: str) -> None:
    """Give a network weights by name.

    Args:
        network: with random weights.
        weights: arrays or tensors.
        source: whose they are, for the error.

    Raises:
        ConfigError: they belong to a network of another shape.
    """
    import torch

    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    got = {name: tuple(value.shape) for name, value in weights.items()}
    for name in sorted(expected.keys() | got.keys()):
        if expected.get(name) != got.get(name):
            raise ConfigError(
                f"{source}: got weights {name} of shape {got.get(name)}, expected {expected.get(name)} in this world; "
                "use the catalog, slate size and settings that it was trained with"
            )
    network.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
