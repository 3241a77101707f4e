"""Readers who go down the page until they are satisfied or give up: the hidden chain behind cascade models.

A reader who looks at a position clicks with the item's attraction, is satisfied by a click with chance s and then stops, and
otherwise goes on to the next position with chance g. Above the last click everything was looked at for sure; what is hidden is
whether that click satisfied, and how far the reader went on below it. Both follow exactly from one pass up and one down the
page (forward-backward, Baum et al. 1970), taken for all pages at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.agents.browsing.ascent import Ascent, climb
from recsim_llm.agents.browsing.click_settings import ClickModelSettings
from recsim_llm.agents.browsing.item_chances import shrink, sum_by
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["ChainFit", "ChainLog", "ChainRules", "fit_chain"]

_CERTAIN = 1.0 - 1e-9


class ChainLog(NamedTuple):
    """Pages by position, blank slots moved to the end."""

    item: IntArray
    """int64 [k, n]: place of the item; the number of items where there is none."""
    clicked: BoolArray
    """bool [k, n]."""
    group: IntArray
    """int64 [k, n]: which satisfaction a click there has."""
    length: IntArray
    """int64 [n]: items on the page."""
    weight: DoubleArray
    """float64 [n]: how often the page counts."""
    items: int
    groups: int


class ChainRules(NamedTuple):
    """What a model fits and what it assumes."""

    satisfaction: float | None
    """Fixed satisfaction of every click; None fits one for each group."""
    satisfaction_weight: float
    """Views of the prior of each group's satisfaction."""
    continuation: float | None
    """Fixed chance of going on; None fits it."""


class ChainFit(NamedTuple):
    """What was learned."""

    attraction: DoubleArray
    """float64 [items]."""
    usual_attraction: float
    views: DoubleArray
    """float64 [items]: looks at each item."""
    satisfaction: DoubleArray
    """float64 [groups]."""
    usual_satisfaction: float
    clicks: DoubleArray
    """float64 [groups]: clicks with something below them, which alone tell of satisfaction."""
    continuation: float
    ascent: Ascent


class _Expected(NamedTuple):
    """Expected counts of one pass."""

    views: DoubleArray
    """float64 [items]."""
    satisfied: DoubleArray
    """float64 [groups]."""
    might: float
    """Times that a reader was not satisfied and could go on."""
    went: float
    """Times that the reader did."""


class _Known(NamedTuple):
    """What the clicks say for sure."""

    last: IntArray
    """int64 [n]: position of the last click, -1 without one."""
    open: BoolArray
    """bool [n]: there is a last click with an item below it."""
    hits: DoubleArray
    """float64 [items]: clicks."""
    clicks: DoubleArray
    """float64 [groups]: clicks with something below."""
    went: float
    """Steps down the page above the last clicks."""


def fit_chain(log: ChainLog, settings: ClickModelSettings, rules: ChainRules, start: DoubleArray | None = None) -> ChainFit:
    """Fit attraction, satisfaction and continuation together.

    Args:
        log: the pages.
        settings: of the fit.
        rules: what is fitted.
        start: float64 [items + groups + 1] to begin with; None begins in the middle.
    """
    known, shown = _know(log), float((log.length * log.weight).sum())

    def update(expected: _Expected) -> tuple[tuple[DoubleArray, float], tuple[DoubleArray, float], float]:
        attraction = shrink(known.hits, expected.views, settings.item_weight * float(expected.views.sum()) / shown)
        if rules.satisfaction is None:
            satisfaction = shrink(expected.satisfied, known.clicks, rules.satisfaction_weight)
        else:
            satisfaction = np.full(log.groups, rules.satisfaction), rules.satisfaction
        went = expected.went / expected.might if expected.might > 0.0 else 1.0
        return attraction, satisfaction, went if rules.continuation is None else rules.continuation

    def step(chances: DoubleArray) -> DoubleArray:
        (attraction, _), (satisfaction, _), continuation = update(_expect(log, known, chances))
        return np.concatenate([attraction, satisfaction, [continuation]])

    ascent = climb(
        step,
        _start(log, known.hits.sum() / shown, rules) if start is None else start,
        most_steps=settings.most_steps,
        tolerance=settings.tolerance,
    )
    expected = _expect(log, known, ascent.chances)
    (attraction, usual), (satisfaction, usual_satisfaction), continuation = update(expected)
    return ChainFit(
        attraction, usual, expected.views, satisfaction, usual_satisfaction, known.clicks, float(continuation), ascent
    )


def _know(log: ChainLog) -> _Known:
    rank = np.arange(len(log.item))[:, None]
    last = np.where(log.clicked, rank, -1).max(axis=0)
    weight = np.broadcast_to(log.weight, log.item.shape)
    below = log.clicked & (rank + 1 < log.length)
    return _Known(
        last=last,
        open=(last >= 0) & (last + 1 < log.length),
        hits=sum_by(log.item[log.clicked], weight[log.clicked], log.items),
        clicks=sum_by(log.group[below], weight[below], log.groups),
        went=float((np.maximum(last, 0) * log.weight).sum()),
    )


def _start(log: ChainLog, click_rate: float, rules: ChainRules) -> DoubleArray:
    satisfaction = 0.5 if rules.satisfaction is None else rules.satisfaction
    continuation = 0.9 if rules.continuation is None else rules.continuation
    rate = min(max(click_rate, 1e-3), 0.9)
    return np.concatenate([np.full(log.items, rate), np.full(log.groups, satisfaction), [continuation]])


def _expect(log: ChainLog, known: _Known, chances: DoubleArray) -> _Expected:
    """Return the expected counts under some chances."""
    size, pages = log.item.shape
    go = float(chances[-1])
    attraction = np.append(np.minimum(chances[: log.items], _CERTAIN), 0.0)[log.item]
    # No click from a position on, if it is looked at; and after it, if no click there satisfied.
    none = np.ones((size + 1, pages))
    after = np.empty((size, pages))
    for rank in range(size - 1, -1, -1):
        np.multiply(none[rank + 1], go, out=after[rank])
        after[rank] += 1.0 - go
        np.multiply(1.0 - attraction[rank], after[rank], out=none[rank])
    column, last = np.arange(pages), known.last
    clicked = last >= 0
    group = log.group[last, column]
    satisfied = np.where(clicked, chances[log.items + group], 0.0)
    quiet = after[last, column]
    evidence = satisfied + (1.0 - satisfied) * quiet
    entered = (1.0 - satisfied) * go * none[last + 1, column] / evidence
    looked = np.ones((size, pages))
    might = went = 0.0
    for rank in range(size - 1):
        onward = looked[rank] * (go / after[rank]) * none[rank + 1]
        looked[rank + 1] = np.where(rank < last, 1.0, np.where(rank == last, entered, onward))
        below = (rank + 1 < log.length) * log.weight
        might += float((looked[rank] * below)[rank > last].sum())
        went += float((looked[rank + 1] * below)[rank >= last].sum())
    weight = np.where(known.open, log.weight, 0.0)
    views = sum_by(log.item.reshape(-1), (looked * log.weight).reshape(-1), log.items + 1)[: log.items]
    return _Expected(
        views=views,
        satisfied=sum_by(group, weight * satisfied / evidence, log.groups + 1)[: log.groups],
        might=known.went + might + float((weight * (1.0 - satisfied) * quiet / evidence).sum()),
        went=known.went + went,
    )
