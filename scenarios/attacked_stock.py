"""What the recommender of an arm learns from, with what somebody who attacks it has put there."""

from __future__ import annotations

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.dynamics.fake_profiles import with_fakes
from recsim_llm.dynamics.poisoned_text import with_poison
from recsim_llm.errors import ConfigError
from recsim_llm.scenarios.schema import Scenario

__all__ = ["attacked_stock"]


def attacked_stock(scenario: Scenario, name: str, catalog: Catalog, ratings: Ratings) -> tuple[Catalog, Ratings]:
    """Return what the recommender of an arm learns from before the first page.

    Args:
        scenario: with its seed drawn.
        name: of the arm; whoever is none is not attacked.
        catalog: the items, as recommenders may know them.
        ratings: the genuine ratings that they may learn from.

    Raises:
        ConfigError: the arm's attack does not fit the data.
    """
    arm = next((arm for arm in scenario.recommenders if arm.name == name), None)
    if arm is None:
        return catalog, ratings
    try:
        if arm.poison is not None:
            catalog = with_poison(arm.poison, catalog, seed=scenario.seed or 0)
        if arm.attack is not None:
            catalog, ratings = with_fakes(arm.attack, catalog, ratings, seed=scenario.seed or 0)
        return catalog, ratings
    except ConfigError as error:
        raise ConfigError(f"recommender {name!r}, {error}") from error
