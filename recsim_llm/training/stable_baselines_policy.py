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
from recsim_llm.core.arrays import DoubleArray, FloatArray
from recsim_llm.core.files import read_json, write_atomically
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.wrappers import Flattener
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.training.learners import Choice, PolicyWorld
from recsim_llm.training.network_files import fixed_batches, one_torch_thread, read_weights, write_weights

__all__ = ["StableBaselinesPolicy", "build_network", "read_network"]

_DESCRIPTION = "network.json"
_FLAT = "observation"


class StableBaselinesPolicy:
    """A network of Stable-Baselines3 that acts.

    With chance, actor-critic networks draw each slot's item from its probabilities, or a point from its normal distribution;
    networks of the other algorithms have no chance in them.

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
        parts = list[tuple[npt.NDArray[Any], FloatArray | None]]()
        with one_torch_thread():
            for at, here, part in fixed_batches(observation):
                given = part if self._flattener is None else part[_FLAT]
                if word is None or not hasattr(self._network, "get_distribution"):
                    action, _ = self._network.predict(given, deterministic=True)
                    parts.append((action[:here], np.ones((here, self._slots), np.float32)))
                else:
                    parts.append(self._draw(given, word[at]))
        actions, propensities = zip(*parts, strict=True)
        known = None if propensities[0] is None else np.concatenate(propensities)
        return Choice(np.concatenate(actions), known)

    def save(self, folder: Path) -> None:
        """Write the weights, and how the network is built, into a folder."""
        weights = {name: value.detach().cpu().numpy() for name, value in self._network.state_dict().items()}
        write_weights(folder, weights)
        write_atomically(folder / _DESCRIPTION, json.dumps(self._described, indent=2, sort_keys=True).encode() + b"\n")

    def _draw(self, given: Any, word: keyed.Words) -> tuple[npt.NDArray[Any], FloatArray | None]:
        import torch

        with torch.no_grad():
            tensors, _ = self._network.obs_to_tensor(given)
            law = self._network.get_distribution(tensors).distribution
        if isinstance(law, list):
            chance = [slot.probs.double().numpy()[: len(word)] for slot in law]
            return _draw_items(chance, word)
        space = self._network.action_space
        mean, deviation = law.mean.numpy()[: len(word)], law.stddev.numpy()[: len(word)]
        uniform = keyed.uniform(keyed.absorb(word[:, None], np.arange(mean.shape[1])))
        point = np.clip(mean + deviation * ndtri(uniform), space.low, space.high)
        return point.astype(np.float32), None


def _draw_items(chance: list[DoubleArray], word: keyed.Words) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Draw an item for each slot; return int64 [r, k], and its probability."""
    draw = keyed.uniform(keyed.absorb(word[:, None], np.arange(len(chance))))
    action = np.empty((len(word), len(chance)), np.int64)
    propensity = np.empty(action.shape, np.float32)
    for slot, law in enumerate(chance):
        below = np.cumsum(law, axis=1)
        action[:, slot] = np.minimum((below < draw[:, slot : slot + 1] * below[:, -1:]).sum(axis=1), law.shape[1] - 1)
        propensity[:, slot] = np.take_along_axis(law, action[:, slot : slot + 1], axis=1)[:, 0]
    return action, propensity


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
    return algorithm.policy_aliases[described["policy"]](space, world.action_space, lambda _: 0.0, **more)


def read_network(algorithm: Any, folder: Path, world: PolicyWorld) -> StableBaselinesPolicy:
    """Return the policy that ``StableBaselinesPolicy.save`` wrote.

    Raises:
        ConfigError: it belongs to other observations or actions.
        LogError: the files cannot be used.
    """
    import torch

    path = folder / _DESCRIPTION
    try:
        described = read_json(path)
        network = build_network(algorithm, described, world)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogError(f"{path}: got {error}, expected what `recsim-llm train` wrote; train again") from error
    weights = read_weights(folder)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    got = {name: value.shape for name, value in weights.items()}
    for name in sorted(expected.keys() | got.keys()):
        if expected.get(name) != got.get(name):
            raise ConfigError(
                f"policy {folder}: got weights {name} of shape {got.get(name)}, expected {expected.get(name)} in this world; "
                "use the catalog, slate size and settings that it was trained with"
            )
    network.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return StableBaselinesPolicy(network, world, described)
