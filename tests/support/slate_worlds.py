"""Worlds so small that every slate can be listed, and logs of them."""

from itertools import permutations

import numpy as np

from recsim_llm.offpolicy import LoggedSlates, TargetView


def all_slates(items, slots):
    return np.array(list(permutations(range(items), slots)))


class Policy:
    """Plackett-Luce over a few items, everything by enumeration."""

    def __init__(self, odds, slots):
        self.odds, self.slots = np.asarray(odds, float), slots
        self.slates = all_slates(len(self.odds), slots)
        self.prefix = self.prefixes(self.slates)
        self.slate = self.prefix.prod(axis=1)
        self.marginal = np.zeros((slots, len(self.odds)))
        for position in range(slots):
            np.add.at(self.marginal[position], self.slates[:, position], self.slate)

    def prefixes(self, slates):
        shown = self.odds[slates]
        left = self.odds.sum() - np.cumsum(shown, axis=1) + shown
        return shown / left

    def placement(self, slates):
        """[n, k, k]: probability that item j of the slate stands at position l."""
        return self.marginal.T[slates]

    def next(self, slates):
        """[n, k, items]."""
        odds = np.repeat(self.odds[None, None], slates.shape[1], axis=1) * np.ones((len(slates), 1, 1))
        for position in range(1, slates.shape[1]):
            for earlier in range(position):
                odds[np.arange(len(slates)), position, slates[:, earlier]] = 0
        return odds / odds.sum(axis=2, keepdims=True)

    def moments(self):
        """[k, m, k, m]: probability of two items at two positions."""
        hot = np.eye(len(self.odds))[self.slates]
        return np.einsum("s,sja,slb->jalb", self.slate, hot, hot)


def log_of(policy, slates, reward, user_id=None):
    return LoggedSlates.from_columns(
        user_id=np.arange(len(slates)) if user_id is None else user_id,
        item_id=slates,
        reward=reward,
        propensity=np.einsum("njj->nj", policy.placement(slates)),
        prefix_propensity=policy.prefixes(slates),
        slate_propensity=policy.prefixes(slates).prod(axis=1),
    )


def view_of(policy, slates):
    return TargetView.from_columns(
        pages=len(slates),
        slots=policy.slots,
        prefix_propensity=policy.prefixes(slates),
        slate_propensity=policy.prefixes(slates).prod(axis=1),
        placement=policy.placement(slates),
    )
