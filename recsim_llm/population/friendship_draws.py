"""Friendships drawn at random: how many, how alike, how tightly knit.

A friendship comes about in one of three ways (all draws are keyed by seed and user ids, whatever the order of the users):

- with probability ``homophily`` between a user and one of those whose taste is nearest, else between a user and anyone: the
  inbreeding model of homophily (Coleman 1958, *Human Organization* 17; Fararo & Sunshine 1964, *A Study of a Biased
  Friendship Net*; McPherson, Smith-Lovin & Cook 2001, *Annual Review of Sociology* 27);
- a share ``clustering`` of all friendships is closed afterwards between a user and a friend of a friend (Jackson & Rogers
  2007, *American Economic Review* 97: meeting strangers and friends of friends).

Nearest tastes are found by random projection trees (Dasgupta & Freund 2008, *STOC*): users are halved again and again along
random directions of taste; who ends near to a user in one of a few such orders is compared exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.checked_columns import check_number
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.sorted_keys import distinct, find
from recsim_llm.population.friendships import Friendships
from recsim_llm.population.personas import Population

__all__ = ["MOST_FRIENDS", "draw_friendships"]

MOST_FRIENDS = 200
"""Highest mean number of friends: near the 150 whom a person can know (Dunbar 1992, *Journal of Human Evolution* 22)."""
_TREES = 4
_LEAST_REACH = 8
_CHUNK = 4096  # users at a time, so that memory does not grow with users times candidates times genres
_LEAST_ROUNDS = 16


def draw_friendships(
    population: Population, *, degree: float, homophily: float, clustering: float = 0.0, seed: int
) -> Friendships:
    """Draw who knows whom.

    Args:
        population: the users; homophily is by ``taste``.
        degree: mean number of friends, above 0 to ``MOST_FRIENDS`` and below the number of users. In populations little larger
            than that, a few may be missing.
        homophily: share of friendships that are made for taste, 0 (random mixing) to 1.
        clustering: share of friendships between friends of friends, 0 to below 1; the measured coefficient
            (``Friendships.clustering``) is smaller.
        seed: of the draws. The same users in another order have the same friends.

    Raises:
        ConfigError: a setting cannot work.
    """
    _check(population, degree, homophily, clustering)
    order = np.argsort(population.user_id, kind="stable")
    draw = _Draw(population.user_id[order], seed)
    wanted = round(len(order) * degree / 2.0)
    near = _nearest(population.taste[order], draw, math.ceil(degree)) if homophily else None
    pairs = draw.met(np.zeros(0, np.int64), round(wanted * (1.0 - clustering)), homophily, near)
    if clustering:
        # Where a few users know each other, there are not enough friends of friends; the others meet like the first ones.
        pairs = draw.met(draw.introduced(pairs, wanted), wanted, homophily, near)
    one, other = np.divmod(pairs, len(order))
    return Friendships.from_pairs(len(order), order[one], order[other])


def _check(population: Population, degree: float, homophily: float, clustering: float) -> None:
    check_number("friends, degree", degree, above=0.0, below=MOST_FRIENDS + 1e-9)
    check_number("friends, homophily", homophily, above=-1e-300, below=1.0 + 1e-9)
    check_number("friends, clustering", clustering, above=-1e-300, below=1.0)
    if degree > len(population) - 1:
        most = f"at most {len(population) - 1}"
        raise ConfigError(f"friends, degree: got {degree:g} among {len(population)} users, expected {most}; lower it")
    if homophily and not population.taste.shape[1]:
        raise ConfigError(f"friends, homophily: got {homophily:g} for users without tastes, expected 0; set it to 0")


@dataclass(frozen=True)
class _Draw:
    """Draws for users in ascending order of their ids; a pair is ``low * users + high``."""

    user_id: IntArray
    seed: int

    def uniform(self, purpose: str, *columns: IntArray | int) -> DoubleArray:
        return keyed.uniform(keyed.words(self.seed, f"friends: {purpose}", *columns))

    def met(self, pairs: IntArray, wanted: int, homophily: float, near: IntArray | None) -> IntArray:
        """Return int64 [e] pairs: those given, and users who met by taste or by chance."""
        users = len(self.user_id)
        here = np.arange(users)
        liking = None if near is None else keyed.sample(self._words("order of liking"), near.shape[1], near.shape[1])
        for slot in range(_rounds(wanted, users)):
            if len(pairs) >= wanted:
                break
            anyone = (self.uniform("anyone", self.user_id, slot) * users).astype(np.int64)
            other = anyone
            if near is not None and liking is not None:
                alike = near[here, liking[:, slot % near.shape[1]]]
                other = np.where(self.uniform("for taste", self.user_id, slot) < homophily, alike, anyone)
            pairs = self._with(pairs, (here, other), wanted, slot)
        return pairs

    def introduced(self, pairs: IntArray, wanted: int) -> IntArray:
        """Return int64 [e] pairs: those given, and friends of friends who were introduced to each other."""
        users = len(self.user_id)
        known = Friendships.from_pairs(users, *np.divmod(pairs, users))
        here = np.flatnonzero(known.degree)
        for slot in range(_rounds(wanted, users)):
            if len(pairs) >= wanted:
                break
            middle = self._friend(known, here, "through", slot)
            new = self._friend(known, middle, "to", slot, self.user_id[here])
            pairs = self._with(pairs, (here, new), wanted, slot)
        return pairs

    def _friend(self, known: Friendships, of: IntArray, purpose: str, *columns: IntArray | int) -> IntArray:
        draw = self.uniform(purpose, self.user_id[of], *columns)
        return known.friends[known.starts[of] + (draw * known.degree[of]).astype(np.int64)]

    def _with(self, pairs: IntArray, new: tuple[IntArray, IntArray], wanted: int, slot: int) -> IntArray:
        """Return the pairs and the new ones; where these are too many, those whose dice fall lowest."""
        users = len(self.user_id)
        apart = new[0] != new[1]
        low, high = np.minimum(*new)[apart], np.maximum(*new)[apart]
        keys = distinct(low * users + high)
        keys = keys[find(pairs, keys) < 0]
        room = wanted - len(pairs)
        if len(keys) > room:
            low, high = np.divmod(keys, users)
            dice = keyed.words(self.seed, "friends: last ones", self.user_id[low], self.user_id[high], slot)
            keys = keys[np.argsort(dice, kind="stable")[:room]]
        return np.sort(np.concatenate([pairs, keys]))

    def _words(self, purpose: str) -> keyed.Words:
        return keyed.words(self.seed, f"friends: {purpose}", self.user_id)


def _rounds(wanted: int, users: int) -> int:
    return 4 * math.ceil(wanted / users) + _LEAST_ROUNDS


def _nearest(taste: FloatArray, draw: _Draw, count: int) -> IntArray:
    """Return int64 [u, count]: users whose taste is among the nearest (approximately), nearest first."""
    users = len(taste)
    reach = min(max(_LEAST_REACH, count), users - 1)
    orders = [_taste_order(taste, draw, tree, reach) for tree in range(_TREES)]
    places = [np.argsort(order) for order in orders]
    steps = np.concatenate([np.arange(-reach, 0), np.arange(1, reach + 1)])
    columns = np.ascontiguousarray(taste.T)
    near = np.empty((users, count), np.int64)
    for start in range(0, users, _CHUNK):
        here = np.arange(start, min(start + _CHUNK, users))
        others = [order[(place[here, None] + steps) % users] for order, place in zip(orders, places, strict=True)]
        candidates = np.sort(np.concatenate(others, axis=1), axis=1)
        distance = _squared_distance(columns, here, candidates)
        again = np.zeros(candidates.shape, np.bool_)
        again[:, 1:] = candidates[:, 1:] == candidates[:, :-1]
        distance[again | (candidates == here[:, None])] = np.inf
        best = np.argsort(distance, axis=1, kind="stable")[:, :count]
        near[here] = np.take_along_axis(candidates, best, axis=1)
    return near


def _squared_distance(columns: FloatArray, here: IntArray, candidates: IntArray) -> FloatArray:
    # Column by column: the sum is the same however many users and candidates there are.
    total = np.zeros(candidates.shape, np.float32)
    for column in columns:
        total += (column[candidates] - column[here, None]) ** 2
    return total


def _taste_order(taste: FloatArray, draw: _Draw, tree: int, leaf: int) -> IntArray:
    """Return int64 [u]: users in an order that holds together who has fallen on the same side of all the halvings."""
    users = len(taste)
    order = np.arange(users)
    for level in range(max(1, math.ceil(math.log2(users / leaf)))):
        sides = 1 << level
        cuts = np.arange(sides) * users // sides
        side = np.repeat(np.arange(sides), np.diff(np.append(cuts, users)))
        order = order[np.argsort(side + _projection(taste, draw, tree, level)[order], kind="stable")]
    return order


def _projection(taste: FloatArray, draw: _Draw, tree: int, level: int) -> DoubleArray:
    """Return float64 [u], from 0 to below 1: where along a random direction each user's taste lies."""
    from scipy.special import ndtri

    direction = ndtri(draw.uniform("direction", tree, level, np.arange(taste.shape[1])))
    total = np.zeros(len(taste))
    for weight, column in zip(direction, taste.T, strict=True):
        total += weight * column
    total -= total.min()
    total /= total.max() * (1.0 + 1e-9) + 1e-300
    return total
