"""What a run is measured by, besides its log: checked before it begins, and written down when it does."""

from __future__ import annotations

from pathlib import Path

from recsim_llm.metrics.item_tables import write_tables
from recsim_llm.metrics.series_groups import check_groups, named_traits
from recsim_llm.population.personas import TRAITS
from recsim_llm.scenarios.building import Stage
from recsim_llm.scenarios.social_settings import write_friends

__all__ = ["check_measures", "write_run_tables"]


def check_measures(built: Stage) -> None:
    """See to it that the data have the users and items of which the scenario measures something.

    Raises:
        ConfigError: they have not.
    """
    if built.scenario.measure is None:
        return
    catalog, population = built.world.catalog, built.world.population
    providers = set(catalog.provider.tolist()) if catalog.provider is not None else set()
    check_groups(
        built.scenario.measure.series,
        items={"genre": catalog.genre_names, "provider": providers, "ids": set(catalog.item_id.tolist())},
        users={"trait": [trait.name for trait in TRAITS]}
        | {name: set(column.tolist()) for name, column in population.demographics.items()},
    )


def write_run_tables(built: Stage, out: Path) -> None:
    """Write what stands beside a log: items, users with the traits they are measured by, held-out ratings, who knows whom."""
    training, later = built.training_part()
    measure = built.scenario.measure
    write_tables(
        out,
        training.catalog,
        built.world.population,
        train=training.ratings,
        later=later,
        stars=training.feedback == "explicit",
        traits=() if measure is None else named_traits(measure.series),
    )
    write_friends(out, built.world)
