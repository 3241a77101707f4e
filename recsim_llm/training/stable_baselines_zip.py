"""Models that others trained and saved with Stable-Baselines3, as policies.

Such a file holds pickles, which could run anything where they are loaded; the library loads them. Here the weights alone are
read, as numbers, and how the network is built is read from the words that stand beside the pickles.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from gymnasium import spaces

from recsim_llm.envs.wrappers import Flattener
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.numerics.torch_files import read_tensors
from recsim_llm.scenarios.schema import load_scenario
from recsim_llm.scenarios.train_settings import TrainSettings
from recsim_llm.training.learners import Policy, PolicyWorld, open_learner
from recsim_llm.training.policy_terms import PolicyTerms, make_terms
from recsim_llm.training.stable_baselines_learners import StableBaselinesLearner, library_of
from recsim_llm.training.stable_baselines_policy import StableBaselinesPolicy, actions_of, build_network, fill_network

__all__ = ["open_zip"]

_WORDS, _WEIGHTS = "data", "policy.pth"
_MOST_BYTES = 8 << 30
_ACTIVATION = "activation_fn"
_ACTIVATIONS = ("Tanh", "ReLU", "LeakyReLU", "ELU", "SiLU", "GELU", "Mish", "Softplus", "Sigmoid")
_PLAIN = (
    "net_arch",
    "log_std_init",
    "full_std",
    "use_sde",
    "use_expln",
    "squash_output",
    "ortho_init",
    "n_critics",
    "share_features_extractor",
)
"""Arguments of the library's networks that are plain values."""


def open_zip(path: Path, scenario: str | None, algorithm: str | None) -> tuple[PolicyTerms, Callable[[PolicyWorld], Policy]]:
    """Return what a saved model sees and says, and what reads it; nothing in the file is run.

    Args:
        path: file that the library's ``save`` wrote.
        scenario: name or path of a scenario; its pages and its section ``train`` describe the environment of the training.
        algorithm: which class of the library wrote it: ``ppo`` and so on; None takes that of the section ``train``.

    Raises:
        ConfigError: there is no such file, or it is not said what it sees.
    """
    if not path.is_file():
        raise ConfigError(f"trained:{path}: got no such file, expected one that Stable-Baselines3 saved; check the path")
    if scenario is None:
        raise ConfigError(
            f"trained:{path}: got no setting 'scenario', expected the one that describes what it sees; add settings: "
            "{scenario: FILE.yaml}"
        )
    described = load_scenario(scenario)
    train = described.train or TrainSettings()
    if algorithm is not None:
        train = train.model_copy(update={"algorithm": algorithm})
    kind = open_learner(train.algorithm)
    if not issubclass(kind, StableBaselinesLearner):
        raise ConfigError(f"trained:{path}: got algorithm {train.algorithm!r}, expected one of Stable-Baselines3")
    terms = make_terms(described, train, profile=[], items="").model_copy(update={"holdout": None})
    if "profile" in terms.parts:
        raise ConfigError(
            f"trained:{path}: got 'profile' among what it observes, expected other parts, since nobody knows its columns; "
            "train with `recsim-llm train`, which keeps them"
        )

    def read(world: PolicyWorld) -> Policy:
        return _read(path, library_of(kind), world)

    return terms, read


def _read(path: Path, library: Any, world: PolicyWorld) -> StableBaselinesPolicy:
    """Return the policy of a saved model.

    Raises:
        ConfigError: it sees or says something else than the scenario describes, or its network is no plain one.
        LogError: the file is damaged, or another algorithm's.
    """
    what = f"trained:{path}"
    try:
        said, weights = _content(path)
        got = [_told_shape(said[name]) for name in ("observation_space", "action_space")]
        policy, told = _policy_name(said), dict(said.get("policy_kwargs") or {})
        more = {"use_sde": True} if said.get("use_sde") is True else {}
    except Exception as error:  # Whatever a file of anybody's makes zipfile, json and torch raise.
        raise LogError(
            f"{what}: got {_in_words(error)}, expected a model that {library.__name__} saved; check the file and algorithm"
        ) from error
    flat = policy == "MlpPolicy"
    seen = Flattener(world.observation_space, world.catalog).space if flat else world.observation_space
    for name, one, wanted in zip(("observations", "actions"), got, (seen, actions_of(library, world)), strict=True):
        if one != _shape(wanted):
            raise ConfigError(
                f"{what}: got {name} {one}, expected {_shape(wanted)} by the scenario; let its slate_size and train (action, "
                "observation, history_pages, candidates) say what the model was trained with"
            )
    arguments = _arguments(told, weights, what)
    try:
        network = build_network(library, {"policy": policy, "policy_kwargs": arguments} | more, world)
    except Exception as error:  # Whatever the library raises of arguments that it cannot take.
        raise LogError(
            f"{what}: got {_in_words(error)}, expected a network that {library.__name__} builds; train again"
        ) from error
    fill_network(network, weights, what)
    return StableBaselinesPolicy(network, world, {})


