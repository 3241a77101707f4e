"""Choice users made from a log alone, put before other pages of it: how near what ``fit --exposures`` takes over comes.

Nothing is known of tastes: every user has the same, and an item appeals as much as it did in the training part, or as the usual
item. All else is as in a run: pages are read, left and stayed with by the same parameters, drawn by the same kernel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recsim_llm.agents.browsing.leaving import Leaving
from recsim_llm.agents.browsing.page_reading import Reading
from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.choice.log_behaviour import LogBehaviour, fit_log_behaviour
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.exposures import Exposures
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.population.world import World
from recsim_llm.realism.behaviour.browsers import Browsed
from recsim_llm.realism.behaviour.world_browsers import WorldBrowsers

__all__ = ["LogReaders", "reading_on", "widest_page"]

_LEAST = 1e-6
_SEED = 0


class LogReaders:
    """Choice users who behave as the training part of a log tells.

    Args:
        training: the training part.

    Raises:
        DataError: it does not tell when people leave.
    """

    def __init__(self, training: Exposures) -> None:
        self._told = fit_log_behaviour(training, seed=_SEED, intervals=False)
        self._usual = float(training.clicked.mean())
        # Rounded up, so that pages that are somewhat wider than these do not change how others are drawn.
        self._slots = 1 << (widest_page(training) - 1).bit_length()

    def browse(self, shown: Exposures, seed: int) -> Browsed:
        """Return what they do."""
        told = WorldBrowsers(self._world(shown), self._slots).browse(shown, seed)
        return told._replace(leaves=None) if isinstance(self._told.leaving, Untold) else told

    def _world(self, shown: Exposures) -> World:
        """Return the log's items and users; all users are alike."""
        items, users = shown.items, shown.users
        reading = self._told.reading
        chance = np.full(len(items), self._usual) if isinstance(reading, Untold) else reading.model.attraction.of(items)
        chance = np.clip(chance, _LEAST, 1.0 - _LEAST)
        catalog = Catalog.from_columns(item_id=items, title=[""] * len(items), genres=[["any"]] * len(items))
        one = np.ones((len(users), 1), np.float32)
        population = Population(
            user_id=users,
            traits=np.ones((len(users), len(TRAITS)), np.float32),
            genre_names=("any",),
            taste=np.zeros((len(users), 1), np.float32),
            vectors={"click": one, "rating": 0 * one, "cuts": 0 * one, "noise": one},
        )
        model = ChoiceModel(
            item_id=items,
            click_items=np.log(chance / (1.0 - chance)).astype(np.float32)[:, None],
            rating_items=np.zeros((len(items), 1), np.float32),
            levels=np.array([1.0, 2.0], np.float32),
            parameters=reading_on(_parameters(self._told), max(self._slots, widest_page(shown))),
            click_bias=0.0,
            patience_median=1.0,
            mainstreamness_mean=1.0,
            mainstreamness_spread=1.0,
            fitted_on="",
        )
        return World(catalog, population, ChoiceUsers(catalog, population, model))


def _parameters(told: LogBehaviour) -> ChoiceParameters:
    """Return what the log tells; a click is worth 1, so that a click's relief is the fitted one, and nothing else changes."""
    by_page: tuple[float, ...] = (0.0,)
    relief, memory = 0.0, 0.0
    if isinstance(told.leaving, Leaving):
        by_page, memory = tuple(told.leaving.by_page.tolist()), told.leaving.memory
        relief = told.leaving.told_relief
    table = told.reading.table.value if isinstance(told.reading, Reading) else np.ones((1, 2))
    return ChoiceParameters(
        examination_table=tuple(tuple(row) for row in table.tolist()),
        leave_by_page=by_page,
        leave_relief=relief,
        fatigue_memory=memory,
        leave_floor=-20.0,
        leave_ceiling=20.0,
        click_gain=1.0,
        opinion_gain=0.0,
        dwell=None if isinstance(told.dwell, Untold) else told.dwell.parts,
        boredom=0.0,
        exposure_loss=0.0,
        repeat=0.0,
        novelty=0.0,
        drift_reach=0.0,
    )


def widest_page(exposures: Exposures) -> int:
    """Return the slots of the widest page of a log."""
    return max(int(np.bincount(exposures.page_index).max()), int(exposures.position.max()) + 1)


def reading_on(parameters: ChoiceParameters, slots: int) -> ChoiceParameters:
    """Return users who read pages of so many slots: those below the fitted ones as the last of these."""
    if parameters.examination_table is not None:
        table = np.array(parameters.examination_table)
        more = max(slots - len(table), 0)
        table = np.pad(table, ((0, more), (0, more)), mode="edge")[:slots, : slots + 1]
        return replace(parameters, examination_table=tuple(tuple(row) for row in table.tolist()))
    if parameters.position_curve is not None:
        curve = parameters.position_curve
        return replace(parameters, position_curve=(*curve, *[curve[-1]] * max(slots - len(curve), 0)))
    return parameters
