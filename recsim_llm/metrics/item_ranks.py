"""The items that a recommender shows most and that users click most, with intervals by user.

A ranking needs counts by item, which ``read_tally`` keeps. An interval by user needs counts by item and user, which would not
fit into memory for a whole catalog: the log is read a second time for the leading items alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.log.columns import integers, numbers
from recsim_llm.log.reader import RunReader
from recsim_llm.metrics.summary import ItemRank
from recsim_llm.metrics.tallies import ItemCounts, Tally
from recsim_llm.statistics import ratio_estimate

__all__ = ["RankedItems", "rank_items"]

RANKS = 5
"""Items of each ranking."""
_SHARE = (0.0, 1.0)


class RankedItems(NamedTuple):
    """The leading items of an arm; fewer than ``RANKS`` where fewer were shown or clicked."""

    most_shown: tuple[ItemRank, ...]
    """By exposures, most first; of equals the smaller id first."""
    most_clicked: tuple[ItemRank, ...]
    """By clicks, likewise; items without a click are left out."""


def rank_items(run: RunReader, tally: Tally, arm: int) -> RankedItems:
    """Rank the items of an arm; memory grows with its users, never with rows or the catalog.

    Args:
        run: the run, whose impressions of this arm are read once.
        tally: its sums.
        arm: place of the arm in the manifest.

    Raises:
        LogError: the log cannot be read.
    """
    counts = tally.items[arm]
    shown, clicked = (_first(column) for column in (counts.shown, counts.clicked))
    places = np.unique(np.concatenate([shown, clicked]))
    by_user, sums = _by_user(run, tally, arm, counts.item_id[places]), tally.of(arm)
    ranks = {place: _rank(counts, place, sums, columns) for place, *columns in zip(places, *by_user, strict=True)}
    return RankedItems(tuple(ranks[place] for place in shown), tuple(ranks[place] for place in clicked))


def _first(counts: IntArray) -> IntArray:
    """Return the places of the largest counts above 0, largest first."""
    order = np.argsort(-counts, kind="stable")[:RANKS]
    first: IntArray = order[counts[order] > 0]
    return first


def _by_user(run: RunReader, tally: Tally, arm: int, item_id: IntArray) -> tuple[DoubleArray, DoubleArray]:
    """Return float64 [items, users] each: exposures of and clicks on these items, ascending by id."""
    users = len(tally.user_id)
    shown, clicked = np.zeros(len(item_id) * users), np.zeros(len(item_id) * users)
    names = ["user_id", "item_id", "clicked"]
    for batch in run.batches("impressions", names, arm=run.arms[arm], among={"item_id": item_id}):
        user = np.searchsorted(tally.user_id, integers(batch, "user_id"))
        cell = np.searchsorted(item_id, integers(batch, "item_id")) * users + user
        shown += np.bincount(cell, minlength=len(shown))
        clicked += np.bincount(cell, weights=numbers(batch, "clicked"), minlength=len(shown))
    return shown.reshape(len(item_id), users), clicked.reshape(len(item_id), users)


def _rank(counts: ItemCounts, place: int, sums: Mapping[str, DoubleArray], by_user: Sequence[DoubleArray]) -> ItemRank:
    shown, clicked = by_user
    return ItemRank(
        item_id=int(counts.item_id[place]),
        shown=int(counts.shown[place]),
        clicked=int(counts.clicked[place]),
        exposure_share=ratio_estimate(shown, sums["impressions"], bounds=_SHARE),
        click_share=ratio_estimate(clicked, sums["impression_clicks"], bounds=_SHARE),
        click_through=ratio_estimate(clicked, shown, bounds=_SHARE),
    )
