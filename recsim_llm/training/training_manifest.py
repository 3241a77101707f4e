"""What the manifest of a training says."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from recsim_llm.numerics.arithmetic import describe_arithmetic
from recsim_llm.scenarios.building import Stage
from recsim_llm.training.policy_terms import PolicyTerms
from recsim_llm.training.training_plan import TrainingPlan
from recsim_llm.training.training_seeds import first_seed

__all__ = ["make_training_manifest"]

_PACKAGES = ("recsim_llm", "numpy", "scipy", "gymnasium", "torch", "stable-baselines3")


def make_training_manifest(plan: TrainingPlan, terms: PolicyTerms, built: Stage, training_users: int) -> dict[str, Any]:
    """Return the content of a training folder's ``manifest.json``.

    Args:
        plan: what is trained.
        terms: what its policies see and say.
        built: the scenario with the held-out users.
        training_users: users that training meets.
    """
    return {
        "training": plan.train.algorithm,
        "scenario": plan.scenario.name,
        "seed": plan.seed,
        "seeds": [first_seed(plan.seed, number) for number in range(plan.seeds)],
        "algorithm_settings": _plain(plan.settings),
        "policy": terms.model_dump(),
        "evaluation": {
            "seed": plan.held_out.seed,
            "users": len(built.world.population),
            "population": built.world.population.fingerprint,
            "every": plan.every,
        },
        "users": training_users,
        "catalog": {"items": len(built.world.catalog)},
        "data": {"name": built.dataset.name, "fingerprint": built.dataset.fingerprint, "licence": built.dataset.licence},
        "user_model": plan.scenario.users.model,
        "models": built.roles.describe(),
        "versions": {name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "arithmetic": describe_arithmetic(),
        "settings": plan.scenario.model_dump(mode="json"),
    }


def _plain(settings: Any) -> Any:
    dump = getattr(settings, "model_dump", None)
    return dict(settings) if dump is None else dump(mode="json")


def _version(package: str) -> str | None:
    """Return a package's version, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
