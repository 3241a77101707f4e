"""Click models whose readers go down the page one position after another: the cascade and its kin.

- cascade (Craswell et al. 2008): a click always satisfies, others always go on;
- dependent click (Guo et al. 2009, "Efficient multiple-click models in web search"): a click satisfies by position;
- simplified DBN (Chapelle & Zhang 2009, "A dynamic Bayesian network click model for web search ranking", section 6): by item;
- DBN (the same, section 3): by item, and whoever is not satisfied goes on with one chance for all.

Guo's chance of going on after a click is 1 less the satisfaction here. A cascade is fitted on pages down to their first click.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsim_llm.agents.browsing.browsing_model import BrowsingModel
from recsim_llm.agents.browsing.chain_fit import ChainFit, ChainLog, ChainRules, fit_chain
from recsim_llm.agents.browsing.click_settings import ClickModelSettings
from recsim_llm.agents.browsing.clicked_pages import ClickedPages
from recsim_llm.agents.browsing.item_chances import ItemChances
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["ChainModel", "fit_chain_model"]

ChainName = Literal["cascade", "dependent-click", "simplified-dbn", "dbn"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ChainModel(BrowsingModel):
    """A cascade, dependent click or dynamic Bayesian network model."""

    satisfaction: ItemChances
    """Chance that a click ends the page, by item; under ``dependent-click`` by position, from 0, in place of ids."""
    continuation: float
    """Chance that a reader who is not satisfied looks at the next position."""

    def parameters(self) -> dict[str, DoubleArray]:
        """Return the usual ``attraction`` and what else the model fits.

        That is ``continuation_after_click`` by position [k - 1], the usual ``satisfaction``, or ``continuation``.
        """
        found = {"attraction": np.array([self.attraction.usual])}
        if self.name == "dependent-click":
            found["continuation_after_click"] = 1.0 - self.satisfaction.of(np.arange(self.slate_size - 1))
        if self.name in ("simplified-dbn", "dbn"):
            found["satisfaction"] = np.array([self.satisfaction.usual])
        if self.name == "dbn":
            found["continuation"] = np.array([self.continuation])
        return found

    def examination_table(self) -> DoubleArray:
        """Return the examination by position and last click above; see ``BrowsingModel``.

        Exact for the cascade. The others' readers also show by what they passed over whether they still read; the table takes
        usual items for these, and is exact where all items have one attraction and one satisfaction.
        """
        size, attraction = self.slate_size, self.attraction.usual
        table = np.full((size, size + 1), np.nan)
        for last in range(size + 1):
            if last:
                by_position = self.name == "dependent-click"
                usual = self.satisfaction.of(np.array([last - 1])).item() if by_position else self.satisfaction.usual
                looked = (1.0 - usual) * self.continuation
            else:
                looked = 1.0
            for rank in range(last, size):
                table[rank, last] = looked
                looked *= self.continuation * (1.0 - attraction) / max(1.0 - looked * attraction, 1e-12)
        return table

    def marginal(self, item_id: IntArray) -> DoubleArray:
        """Return chances of clicks before anything on the page is known; see ``BrowsingModel``."""
        item_id = self._checked(item_id)
        attraction = self.attraction.of(item_id)
        looked, chances = np.ones(len(item_id)), np.empty(item_id.shape)
        for rank in range(item_id.shape[1]):
            chances[:, rank] = looked * attraction[:, rank]
            stops = attraction[:, rank] * self._satisfied(rank, item_id[:, rank])
            looked = np.where(item_id[:, rank] >= 0, looked * self.continuation * (1.0 - stops), looked)
        return chances

    def _satisfied(self, rank: int, item_id: IntArray) -> DoubleArray:
        by_position = self.name == "dependent-click"
        return self.satisfaction.of(np.full(len(item_id), rank) if by_position else item_id)

    def _begin(self, pages: int) -> DoubleArray:
        return np.ones(pages)

    def _examined(self, rank: int, state: DoubleArray) -> DoubleArray:  # noqa: ARG002
        return state

    def _after(self, rank: int, state: DoubleArray, item_id: IntArray, clicked: BoolArray) -> DoubleArray:
        attraction = self.attraction.of(item_id)
        passed = state * (1.0 - attraction) / np.maximum(1.0 - state * attraction, 1e-12)
        looked = self.continuation * np.where(clicked, 1.0 - self._satisfied(rank, item_id), passed)
        return np.where(item_id >= 0, looked, state)


def fit_chain_model(
    name: ChainName,
    pages: ClickedPages,
    settings: ClickModelSettings,
    *,
    weight: DoubleArray | None = None,
    start: ChainModel | None = None,
) -> ChainModel:
    """Fit one of the four; arguments as of ``fit_click_model``."""
    rules = ChainRules(
        satisfaction=1.0 if name == "cascade" else None,
        satisfaction_weight=0.0 if name == "dependent-click" else settings.item_weight,
        continuation=None if name == "dbn" else 1.0,
    )
    items, log, groups = _lay_out(name, pages, weight)
    begin = None
    if start is not None:
        begin = np.concatenate([start.attraction.of(items), start.satisfaction.of(groups), [start.continuation]])
        begin[: len(items)] = np.clip(begin[: len(items)], 1e-6, 1.0 - 1e-6)
    found = fit_chain(log, settings, rules, begin)
    return _model(name, pages, items, groups=groups, found=found)


def _model(name: ChainName, pages: ClickedPages, items: IntArray, *, groups: IntArray, found: ChainFit) -> ChainModel:
    return ChainModel(
        name=name,
        attraction=ItemChances(item_id=items, chance=found.attraction, views=found.views, usual=found.usual_attraction),
        slate_size=pages.slate_size,
        pages=len(pages),
        steps=found.ascent.steps,
        settled=found.ascent.settled,
        satisfaction=ItemChances(item_id=groups, chance=found.satisfaction, views=found.clicks, usual=found.usual_satisfaction),
        continuation=found.continuation,
    )


def _lay_out(name: ChainName, pages: ClickedPages, weight: DoubleArray | None) -> tuple[IntArray, ChainLog, IntArray]:
    """Return the item ids, the pages by position with blanks at the end, and the ids of satisfactions."""
    item_id, clicked = pages.item_id, pages.clicked
    if name == "cascade":
        item_id = np.where(pages.last_click_above() > 0, -1, item_id)
        clicked = clicked & (item_id >= 0)
    blank = item_id < 0
    rank = np.broadcast_to(np.arange(pages.slate_size), item_id.shape)
    if (blank[:, :-1] & ~blank[:, 1:]).any():
        order = np.argsort(blank, axis=1, kind="stable")
        item_id, rank = np.take_along_axis(item_id, order, axis=1), order
        clicked, blank = np.take_along_axis(clicked, order, axis=1), np.take_along_axis(blank, order, axis=1)
    items, place = np.unique(item_id[~blank], return_inverse=True)
    places = np.full(item_id.shape, len(items))
    places[~blank] = place
    groups = np.arange(pages.slate_size) if name == "dependent-click" else items
    log = ChainLog(
        item=np.ascontiguousarray(places.T),
        clicked=np.ascontiguousarray(clicked.T),
        group=np.ascontiguousarray((rank if name == "dependent-click" else places).T),
        length=(~blank).sum(axis=1),
        weight=np.ones(len(pages)) if weight is None else weight,
        items=len(items),
        groups=len(groups),
    )
    return items, log, groups
