"""What learns a policy in an environment, and what comes of it.

A learner plugs in by name (``ppo``), by entry point in the group of learners, or by dotted path
``module:Class``. ``recsim-llm train`` makes it, lets it learn checkpoint by checkpoint, and keeps its state:

    kind = open_learner("ppo")
    settings = kind.read_settings({"n_steps": 64}, "algorithm 'ppo'")
    learner = kind(env, settings, gamma=0.99, steps=50_000, seed=7)
    learner.learn(10_000, seed=8)
    learner.save(folder)
    learner.policy().save(other_folder)
    policy = kind.read_policy(other_folder, policy_world(env))
    policy.act(observation).action
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from recsim_llm.core.arrays import FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.keyed import Words
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.errors import ConfigError
from recsim_llm.registry import resolve

__all__ = ["Choice", "Learner", "Policy", "PolicyWorld", "TrainingEnv", "open_learner", "policy_world"]

TrainingEnv = VectorEnv[Observation, npt.NDArray[Any], npt.NDArray[Any]]
"""The vector form of ``RecSimLLM/Browse-v0`` with ``autoreset_mode="same_step"``, under wrappers that count and time."""


class Choice(NamedTuple):
    """What a policy wants to show to a batch of users."""

    action: npt.NDArray[Any]
    """[r, ...]: actions of the environment."""
    prefix_propensity: FloatArray | None = None
    """float32 [r, k]: probability of what stands at each slot given the slots before it, where the policy drew it; None where
    it drew nothing, or does not know."""
    scores: FloatArray | None = None
    """float32 [r, k, n]: how much the policy wants each option of ``slate`` or ``candidates`` actions at each slot, so that who
    asks can choose the best of those that may be shown, without a repeat; None where it cannot tell."""
    chance: bool = False
    """Whether the scores are log-probabilities: who asks then draws by them, where chance is let in."""


@dataclass(frozen=True, kw_only=True)
class PolicyWorld:
    """What a policy may know of the world that it acts in, besides observations."""

    catalog: Catalog
    """The items; nothing in it counts ratings of the held-out part."""
    slate_size: int
    """Slots a page."""
    observation_space: spaces.Dict
    """Of one user."""
    action_space: spaces.Space[Any]
    """Of one user."""


class Policy(Protocol):
    """Chooses actions for batches of users; a row's choice depends on nothing but that row."""

    def act(self, observation: Observation, word: Words | None = None) -> Choice:
        """Return one action for each row.

        Args:
            observation: the parts that the learner's environment shows, each [r, ...].
            word: uint64 [r]: what the draws of a policy with chance hang on; None asks every policy for the action that it
                thinks best, and for the same one whenever it is asked.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what ``Learner.read_policy`` needs into a folder, which exists; equal policies write equal bytes."""
        ...


class Learner(Protocol):
    """Learns a policy by acting in an environment.

    Everything hangs on the seeds: learners made and taught alike are alike to the last bit, also where one of them was saved,
    made anew and loaded in between.

    Args:
        env: to act in; rows restart at once (``autoreset_mode="same_step"``).
        settings: as ``read_settings`` returns them.
        gamma: discount of the next page's reward, above 0 and up to 1.
        steps: pages that it will learn from in all, over all calls of ``learn``; for schedules.
        seed: of the first weights.
    """

    actions: ClassVar[tuple[str, ...]]
    """Kinds of action (``recsim_llm.envs.actions.ACTIONS``) that it can learn; the first one unless ``train.action`` says
    another."""
    observation: ClassVar[tuple[str, ...]]
    """Parts that it observes unless ``train.observation`` says others."""

    def __init__(self, env: TrainingEnv, settings: Any, *, gamma: float, steps: int, seed: int) -> None: ...

    @classmethod
    def read_settings(cls, values: Mapping[str, Any], source: str) -> Any:
        """Return the learner's settings, checked, before anything is built.

        Args:
            values: by name, as a scenario holds them.
            source: what the error text begins with.

        Raises:
            ConfigError: a key is unknown, or a value is wrong.
        """
        ...

    def learn(self, steps: int, *, seed: int) -> None:
        """Reset the environment with a seed, draw from that seed alone, and go on learning.

        Args:
            steps: pages to learn from, over all rows together; a few more where the method takes whole batches.
            seed: of all that is random from here to the end of the call.
        """

    def save(self, folder: Path) -> None:
        """Write the whole state between two calls of ``learn`` into a folder, which exists and is empty."""

    def load(self, folder: Path) -> None:
        """Take the state that ``save`` wrote in place of one's own.

        Raises:
            LogError: the files cannot be used.
        """

    def policy(self) -> Policy:
        """Return what was learned so far; it does not change any more when learning goes on."""
        ...

    @classmethod
    def read_policy(cls, folder: Path, world: PolicyWorld) -> Policy:
        """Return the policy that ``Policy.save`` wrote.

        Raises:
            ConfigError: it belongs to another world.
            LogError: the files cannot be used.
        """
        ...


def open_learner(name: str) -> type[Learner]:
    """Return the class of a learner.

    Args:
        name: a shipped name, an installed one, or ``module:Class``.

    Raises:
        ConfigError: there is none of that name, or it is no class of learners.
    """
    kind = resolve("learners", name)
    parts = ("actions", "observation", "learn", "save", "load", "policy", "read_policy", "read_settings")
    lacking = [part for part in parts if not hasattr(kind, part)]
    if not isinstance(kind, type) or lacking:
        got = f"{kind.__name__} without {lacking[0]}" if isinstance(kind, type) else type(kind).__name__
        raise ConfigError(f"algorithm {name!r}: got {got}, expected a class like recsim_llm.training.learners.Learner")
    learner: type[Learner] = kind
    return learner


def policy_world(env: TrainingEnv) -> PolicyWorld:
    """Return what a policy may know of an environment's world."""
    browse = env.unwrapped
    assert isinstance(browse, BrowseVectorEnv)
    session = browse.session
    assert isinstance(browse.single_observation_space, spaces.Dict)
    return PolicyWorld(
        catalog=session.world.catalog,
        slate_size=session.kernel.slate_size,
        observation_space=browse.single_observation_space,
        action_space=browse.single_action_space,
    )
