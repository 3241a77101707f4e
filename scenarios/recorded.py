"""The environment of a finished run: its users again, with the run's dice, for data sets that are stepped through once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsim_llm.envs.recorded import RecordedVisitsEnv
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.providers import Roles
from recsim_llm.population.world import World
from recsim_llm.scenarios.building import dataset_of, world_of
from recsim_llm.scenarios.schema import Scenario, scenario_from

__all__ = ["RecordedEnv", "world_of_run"]


class RecordedEnv(RecordedVisitsEnv):
    """The users of a run, built again from its manifest; the rest as ``recsim_llm.envs.recorded.RecordedVisitsEnv``.

    Exported data sets name this class.

    Args:
        settings: of the run, as ``manifest.json`` has them under ``settings``.
        fingerprints: of its ``data`` and ``population``; other ones are refused.
        blanks: pages may have blank slots.

    Raises:
        ConfigError: the run's users are played by language models, which would answer, and cost, anew.
        LogError: the data or the users are not those of the run.
    """

    def __init__(self, settings: Mapping[str, Any], fingerprints: Mapping[str, str], blanks: bool = False) -> None:
        scenario = scenario_from(settings, "recorded run")
        if "user" in scenario.models:
            raise ConfigError("recorded run: got users that ask language models, expected users that can be simulated again")
        world = world_of_run(scenario, fingerprints, "recorded run")
        if scenario.seed is None:
            raise ConfigError("recorded run: got no seed, expected that of the run's manifest.json")
        super().__init__(
            world,
            seed=scenario.seed,
            slate_size=scenario.slate_size,
            max_pages=scenario.max_pages,
            reward=scenario.reward,
            blanks=blanks,
        )


def world_of_run(scenario: Scenario, fingerprints: Mapping[str, str], what: str) -> World:
    """Build the items and users of a run again; language models are never asked.

    Args:
        scenario: from the run's manifest.
        fingerprints: of ``data`` and ``population``, from there too.
        what: the run, for the error text.

    Raises:
        LogError: the data or the users have changed.
    """
    dataset = dataset_of(scenario)
    # Nobody decides anything that a language model would be asked for, so a stand-in takes its place.
    with Roles({"user": ModelSettings(name="scripted/uniform")}) as nobody:
        world = world_of(scenario, dataset, nobody)
    now = {"data": dataset.fingerprint, "population": world.population.fingerprint}
    changed = [name for name, fingerprint in now.items() if fingerprints[name] != fingerprint]
    if changed:
        raise LogError(f"{what}: the {changed[0]} changed since the run, expected what its manifest.json says; restore it")
    return world
