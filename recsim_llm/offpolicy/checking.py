"""Holding estimators against the truth, where a simulator knows it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.errors import DataError
from recsim_llm.intervals import CONFIDENCE
from recsim_llm.offpolicy.doubly_robust import (
    ModelValues,
    cascade_doubly_robust,
    direct_method,
    slate_doubly_robust,
    slot_doubly_robust,
)
from recsim_llm.offpolicy.importance import independent_ips, reward_interaction_ips, standard_ips
from recsim_llm.offpolicy.logged import LoggedSlates
from recsim_llm.offpolicy.pseudo_inverse import LoggingPolicy, pseudo_inverse
from recsim_llm.offpolicy.results import Contributions, OffPolicyEstimate, contributions_of, difference, effect_of
from recsim_llm.offpolicy.targets import TargetView
from recsim_llm.statistics.effects import Effect, mean_effect

__all__ = [
    "ESTIMATORS",
    "EstimatorCheck",
    "Evidence",
    "OneCheck",
    "SelfCheck",
    "check_estimators",
    "summarise_checks",
    "truth_of",
]


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


def _values(evidence: Evidence, name: str) -> ModelValues:
    if evidence.values is None:
        raise DataError(f"{name}: got no reward model, expected one; pass model_values(...)")
    return evidence.values


def _pseudo_inverse(evidence: Evidence, self_normalised: bool) -> OffPolicyEstimate:
    if evidence.logging is None:
        raise DataError(
            "pseudo-inverse: got a logging policy of unknown second moments, expected uniform or independent; say which, or "
            "give weights (moment_weights)"
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


@dataclass(frozen=True, kw_only=True)
class EstimatorCheck:
    """An estimator over several logs of the same two policies, each with another seed."""

    estimator: str
    """Its name."""
    seeds: int
    """Logs on which it gave an estimate."""
    refused: str | None
    """Why it refused the others; None where it refused none."""
    mean: float | None
    """Mean estimate, reward a page; None where it gave none."""
    error: Effect | None
    """Mean error over seeds with Student's t interval over seeds, or that of one seed by user; None where it gave none."""
    root_mean_square: float | None
    """Root of the mean squared error over seeds."""
    covered: int
    """Seeds whose interval of the error holds 0."""
    intervals: int
    """Seeds with an interval."""
    effective_pages: float | None
    """Median of the effective number of pages; None where there are no weights."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SelfCheck:
    """How far off estimators were in a simulated world, where the target policy was run as well."""

    target: str
    """Arm whose value was estimated."""
    logging: str
    """Arm that wrote the log."""
    pages_meant: str
    """``first``: the first page of each user, where both arms meet the same users in the same state. ``all``: all pages of both
    arms; users' states then differ between them, and part of the error is that."""
    seeds: tuple[int | None, ...]
    """Seeds of the runs."""
    users: int
    """Users of the first run's log."""
    pages: int
    """Pages of the logs, all seeds together."""
    truth: Effect
    """What the target earned a page when it was run: mean over seeds, or for one seed with its interval by user."""
    confidence: float
    """Of the intervals, 0 to 1."""
    rows: tuple[EstimatorCheck, ...]
    """One an estimator."""

    def table(self) -> list[list[str]]:
        """Return the check as rows of texts, the heading first."""
        heading = [
            "estimator",
            "estimate",
            "error",
            "interval",
            "root mean square error",
            "intervals that hold",
            "effective pages",
        ]
        return [heading, *(_texts(row) for row in self.rows)]

    def to_json(self) -> str:
        """Return the check as JSON with stable keys; None becomes null."""
        record = {
            "target": self.target,
            "logging": self.logging,
            "pages_meant": self.pages_meant,
            "seeds": list(self.seeds),
            "users": self.users,
            "pages": self.pages,
            "truth": _record(self.truth),
            "confidence": self.confidence,
            "estimators": [
                {
                    "estimator": row.estimator,
                    "seeds": row.seeds,
                    "refused": row.refused,
                    "mean": row.mean,
                    "error": None if row.error is None else _record(row.error),
                    "root_mean_square": row.root_mean_square,
                    "covered": row.covered,
                    "intervals": row.intervals,
                    "effective_pages": row.effective_pages,
                }
                for row in self.rows
            ],
        }
        return json.dumps(record, indent=2, allow_nan=False) + "\n"


