"""Files that the parameters of a scenario's users name: calibration, facts and personas, read into the scenario itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.persona_writing import read_personas
from recsim_llm.agents.language.told_facts import read_facts
from recsim_llm.scenarios.schema import Scenario

__all__ = ["for_stand_in", "with_files_read"]


def with_files_read(scenario: Scenario) -> Scenario:
    """Return the scenario with calibration, facts and personas in place of their files: a run needs the files no more.

    Raises:
        DataError: a file cannot be read.
    """
    return _with_parameters(scenario, _files_read)


def for_stand_in(scenario: Scenario) -> Scenario:
    """Return the scenario as a stand-in for its model can play it: the calibration without what it was fitted to."""
    return _with_parameters(scenario, _without_record)


def _with_parameters(scenario: Scenario, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Scenario:
    """Return the scenario with the parameters of its users changed, and those of a cascade's language side."""
    parameters = dict(scenario.users.parameters)
    inner = parameters.get("language")
    if isinstance(inner, Mapping):  # of a cascade
        parameters["language"] = change(inner)
    users = scenario.users.model_copy(update={"parameters": change(parameters)})
    return scenario.model_copy(update={"users": users})


def _files_read(parameters: Mapping[str, Any]) -> dict[str, Any]:
    readers: dict[str, Callable[[str], Any]] = {
        "calibration": lambda place: asdict(Calibration.load(place)),
        "facts": read_facts,
        "personas": read_personas,
    }
    named = [name for name in readers if isinstance(parameters.get(name), str)]
    return {**parameters, **{name: readers[name](parameters[name]) for name in named}}


def _without_record(parameters: Mapping[str, Any]) -> dict[str, Any]:
    given = parameters.get("calibration")
    return {**parameters, "calibration": {**given, "record": None}} if isinstance(given, Mapping) else dict(parameters)
