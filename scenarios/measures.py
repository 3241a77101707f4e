"""What a run is measured by, besides its log: checked before it begins, and written down when it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.ratings import Ratings
from recsim_llm.log.tables import RATED_BEFORE, write_table
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
    """Write what stands beside a log: items and what was written about them, users with the traits they are measured by, more.

    That is held-out ratings, and who knows whom.
    """
    training, later = built.training_part()
    if built.enrichment is not None:
        built.enrichment.write(training.catalog, out)
    if built.scenario.presentation is not None:
        _write_rated_before(out, training.ratings, built.world.population.user_id)
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


def _write_rated_before(out: Path, ratings: Ratings, user_id: IntArray) -> None:
    mine = ratings.take(np.isin(ratings.user_id, user_id))
    write_table(out, "rated_before", pa.table([mine.user_id, mine.item_id, mine.rating], schema=RATED_BEFORE))
