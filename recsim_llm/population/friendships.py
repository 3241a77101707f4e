"""Who knows whom: an undirected graph over the users of a population, as sparse columns by user index."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_places, as_whole_numbers
from recsim_llm.errors import DataError
from recsim_llm.numerics.sorted_keys import distinct, find
from recsim_llm.population.personas import Population

__all__ = ["Friendships", "LeftOut", "from_user_ids"]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Rows of a list of friends that say nothing about a run's users, by reason."""

    unknown: int = 0
    """A user who is not in the population stands in the row, or an id that is none."""
    oneself: int = 0
    """The row names the same user twice."""
    repeated: int = 0
    """The same two users stand in an earlier row, in this order or the other."""

    def text(self) -> str:
        """Return it in words, such as ``3 rows left out (unknown user 2, oneself 1)``; empty where nothing was left out."""
        reasons = {"unknown user": self.unknown, "oneself": self.oneself, "repeated": self.repeated}
        total = sum(reasons.values())
        told = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items() if count)
        return f"{total:,} row{'' if total == 1 else 's'} left out ({told})" if total else ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Friendships:
    """Friends of each user. Friendship is mutual; nobody is a friend of oneself."""

    starts: IntArray
    """int64 [u + 1]: where the friends of user index ``i`` begin in ``friends``; the last one is their number."""
    friends: IntArray
    """int64 [2 e]: user indices of friends, ascending within a user; each of the ``e`` pairs stands here both ways."""
    left_out: LeftOut = LeftOut()
    """What a file held besides."""

    @classmethod
    def from_pairs(cls, users: int, one: npt.ArrayLike, other: npt.ArrayLike) -> Friendships:
        """Build the graph from pairs of user indices; pairs that repeat, and of one user alone, are left out and counted.

        Args:
            users: how many there are.
            one: int [r], 0 to ``users - 1``.
            other: int [r], likewise: the friend.

        Raises:
            DataError: an index is no user's, or the two differ in length.
        """
        first = as_places("friends, one", one, ("pairs",), users, blank=False)
        second = as_places("friends, other", other, first.shape, users, blank=False)
        low, high = np.minimum(first, second), np.maximum(first, second)
        apart = low != high
        pair = distinct(low[apart] * users + high[apart])
        low, high = np.divmod(pair, users)
        both = np.sort(np.concatenate([pair, high * users + low]))
        owner, friends = np.divmod(both, users)
        starts = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=users))]).astype(np.int64)
        oneself = int((~apart).sum())
        left_out = LeftOut(oneself=oneself, repeated=len(apart) - oneself - len(pair))
        return cls(starts=starts, friends=friends.astype(np.int64), left_out=left_out)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def degree(self) -> IntArray:
        """int64 [u]: number of friends of each user."""
        return np.diff(self.starts)

    @cached_property
    def owner(self) -> IntArray:
        """int64 [2 e]: whose friend each entry of ``friends`` is."""
        return np.repeat(np.arange(len(self)), self.degree)

    @property
    def pairs(self) -> tuple[IntArray, IntArray]:
        """int64 [e] twice: each pair once, the smaller user index first, ascending."""
        once = self.owner < self.friends
        return self.owner[once], self.friends[once]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over who knows whom, by user index."""
        digest = hashlib.sha256(self.starts.tobytes())
        digest.update(self.friends.tobytes())
        return digest.hexdigest()

    def of(self, user_index: IntArray) -> tuple[IntArray, IntArray]:
        """Return the friends of some users: int64 [f] places in ``user_index``, and int64 [f] the friends' user indices.

        Args:
            user_index: int64 [m]; a user may stand there more than once.
        """
        count = self.degree[user_index]
        place = np.repeat(np.arange(len(user_index)), count)
        within = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
        return place, self.friends[self.starts[user_index][place] + within]

    def are_friends(self, one: IntArray, other: IntArray) -> BoolArray:
        """Return bool [r]: whether the users of each pair know each other.

        Args:
            one: int64 [r]: user indices.
            other: int64 [r]: user indices.
        """
        found: BoolArray = find(self.owner * len(self) + self.friends, one * len(self) + other) >= 0
        return found

    def clustering(self) -> float:
        """Return the share of pairs of friends of a user who know each other, over all users.

        Three times the triangles over the connected triples (Newman, Watts & Strogatz 2002, *PNAS* 99, eq. 1); NaN where
        nobody has two friends.
        """
        import scipy.sparse as sparse

        degree = self.degree.astype(np.float64)
        triples = float((degree * (degree - 1.0)).sum())
        if not triples:
            return float("nan")
        ones = np.ones(len(self.friends), np.int64)
        graph = sparse.csr_array((ones, self.friends, self.starts), shape=(len(self), len(self)))
        return float((graph @ graph).multiply(graph).sum()) / triples

    def degree_counts(self) -> IntArray:
        """Return int64 [d + 1]: how many users have 0, 1, ..., d friends, d the most that anyone has."""
        return np.bincount(self.degree).astype(np.int64)

    def assortativity(self, values: npt.ArrayLike) -> float:
        """Return how alike friends are, from -1 to 1: Newman's assortativity coefficient of numbers (2003, eq. 21).

        The correlation of the numbers at the two ends of a friendship. For numbers in several columns, such as a taste by
        genre, the sum of the columns' covariances over the sum of their variances: the mean of the columns' coefficients,
        each weighted by its variance over the ends of friendships. 0 is chance; NaN where the ends do not vary.

        Args:
            values: [u] or [u, d]; friendships of users with NaN do not count.

        Source:
            Newman (2003), "Mixing patterns in networks", *Physical Review E* 67, 026126.
        """
        table = _columns(values, len(self))
        one, other = self.owner, self.friends
        known = np.asarray(~np.isnan(table).any(axis=1))
        kept = known[one] & known[other]
        if not kept.any():
            return float("nan")
        one, other = one[kept], other[kept]
        weight = np.bincount(one, minlength=len(table)).astype(np.float64)
        used = np.where(known[:, None], table, 0.0)
        centred = used - (weight @ used) / weight.sum()
        varies = float((weight @ centred**2).sum())
        together = sum(float(column[one] @ column[other]) for column in centred.T)
        return together / varies if varies > 1e-12 * float((weight @ used**2).sum()) else float("nan")

    def assortativity_of_kinds(self, kinds: npt.ArrayLike) -> float:
        """Return how much friends are of the same kind, up to 1: Newman's coefficient of labels (2003, eq. 2); 0 is chance.

        Args:
            kinds: [u] labels; NaN in the result where all friendships are within one kind.
        """
        label = np.unique(np.asarray(kinds), return_inverse=True)[1].reshape(-1)
        if not len(self.friends):
            return float("nan")
        share = np.bincount(label[self.owner]) / len(self.owner)
        same = float(np.mean(label[self.owner] == label[self.friends]))
        chance = float(share @ share)
        return (same - chance) / (1.0 - chance) if chance < 1.0 else float("nan")


def from_user_ids(
    population: Population, one: npt.NDArray[np.generic], other: npt.NDArray[np.generic], *, source: str = "friends"
) -> Friendships:
    """Build the graph from rows of outside user ids; rows with users whom the population does not have are counted.

    Args:
        population: the users.
        one: [r] ids: the data's own texts where the population has such (``user_key``), else int64.
        other: [r] ids of the friends, likewise.
        source: where the rows are from, for error texts: the file.

    Raises:
        DataError: no row names two users of the population.
    """
    first, second = _index_of(population, one), _index_of(population, other)
    known = (first >= 0) & (second >= 0)
    graph = Friendships.from_pairs(len(population), first[known], second[known])
    left_out = LeftOut(unknown=int((~known).sum()), oneself=graph.left_out.oneself, repeated=graph.left_out.repeated)
    if not len(graph.friends):
        told = left_out.text() or "no rows"
        raise DataError(f"{source}: got {told}, expected two users of the {len(population):,} in a row; write these users' ids")
    return Friendships(starts=graph.starts, friends=graph.friends, left_out=left_out)


def _index_of(population: Population, ids: npt.NDArray[np.generic]) -> IntArray:
    """Return int64 [r]: user indices, -1 for who is not in the population."""
    if population.user_key is None:
        own: npt.NDArray[np.generic] = population.user_id
        asked: npt.NDArray[np.generic] = as_whole_numbers("friends", ids, ("rows",))
    else:
        texts = zip(population.user_key.tolist(), population.user_id.tolist(), strict=True)
        own, asked = np.array([key or str(number) for key, number in texts]), ids.astype(np.str_)
    order = np.argsort(own, kind="stable")
    place = np.minimum(np.searchsorted(own[order], asked), len(own) - 1)
    return np.where(own[order][place] == asked, order[place], -1)


def _columns(values: npt.ArrayLike, users: int) -> DoubleArray:
    table = np.asarray(values, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != users or np.isinf(table).any():
        raise DataError(f"assortativity: got shape {table.shape} or infinite numbers, expected [{users}] or [{users}, d]")
    return table
