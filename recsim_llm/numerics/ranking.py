"""Exact top-k over many items, and checks on slates of positions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["ProductRanking", "mean_ranks", "rank_within", "repeated_slots", "top_k"]

_DEPTH = 32
_CHUNK = 1_000_000
_MARGIN = 6
_SLOTS_COMPARED = 64
"""Beyond these it is quicker to sort a page than to hold each slot against those before it."""
# By byte: what no score may exceed, for each of its bits. Looked up, since the time does not depend on how many bits are set.
_LIMITS = np.where(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), -np.inf, np.inf)
_LIMITS = _LIMITS.astype(np.float32)


def top_k(scores: npt.NDArray[np.floating], k: int) -> npt.NDArray[np.int64]:
    """Return the positions of the ``k`` largest scores of each row, best first; equal scores by lower position.

    Wide rows are folded into groups of 32 first: the ``k`` groups with the largest maxima hold the ``k`` largest scores, so the
    costly selection sees a few hundred entries only. (Groups run across the row, so that the maxima are vector
    operations. Rows in which groups tie for the last place are searched whole.)

    Args:
        scores: float [u, n] without NaN, ``k <= n``.
        k: how many, 1 or more.

    Returns:
        int64 [u, k].
    """
    users, items = scores.shape
    groups = items // _DEPTH
    if groups <= 4 * k:
        return _select(scores, None, k)
    folded = scores[:, : groups * _DEPTH].reshape(users, _DEPTH, groups)
    peaks = folded.max(axis=1)
    best = _select(peaks, None, k)
    position = (best[:, None, :] + np.arange(_DEPTH)[:, None] * groups).reshape(users, -1)
    rest = np.arange(groups * _DEPTH, items)
    position = np.concatenate([position, np.broadcast_to(rest, (users, len(rest)))], axis=1)
    position.sort(axis=1)
    chosen = _select(np.take_along_axis(scores, position, axis=1), position, k)
    lowest = np.take_along_axis(peaks, best[:, -1:], axis=1)
    tied = np.count_nonzero(peaks >= lowest, axis=1) > k
    if tied.any():
        chosen[tied] = _select(scores[tied], None, k)
    return chosen


def mean_ranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the ranks of values from 1, lowest first; equal ones get the mean of theirs.

    They are those of ``scipy.stats.rankdata``, whose module takes half a second to import.

    Args:
        values: [n] without NaN.

    Returns:
        float64 [n].
    """
    _, place, count = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


