"""What of a scenario hangs on a clock, and the options that take it away: for what cannot be done in time."""

from __future__ import annotations

from recsim_llm.scenarios.clock_settings import TIMED_SECTIONS
from recsim_llm.scenarios.schema import Scenario

__all__ = ["sections_in_time", "without_time"]


def sections_in_time(scenario: Scenario) -> tuple[str, ...]:
    """Return the sections that a scenario has of those that hang on a clock, the clock itself first."""
    return tuple(name for name in ("clock", *TIMED_SECTIONS) if getattr(scenario, name))


def without_time(scenario: Scenario) -> str:
    """Return the options that take the clock from a scenario, and what hangs on it."""
    # What is measured of providers is told by day.
    measured = ("measure", "expect") if scenario.providers is not None and scenario.measure is not None else ()
    options = {name: f"--set {name}=null" for name in (*sections_in_time(scenario), *measured)}
    options |= {name: f"--set '{name}=[]'" for name in ("interventions", "expect") if name in options}
    return " ".join(options.values())
