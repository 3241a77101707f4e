"""Models that others trained and saved with Stable-Baselines3, as policies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gymnasium import spaces

from recsim_llm.envs.wrappers import Flattener
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.scenarios.schema import load_scenario
from recsim_llm.scenarios.train_settings import TrainSettings
from recsim_llm.training.learners import Policy, PolicyWorld, open_learner
from recsim_llm.training.policy_terms import PolicyTerms, make_terms
from recsim_llm.training.stable_baselines_learners import StableBaselinesLearner, library_of
from recsim_llm.training.stable_baselines_policy import StableBaselinesPolicy, actions_of

__all__ = ["open_zip"]


def open_zip(path: Path, scenario: str | None, algorithm: str | None) -> tuple[PolicyTerms, Callable[[PolicyWorld], Policy]]:
    """Return what a saved model sees and says, and what reads it.

    Such a file holds pickled objects, which the library runs when it reads them: take it from nobody whom you do not trust.

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
        ConfigError: it sees or says something else than the scenario describes.
        LogError: the file is damaged, or another algorithm's.
    """
    try:
        network = library.load(path, device="cpu").policy
    except Exception as error:  # Whatever a file of anybody's makes the library raise.
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise LogError(
            f"trained:{path}: got {said}, expected a model that {library.__name__} saved; check the file and algorithm"
        ) from error
    flat = Flattener(world.observation_space, world.catalog).space
    expected = world.observation_space if isinstance(network.observation_space, spaces.Dict) else flat
    for what, got, wanted in (
        ("observations", network.observation_space, expected),
        ("actions", network.action_space, actions_of(library, world)),
    ):
        if _shape(got) != _shape(wanted):
            raise ConfigError(
                f"trained:{path}: got {what} {_shape(got)}, expected {_shape(wanted)} by the scenario; let its slate_size and "
                "train (action, observation, history_pages, candidates) say what the model was trained with"
            )
    return StableBaselinesPolicy(network, world, {})


def _shape(space: Any) -> str:
    """Say in short what a space holds."""
    if isinstance(space, spaces.Dict):
        return ", ".join(f"{name} {_shape(part)}" for name, part in space.items())
    if isinstance(space, spaces.MultiDiscrete):
        return f"{len(space.nvec)} of {int(space.nvec[0])}"
    return f"of {int(space.n)}" if isinstance(space, spaces.Discrete) else str(list(space.shape))
