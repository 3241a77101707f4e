"""Contagion: which clicks can be traced to a friend, how far items travel from friend to friend, whether friends consume alike.

What can be traced to a friend need not be caused by one: friends like the same things also when they do not speak to each
other (Shalizi & Thomas 2011, *Sociological Methods & Research* 40). What word of mouth causes is told by a run without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_numbers, as_places, as_whole_numbers
from recsim_llm.errors import DataError
from recsim_llm.population.friendships import Friendships
from recsim_llm.statistics import Estimate, share_estimate

__all__ = ["Cascades", "consumption_assortativity", "measure_cascades", "traceable_share"]


def traceable_share(friend_click_user: npt.ArrayLike, click_user: npt.ArrayLike) -> Estimate:
    """Estimate the share of clicks on items that a friend had told of, with Wilson's interval by user.

    Args:
        friend_click_user: int [f]: who made each click that can be traced to a friend.
        click_user: int [c]: who made each click, those included.

    Raises:
        DataError: a user has more clicks of the first kind than of both.
    """
    traced = as_whole_numbers("friend_click_user", friend_click_user, ("friend clicks",))
    clicks = as_whole_numbers("click_user", click_user, ("clicks",))
    users, row = np.unique(np.concatenate([clicks, traced]), return_inverse=True)
    counted = [np.bincount(part, minlength=len(users)) for part in np.split(row.reshape(-1), [len(clicks)])]
    return share_estimate(counted[1].astype(np.float64), counted[0].astype(np.float64))


@dataclass(frozen=True, kw_only=True, eq=False)
class Cascades:
    """Items that travelled: a tree of users for each user who first told of an item and was clicked after.

    A user hangs below the friend who told of the item first, at the user's first click on it (Goel, Watts & Goldstein 2012,
    *EC*: adopters are attributed to one parent).
    """

    item_id: IntArray
    """int64 [c], ascending: the item of each tree."""
    root_id: IntArray
    """int64 [c]: who came to the item without a friend."""
    size: IntArray
    """int64 [c], 2 or more: users in the tree, the root included."""
    depth: IntArray
    """int64 [c], 1 or more: friendships from the root to the farthest user."""

    def size_counts(self) -> IntArray:
        """Return int64 [s + 1]: how many trees have 0, 1, 2, ..., s users."""
        return np.bincount(self.size, minlength=1).astype(np.int64)


def measure_cascades(user_id: npt.ArrayLike, item_id: npt.ArrayLike, friend_id: npt.ArrayLike, step: npt.ArrayLike) -> Cascades:
    """Put clicks that can be traced to a friend together into trees, item by item.

    Only a user's first click on an item counts; whoever told of an item before was not brought to it by a later friend.

    Args:
        user_id: int [f]: who clicked.
        item_id: int [f]: on what.
        friend_id: int [f]: who had told of it.
        step: int [f]: when, in steps of the clock, such as ``24 * day + hour``; what is told is heard in a later step.

    Raises:
        DataError: the columns differ in length or hold no whole numbers.
    """
    user = as_whole_numbers("user_id", user_id, ("friend clicks",))
    item, friend, time = (
        as_whole_numbers(name, column, user.shape)
        for name, column in (("item_id", item_id), ("friend_id", friend_id), ("step", step))
    )
    items, item = _numbered(item)
    users, both = _numbered(np.concatenate([user, friend]))
    node = np.tile(item, 2) * max(len(users), 1) + both
    nodes, node = _numbered(node)
    child, teller = np.split(node, 2)
    parent = _parents(child, teller, time, len(nodes))
    root, depth = _climb(parent)
    size, deepest = np.bincount(root, minlength=len(nodes)), np.zeros(len(nodes), np.int64)
    np.maximum.at(deepest, root, depth)
    trees = np.flatnonzero(size > 1)
    of_item, of_user = np.divmod(nodes[trees], max(len(users), 1))
    return Cascades(item_id=items[of_item], root_id=users[of_user], size=size[trees].astype(np.int64), depth=deepest[trees])


def _numbered(column: IntArray) -> tuple[IntArray, IntArray]:
    values, place = np.unique(column, return_inverse=True)
    return values, place.reshape(-1).astype(np.int64)


def _parents(child: IntArray, teller: IntArray, time: IntArray, nodes: int) -> IntArray:
    """Return int64 [n]: the node below which each one hangs, -1 for roots; no circles, since times rise along paths."""
    told = np.full(nodes, np.iinfo(np.int64).max)
    np.minimum.at(told, teller, time)
    order = np.lexsort((teller, time, child))
    first = order[np.append(True, np.diff(child[order]) != 0)[: len(order)]]
    # Who told of the item by then had come to it before.
    kept = first[told[child[first]] > time[first]]
    parent = np.full(nodes, -1, np.int64)
    parent[child[kept]] = teller[kept]
    return parent


def _climb(parent: IntArray) -> tuple[IntArray, IntArray]:
    """Return the root of each node and its depth below it; pointers are doubled (Wyllie 1979), so that rounds are few."""
    here = np.arange(len(parent))
    jump, depth = np.where(parent < 0, here, parent), (parent >= 0).astype(np.int64)
    while (jump[jump] != jump).any():
        depth, jump = depth + depth[jump], jump[jump]
    return jump, depth


def consumption_assortativity(
    friendships: Friendships, user_index: npt.ArrayLike, features: npt.ArrayLike, day: npt.ArrayLike, *, least_pairs: int = 1
) -> DoubleArray:
    """Return float64 [days]: how alike friends are in what they consume on each day (``Friendships.assortativity``).

    Each user's day is the mean of the features of what was clicked; users without a click on that day do not count. It rises
    where friends become alike, and is above 0 from the first day where alike users became friends.

    Args:
        friendships: who knows whom.
        user_index: int [c]: who made each click.
        features: [c, d]: what was clicked, such as shares of genres.
        day: int [c], 0 or more.
        least_pairs: friendships of which both must have clicked on a day; with fewer the day is NaN.

    Raises:
        DataError: the columns do not fit each other.
    """
    user = as_places("user_index", user_index, ("clicks",), len(friendships), blank=False)
    table = as_numbers("features", features, (len(user), "features"))
    days = as_whole_numbers("day", day, user.shape, least=0)
    if not len(user):
        raise DataError("consumption_assortativity: got no clicks, expected at least one; give more days")
    found = np.empty(int(days.max()) + 1)
    for number in range(len(found)):
        on = days == number
        count = np.bincount(user[on], minlength=len(friendships)).astype(np.float64)
        sums = np.stack([np.bincount(user[on], column, minlength=len(friendships)) for column in table[on].T], axis=1)
        pairs = np.count_nonzero((count[friendships.owner] > 0) & (count[friendships.friends] > 0)) / 2
        if pairs < least_pairs:
            found[number] = np.nan
            continue
        found[number] = friendships.assortativity(sums / np.where(count > 0, count, np.nan)[:, None])
    return found
