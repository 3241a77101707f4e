"""The best slate, given what each click is worth and how users choose.

Ie et al. 2019, "SlateQ: A tractable decomposition for reinforcement learning with recommendation sets", split the value of a
slate into those of its items: Q(s, A) = V(s) + sum over A of P(click on i | s, A) q(s, i), with V(s) the return if nothing is
clicked and q(s, i) what a click on i adds to it, now and later. How the items of a page compete decides P:

* ``independent``: every slot that is examined is clicked or not for itself, as the users of this package do. P is then
  examined_k p(s, i), with p the probability of a click on an examined slot.
* ``multinomial``: at most one click a page, by a conditional logit model, as in the paper and in RecSim.
  P = v(s, i) / (1 + sum over A of v), with v the odds of a click against none.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.numerics.ranking import top_k

__all__ = ["LEAST_WORTH", "Competition", "Optimisation", "best_slates", "click_weights"]

Competition = Literal["independent", "multinomial"]
"""How the items of a page compete for clicks."""
Optimisation = Literal["exact", "greedy"]
"""How the best slate is looked for."""

LEAST_WORTH = np.float32(0.02)
"""What a click is worth at least: where an estimate is below 0, the least likely click would come first otherwise."""
_KNOWN, _ROUNDS = np.float32(-1e6), 20


def click_weights(log_odds: FloatArray, competition: Competition) -> FloatArray:
    """Return what a click's worth is weighed with: its probability, or its odds where one item is chosen; any shape."""
    if competition == "independent":
        return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))), np.float32)
    return np.exp(np.clip(log_odds, -30, 30)).astype(np.float32)


def best_slates(
    log_odds: FloatArray,
    worth: FloatArray,
    allowed: BoolArray,
    slots: int,
    *,
    competition: Competition,
    optimisation: Optimisation,
) -> IntArray:
    """Return the slates of the highest value, best item first.

    With independent clicks the ``slots`` largest p q are the optimum, in that order, since the positions that are examined
    more gain most from the larger ones; adding the best item one by one finds the same. Under multinomial choice ``exact``
    solves the fractional program by Dinkelbach's (1967) method: the k largest v (q - value) for a rising value, until it
    stands; ``greedy`` adds the item that raises the value most, one by one.

    Args:
        log_odds: float32 [r, n]: of a click on each item, given that it is examined (or against no click at all).
        worth: float32 [r, n]: what a click adds to the return; taken for a little above 0 where it is less.
        allowed: bool [r, n]: items that may be shown; where they are too few, others fill the slate.
        slots: slots a page.
        competition: how the items of a page compete.
        optimisation: how the best slate is looked for.

    Returns:
        int64 [r, slots]: catalog positions.
    """
    weight, worth = click_weights(log_odds, competition), np.maximum(worth, LEAST_WORTH)
    barred = np.where(allowed, np.float32(0), _KNOWN)
    if competition == "independent":
        return top_k(weight * worth + barred, slots)
    if optimisation == "greedy":
        return _one_by_one(weight, worth, barred, slots)
    value = np.zeros((len(weight), 1), np.float32)
    for _ in range(_ROUNDS):
        slate = top_k(weight * (worth - value) + barred, slots)
        gained, total = (
            np.take_along_axis(part, slate, axis=1).sum(axis=1, keepdims=True) for part in (weight * worth, weight)
        )
        better = gained / (1 + total)
        if np.array_equal(better, value):
            break
        value = better
    return slate


def _one_by_one(weight: FloatArray, worth: FloatArray, barred: FloatArray, slots: int) -> IntArray:
    rows = np.arange(len(weight))
    gained, total = np.zeros((2, len(weight), 1), np.float32)
    barred, slate = barred.copy(), np.empty((len(weight), slots), np.int64)
    for slot in range(slots):
        slate[:, slot] = best = np.argmax((gained + weight * worth) / (1 + total + weight) + barred, axis=1)
        gained[:, 0] += (weight * worth)[rows, best]
        total[:, 0] += weight[rows, best]
        barred[rows, best] = 2 * _KNOWN
    return slate
