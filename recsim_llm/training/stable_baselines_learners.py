"""Learners of Stable-Baselines3, through its public interface; the library is imported when one is made."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin

from pydantic import create_model

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.envs.action_wrappers import VectorSingleItemAction
from recsim_llm.envs.wrappers import FlatVectorObservation
from recsim_llm.errors import ConfigError, LogError, one_of
from recsim_llm.numerics.threads import one_torch_thread
from recsim_llm.training.learners import Policy, PolicyWorld, TrainingEnv, policy_world
from recsim_llm.training.stable_baselines_policy import StableBaselinesPolicy, build_network, policy_class, read_network
from recsim_llm.training.stable_baselines_state import read_state, write_state

__all__ = ["A2C", "DQN", "PPO", "SAC", "TD3", "StableBaselinesLearner", "library_of"]

_ELSEWHERE = {
    "gamma": "it as train.gamma, the same for every algorithm",
    "seed": "it as the scenario's seed",
    "env": "nothing, since the scenario says it",
    "verbose": "nothing, since progress is shown in any case",
    "tensorboard_log": "nothing, since it is written where TensorBoard is installed",
    "device": "nothing, since it learns on the processor, where the same seed gives the same policy",
}
"""Arguments of the library that are said somewhere else, or by nobody: what is expected."""
_POLICIES = ("MlpPolicy", "MultiInputPolicy", "CandidatePolicy")
_BUILT_BY = ("policy_kwargs", "use_sde")
_PLAIN = (int, float, bool, str, NoneType, dict)


class StableBaselinesLearner:
    """An algorithm of Stable-Baselines3 on the vector environment.

    Settings are those of the library's class, as far as they are plain values. The policy ``MlpPolicy`` (the default) sees the
    observation as one row of numbers (``FlatVectorObservation``), ``MultiInputPolicy`` sees its parts, ``CandidatePolicy`` (the
    default for ``candidates`` actions) scores the candidates by a shared head.
    """

    actions: ClassVar[tuple[str, ...]] = ("embedding",)
    observation: ClassVar[tuple[str, ...]] = ("page", "summary")
    usual: ClassVar[Mapping[str, Any]] = {}
    """What replaces the library's defaults: those are made for few rows and long episodes."""

    def __init__(self, env: TrainingEnv, settings: Any, *, gamma: float, steps: int, seed: int) -> None:
        from recsim_llm.envs.stable_baselines import StableBaselinesVecEnv

        self._world, self._settings, self._steps = policy_world(env), dict(settings), steps
        self._policy = self._settings.pop("policy", None) or self._usual_policy()
        self._env = StableBaselinesVecEnv(self._adapted(env))
        policy = policy_class(self._policy)
        try:
            self._model = library_of(type(self))(
                policy, self._env, gamma=gamma, seed=_short(seed), device="cpu", **self._settings
            )
        except (AssertionError, TypeError, ValueError) as error:
            said = " ".join(str(error).split())
            raise ConfigError(f"{type(self).__name__}: got {self._settings}, expected what it takes: {said}") from error

    @classmethod
    def read_settings(cls, values: Mapping[str, Any], source: str) -> dict[str, Any]:
        """Return the settings, checked against the signature of the library's class; arguments as of ``Learner``.

        Raises:
            ConfigError: a key is unknown, a value has the wrong type, or the library is not installed.
        """
        known = _plain_arguments(library_of(cls))
        for key in values:
            if key not in known:
                raise ConfigError(f"{source}: got unknown key {key!r}, expected {_ELSEWHERE.get(key) or one_of(key, known)}")
        kind: Any = create_model("Settings", __base__=FrozenSettings, **known)
        given: dict[str, Any] = kind.read(values, source).model_dump(include=set(values))
        if given.get("policy", "MlpPolicy") not in _POLICIES:
            raise ConfigError(f"{source}: got policy {given['policy']!r}, expected {one_of(given['policy'], _POLICIES)}")
        return dict(cls.usual) | given

    def learn(self, steps: int, *, seed: int) -> None:
        """Go on learning; arguments as of ``Learner``."""
        with one_torch_thread():
            self._model.set_env(self._env, force_reset=True)
            self._model.set_random_seed(_short(seed))
            self._model.learn(steps, reset_num_timesteps=False)

    def save(self, folder: Path) -> None:
        """Write networks, optimisers, counters, and the replay buffer where there is one; no file of the library's own."""
        write_state(self._model, folder)

    def load(self, folder: Path) -> None:
        """Take the state that ``save`` wrote in place of one's own.

        Raises:
            LogError: the files cannot be used.
        """
        try:
            read_state(self._model, folder)
        except Exception as error:  # Whatever a damaged file makes the library raise.
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise LogError(f"{folder}: got {said}, expected a checkpoint as it was written; train anew") from error

    def policy(self) -> StableBaselinesPolicy:
        """Return what was learned so far, as a copy."""
        told = {"policy": self._policy} | {name: self._settings[name] for name in _BUILT_BY if name in self._settings}
        network = build_network(library_of(type(self)), told, self._world)
        network.load_state_dict(self._model.policy.state_dict())
        return StableBaselinesPolicy(network, self._world, told)

    @classmethod
    def read_policy(cls, folder: Path, world: PolicyWorld) -> Policy:
        """Return the policy that ``StableBaselinesPolicy.save`` wrote; arguments and errors as of ``Learner``."""
        return read_network(library_of(cls), folder, world)

    def _usual_policy(self) -> str:
        return "MlpPolicy"

    def _adapted(self, env: TrainingEnv) -> Any:
        return FlatVectorObservation(env) if self._policy == "MlpPolicy" else env


