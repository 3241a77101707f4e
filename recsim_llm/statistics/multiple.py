"""Several comparisons at once: adjusted p values, decisions, and intervals that hold together.

- ``holm`` keeps the chance of any false claim at alpha, whatever the dependence (Holm 1979, *Scandinavian Journal of
  Statistics* 6). Its intervals are Bonferroni's, each at ``1 - alpha / m``, and hold all together. An interval that
  leaves out 0 always goes with a rejection; Holm may reject one more whose interval still holds 0: the two then
  differ, but the data do not say by how much. No two-sided intervals that match every decision of Holm's and stay
  informative are known (Guilbaud 2008, *Biometrical Journal* 50; Strassburger & Bretz 2008, *Statistics in Medicine*
  27, for one side).
- ``bonferroni`` keeps the same chance at alpha with the same intervals, and claims exactly those effects whose interval
  leaves out 0 (Dunn 1961, *JASA* 56): no sign without a size.
- ``benjamini-hochberg`` keeps the expected share of false claims among the claims at alpha, under independence or
  positive dependence (Benjamini & Hochberg 1995, *JRSS B* 57; Benjamini & Yekutieli 2001). Its intervals are at ``1 -
  alpha R / m`` with R rejections (1 if there is none); the expected share of missed values among the rejected ones'
  is alpha (Benjamini & Yekutieli 2005, *JASA* 100), and an interval leaves out 0 exactly if its comparison is
  rejected.

A comparison without a p value (nobody differs, or one user) cannot be rejected, and counts among the m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from recsim_llm.core.checked_columns import as_numbers, check_choice
from recsim_llm.errors import DataError
from recsim_llm.statistics.effects import Effect, check_share
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["ALPHA", "Adjustment", "Correction", "Family", "adjust", "judge_family"]

Correction = Literal["holm", "bonferroni", "benjamini-hochberg"]
"""How p values are adjusted for being several: ``holm`` and ``bonferroni`` against any false claim, ``benjamini-hochberg``
against too large a share of them."""

ALPHA = 1.0 - CONFIDENCE
"""Error rate unless told."""


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """What several p values amount to together, in the order given."""

    method: str
    """``holm``, ``bonferroni`` or ``benjamini-hochberg``."""
    alpha: float
    """Error rate that the method keeps: of any false claim, or the expected share of false claims."""
    p_values: tuple[float | None, ...]
    """As given; None where there is no test."""
    adjusted: tuple[float | None, ...]
    """Smallest alpha at which the method rejects each; None where there is no test."""
    rejected: tuple[bool, ...]
    """Whether the method rejects each at ``alpha``."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Effects that are claimed together."""

    adjustment: Adjustment
    """Adjusted p values and decisions."""
    effects: tuple[Effect, ...]
    """As given, with the method's intervals in place of their own."""


def adjust(p_values: Sequence[float | None], *, method: Correction = "holm", alpha: float = ALPHA) -> Adjustment:
    """Adjust p values for being several.

    Args:
        p_values: 0 to 1 each, in any order; None where there is no test.
        method: ``holm``, ``bonferroni`` or ``benjamini-hochberg``.
        alpha: error rate to keep.

    Raises:
        DataError: a p value is not within 0 and 1.
        ConfigError: a setting cannot work.
    """
    check_share("alpha", alpha)
    check_choice("method", method, get_args(Correction))
    if not isinstance(p_values, Sequence | np.ndarray) or isinstance(p_values, str):
        raise DataError(f"p values: got {p_values!r}, expected a list of them; wrap a single one")
    for p_value in p_values:
        if p_value is not None:
            as_numbers("p value", [p_value], (1,), bounds=(0.0, 1.0))
    count = len(p_values)
    values = np.array([1.0 if p_value is None else p_value for p_value in p_values], dtype=np.float64)
    order = np.argsort(values, kind="stable")
    rank = np.arange(1, count + 1)
    adjusted = np.empty(count)
    if method == "holm":
        adjusted[order] = np.maximum.accumulate(values[order] * (count + 1 - rank))
    elif method == "bonferroni":
        adjusted = values * count
    else:
        adjusted[order] = np.minimum.accumulate((values[order] * count / rank)[::-1])[::-1]
    adjusted = np.minimum(adjusted, 1.0)
    return Adjustment(
        method=method,
        alpha=alpha,
        p_values=tuple(p_values),
        adjusted=tuple(None if p is None else float(a) for p, a in zip(p_values, adjusted, strict=True)),
        rejected=tuple(p is not None and bool(a <= alpha) for p, a in zip(p_values, adjusted, strict=True)),
    )


def judge_family(effects: Sequence[Effect], *, method: Correction = "holm", alpha: float = ALPHA) -> Family:
    """Decide several effects together and give them intervals that hold together (see the module).

    Args:
        effects: by Student's t, each tested against 0.
        method: ``holm``, ``bonferroni`` or ``benjamini-hochberg``.
        alpha: error rate to keep.

    Raises:
        ConfigError: a setting cannot work, or an effect's interval is not Student's t.
    """
    adjustment = adjust([effect.p_value for effect in effects], method=method, alpha=alpha)
    claims = max(sum(adjustment.rejected), 1) if method == "benjamini-hochberg" else 1
    confidence = 1.0 - alpha * claims / max(len(effects), 1)
    return Family(adjustment=adjustment, effects=tuple(effect.at(confidence) for effect in effects))
