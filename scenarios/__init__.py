"""Scenarios: what a run is, the runner, and the shipped ones."""

if __name__ != "recsim_llm.scenarios":
    raise ImportError("import recsim_llm.scenarios, not scenarios")

from recsim_llm.scenarios.runner import Progress, resume, run
from recsim_llm.scenarios.schema import Arm, Scenario, UserSettings, load_scenario, shipped_scenarios

__all__ = ["Arm", "Progress", "Scenario", "UserSettings", "load_scenario", "resume", "run", "shipped_scenarios"]
