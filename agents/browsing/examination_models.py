"""Click models that say how likely a position is looked at: position-based and user browsing.

- Position-based (Craswell et al. 2008, "An experimental comparison of click position-bias models"): by position alone.
- User browsing (Dupret & Piwowarski 2008, "A user browsing model to predict search engine click data from past
  observations"): by position and that of the last click above.

Only the product of examination and attraction is identified; the scale is set so that the largest examination of a cell that
occurred is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsim_llm.agents.browsing.browsing_model import BrowsingModel
from recsim_llm.agents.browsing.click_settings import ClickModelSettings
from recsim_llm.agents.browsing.clicked_pages import ClickedPages
from recsim_llm.agents.browsing.examination_fit import CellFit, CellLog, count_cells, fit_cells
from recsim_llm.agents.browsing.item_chances import ItemChances
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["ExaminationModel", "fit_examination_model"]

_INSIDE = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class ExaminationModel(BrowsingModel):
    """A position-based or user browsing model."""

    examination: DoubleArray
    """float64 [k, k + 1]: as of ``examination_table``."""

    def parameters(self) -> dict[str, DoubleArray]:
        """Return ``examination``, by position or by position and last click, and the usual ``attraction``."""
        found = self.examination[:, 0] if self.name == "position-based" else self.examination
        return {"examination": found, "attraction": np.array([self.attraction.usual])}

    def examination_table(self) -> DoubleArray:
        """Return the examination by position and last click above; see ``BrowsingModel``."""
        return self.examination

    def marginal(self, item_id: IntArray) -> DoubleArray:
        """Return chances of clicks before anything on the page is known; see ``BrowsingModel``."""
        item_id = self._checked(item_id)
        attraction, table = self.attraction.of(item_id), np.nan_to_num(self.examination)
        last = np.zeros((len(item_id), item_id.shape[1] + 1))
        last[:, 0] = 1.0
        chances = np.empty(item_id.shape)
        for rank in range(item_id.shape[1]):
            click = last[:, : rank + 1] * table[rank, : rank + 1] * attraction[:, rank : rank + 1]
            last[:, : rank + 1] -= click
            last[:, rank + 1] = chances[:, rank] = click.sum(axis=1)
        return chances

    def _begin(self, pages: int) -> DoubleArray:
        return np.zeros(pages)

    def _examined(self, rank: int, state: DoubleArray) -> DoubleArray:
        found: DoubleArray = self.examination[rank, state.astype(np.int64)]
        return found

    def _after(self, rank: int, state: DoubleArray, item_id: IntArray, clicked: BoolArray) -> DoubleArray:  # noqa: ARG002
        return np.where(clicked, rank + 1.0, state)


def fit_examination_model(
    name: Literal["position-based", "user-browsing"],
    pages: ClickedPages,
    settings: ClickModelSettings,
    *,
    weight: DoubleArray | None = None,
    start: ExaminationModel | None = None,
) -> ExaminationModel:
    """Fit one of the two; arguments as of ``fit_click_model``."""
    size, there = pages.slate_size, pages.item_id >= 0
    rank = np.broadcast_to(np.arange(size)[:, None], (size, size + 1))
    last = np.broadcast_to(np.arange(size + 1), (size, size + 1))
    # A pool for each position without a click above, and one for each distance from a click; cells that cannot be share a pool.
    distance = np.where(last == 0, rank, np.maximum(size + rank - last + 1, size))
    pool = np.arange(size) if name == "position-based" else distance.reshape(-1)
    shape = (size, 1) if name == "position-based" else (size, size + 1)
    cell = np.broadcast_to(np.arange(size), pages.item_id.shape) * shape[1]
    if name == "user-browsing":
        cell = cell + pages.last_click_above()
    items, place = np.unique(pages.item_id[there], return_inverse=True)
    log = count_cells(
        place,
        cell[there],
        pages.clicked[there],
        items=len(items),
        cells=len(pool),
        weight=None if weight is None else np.broadcast_to(weight[:, None], there.shape)[there],
    )
    begin = None if start is None else _warm(start, items, shape)
    found = fit_cells(log, settings, pool, begin)
    examination, attraction, usual = _scaled(found, log, shape)
    return ExaminationModel(
        name=name,
        attraction=ItemChances(item_id=items, chance=attraction, views=found.views, usual=usual),
        slate_size=size,
        pages=len(pages),
        steps=found.ascent.steps,
        settled=found.ascent.settled,
        examination=np.where(last <= rank, np.broadcast_to(examination, (size, size + 1)), np.nan),
    )


def _warm(start: ExaminationModel, items: IntArray, shape: tuple[int, int]) -> DoubleArray:
    """Return the chances of another fit, drawn inside 0 and 1 without a change of the products."""
    examination = np.nan_to_num(start.examination[:, : shape[1]], nan=0.5).reshape(-1)
    return np.concatenate([_INSIDE * examination, np.minimum(start.attraction.of(items) / _INSIDE, 0.999)])


def _scaled(found: CellFit, log: CellLog, shape: tuple[int, int]) -> tuple[DoubleArray, DoubleArray, float]:
    """Return examination [k, 1 or k + 1], attraction and the usual attraction, with the largest examination seen at 1."""
    seen = np.bincount(log.cell, log.shown, log.cells) > 0.0
    top = float(found.examination[seen].max())
    if top <= 0.0:
        return np.ones(shape), found.attraction, found.usual
    return np.minimum(found.examination / top, 1.0).reshape(shape), found.attraction * top, found.usual * top
