"""From a run's log to an off-policy estimate: what another recommender would have earned, and whether the log can say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recsim_llm.agents.fitting.position_intervals import measure_position_curve
from recsim_llm.core.files import write_atomically
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.log.manifest import read_manifest
from recsim_llm.offpolicy import ESTIMATORS, Evidence, LoggedSlates, OneCheck, diagnose_overlap, read_log
from recsim_llm.offpolicy.checking import Estimator
from recsim_llm.offpolicy.evaluations import Contributions, difference, estimate_effect, sum_contributions
from recsim_llm.report.ope_rows import OPE_FILE
from recsim_llm.scenarios.off_policy_check import collect_evidence, fitted_policy, own_truth, policy_arm
from recsim_llm.statistics import CONFIDENCE, Effect, decide

__all__ = ["OpeRequest", "estimate_from_log"]


Meant = Literal["first", "all"]
_MODEL_ALONE = "direct method"


@dataclass(frozen=True, kw_only=True)
class OpeRequest:
    """What is to be estimated from a log."""

    run: Path
    """Run folder."""
    logging: str
    """Arm whose log is read."""
    target: str | None = None
    """Arm of the run, or name of a recommender, whose clicks a page are estimated; None: only what the log itself shows."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of a target that is no arm of the run."""
    pages: Meant = "first"
    """``first``: each user's first page, where every policy meets the same users in the same state; ``all``: every page."""
    estimators: tuple[str, ...] | None = None
    """Names of estimators; None takes all."""


def estimate_from_log(request: OpeRequest, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Estimate, keep the result as ``ope.json`` in the run folder, and return it as plain values.

    The result holds what the log earned, the position curve learned from it, and for a target: what of it the log holds, every
    estimate with its interval by user, its gain over the log, and, where the target is an arm of the run, what it really
    earned there and how far off each estimate is.

    Args:
        request: what to estimate.
        progress: told what is being done.

    Raises:
        ConfigError: an arm, a recommender or an estimator is unknown, or the target needs a language model or the truth.
        DataError: no estimator can be supported: propensities are unknown, or the log holds nothing of the target.
        LogError: the folder is no run, or the target is an arm that learned while it served.
    """
    estimators = _estimators(request)
    progress("reading the log")
    whole, manifest = read_log(request.run, request.logging), read_manifest(request.run)
    content: dict[str, Any] = {
        "scenario": manifest["scenario"],
        "seed": manifest["seed"],
        "logging": request.logging,
        "confidence": CONFIDENCE,
        "position_curve": _position_curve(whole, progress),
        "target": None,
    }
    if request.target is not None:
        content |= _estimated(request, whole, estimators, progress)
    write_atomically(request.run / OPE_FILE, json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")
    return content


def _estimators(request: OpeRequest) -> dict[str, Estimator]:
    if request.estimators is None:
        return ESTIMATORS
    if request.target is None:
        raise ConfigError("--estimators: got estimators without a target, expected --target ARM with them")
    unknown = [name for name in request.estimators if name not in ESTIMATORS]
    if unknown:
        raise ConfigError(f"estimators: got {unknown[0]!r}, expected some of {', '.join(ESTIMATORS)}")
    return {name: ESTIMATORS[name] for name in request.estimators}


def _position_curve(logged: LoggedSlates, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the learned curve, or why there is none."""
    progress("learning the position curve")
    try:
        return measure_position_curve(logged).to_record() | {"refused": None}
    except DataError as error:
        return {"learned": [], "truth": None, "moving": None, "confidence": CONFIDENCE, "refused": str(error)}


def _estimated(
    request: OpeRequest, whole: LoggedSlates, estimators: Mapping[str, Estimator], progress: Callable[[str], None]
) -> dict[str, Any]:
    assert request.target is not None
    arm, in_run = policy_arm(request.run, request.target, request.settings)
    progress(f"fitting {arm.name}")
    policy = fitted_policy(request.run, arm)
    truth = own_truth(request.run, arm.name, policy, first_pages=request.pages == "first") if in_run else None
    logged = whole.take((whole.visit == 0) & (whole.page == 0)).numbered() if request.pages == "first" else whole
    progress("estimating")
    evidence = collect_evidence(request.run, request.logging, logged, policy)
    checks = [_checked(name, estimator, evidence) for name, estimator in estimators.items()]
    _refuse_without_support(request, checks)
    served = sum_contributions(logged.user_id, logged.reward.sum(axis=1, keepdims=True), np.ones((1, 1)))
    return {
        "target": arm.name,
        "target_recommender": arm.recommender,
        "target_settings": dict(arm.settings),
        "pages_meant": request.pages,
        "users": len(np.unique(logged.user_id)),
        "pages": len(logged),
        "logged": _record(estimate_effect(served)),
        "truth": None if truth is None else _record(estimate_effect(truth)),
        "overlap": [one.to_record() for one in diagnose_overlap(logged, evidence.target)],
        "estimators": [_row(check, served, truth) for check in checks],
    }


def _checked(name: str, estimator: Estimator, evidence: Evidence) -> OneCheck:
    try:
        return OneCheck(estimator=name, estimate=estimator(evidence), error=None, refused=None)
    except DataError as error:
        return OneCheck(estimator=name, estimate=None, error=None, refused=str(error))


def _refuse_without_support(request: OpeRequest, checks: list[OneCheck]) -> None:
    """Refuse where nothing but a model's guess is left."""
    told = [check.estimator for check in checks if check.refused is None]
    if told and (told != [_MODEL_ALONE] or request.estimators is not None):
        return
    reasons = [check.refused for check in checks if check.refused is not None]
    raise DataError(f"ope: got a log of {request.logging!r} that no estimator can take to {request.target!r}: {reasons[0]}")


def _row(check: OneCheck, served: Contributions, truth: Contributions | None) -> dict[str, Any]:
    """Return an estimator's numbers: estimate, gain over the log, error against the truth, and the words for them."""
    if check.estimate is None:
        return {"estimator": check.estimator, "refused": check.refused, "value": None}
    gain = difference(check.estimate.contributions, served)
    error = None if truth is None else difference(check.estimate.contributions, truth)
    return check.estimate.to_record() | {
        "refused": None,
        "gain": _record(gain) | {"verdict": decide(gain)},
        "error": None if error is None else _record(error) | {"verdict": _standing(error)},
    }


def _standing(error: Effect) -> str:
    if error.low is None:
        return "no interval"
    return "off" if error.excludes(0.0) else "holds the truth"


def _record(effect: Effect) -> dict[str, Any]:
    return {"value": effect.value, "low": effect.low, "high": effect.high, "users": effect.users}