def _content(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a file says in words, and the weights of its policy; the pickles among the words stay texts."""
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES >> 30} GiB")
        said, weights = archive.read(_WORDS), archive.read(_WEIGHTS)
    tensors = dict(read_tensors(io.BytesIO(weights)))
    if not all(isinstance(name, str) and hasattr(value, "shape") for name, value in tensors.items()):
        raise ValueError("weights that are no tensors by name")
    return dict(json.loads(said)), tensors


def _policy_name(said: Mapping[str, Any]) -> str:
    """Return which network it is, of those that are no code of somebody's own.

    Raises:
        ValueError: it is of a class that neither the library nor this package has.
    """
    module = said["policy_class"]["__module__"]
    if module == "recsim_llm.training.candidate_policy":
        return "CandidatePolicy"
    if not module.startswith("stable_baselines3."):
        raise ValueError(f"a network of the module {module[:60]!r}, whose code is not in the file")
    return "MultiInputPolicy" if "Dict" in said["observation_space"][":type:"] else "MlpPolicy"


def _arguments(told: Mapping[str, Any], weights: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return the arguments of a network; those of its training are left out.

    Raises:
        ConfigError: there are some that are not known here, or layers larger than all weights.
    """
    found: dict[str, Any] = {}
    largest = max((max(value.shape, default=0) for value in weights.values()), default=0)
    for name, value in told.items():
        if name.startswith((":", "optimizer_")):
            continue
        try:
            value = ast.literal_eval(value) if isinstance(value, str) and name != _ACTIVATION else value
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            value = None
        kind = re.fullmatch(r"<class 'torch\.nn\.modules\.activation\.(\w+)'>", value) if isinstance(value, str) else None
        if name == _ACTIVATION and kind is not None and kind[1] in _ACTIVATIONS:
            found[name] = getattr(import_module("torch.nn"), kind[1])
        elif name in _PLAIN and value is not None and _largest(value) <= max(largest, 1):
            found[name] = value
        else:
            raise ConfigError(
                f"{what}: got {name[:60]!r} of its network as {str(value)[:80]!r}, expected {', '.join(_PLAIN)} or "
                f"{_ACTIVATION} {', '.join(_ACTIVATIONS)}; train with these, or with `recsim-llm train`"
            )
    return found


def _largest(value: Any) -> float:
    """Return the largest number in a value."""
    if isinstance(value, dict | list | tuple):
        return max(map(_largest, value.values() if isinstance(value, dict) else value), default=0)
    return abs(value) if isinstance(value, int | float) else 0


def _told_shape(space: Mapping[str, Any]) -> str:
    """Say in short what a space holds of which the file tells in words."""
    kind = str(space[":type:"])
    if "Dict" in kind:
        return ", ".join(re.findall(r"'(\w+)': [A-Z]\w+\(", str(space["spaces"])))
    if "MultiDiscrete" in kind:
        options = re.findall(r"\d+", str(space["nvec"]))
        return f"{_lengths(space)[0]} of {options[0]}"
    return f"of {int(space['n'])}" if "Discrete" in kind else str(_lengths(space))


def _lengths(space: Mapping[str, Any]) -> list[int]:
    return [int(length) for length in space["_shape"]]


def _shape(space: Any) -> str:
    """Say in short what a space holds."""
    if isinstance(space, spaces.Dict):
        return ", ".join(space)
    if isinstance(space, spaces.MultiDiscrete):
        return f"{len(space.nvec)} of {int(space.nvec[0])}"
    return f"of {int(space.n)}" if isinstance(space, spaces.Discrete) else str(list(space.shape))


def _in_words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
