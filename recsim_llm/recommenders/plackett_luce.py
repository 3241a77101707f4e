"""The Plackett-Luce law: pages filled from the top, each item with odds ``exp(utility)`` among those that are left.

``P(slate) = product over l of exp(x_l) / sum over items left of exp(x)`` (Luce 1959; Plackett 1975, *Applied Statistics* 24).
Sorting utilities plus independent standard Gumbel noise draws from it (Yellott 1977, *Journal of Mathematical Psychology* 15).
"""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["log_prefix", "next_item", "placements"]


_EARLIEST = -16.0
_LATEST = 40.0
_SPAN = 44.0
_CELLS = 400_000


def log_prefix(utility: DoubleArray, pool: BoolArray, slate: IntArray) -> DoubleArray:
    """Return float64 [u, k]: log-probability of each item given those before it; -inf where it is not in the pool any more.

    Args:
        utility: float64 [u, n].
        pool: bool [u, n]: items that may be drawn.
        slate: int64 [u, k]: positions among the items, -1 for none.
    """
    own, fresh = _own(pool, slate)
    shown = np.where(fresh, np.take_along_axis(utility, np.maximum(slate, 0), axis=1), -np.inf)
    rest = np.where(_without(pool, slate, fresh), utility, -np.inf)
    # Summed from the bottom up: what is left after a very likely item would be lost by subtracting.
    below = np.logaddexp.reduce(rest, axis=1)
    left = np.empty_like(shown)
    for position in range(slate.shape[1] - 1, -1, -1):
        below = left[:, position] = np.logaddexp(below, shown[:, position])
    return np.where(fresh & own, shown - np.where(np.isfinite(left), left, 0.0), -np.inf)


def next_item(utility: DoubleArray, pool: BoolArray, slate: IntArray) -> DoubleArray:
    """Return float64 [u, k, n]: probability of every item at each position, given the slate's items before it.

    Rows are 0 where the pool is used up; arguments as of ``log_prefix``.
    """
    users, slots = slate.shape
    left = pool.copy()
    chance = np.zeros((users, slots, utility.shape[1]))
    rows = np.arange(users)
    for position in range(slots):
        live = np.flatnonzero(left.any(axis=1))
        masked = np.where(left[live], utility[live], -np.inf)
        odds = np.exp(masked - masked.max(axis=1, keepdims=True))
        chance[live, position] = odds / odds.sum(axis=1, keepdims=True)
        known = slate[:, position] >= 0
        left[rows[known], slate[known, position]] = False
    return chance


def placements(utility: DoubleArray, pool: BoolArray, slate: IntArray) -> DoubleArray:
    """Return float64 [u, k, k]: entry [., j, l] is the probability that item j of the slate is drawn at position l.

    Drawing without replacement is a race: item a arrives at an exponential time of rate ``p_a``, its probability at the first
    position, and stands where it arrives. So it stands at position l with probability:

        integral over t of p_a exp(-p_a t) * P(l - 1 of the other items arrived before t)

    where the number of arrivals is a sum of independent yes-or-no draws, of probability ``1 - exp(-p_b t)``, whose distribution
    is built up item by item. The trapezoid rule in ``log t`` converges exponentially fast (Trefethen & Weideman 2014, *SIAM
    Review* 56); with the step used the error is below 1e-6 of an item's probability to be shown. Where the item after the last
    slot is less likely than about 1e-11 the rule does not span the times that matter: NaN, unknown, beyond the first position.

    Args:
        utility: float64 [u, n].
        pool: bool [u, n]: items that may be drawn, at least one in each row; positions past their number hold nothing.
        slate: int64 [u, k]: positions among the items, -1 for none.
    """
    users, slots = slate.shape
    masked = np.where(pool, utility, -np.inf)
    log_odds = masked - np.logaddexp.reduce(masked, axis=1, keepdims=True)
    rate = np.exp(log_odds)
    placed = np.zeros((users, slots, slots))
    nodes = int(np.ceil(_SPAN / min(0.4, 1.0 / np.sqrt(slots)))) + 1
    size = max(1, _CELLS // (nodes * slots))
    for start in range(0, users, size):
        rows = slice(start, start + size)
        placed[rows] = _race(rate[rows], slate[rows], nodes)
    own = slate >= 0
    placed[:, :, 0] = np.where(own, np.take_along_axis(rate, np.maximum(slate, 0), axis=1), 0.0)
    placed[~own] = 0.0
    return placed


def _race(rate: DoubleArray, slate: IntArray, nodes: int) -> DoubleArray:
    slots = slate.shape[1]
    time, step, spanned = _times(rate, slots, nodes)
    known, place = slate >= 0, np.maximum(slate, 0)
    shown = np.where(known, np.take_along_axis(rate, place, axis=1), 0.0)
    others = rate.copy()
    row, slot = np.nonzero(known)
    others[row, slate[row, slot]] = 0.0
    count = np.zeros((*time.shape, slots))
    count[:, :, 0] = 1.0
    for item in np.flatnonzero((others > 0.0).any(axis=0)):
        _arrive(count, others[:, item], time)
    placed = np.empty((len(slate), slots, slots))
    for own in range(slots):
        without = count.copy()
        for other in range(slots):
            if other != own:
                _arrive(without, shown[:, other], time)
        density = shown[:, own, None] * time * np.exp(-shown[:, own, None] * time)
        placed[:, own] = (density[:, :, None] * without).sum(axis=1) * step[:, None]
    placed[~spanned] = np.nan
    return placed


def _times(rate: DoubleArray, slots: int, nodes: int) -> tuple[DoubleArray, DoubleArray, BoolArray]:
    """Return times [u, nodes] even on the log scale, their steps [u], and which rows the times that matter fit into them."""
    last = np.minimum(slots + 1, np.count_nonzero(rate, axis=1))
    slowest = np.take_along_axis(-np.sort(-rate, axis=1), last[:, None] - 1, axis=1)[:, 0]
    step = (np.log(_LATEST) - np.log(slowest) - _EARLIEST) / (nodes - 1)
    spanned = step * (nodes - 1) <= _SPAN
    time = np.exp(_EARLIEST + np.where(spanned, step, 0.0)[:, None] * np.arange(nodes))
    return time, step, spanned


def _arrive(count: DoubleArray, rate: DoubleArray, time: DoubleArray) -> None:
    """Add an item to the distribution of the number of arrivals, [u, nodes, k], in place."""
    passed = -rate[:, None, None] * time[:, :, None]
    arrived = count[:, :, :-1] * -np.expm1(passed)
    count *= np.exp(passed)
    count[:, :, 1:] += arrived


def _own(pool: BoolArray, slate: IntArray) -> tuple[BoolArray, BoolArray]:
    """Return which slots hold an item of the pool, and which of them for the first time on the page."""
    own = (slate >= 0) & np.take_along_axis(pool, np.maximum(slate, 0), axis=1)
    fresh = own.copy()
    for position in range(1, slate.shape[1]):
        fresh[:, position] &= ~(slate[:, :position] == slate[:, position, None]).any(axis=1)
    return own, fresh


def _without(pool: BoolArray, slate: IntArray, fresh: BoolArray) -> BoolArray:
    rest = pool.copy()
    row, slot = np.nonzero(fresh)
    rest[row, slate[row, slot]] = False
    return rest
