"""Holding estimators against the truth, where a simulator knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsim_llm.errors import DataError
from recsim_llm.offpolicy.doubly_robust import (
    ModelValues,
    cascade_doubly_robust,
    direct_method,
    slate_doubly_robust,
    slot_doubly_robust,
)
from recsim_llm.offpolicy.evaluations import Contributions, OffPolicyEstimate, difference, sum_contributions
from recsim_llm.offpolicy.importance import independent_ips, reward_interaction_ips, standard_ips
from recsim_llm.offpolicy.logged import LoggedSlates
from recsim_llm.offpolicy.pseudo_inverse import LoggingPolicy, pseudo_inverse
from recsim_llm.offpolicy.targets import TargetView
from recsim_llm.statistics.effects import Effect
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["ESTIMATORS", "Estimator", "Evidence", "OneCheck", "check_estimators", "measure_truth"]


class Evidence(NamedTuple):
    """All that estimators may use."""

    logged: LoggedSlates
    """The log."""
    target: TargetView
    """The target's probabilities of what was logged."""
    values: ModelValues | None = None
    """What a reward model predicts; None makes the estimators that need one refuse."""
    logging: LoggingPolicy | None = None
    """How the logging policy filled pages, for the pseudo-inverse; None makes it refuse."""
    no_values: str = "got no reward model, expected one; pass model_values(...)"
    """Why there are no values, for the refusals."""


def _values(evidence: Evidence, name: str) -> ModelValues:
    if evidence.values is None:
        raise DataError(f"{name}: {evidence.no_values}")
    return evidence.values


def _pseudo_inverse(evidence: Evidence, self_normalised: bool) -> OffPolicyEstimate:
    if evidence.logging is None:
        raise DataError(
            "pseudo-inverse: got a logging policy of unknown second moments, expected one that draws uniformly; log with "
            "random, or in Python give weights (recsim_llm.offpolicy.moment_weights)"
        )
    return pseudo_inverse(evidence.logged, evidence.target, logging=evidence.logging, self_normalised=self_normalised)


Estimator = Callable[[Evidence], OffPolicyEstimate]

ESTIMATORS: dict[str, Estimator] = {
    "IPS": lambda of: standard_ips(of.logged, of.target),
    "self-normalised IPS": lambda of: standard_ips(of.logged, of.target, self_normalised=True),
    "reward-interaction IPS": lambda of: reward_interaction_ips(of.logged, of.target),
    "self-normalised reward-interaction IPS": lambda of: reward_interaction_ips(of.logged, of.target, self_normalised=True),
    "independent IPS": lambda of: independent_ips(of.logged, of.target),
    "self-normalised independent IPS": lambda of: independent_ips(of.logged, of.target, self_normalised=True),
    "pseudo-inverse": lambda of: _pseudo_inverse(of, False),
    "self-normalised pseudo-inverse": lambda of: _pseudo_inverse(of, True),
    "direct method": lambda of: direct_method(of.logged, _values(of, "direct method")),
    "doubly robust": lambda of: slate_doubly_robust(of.logged, of.target, _values(of, "doubly robust")),
    "slot-level doubly robust": lambda of: slot_doubly_robust(of.logged, of.target, _values(of, "slot-level doubly robust")),
    "cascade doubly robust": lambda of: cascade_doubly_robust(of.logged, of.target, _values(of, "cascade doubly robust")),
}
"""The estimators that a check holds against the truth, by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OneCheck:
    """An estimator on one log."""

    estimator: str
    """Its name."""
    estimate: OffPolicyEstimate | None
    """What it said; None where it refused."""
    error: Effect | None
    """Estimate less truth, with an interval by user that takes in the noise of both; None where it refused."""
    refused: str | None
    """Why it refused; None where it did not."""


def measure_truth(target_log: LoggedSlates, *, clicks: bool = True) -> Contributions:
    """Return what the target earned a page when it was run itself.

    Args:
        target_log: the target's own log.
        clicks: take the probabilities of the clicks instead of the clicks, which have the same mean and less noise.

    Raises:
        DataError: clicks are asked for, and the log does not hold their probabilities.
    """
    if clicks and target_log.truth is None:
        raise DataError("truth: got a log without click probabilities, expected that of a simulated run; pass clicks=False")
    earned = target_log.truth.click if clicks and target_log.truth is not None else target_log.reward
    return sum_contributions(target_log.user_id, earned.sum(axis=1, keepdims=True), np.ones((1, 1)))


def check_estimators(
    evidence: Evidence,
    truth: Contributions,
    estimators: Mapping[str, Estimator] | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[OneCheck, ...]:
    """Run estimators on a log and hold each against the truth.

    Args:
        evidence: the log, and what is known of the two policies.
        truth: from ``measure_truth``.
        estimators: by name; all of ``ESTIMATORS`` where not given.
        confidence: of the intervals of the errors, 0 to 1.
    """
    checks = []
    for name, estimator in (estimators or ESTIMATORS).items():
        try:
            estimate = estimator(evidence)
        except DataError as error:
            checks.append(OneCheck(estimator=name, estimate=None, error=None, refused=str(error)))
        else:
            off = difference(estimate.contributions, truth, confidence)
            checks.append(OneCheck(estimator=name, estimate=estimate, error=off, refused=None))
    return tuple(checks)