def truth_of(target_log: LoggedSlates, *, clicks: bool = True) -> Contributions:
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
    return contributions_of(target_log.user_id, earned.sum(axis=1, keepdims=True), np.ones((1, 1)))


def check_estimators(
    evidence: Evidence,
    truth: Contributions,
    estimators: Mapping[str, Estimator] | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[OneCheck, ...]:
    """Run estimators on a log and hold each against the truth.

    Args:
        evidence: the log, and what is known of the two policies.
        truth: from ``truth_of``.
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


def summarise_checks(
    checks: Sequence[Sequence[OneCheck]],
    truths: Sequence[Contributions],
    *,
    target: str,
    logging: str,
    pages_meant: str,
    seeds: Sequence[int | None],
    users: int,
    pages: int,
    confidence: float = CONFIDENCE,
) -> SelfCheck:
    """Sum up checks over seeds.

    Args:
        checks: of each seed, the same estimators in the same order.
        truths: of each seed.
        target: arm whose value was estimated.
        logging: arm that wrote the log.
        pages_meant: ``first`` or ``all``.
        seeds: of the runs.
        users: of the first log.
        pages: of all logs.
        confidence: of the intervals, 0 to 1.
    """
    effects = [effect_of(truth, confidence) for truth in truths]
    values = np.array([effect.value for effect in effects if effect.value is not None])
    return SelfCheck(
        target=target,
        logging=logging,
        pages_meant=pages_meant,
        seeds=tuple(seeds),
        users=users,
        pages=pages,
        truth=effects[0] if len(effects) == 1 else mean_effect(values, confidence=confidence, method="t over seeds"),
        confidence=confidence,
        rows=tuple(_over_seeds(of_estimator, confidence) for of_estimator in zip(*checks, strict=True)),
    )


def _over_seeds(checks: Sequence[OneCheck], confidence: float) -> EstimatorCheck:
    told = [check for check in checks if check.estimate is not None and check.estimate.value is not None]
    estimates = [check.estimate for check in told if check.estimate is not None]
    errors = [check.error for check in told if check.error is not None]
    off = np.array([error.value for error in errors], np.float64)
    effective = [estimate.effective_pages for estimate in estimates if estimate.effective_pages is not None]
    mean = errors[0] if len(errors) == 1 else mean_effect(off, confidence=confidence, method="t over seeds") if errors else None
    return EstimatorCheck(
        estimator=checks[0].estimator,
        seeds=len(told),
        refused=next((check.refused for check in checks if check.refused), None),
        mean=float(np.mean([estimate.value for estimate in estimates])) if estimates else None,
        error=mean,
        root_mean_square=math.sqrt(float((off**2).mean())) if errors else None,
        covered=sum(error.low is not None and not error.excludes(0.0) for error in errors),
        intervals=sum(error.low is not None for error in errors),
        effective_pages=float(np.median(effective)) if effective else None,
    )


def _texts(row: EstimatorCheck) -> list[str]:
    if row.mean is None or row.error is None or row.error.value is None or row.root_mean_square is None:
        return [row.estimator, "refused", "", "", "", "", ""]
    low, high = row.error.low, row.error.high
    return [
        row.estimator,
        f"{row.mean:.3f}",
        f"{row.error.value:+.3f}",
        "" if low is None or high is None else f"{low:+.3f} to {high:+.3f}",
        f"{row.root_mean_square:.3f}",
        f"{row.covered} of {row.intervals}",
        "" if row.effective_pages is None else f"{row.effective_pages:.0f}",
    ]


def _record(effect: Effect) -> dict[str, Any]:
    return {"value": effect.value, "low": effect.low, "high": effect.high, "method": effect.method}