class _ActorCritic(StableBaselinesLearner):
    """What takes every kind of action."""

    actions = ("embedding", "slate", "candidates")

    def _usual_policy(self) -> str:
        return "CandidatePolicy" if "candidate_item" in self._world.observation_space.spaces else "MlpPolicy"


class PPO(_ActorCritic):
    """Proximal policy optimisation (Schulman et al. 2017), of Stable-Baselines3."""

    usual: ClassVar[Mapping[str, Any]] = {"n_steps": 16, "batch_size": 256, "n_epochs": 4}


class A2C(_ActorCritic):
    """Advantage actor-critic (Mnih et al. 2016), of Stable-Baselines3."""


class SAC(StableBaselinesLearner):
    """Soft actor-critic (Haarnoja et al. 2018), of Stable-Baselines3."""

    usual: ClassVar[Mapping[str, Any]] = {"buffer_size": 100_000}


class TD3(StableBaselinesLearner):
    """Twin delayed deterministic policy gradient (Fujimoto et al. 2018), of Stable-Baselines3."""

    usual: ClassVar[Mapping[str, Any]] = {"buffer_size": 100_000}


class DQN(StableBaselinesLearner):
    """Deep Q-learning (Mnih et al. 2015), of Stable-Baselines3; for pages of one item."""

    actions = ("slate", "candidates")
    usual: ClassVar[Mapping[str, Any]] = {"buffer_size": 100_000}

    def learn(self, steps: int, *, seed: int) -> None:
        """Go on learning; arguments as of ``Learner``. It explores by the share of all steps, not of these."""
        given = self._model.exploration_schedule
        self._model.exploration_schedule = lambda _: given(1 - min(self._model.num_timesteps / self._steps, 1.0))
        try:
            super().learn(steps, seed=seed)
        finally:
            self._model.exploration_schedule = given

    def _adapted(self, env: TrainingEnv) -> Any:
        if self._world.slate_size > 1:
            raise ConfigError(
                f"algorithm 'dqn': got a slate size of {self._world.slate_size}, expected 1, since it chooses one item; pass "
                "--slate-size 1, or take slate_q"
            )
        return super()._adapted(VectorSingleItemAction(env))


def library_of(kind: type[StableBaselinesLearner]) -> Any:
    """Return the library's class of a learner.

    Raises:
        ConfigError: the library is not installed.
    """
    try:
        return getattr(import_module("stable_baselines3"), kind.__name__)
    except ModuleNotFoundError as error:
        name = kind.__name__.lower()
        raise ConfigError(
            f"algorithm {name!r}: got no {error.name}, expected Stable-Baselines3; pip install 'recsim_llm[rl]'"
        ) from error


def _short(seed: int) -> int:
    """Return a seed of 32 bits, more than which the library does not take."""
    return (seed ^ (seed >> 32)) & 0xFFFFFFFF


def _plain_arguments(algorithm: Any) -> dict[str, Any]:
    """Return the arguments of a class of the library that plain values can stand for: type and default by name."""
    known = {}
    for name, one in signature(algorithm.__init__).parameters.items():
        members = [kind for kind in _members(one.annotation) if (get_origin(kind) or kind) in _PLAIN]
        if name in _ELSEWHERE or name.startswith("_") or not set(members) - {NoneType}:
            continue
        default = None if one.default is Parameter.empty else one.default
        known[name] = (Union[tuple(members)], default)  # noqa: UP007 # Of members that are found out here.
    return known


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
