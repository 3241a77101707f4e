"""When users come: the section ``clock`` of a scenario, and what it takes to keep it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.dynamics.clock import HOURS, USUAL_HOURS, Clock

__all__ = ["TIMED_SECTIONS", "ClockSettings"]

TIMED_SECTIONS = ("intents", "interventions", "social", "providers", "actions")
"""Sections of a scenario that need a clock."""


class ClockSettings(FrozenSettings):
    """Users come when they come, instead of everyone at once."""

    days: int = Field(ge=1, le=36_500)
    """Length of the run."""
    step: Literal["day", "hour"] = "day"
    """What happens between two barriers: within a step nothing is passed on from one user to another, but by a recommender that
    learns from every page. Visits of a step take place page by page together."""
    gap_days: float = Field(default=2.0, ge=1)
    """Mean days between two visits of a user who comes back, geometric; nobody comes twice a day. Assumed."""
    arrive_days: int = Field(default=7, ge=1)
    """First visits fall evenly into so many days."""
    hours: tuple[Annotated[float, Field(ge=0)], ...] = USUAL_HOURS
    """24 weights: how visits are spread over a day."""

    @field_validator("hours", mode="before")
    @classmethod
    def _hours_are_a_day(cls, value: object) -> object:
        hours = tuple(value) if isinstance(value, list) else value
        if isinstance(hours, tuple) and (len(hours) != HOURS or not any(hours)):
            raise ValueError(f"got {len(hours)} numbers, expected {HOURS} weights of which one at least is above 0")
        return tuple(float(one) if isinstance(one, int) else one for one in hours) if isinstance(hours, tuple) else hours

    def clock(self, user_id: IntArray, seed: int) -> Clock:
        """Return a clock for these users, before anybody has come.

        Args:
            user_id: int64 [u]: outside ids.
            seed: of the run.
        """
        return Clock(
            user_id,
            seed,
            days=self.days,
            hours_a_step=HOURS if self.step == "day" else 1,
            gap_days=self.gap_days,
            arrive_days=self.arrive_days,
            hours=self.hours,
        )
