"""``trained:RUN``: a policy that was trained in an environment, as a recommender of any run on the same items."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydantic import Field

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import ConfigError
from recsim_llm.training.learners import open_learner
from recsim_llm.training.policy_recommender import PolicyRecommender
from recsim_llm.training.policy_terms import PolicyTerms
from recsim_llm.training.stable_baselines_zip import open_zip
from recsim_llm.training.training_folder import POLICY, read_progress, read_training_manifest

__all__ = ["TrainedRecommender"]


class TrainedRecommender(PolicyRecommender):
    """A policy from ``recsim-llm train``, or a ``.zip`` of Stable-Baselines3 with the scenario that describes what it sees.

    Raises:
        ConfigError: the address leads to no finished training, or settings are missing or too many.
        LogError: its files are damaged.
    """

    class Settings(FrozenSettings):
        """Settings of ``TrainedRecommender``."""

        address: str = Field(min_length=1)
        """Training folder, or ``.zip`` file of Stable-Baselines3."""
        stochastic: bool = False
        """Let the policy's chance in, as in training; its best action otherwise."""
        seed: int = Field(default=0, ge=0)
        """Which of the folder's seeds, from 0."""
        scenario: str | None = None
        """Of a ``.zip``: scenario whose pages and section ``train`` describe what it was trained in."""
        algorithm: str | None = None
        """Of a ``.zip``: which algorithm wrote it; None takes the scenario's ``train.algorithm``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        path = Path(settings.address)
        if path.suffix == ".zip":
            terms, read = open_zip(path, settings.scenario, settings.algorithm)
        else:
            if settings.scenario is not None or settings.algorithm is not None:
                name = "scenario" if settings.scenario is not None else "algorithm"
                raise ConfigError(
                    f"trained:{path}: got setting {name!r} for a training folder, expected it for a .zip alone; leave it out"
                )
            folder = _policy_folder(path, settings.seed)
            terms = PolicyTerms.load(folder)
            read = partial(open_learner(terms.algorithm).read_policy, folder)
        super().__init__(terms, read, stochastic=settings.stochastic)


def _policy_folder(run: Path, seed: int) -> Path:
    """Return where the policy of a seed lies.

    Raises:
        ConfigError: the folder is no training folder, or that seed is not done, or is none of its.
    """
    seeds = len(read_training_manifest(run)["seeds"])
    if seed >= seeds:
        raise ConfigError(f"trained:{run}: got seed {seed}, expected 0 to {seeds - 1}, the seeds that it trained")
    progress = read_progress(run)
    if seed >= len(progress) or not progress[seed]["done"]:
        raise ConfigError(f"trained:{run}: got a training that is not done, expected a finished one; `recsim-llm resume {run}`")
    return run / POLICY / str(seed)
