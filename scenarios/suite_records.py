"""What the suite measures of a recommender: the records that are written, handed in, and checked."""

from __future__ import annotations

from typing import Any

from recsim_llm.core.configuration import FrozenSettings

__all__ = ["ProfileRow", "ProfiledMeasure", "SeedValue"]


class SeedValue(FrozenSettings):
    """What one seed says of a measure."""

    seed: int
    """The seed."""
    value: float | None
    """Of the recommender; None where nothing of the kind happened."""
    baseline: float | None
    """Of the one it is held against, for the same users with the same dice."""
    difference: float | None
    """What the recommender has more."""
    low: float | None
    """Lower end of the 95% interval of the difference, over users; None where there is none."""
    high: float | None
    """Upper end."""


class ProfiledMeasure(FrozenSettings):
    """A measure over all seeds."""

    scenario: str
    """The profile scenario that it is taken of."""
    measure: str
    """Its short name."""
    label: str
    """In words."""
    unit: str
    """Unit, or ``share``."""
    value: float | None
    """Mean over seeds, of the recommender."""
    baseline: float | None
    """Mean over seeds, of the other one."""
    difference: float | None
    """Mean over seeds of what the recommender has more."""
    low: float | None
    """Lower end of its interval, by Student's t over seeds; None where all seeds agree exactly."""
    high: float | None
    """Upper end."""
    seeds: list[SeedValue]
    """Seed by seed."""


class ProfileRow(FrozenSettings):
    """What the suite says of a recommender."""

    recommender: dict[str, Any]
    """Name, recommender, settings and how often it is fitted anew, as a scenario takes them."""
    against: dict[str, Any]
    """The one it is held against, likewise."""
    pages: int
    """Pages that users saw."""
    calls: int
    """Answers of language models that were paid for."""
    tokens: int
    """Tokens read and written for them."""
    measures: list[ProfiledMeasure]
    """In the order of the profile scenarios."""
