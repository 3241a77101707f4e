"""What is trained and how it is evaluated: a scenario's two worlds, apart in users and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recsim_llm.errors import ConfigError
from recsim_llm.scenarios.schema import Scenario, change_scenario
from recsim_llm.scenarios.train_settings import TrainSettings
from recsim_llm.training.learners import Learner, open_learner
from recsim_llm.training.training_seeds import evaluation_seed

__all__ = ["BASELINES", "TrainingPlan", "plan_training"]

BASELINES = ("random", "popularity", "oracle")
"""Recommenders that the policies are held against; the oracle where the users can tell what they feel."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """A scenario, as it is trained in."""

    scenario: Scenario
    """With a seed, and with a section ``train``."""
    seeds: int
    """Policies to train, each from other first weights and with other dice."""
    learner: type[Learner]
    """What learns."""
    settings: Any
    """Of the learner, checked."""

    @property
    def train(self) -> TrainSettings:
        """How it is trained."""
        assert self.scenario.train is not None
        return self.scenario.train

    @property
    def seed(self) -> int:
        """Seed of everything."""
        assert self.scenario.seed is not None
        return self.scenario.seed

    @property
    def every(self) -> int:
        """Steps between two checkpoints."""
        return self.train.evaluate_every or max(1, -(-self.train.steps // 10))

    @property
    def training(self) -> Scenario:
        """The scenario with the users that training meets."""
        return change_scenario(self.scenario, {"users.part": "training", "reward": self.reward})

    @property
    def held_out(self) -> Scenario:
        """The scenario with users that training does not meet, with other dice; its arms are the baselines."""
        block = {"size": self.train.evaluation_users, "number": 0}
        changes = {"users.part": "held_out", "users.block": block, "seed": evaluation_seed(self.seed), "reward": self.reward}
        return change_scenario(self.scenario, changes | {"recommenders": list(BASELINES[:2])})

    def policy_name(self, number: int) -> str:
        """Return what reports call the policy of a seed."""
        return self.train.algorithm.rpartition(":")[2] + (f"-{number}" if self.seeds > 1 else "")

    @property
    def reward(self) -> str:
        """Name of the reward that is learned from."""
        return self.train.reward or self.scenario.reward


def plan_training(scenario: Scenario, seeds: int) -> TrainingPlan:
    """Check a scenario's section ``train`` before anything is built.

    Args:
        scenario: with a seed; without a section, the usual one is taken.
        seeds: policies to train, 1 or more.

    Raises:
        ConfigError: there is no such algorithm, its settings are wrong, or the scenario divides the users itself.
    """
    if scenario.users.part != "all":
        raise ConfigError(
            f"users.part: got {scenario.users.part!r} for a training, expected 'all', since it divides the users by "
            "train.holdout; leave it out"
        )
    if scenario.enriched_by_writer:
        raise ConfigError(
            "enrich.by: got writer for a training, whose environments would each ask the model again, expected template or a "
            "function; leave it out"
        )
    train = scenario.train or TrainSettings()
    learner = open_learner(train.algorithm)
    settings = learner.read_settings(train.settings, f"algorithm {train.algorithm!r}")
    scenario = scenario if scenario.train is not None else scenario.model_copy(update={"train": train})
    return TrainingPlan(scenario=scenario, seeds=seeds, learner=learner, settings=settings)
