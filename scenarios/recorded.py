"""The environment of a finished run: its users again, with the run's dice, for data sets that are stepped through once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsim_llm.envs.recorded_visits import RecordedVisitsEnv
from recsim_llm.errors import ConfigError
from recsim_llm.scenarios.building import rebuild_world
from recsim_llm.scenarios.schema import scenario_from

__all__ = ["RecordedEnv"]


class RecordedEnv(RecordedVisitsEnv):
    """The users of a run, built again from its manifest; the rest as ``recsim_llm.envs.recorded_visits.RecordedVisitsEnv``.

    Exported data sets name this class.

    Args:
        settings: of the run, as ``manifest.json`` has them under ``settings``.
        fingerprints: of its ``data`` and ``population``; other ones are refused.
        blanks: pages may have blank slots.

    Raises:
        ConfigError: the run's users are played by language models, which would answer, and cost, anew; or it has a clock.
        LogError: the data or the users are not those of the run.
    """

    def __init__(self, settings: Mapping[str, Any], fingerprints: Mapping[str, str], blanks: bool = False) -> None:
        scenario = scenario_from(settings, "recorded run")
        if "user" in scenario.models:
            raise ConfigError("recorded run: got users that ask language models, expected users that can be simulated again")
        if scenario.clock is not None:
            raise ConfigError(
                "recorded run: got one with a clock, expected one without, since what moved its users between visits does not "
                "happen in an environment"
            )
        world = rebuild_world(scenario, fingerprints, "recorded run")
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
