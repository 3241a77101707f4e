"""Summing up how far off estimators were, over seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsim_llm.errors import DataError
from recsim_llm.offpolicy.checking import OneCheck
from recsim_llm.offpolicy.evaluations import Contributions, estimate_effect
from recsim_llm.statistics.effects import Effect, mean_effect
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["EstimatorCheck", "SelfCheck", "summarise_checks"]


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

    Raises:
        DataError: the seeds do not have the same estimators, or not each a truth.
    """
    names = {tuple(check.estimator for check in of_seed) for of_seed in checks}
    if len(names) != 1 or len(truths) != len(checks):
        raise DataError(
            f"checks: got {len(checks)} seeds with {len(truths)} truths and {len(names)} lists of estimators, expected a truth "
            "a seed, one or more, and the same estimators in each; check them alike (check_estimators)"
        )
    effects = [estimate_effect(truth, confidence) for truth in truths]
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
