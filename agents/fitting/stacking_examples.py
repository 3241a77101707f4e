"""Pairs of users and items that the weights of the evidence are learned on: what was consumed later, and what was not.

Two samples of them. The *balanced* one has as many popular negatives as uniform ones, and teaches to tell consumed items from
any others. The *whole* one stands for every pair of a user and an item, and teaches how likely each is consumed: popular
items, which recommenders show, more than others that look as good. So that it says enough of what recommenders show, items
that some kind of evidence puts first are all in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsim_llm.agents.fitting.consumption_settings import ConsumptionSettings, History
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["Examples", "draw_examples"]

_BLOCK = 256  # users at a time


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Labelled pairs."""

    user: IntArray
    """Shape [P]."""
    item: IntArray
    """Shape [P]."""
    label: DoubleArray
    """1 where the user consumed the item later, shape [P]."""
    balanced: DoubleArray
    """Weight in the balanced sample: both classes 1/2 together, shape [P]."""
    whole: DoubleArray
    """Weight in the whole sample: pairs that the example stands for, over all positives, shape [P]."""


def draw_examples(
    history: History,
    later: BoolArray,
    settings: ConsumptionSettings,
    *,
    leads: Sequence[tuple[DoubleArray, DoubleArray]],
    seed: int,
) -> Examples:
    """Draw the pairs.

    Args:
        history: all events.
        later: which of them are to be foretold, shape [N]; each user's positives are drawn from these.
        settings: how many of each.
        leads: user and item sides of the evidence whose first items are taken, learned without the later events.
        seed: of the draws.
    """
    generator = np.random.default_rng([seed, 1])
    n_items = len(leads[0][1])
    events = history.user_index * n_items + history.item_index
    positive = _positives(history, later, settings.positives, generator)
    popularity = np.bincount(history.item_index, minlength=n_items).astype(np.float64)
    shapes = [(count, positive.size) for count in (settings.uniform_negatives, settings.matched_negatives)]
    uniform = generator.integers(0, n_items, size=shapes[0])
    matched = generator.choice(n_items, size=shapes[1], p=popularity / popularity.sum())
    owner = history.user_index[positive] * n_items
    groups = [events[positive], *(_without((owner + others).ravel(), events) for others in (uniform, matched))]
    users = np.unique(history.user_index[positive])
    if users.size > settings.lead_users:
        users = np.sort(generator.choice(users, settings.lead_users, replace=False))
    groups.append(_without(_leading(events[~later], users, leads, settings.leads), events))
    sizes = [group.size for group in groups]
    user, item = divmod(np.concatenate(groups), n_items)
    balanced = [0.5 / max(sizes[0], 1), *[0.5 / max(sizes[1] + sizes[2], 1)] * 2, 0.0]
    return Examples(
        user=user,
        item=item,
        label=np.repeat([1.0, 0.0, 0.0, 0.0], sizes),
        balanced=np.repeat(balanced, sizes),
        whole=_stand_for(groups, events, np.bincount(history.user_index[later], minlength=history.n_users), n_items),
    )


def _positives(history: History, later: BoolArray, most: int, generator: np.random.Generator) -> IntArray:
    """Return rows of later events, at most so many of a user."""
    shuffled = generator.permutation(np.flatnonzero(later))
    order = shuffled[np.argsort(history.user_index[shuffled], kind="stable")]
    user = history.user_index[order]
    chosen: IntArray = order[np.arange(order.size) - np.searchsorted(user, user) < most]
    return chosen


def _without(pairs: IntArray, events: IntArray) -> IntArray:
    return np.asarray(pairs[~np.isin(pairs, events)], np.int64)


def _stand_for(groups: list[IntArray], events: IntArray, later: IntArray, n_items: int) -> DoubleArray:
    """Return how many pairs of its user each example stands for, over all later events.

    A positive stands for the user's later events, a leading item for itself, and a uniform negative that is none of them for
    what is left of the user's items. Matched negatives are not in the sample.
    """
    positive, uniform, matched, leading = groups
    count = [np.bincount(group // n_items, minlength=later.size) for group in (positive, leading)]
    other = ~np.isin(uniform, leading)
    drawn = np.bincount(uniform[other] // n_items, minlength=later.size)
    left = n_items - np.bincount(np.unique(events) // n_items, minlength=later.size) - count[1]
    shares = [later / np.maximum(count[0], 1), left / np.maximum(drawn, 1)]
    weights = [shares[0][positive // n_items], np.where(other, shares[1][uniform // n_items], 0.0)]
    weights += [np.zeros(matched.size), np.ones(leading.size)]
    return np.concatenate(weights) / max(int(later.sum()), 1)


def _leading(known: IntArray, users: IntArray, leads: Sequence[tuple[DoubleArray, DoubleArray]], count: int) -> IntArray:
    """Return pairs, ``user * items + item``, that any evidence puts first among what each user does not know yet, ascending."""
    n_items = len(leads[0][1])
    found = [np.zeros(0, np.int64)]
    for start in range(0, users.size, _BLOCK):
        block = users[start : start + _BLOCK]
        owned = known[np.isin(known // n_items, block)]
        row, column = np.searchsorted(block, owned // n_items), owned % n_items
        for left, right in leads:
            score = left[block] @ right.T
            score[row, column] = -np.inf
            top = np.argpartition(-score, min(count, n_items) - 1, axis=1)[:, :count]
            found.append((block[:, None] * n_items + top).ravel())
    return np.unique(np.concatenate(found))