class ProductRanking:
    """Ranks items by the product of their vectors with users' vectors; exact, and the same for every number of users.

    A product of float32 matrices rounds differently with their shapes. It only preselects here: what comes near the top is
    ranked by float64 products, one by one; where rounding could have hidden an item, the preselection is widened.

    Args:
        items: float32 [n, d].
    """

    def __init__(self, items: npt.NDArray[np.float32]) -> None:
        self._items = np.ascontiguousarray(items)
        self._columns = np.ascontiguousarray(items.T)
        # A float32 product of d terms is off by at most d * 2**-24 times the sum of their sizes (Higham 2002, eq. 3.5), give
        # or take a share of d * 2**-24.
        self._rounding = np.abs(items).max(axis=0) * np.float64(items.shape[1] * 2.0**-24 * 1.01)

    def best(
        self, users: npt.NDArray[np.float32], k: int, barred: npt.NDArray[np.uint8] | None = None
    ) -> npt.NDArray[np.int64]:
        """Return the ``k`` best items of each user, best first, equal ones by position; in memory-sized chunks of users.

        Args:
            users: float32 [u, d].
            k: how many, at most ``n``.
            barred: uint8 [u, b]: a bit for each item, the lowest of the first byte for item 0; where it is set, the item comes
                after all others. None bars nothing.

        Returns:
            int64 [u, k].
        """
        count = len(self._items)
        chunk = max(1, min(len(users), _CHUNK // count))
        scores = np.empty((chunk, count), np.float32)
        best = np.empty((len(users), k), np.int64)
        for start in range(0, len(users), chunk):
            part = users[start : start + chunk]
            rough = np.matmul(part, self._columns, out=scores[: len(part)])
            if barred is not None:
                limits = _LIMITS.take(barred[start : start + chunk], axis=0).reshape(len(part), -1)
                np.minimum(rough, limits[:, :count], out=rough)
            best[start : start + chunk] = self._settle(part, rough, k)
        return best

    def _settle(self, users: npt.NDArray[np.float32], rough: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int64]:
        near = top_k(rough, min(k + _MARGIN, rough.shape[1]))
        floor = np.take_along_axis(rough, near[:, -1:], axis=1)[:, 0]
        near.sort(axis=1)  # equal products by position
        exact = np.vecdot(self._items.take(near, axis=0).astype(np.float64), users[:, None, :])
        after = np.isneginf(np.take_along_axis(rough, near, axis=1))
        order = np.lexsort((-exact, after), axis=1)[:, :k]
        chosen = np.take_along_axis(near, order, axis=1)
        if near.shape[1] < rough.shape[1]:
            last = np.take_along_axis(np.where(after, -np.inf, exact), order[:, -1:], axis=1)[:, 0]
            slack = np.abs(users) @ self._rounding
            for user in np.flatnonzero(last <= floor + slack):
                within = np.flatnonzero(rough[user] >= last[user] - slack[user])
                product = np.vecdot(self._items.take(within, axis=0).astype(np.float64), users[user])
                chosen[user] = within[np.lexsort((-product, np.isneginf(rough[user, within])))[:k]]
        return chosen


def _select(scores: npt.NDArray[np.floating], position: npt.NDArray[np.int64] | None, k: int) -> npt.NDArray[np.int64]:
    """Select exactly: a partition finds the k-th largest score, lower columns settle ties."""
    width = scores.shape[1]
    if k >= width:
        column = np.argsort(-scores, axis=1, kind="stable")
    else:
        kth = np.partition(scores, width - k, axis=1)[:, width - k, None]
        chosen = scores >= kth
        if np.count_nonzero(chosen) > k * len(scores):
            tied = np.flatnonzero(np.count_nonzero(chosen, axis=1) > k)
            above = scores[tied] > kth[tied]
            wanted = k - above.sum(axis=1, keepdims=True)
            chosen[tied] &= above | (np.cumsum(chosen[tied] & ~above, axis=1) <= wanted)
        column = (chosen.reshape(-1).nonzero()[0] % width).reshape(-1, k)
        order = np.argsort(-np.take_along_axis(scores, column, axis=1), axis=1, kind="stable")
        column = np.take_along_axis(column, order, axis=1)
    return column if position is None else np.take_along_axis(position, column, axis=1)


def repeated_slots(item_index: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_] | None:
    """Return which slots repeat an item of an earlier position of the same page, None if none does.

    Args:
        item_index: int64 [u, k]; entries of -1 do not count as repeats.
    """
    users, slots = item_index.shape
    if slots > _SLOTS_COMPARED:
        return _repeated_by_sorting(item_index)
    if users == 1:
        if len(set(item_index[0].tolist())) == slots:
            return None
    else:
        column = np.ascontiguousarray(item_index.T)
        if not any(np.count_nonzero(column[slot] == column[:slot]) for slot in range(1, slots)):
            return None
    repeated = np.zeros(item_index.shape, np.bool_)
    for slot in range(1, slots):
        repeated[:, slot] = (item_index[:, slot, None] == item_index[:, :slot]).any(axis=1)
    repeated &= item_index >= 0
    return repeated if repeated.any() else None


def _repeated_by_sorting(item_index: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_] | None:
    order = np.argsort(item_index, axis=1, kind="stable")
    ordered = np.take_along_axis(item_index, order, axis=1)
    again = np.zeros(item_index.shape, np.bool_)
    again[:, 1:] = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if not again.any():
        return None
    repeated = np.empty_like(again)
    np.put_along_axis(repeated, order, again, axis=1)
    return repeated


def rank_within(group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each entry how many before it are of the same group.

    Args:
        group: int64 [n]: the group of each entry.
    """
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    start = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(group) else np.empty(0, np.int64)
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(start, np.diff(np.append(start, len(group))))
    return rank
