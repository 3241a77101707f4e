"""The named settings of memory: meaning, unit and source of every one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from recsim_llm.core.parameters import is_number
from recsim_llm.errors import ConfigError

__all__ = ["MemorySettings"]

_FROM_ZERO = ("recency_weight", "importance_weight", "relevance_weight", "importance_strength")
_POSITIVE = ("recency_half_life", "strength", "reflect_at", "evidence_half_life", "forgotten_below")
_SHARES = ("forgotten_below", "fact_importance", "reflection_importance", "opinion_from", "consolidated_share")
_COUNTS = ("evidence_window", "least_evidence", "recalled")


@dataclass(frozen=True, kw_only=True)
class MemorySettings:
    """How users recall, forget and reflect; time is counted in pages that the user has lived.

    *Assumed* settings are round numbers without a measurement behind them.
    """

    recency_weight: float = 0.5
    """Weight of recency in the score of a memory; only ratios of the three weights matter. 0.5, 2 and 3 are the weights of
    the code that Park et al. (2023) published; their paper says 1, 1 and 1."""
    importance_weight: float = 2.0
    """Weight of importance."""
    relevance_weight: float = 3.0
    """Weight of relevance."""
    recency_half_life: float = 50.0
    """Pages after which the recency of an untouched memory has halved. Assumed."""
    strength: float = 20.0
    """Pages after which the retention of an untouched memory of no importance has fallen to 1/e. Assumed."""
    importance_strength: float = 3.0
    """How much stronger a memory of importance 1 is: the strength is multiplied by one plus this much. Assumed."""
    forgotten_below: float = 0.05
    """Retention, above 0 and up to 1, below which a memory is not recalled any more. Assumed."""
    fact_importance: float = 0.8
    """Importance of every fact, 0 to 1. Assumed."""
    reflect_at: float = 5.0
    """Importance of observations and facts that must have come together since the last reflection to make the next one due.
    Park et al. (2023) take 150 on a scale of 10, that is 15; users who browse have fewer events than villagers. Assumed."""
    reflection_importance: float = 0.8
    """Importance of every reflection, 0 to 1. Assumed."""
    evidence_window: int = 50
    """Observations with evidence, the latest ones, that a reflection looks at. Assumed."""
    evidence_half_life: float = 30.0
    """Pages after which an observation counts half in what a reflection makes of it. Assumed."""
    least_evidence: int = 2
    """Observations of a topic from which a reflection names it. Assumed."""
    opinion_from: float = 0.15
    """Mean valence, 0 to 1, beyond which a topic counts as enjoyed or as a letdown; between the two it is mixed. Assumed."""
    recalled: int = 8
    """Most memories that a rendering recalls. Assumed."""
    consolidated_share: float = 0.5
    """Most of a rendering's token budget that reflection and facts may take, 0 to 1. Assumed."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not is_number(value):
                raise ConfigError(f"memory setting {field.name!r}: got {value!r}, expected a finite number")
        self._check(_FROM_ZERO, lambda value: value >= 0, "0 or more")
        self._check(_POSITIVE, lambda value: value > 0, "more than 0")
        self._check(_SHARES, lambda value: 0 <= value <= 1, "0 to 1")
        self._check(_COUNTS, lambda value: value >= 1 and value == int(value), "a whole number of 1 or more")
        if self.recency_weight + self.importance_weight + self.relevance_weight == 0:
            raise ConfigError("memory settings: got three weights of 0, expected one of recency, importance, relevance above 0")

    def _check(self, names: tuple[str, ...], holds: Callable[[float], bool], expected: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not holds(value):
                raise ConfigError(f"memory setting {name!r}: got {value}, expected {expected}")
