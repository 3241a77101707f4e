"""Scenarios: what a run is, the runner, and the shipped ones.

What is named here is imported when it is first asked for: reading a scenario loads less than running one.
"""

from typing import TYPE_CHECKING

if __name__ != "recsim_llm.scenarios":
    raise ImportError("import recsim_llm.scenarios, not scenarios")

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.scenarios.arm_settings import Arm
    from recsim_llm.scenarios.run_progress import Progress
    from recsim_llm.scenarios.runner import resume, run
    from recsim_llm.scenarios.schema import Scenario, UserSettings, load_scenario, shipped_scenarios

__all__ = ["Arm", "Progress", "Scenario", "UserSettings", "load_scenario", "resume", "run", "shipped_scenarios"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Arm": "arm_settings",
        "Progress": "run_progress",
        "Scenario": "schema",
        "UserSettings": "schema",
        "load_scenario": "schema",
        "resume": "runner",
        "run": "runner",
        "shipped_scenarios": "schema",
    },
)
