"""Evidence from items to items: what goes with what the user consumed, and what follows it.

Both are kept as two tables of items whose product is the table of links, so that a user's score is the user's profile times
the one, times the other.

*Neighbours*: the linear model of all items on all other items of Steck 2019, "Embarrassingly shallow autoencoders for sparse
data", eq. 8. With the leading singular values ``s`` and item vectors ``V`` of the events, and ``g = s^2 / (s^2 + ridge)``, the
inverse ``(X'X + ridge I)^-1`` is ``(I - V g V') / ridge`` and the weight of item i in the score of item j becomes
``(V g V')_ij / (1 - (V g V')_jj)``.

*Sequence*: how often users consumed item j soon after item i, by the root of both popularities: its leading singular vectors.
The same by the popularity of i alone is the chance of j in a Markov chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from recsim_llm.agents.fitting.consumption_settings import ConsumptionSettings, History
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.numerics.factorization import leading_vectors

__all__ = ["ItemLinks", "fit_links", "follow_users", "neighbour_users", "year_steps"]

AGES: tuple[float, ...] = (-0.2, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Ages in years at which the odds of consumption may change; below the first an item is not out yet."""
_ITERATIONS = 4
_MOST_PAIRS = 4_000_000
"""Pairs of events that transitions are counted on: longer logs look fewer steps ahead."""


@dataclass(frozen=True, kw_only=True)
class ItemLinks:
    """Tables of items; a table of links is the product of two."""

    neighbour_from: DoubleArray
    """What was consumed, shape [items, N]."""
    neighbour_to: DoubleArray
    """What goes with it, shape [items, N]."""
    before: DoubleArray
    """What was consumed, shape [items, S]."""
    after: DoubleArray
    """What follows it, shape [items, S]."""
    margin: DoubleArray
    """Root of the smoothed popularity, shape [items]."""

    @property
    def next_from(self) -> DoubleArray:
        """What was consumed, for the chance of what comes next, shape [items, S]."""
        return self.before / self.margin[:, None]

    @property
    def next_to(self) -> DoubleArray:
        """What comes next, shape [items, S]."""
        return self.after * self.margin[:, None]


def fit_links(history: History, n_items: int, settings: ConsumptionSettings, seed: int) -> ItemLinks:
    """Learn the links from all events of a history."""
    ones = np.ones(history.user_index.size)
    events = sp.csr_array((ones, (history.user_index, history.item_index)), shape=(history.n_users, n_items))
    _, strength, vectors = leading_vectors(events, settings.neighbour_axes, seed=seed, iterations=_ITERATIONS)
    gain = strength**2 / (strength**2 + settings.neighbour_ridge)
    own = np.minimum(np.sum(vectors**2 * gain, axis=1), 1.0 - 1e-6)
    scaled = vectors * np.sqrt(gain)
    margin = np.sqrt(np.bincount(history.item_index, minlength=n_items) + settings.step_smoothing)
    before, after = _transitions(history, margin, settings, seed)
    goes_with = scaled / (1.0 - own)[:, None]
    return ItemLinks(neighbour_from=scaled, neighbour_to=goes_with, before=before, after=after, margin=margin)


def _transitions(
    history: History, margin: DoubleArray, settings: ConsumptionSettings, seed: int
) -> tuple[DoubleArray, DoubleArray]:
    n_items = margin.size
    order = np.lexsort((np.arange(history.user_index.size), history.timestamp, history.user_index))
    user, item = history.user_index[order], history.item_index[order]
    steps = int(np.clip(_MOST_PAIRS // max(user.size, 1), 1, settings.steps_ahead))
    counts = sp.csr_array((n_items, n_items))
    for step in range(1, min(steps, user.size - 1) + 1):
        start = np.flatnonzero(user[step:] == user[:-step])
        weight = np.full(start.size, np.exp(-step / settings.step_memory))
        counts = counts + sp.csr_array((weight, (item[start], item[start + step])), shape=(n_items, n_items))
    scaled = (sp.diags_array(1.0 / margin) @ counts @ sp.diags_array(1.0 / margin)).tocsr()
    left, strength, right = leading_vectors(scaled, settings.step_axes, seed=seed, iterations=_ITERATIONS)
    return left * np.sqrt(strength), right * np.sqrt(strength)


def neighbour_users(links: ItemLinks, profiles: Sequence[sp.csr_array]) -> list[DoubleArray]:
    """Return the user side of ``neighbour_to`` for each weighting of the events, each [users, N]."""
    return [_shrunk(profile, links.neighbour_from) for profile in profiles]


def follow_users(links: ItemLinks, profiles: Sequence[sp.csr_array]) -> list[DoubleArray]:
    """Return the user sides of ``after``, then of ``next_to``, for each weighting of the events, each [users, S]."""
    return [_shrunk(profile, table) for table in (links.before, links.next_from) for profile in profiles]


def _shrunk(profile: sp.csr_array, table: DoubleArray) -> DoubleArray:
    """Return the sum over the profile, by the root of its weight."""
    total = np.asarray(profile.sum(axis=1), dtype=np.float64)[:, None]
    return np.asarray(profile @ table / np.sqrt(total + 1.0), dtype=np.float64)


def year_steps(year: DoubleArray, user_year: DoubleArray) -> tuple[list[DoubleArray], DoubleArray]:
    """Return how old each item was to each user, as parts with one item matrix.

    Args:
        year: release year, shape [items], NaN where unknown.
        user_year: calendar time at which the user was last active, in years, shape [users].

    Returns:
        User sides, each [users, Y], 1 where items of that year are out and older than a number of years, and the item side,
        flags of the year, shape [items, Y].
    """
    known = np.unique(year[np.isfinite(year)])
    flags = (year[:, None] == known).astype(np.float64)
    age = user_year[:, None] - known
    return [(age > least).astype(np.float64) for least in AGES], flags
