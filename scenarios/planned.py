"""What happens to the world of a scenario by plan, made ready."""

from __future__ import annotations

from recsim_llm.dynamics.provider_exits import ProviderExits
from recsim_llm.dynamics.timeline import Timeline
from recsim_llm.population.world import World
from recsim_llm.scenarios.schema import Scenario

__all__ = ["make_provider_exits", "make_timeline"]


def make_timeline(scenario: Scenario, world: World) -> Timeline:
    """Return what happens by plan to the items and users of a scenario.

    Raises:
        ConfigError: something cannot happen to them.
    """
    timeline = Timeline(scenario.interventions, world.catalog, world.population, scenario.seed or 0)
    timeline.check_slots(scenario.slate_size)
    return timeline


def make_provider_exits(scenario: Scenario, world: World) -> ProviderExits | None:
    """Return who offers the items of a scenario, before anybody has left; None where nobody does.

    Raises:
        ConfigError: the data do not say who provides items.
    """
    return None if scenario.providers is None else ProviderExits(scenario.providers, world.catalog, scenario.slate_size)
