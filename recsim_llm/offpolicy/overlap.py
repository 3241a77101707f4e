"""Overlap of a log with a target policy: for each kind of weights, what of the target the log holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.errors import DataError
from recsim_llm.offpolicy.evaluations import effective_pages, mean_weight, too_few_pages
from recsim_llm.offpolicy.logged import LoggedSlates
from recsim_llm.offpolicy.targets import TargetView
from recsim_llm.offpolicy.weights import check_fit, prefix_weights, slate_weights, slot_weights
from recsim_llm.statistics.effects import check_share
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate

__all__ = ["Overlap", "Standing", "diagnose_overlap"]

Standing = Literal["enough", "thin", "none", "unknown"]

_KINDS: dict[str, tuple[str, Callable[[LoggedSlates, TargetView, str], DoubleArray]]] = {
    "whole slates": ("slate_propensity", slate_weights),
    "slates down to a position": ("prefix_propensity", prefix_weights),
    "single slots": ("propensity", slot_weights),
}


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How far a log overlaps with what a target policy shows, seen through one kind of weights."""

    weights: str
    """What is weighed: whole slates, slates down to a position, or single slots."""
    column: str
    """Propensity column that it takes."""
    standing: Standing
    """``enough``; ``thin``, worth under 10 pages or 1% of the log; ``none``, zero support; ``unknown``, a propensity is."""
    shown: float | None
    """Share of logged pages that the target could have shown, at the position where it is smallest; None where unknown."""
    effective_pages: float | None
    """Kish's effective number of pages, at the position where it is smallest; None without weights."""
    largest_weight: float | None
    """The largest weight; None without weights."""
    mean_weight: Estimate | None
    """Mean weight with its interval by user, at the position where it is farthest from 1, which it should be; None without
    weights."""
    refused: str | None
    """Why there are no weights; None where there are."""

    def to_record(self) -> dict[str, Any]:
        """Return the numbers as plain values for JSON."""
        mean = self.mean_weight
        return {
            "weights": self.weights,
            "column": self.column,
            "standing": self.standing,
            "shown": self.shown,
            "effective_pages": self.effective_pages,
            "largest_weight": self.largest_weight,
            "mean_weight": None if mean is None else [mean.value, mean.low, mean.high],
            "refused": self.refused,
        }


def diagnose_overlap(logged: LoggedSlates, target: TargetView, confidence: float = CONFIDENCE) -> tuple[Overlap, ...]:
    """Say for each kind of weights whether the log can carry an estimate about the target.

    Args:
        logged: the log.
        target: the target's probabilities of what was logged.
        confidence: of the interval of the mean weight, 0 to 1.

    Raises:
        ConfigError: the confidence is not within 0 and 1.
        DataError: the target has other pages than the log.
    """
    check_share("confidence", confidence)
    check_fit(logged, target, "overlap")
    return tuple(_overlap(kind, logged, target, confidence) for kind in _KINDS)


def _overlap(kind: str, logged: LoggedSlates, target: TargetView, confidence: float) -> Overlap:
    column, weigh = _KINDS[kind]
    above = getattr(target, column).reshape(len(logged), -1)
    unknown = bool(np.isnan(above).any() or np.isnan(getattr(logged, column)).any())
    reached = np.logical_and.accumulate(above > 0.0, axis=1) if column == "prefix_propensity" else above > 0.0
    shown = None if unknown else float(reached.mean(axis=0).min())
    try:
        weights = weigh(logged, target, kind)
    except DataError as error:
        return Overlap(
            weights=kind,
            column=column,
            standing="unknown" if unknown else "none",
            shown=shown,
            effective_pages=None,
            largest_weight=None,
            mean_weight=None,
            refused=str(error),
        )
    effective = effective_pages(weights)
    return Overlap(
        weights=kind,
        column=column,
        standing="thin" if too_few_pages(effective, len(logged)) else "enough",
        shown=shown,
        effective_pages=effective,
        largest_weight=float(weights.max()),
        mean_weight=mean_weight(logged.user_id, weights, confidence),
        refused=None,
    )
