"""The tastes of choice users side by side: one that all share, or one for each family that users are drawn from.

Rows of the items of all tastes stand in one table, taste after taste, so that a page of mixed users still costs one gather: a
user's items are as many rows further down as the tastes before the user's have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from recsim_llm.agents.choice.choice_bounds import choice_bounds
from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_state import StateLayout, whole_lines
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.bounds import Bounds, widest
from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import Population
from recsim_llm.population.taste_families import draw_families

__all__ = ["TasteTables"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TasteTables:
    """What the tastes are, and who has which."""

    layouts: tuple[StateLayout, ...]
    """One a taste, all of one shape."""
    family: IntArray | None
    """int64 [u]: position of each user's taste; None where all share one."""
    population: Population
    """The users, whose ``click`` vectors are those of their own taste."""
    items: FloatArray
    """float32 [tastes * n, d]: item rows."""

    @classmethod
    def of(cls, catalog: Catalog, population: Population, model: ChoiceModel, parameters: ChoiceParameters) -> TasteTables:
        """Lay out the tastes that the parameters name.

        Raises:
            ConfigError: the fit has no such taste.
        """
        families = parameters.families
        missing = [name for name in families if not _fits(model, population, name)]
        if missing:
            raise ConfigError(
                f"choice users: got families with {missing[0]!r}, expected users of a fit that has it; fit again "
                "(recsim-llm fit)"
            )
        if not families:
            layout = StateLayout.of(catalog, model)
            return cls(layouts=(layout,), family=None, population=population, items=layout.items)
        family = draw_families(population.user_id, families)
        vectors = np.stack([population.vectors[f"click_{name}"] for name in families])[family, np.arange(len(population))]
        tastes = [model.families[name] for name in families]
        layouts = tuple(
            StateLayout.of(catalog, replace(model, click_items=taste.click_items, click_bias=taste.click_bias))
            for taste in tastes
        )
        return cls(
            layouts=layouts,
            family=family,
            population=replace(population, vectors={**population.vectors, "click": vectors}),
            items=whole_lines(np.concatenate([layout.items for layout in layouts])),
        )

    @property
    def offset(self) -> IntArray | None:
        """int64 [u]: rows of ``items`` before those of the user's taste; None where there is one taste."""
        return None if self.family is None else self.family * len(self.layouts[0].items)

    def by_user(self, rows: Callable[[StateLayout, Population, IntArray], FloatArray]) -> FloatArray:
        """Return float32 [u, d]: what a function of a layout, some users and their positions gives each of them."""
        everyone = np.arange(len(self.population))
        if self.family is None:
            return rows(self.layouts[0], self.population, everyone)
        table = np.empty((len(everyone), self.items.shape[1]), np.float32)
        for place, layout in enumerate(self.layouts):
            own = np.flatnonzero(self.family == place)
            if own.size:
                table[own] = rows(layout, self.population.take(own), own)
        return table

    def pull(self, parameters: ChoiceParameters) -> FloatArray:
        """Return float32 [tastes * n]: as ``StateLayout.pull``."""
        return np.concatenate([layout.pull(parameters) for layout in self.layouts])

    def appeal(self, state: FloatArray, offset: IntArray | None) -> FloatArray:
        """Return float32 [m, n]: log-odds of every item for rows of state, float32 [m, d].

        Args:
            state: of the users.
            offset: int64 [m]: theirs, see ``offset``.
        """
        # Not one matrix product: that may round a user differently when other users browse beside.
        if offset is None:
            shared: FloatArray = np.matvec(self.items, state)
            return shared
        count = len(self.items) // len(self.layouts)
        log_odds = np.empty((len(state), count), np.float32)
        for start in range(0, len(self.items), count):
            own = offset == start
            log_odds[own] = np.matvec(self.items[start : start + count], state[own])
        return log_odds

    def bounds(
        self, start: FloatArray, drive: FloatArray, parameters: ChoiceParameters, impatience: FloatArray | None
    ) -> Bounds:
        """Return the bounds of all users; arguments as of ``choice_bounds``."""
        if self.family is None:
            return choice_bounds(self.layouts[0], start, drive, parameters, impatience=impatience)
        found = []
        for place, layout in enumerate(self.layouts):
            own = self.family == place
            if own.any():
                theirs = None if impatience is None else impatience[own]
                found.append(choice_bounds(layout, start[own], drive[own], parameters, impatience=theirs))
        return widest(found)


def _fits(model: ChoiceModel, population: Population, name: str) -> bool:
    """Return whether item and user side of a family are there and of one width."""
    users = population.vectors.get(f"click_{name}")
    return users is not None and name in model.families and users.shape[1:] == model.families[name].click_items.shape[1:]
