"""A click model played from its table of examination: what is lost.

The table says how likely a position is looked at by the last click above it (``BrowsingModel.examination_table``); whoever
plays it forgets what was passed over since. For cascades, position-based and user browsing models nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsim_llm.agents.browsing.browsing_model import BrowsingModel
from recsim_llm.agents.browsing.examination_models import ExaminationModel
from recsim_llm.core.arrays import DoubleArray, IntArray

__all__ = ["ClickFigures", "TableLoss", "measure_table", "play_table"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClickFigures:
    """How pages were clicked."""

    click_rate: DoubleArray
    """float64 [k]: by position."""
    clicks: float
    """A page."""
    without: float
    """Share of pages without a click."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TableLoss:
    """The same pages, simulated twice."""

    model: ClickFigures
    table: ClickFigures


def play_table(model: BrowsingModel) -> ExaminationModel:
    """Return the user browsing model that a model's table makes, with the model's attraction."""
    return ExaminationModel(
        name="user-browsing",
        attraction=model.attraction,
        slate_size=model.slate_size,
        pages=model.pages,
        steps=model.steps,
        settled=model.settled,
        examination=model.examination_table(),
    )


def measure_table(model: BrowsingModel, item_id: IntArray, seed: int) -> TableLoss:
    """Simulate pages, int64 [n, k], by a model and by its table.

    Raises:
        DataError: the pages are longer than those of the fit.
    """
    return TableLoss(model=_figures(model, item_id, seed), table=_figures(play_table(model), item_id, seed))


def _figures(model: BrowsingModel, item_id: IntArray, seed: int) -> ClickFigures:
    clicked = model.simulate(item_id, seed)
    shown = np.maximum((item_id >= 0).sum(axis=0), 1)
    return ClickFigures(
        click_rate=clicked.sum(axis=0) / shown,
        clicks=float(clicked.sum(axis=1).mean()),
        without=float(1.0 - clicked.any(axis=1).mean()),
    )
