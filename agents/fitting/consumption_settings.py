"""What the click fit takes: events, and its settings."""

from __future__ import annotations

from dataclasses import dataclass

from recsim_llm.core.arrays import DoubleArray, IntArray

__all__ = ["ConsumptionSettings", "History"]


@dataclass(frozen=True, kw_only=True)
class ConsumptionSettings:
    """What the click fit needs beyond data."""

    dimensions: int = 40
    """Length of the final vectors of all evidence together."""
    family_dimensions: int = 24
    """Length of the final vectors of one family of evidence."""
    factors: int = 16
    """Implicit factors before compression."""
    axes: int = 16
    """Correspondence axes before compression."""
    regularization: float = 10.0
    """Ridge penalty of the implicit factors."""
    weight: float = 10.0
    """Extra confidence of an event in the implicit factors."""
    iterations: int = 10
    """Alternations of the implicit factors."""
    neighbour_axes: int = 200
    """Dimensions that neighbours of items are looked for in."""
    neighbour_ridge: float = 200.0
    """Ridge penalty of the linear model of items on items, in events."""
    step_axes: int = 96
    """Dimensions of what follows what."""
    steps_ahead: int = 20
    """Events within which an item counts as consumed soon after."""
    step_memory: float = 8.0
    """Events after which a step counts 1/e."""
    step_smoothing: float = 10.0
    """Events added to an item's popularity in what follows what."""
    short_memory: float = 4.0
    """As ``memory``, for what was consumed just before."""
    memory: float = 15.0
    """Age in events at which an event's weight among recent ones has fallen to 1/e."""
    positives: int = 30
    """Most later events a user gives to the stacking."""
    uniform_negatives: int = 6
    """Uniform negatives for each of them."""
    matched_negatives: int = 6
    """Popularity-matched negatives for each of them."""
    leads: int = 15
    """Items that each kind of evidence would put first for a user, in the stacking."""
    lead_users: int = 2000
    """Most users whose leading items take part."""
    whole: float = 0.01
    """Share of the whole sample in what all evidence together is weighed by, 0 to 1; the rest is the balanced one's."""
    family_whole: float = 1.0
    """The same for one family of evidence."""
    ridge: float = 1e-3
    """Penalty on the standardised stacking weights, per example; infinite leaves no evidence of who clicks what."""


@dataclass(frozen=True, kw_only=True)
class History:
    """Events as columns, users numbered from 0."""

    user_index: IntArray
    """User of each event, shape [N]."""
    item_index: IntArray
    """Item of each event, shape [N]."""
    timestamp: DoubleArray
    """Time of each event, any unit, shape [N]."""
    n_users: int
    """Number of users."""
