"""Learn how attention falls with position from a click log.

The position-based model (Craswell et al. 2008, "An experimental comparison of click position-bias models", section 3.2): a
slot is clicked when its position is examined and its item attracts, two independent events:

    P(click | item i at position j) = examination[j] * attraction[i]

Examination is estimated up to a factor, which is set so that the first position is always examined.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recsim_llm.agents.browsing.click_settings import ClickModelSettings
from recsim_llm.agents.browsing.examination_fit import count_cells, fit_cells
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_flags, as_whole_numbers
from recsim_llm.errors import DataError
from recsim_llm.log.reader import open_run

__all__ = ["examination_ratios", "fit_position_curve", "learn_position_curve"]


_SETTINGS = ClickModelSettings(item_weight=0.0, most_steps=5000)


def learn_position_curve(clicked: BoolArray, item: IntArray | None = None) -> tuple[float, ...]:
    """Estimate the examination curve of the position-based model, for ``ChoiceParameters.position_curve``.

    Without items the slates must have been in random order: then every position held the same items on average, and the
    curve is the ratio of click rates. With items any order will do in which items change places now and then: examination
    and attraction are fitted together, by maximum likelihood (``browsing.examination_fit``). Values above 1, where a later
    position was looked at more than the first, are cut to 1.

    Args:
        clicked: bool [n, k]: what was clicked, one row a page.
        item: int64 [n, k]: what was shown; negative where a slot was empty.

    Returns:
        A probability for each position up to the last that was ever filled, the first of them 1.

    Raises:
        DataError: shapes disagree, a column holds something else, or the first position was never clicked.
    """
    return _cut(examination_ratios(clicked, item))


def examination_ratios(clicked: BoolArray, item: IntArray | None = None) -> DoubleArray:
    """Return float64 [k]: the curve of ``learn_position_curve`` before values above 1 are cut.

    Args:
        clicked: bool [n, k]: what was clicked, one row a page.
        item: int64 [n, k]: what was shown; negative where a slot was empty.

    Raises:
        DataError: shapes disagree, a column holds something else, or the first position was never clicked.
    """
    clicked = as_flags("click log, clicked", clicked, ("pages", "positions"))
    item = None if item is None else as_whole_numbers("click log, item", item, clicked.shape)
    position = np.broadcast_to(np.arange(clicked.shape[1]), clicked.shape).reshape(-1)
    return _learn(position, clicked.reshape(-1), None if item is None else item.reshape(-1))


def fit_position_curve(run: Path, arm: str) -> tuple[float, ...]:
    """Estimate the examination curve from the impressions of one arm of a run folder; see ``learn_position_curve``.

    Raises:
        LogError: the folder is no run, or its log is damaged.
        DataError: it has no impressions of that arm, or no click at the first position.
    """
    columns = open_run(run).columns("impressions", ["position", "item_id", "clicked"], arm=arm)
    if not len(columns["position"]):
        raise DataError(f"{run}: got no impressions of arm {arm!r}, expected an arm of the run; see its manifest.json")
    return _cut(_learn(columns["position"], columns["clicked"], columns["item_id"]))


def _cut(ratios: DoubleArray) -> tuple[float, ...]:
    return tuple(float(value) for value in np.minimum(ratios, 1.0))


def _learn(position: IntArray, clicked: BoolArray, item: IntArray | None) -> DoubleArray:
    if item is not None:
        there = item >= 0
        position, clicked, item = position[there], clicked[there], item[there]
    positions = int(position.max(initial=-1)) + 1
    if not clicked[position == 0].any():
        raise DataError("click log: got no click at the first position, expected some; use a longer log")
    curve = np.bincount(position, clicked, positions) / np.maximum(np.bincount(position, minlength=positions), 1)
    if item is not None:
        items, place = np.unique(item, return_inverse=True)
        log = count_cells(place, position, clicked, items=len(items), cells=positions)
        curve = fit_cells(log, _SETTINGS, np.arange(positions)).examination
    return np.asarray(curve / curve[0])
