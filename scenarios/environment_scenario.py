"""The world of a scenario for an environment: the same items, users, noise and language models as its run has."""

from __future__ import annotations

from functools import partial
from os import PathLike, fspath
from pathlib import Path

from recsim_llm.envs.environment_worlds import OpenWorld, WorldArguments, asks_model, check_model
from recsim_llm.errors import ConfigError
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.providers import Roles
from recsim_llm.scenarios.building import build_scenario_world, enrich, load_dataset, recommender_seed
from recsim_llm.scenarios.schema import Scenario, change_scenario, load_scenario
from recsim_llm.scenarios.without_time import sections_in_time

__all__ = ["open_scenario"]

_WORLD_SEED = 0
"""Of the users and their noise where the scenario has no seed: the same people are in every environment."""
_PAGES = ("slate_size", "max_pages", "reward", "visits", "repeats")


def open_scenario(given: WorldArguments, folder: Path | None) -> OpenWorld:
    """Build the world that a scenario describes; its recommenders are left out, since the policy takes their place.

    Args:
        given: with a scenario, and what goes before what it says.
        folder: run folder that keeps the calls of language models; None keeps them until they are closed.

    Raises:
        ConfigError: there is no such scenario, a name is unknown, or settings do not fit.
        DataError: the data cannot be used.
    """
    scenario = _chosen(given)
    if scenario.clock is not None:
        raise ConfigError(
            f"scenario {scenario.name!r}: got one with a clock, expected one without, since episodes of an environment have "
            "no days; play it with recsim-llm run or recsim_llm.envs.LivingWorld, or leave "
            f"{', '.join(sections_in_time(scenario))} out"
        )
    if scenario.stated_tastes:
        raise ConfigError(
            f"scenario {scenario.name!r}: got stated_tastes, expected none, since users of an environment say nothing; play it "
            "with recsim-llm run, or set stated_tastes: false"
        )
    user = scenario.models.get("user")
    if user is not None and given.users is not None and given.model is None and not asks_model(scenario.users.model):
        # Other users than the scenario's do not ask its model.
        scenario, user = change_scenario(scenario, {"models": {}}), None
    check_model(scenario.users.model, None if user is None else user.name)
    roles = Roles(scenario.models, calls=None if folder is None else folder / FILE_NAME, limits=scenario.limits)
    try:
        people = given.population if isinstance(given.population, str | PathLike) else None
        dataset = load_dataset(scenario)
        enrichment = enrich(scenario, dataset, roles)
        world = build_scenario_world(scenario, dataset, roles, people=people, enrichment=enrichment)
    except BaseException:
        roles.close()
        raise
    settings = {name: getattr(scenario, name) for name in _PAGES}
    if "invalid" in scenario.model_fields_set:
        # A run stops at an invalid item where nobody says otherwise; a policy that learns tries everything.
        settings["invalid"] = scenario.invalid
    description = {"models": roles.describe(), "environment_scenario": scenario.model_dump(mode="json")}
    return OpenWorld(
        world=world,
        settings=settings,
        description=description,
        close=roles.close,
        model=partial(roles.role, "policy"),
        recommender_seed=recommender_seed(scenario),
    )


def _chosen(given: WorldArguments) -> Scenario:
    changes = {
        "data": given.catalog,
        "users.model": given.users,
        "users.count": given.population if isinstance(given.population, int) else None,
        "models.user.name": given.model,
    }
    changes = {key: fspath(value) if isinstance(value, PathLike) else value for key, value in changes.items()}
    named = {key: value for key, value in changes.items() if value is not None}
    if isinstance(given.scenario, Scenario):
        scenario = change_scenario(given.scenario, named)
    elif isinstance(given.scenario, str | PathLike):
        scenario = load_scenario(fspath(given.scenario), named)
    else:
        raise ConfigError(f"scenario: got {given.scenario!r}, expected a name, the path of a .yaml file, or a Scenario")
    return scenario if scenario.seed is not None else scenario.model_copy(update={"seed": _WORLD_SEED})
