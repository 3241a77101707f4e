"""Bilinear evidence that a user would consume an item; each part is a user matrix times an item matrix.

Every part belongs to a family of ``TASTE_FAMILIES``. Affinity parts, each from all events and from recent ones, plain and times
popularity, and all of these once more times the user's activity, since a long history says more: implicit factors,
correspondence axes, content, smoothed log-odds of each continuous content column. Other parts: popularity and its match to the
user's mainstreamness and activity, content for everyone, closeness in time, and how much more than usual the item was consumed
at the time when the user was last active, plain and times popularity; neighbours of what was consumed and what follows it
(``item_links``), for all events, recent ones and the last few; and how old an item was when the user was last active. Parts
with one item matrix share it, so that their weighted user matrices can be summed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse as sp

from recsim_llm.agents.fitting.consumption_settings import ConsumptionSettings, History
from recsim_llm.agents.fitting.content import log_popularity
from recsim_llm.agents.fitting.item_links import AGES, ItemLinks, fit_links, follow_users, neighbour_users, year_steps
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.numerics.factorization import correspondence_axes, implicit_als
from recsim_llm.numerics.time_order import event_age

__all__ = [
    "ItemTables",
    "build_tables",
    "item_parts",
    "part_families",
    "user_parts",
]


Part = TypeVar("Part")
_YEAR = 365.25 * 86400
_BINS = 25
_REACH = 3.0
_MANY_VALUES = 12


@dataclass(frozen=True, kw_only=True)
class ItemTables:
    """What the parts keep about items, enough to place a new user."""

    factors: DoubleArray
    """Implicit item factors, shape [items, K]."""
    axes: DoubleArray
    """Correspondence axes, scaled to unit mean square length, shape [items, A]."""
    popularity: DoubleArray
    """Scaled log popularity, shape [items]."""
    cold: DoubleArray
    """1 for items without events, shape [items]."""
    content: DoubleArray
    """Standardised content, shape [items, C]."""
    base: DoubleArray
    """Mean content of the events, shape [C]."""
    bins: tuple[DoubleArray, ...]
    """Smoothed bin memberships of each continuous content column, each [items, bins]."""
    bin_base: tuple[DoubleArray, ...]
    """Their means over the events, each [bins]."""
    time: DoubleArray
    """Shrunk mean time of each item's events, in spreads around the mean time, shape [items]."""
    season: DoubleArray
    """Smoothed log-odds of each item's events over bins of time, shape [items, bins]."""
    clock: tuple[float, float]
    """Mean and spread of the events' times."""
    habit_centre: DoubleArray
    """Mean mainstreamness and log activity of the users behind the tables, shape [2]."""
    links: ItemLinks
    """What goes with an item and what follows it."""
    year: DoubleArray
    """Release year, NaN where unknown, shape [items]."""
    settings: ConsumptionSettings
    """Settings behind the tables."""


def build_tables(
    history: History, content: DoubleArray, settings: ConsumptionSettings, seed: int, *, year: DoubleArray | None = None
) -> ItemTables:
    """Return the item side, learned from all events of a history; ``year`` is that of the items' release, [items]."""
    n_items = content.shape[0]
    count = np.bincount(history.item_index, minlength=n_items).astype(np.float64)
    share = count / count.sum()
    scaled = (content - content.mean(axis=0)) / np.maximum(content.std(axis=0), 1e-3)
    bins = tuple(_membership(column) for column in scaled.T if np.unique(column).size > _MANY_VALUES)
    factors, axes = _collaborative(history, n_items, settings, seed)
    popularity = log_popularity(history.item_index, n_items)
    time, clock = _item_time(history, count)
    habits = _habits(history, popularity, settings.memory)
    return ItemTables(
        factors=factors,
        axes=axes,
        popularity=popularity,
        cold=(count == 0).astype(np.float64),
        content=scaled,
        base=share @ scaled,
        bins=bins,
        bin_base=tuple(share @ table for table in bins),
        time=time,
        season=_season(history, count, clock),
        clock=clock,
        habit_centre=habits[np.unique(history.user_index)].mean(axis=0),
        links=fit_links(history, n_items, settings, seed),
        year=np.full(n_items, np.nan) if year is None else year,
        settings=settings,
    )


def _collaborative(history: History, n_items: int, settings: ConsumptionSettings, seed: int) -> tuple[DoubleArray, DoubleArray]:
    """Return implicit item factors, and correspondence axes scaled to unit mean square length."""
    _, factors = implicit_als(
        history.user_index,
        history.item_index,
        n_users=history.n_users,
        n_items=n_items,
        factors=settings.factors,
        regularization=settings.regularization,
        weight=settings.weight,
        iterations=settings.iterations,
        seed=seed,
    )
    axes = correspondence_axes(
        history.user_index,
        history.item_index,
        n_users=history.n_users,
        n_items=n_items,
        axes=settings.axes,
        seed=seed,
    )
    return factors, axes / max(float(np.sqrt(np.mean(np.sum(axes**2, axis=1)))), 1e-12)


def _habits(history: History, popularity: DoubleArray, memory: float) -> DoubleArray:
    """Return each user's recent mainstreamness and log activity, shape [users, 2]."""
    weight = np.exp(-event_age(history.user_index, history.timestamp) / memory)
    mainstream = _mean_of(_profile_matrix(history, weight, popularity.size), popularity[:, None])
    activity = np.log1p(np.bincount(history.user_index, minlength=history.n_users))
    return np.column_stack([mainstream, activity])


def _membership(column: DoubleArray) -> DoubleArray:
    """Spread each value over Gaussian bins between -3 and 3 spreads; rows sum to one."""
    centres = np.linspace(-_REACH, _REACH, _BINS)
    distance = (np.clip(column, -_REACH, _REACH)[:, None] - centres) / (centres[1] - centres[0])
    weight = np.exp(-0.5 * distance**2)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float64)


def _item_time(history: History, count: DoubleArray) -> tuple[DoubleArray, tuple[float, float]]:
    mean, spread = float(history.timestamp.mean()), float(history.timestamp.std())
    spread = spread if spread > 0.0 else 1.0
    total = np.bincount(history.item_index, (history.timestamp - mean) / spread, count.size)
    return total / (count + 2.0), (mean, spread)


def _season(history: History, count: DoubleArray, clock: tuple[float, float]) -> DoubleArray:
    """Return log of each item's shares of events by bin of time over the common ones, smoothed by three common events."""
    mean, spread = clock
    bins = _membership((history.timestamp - mean) / spread)
    base = bins.mean(axis=0)
    rows = np.arange(bins.shape[0])
    events = sp.csr_array((np.ones(rows.size), (history.item_index, rows)), shape=(count.size, rows.size))
    shares = (events @ bins + 3.0 * base + 1e-6) / (count + 3.0)[:, None]
    return np.asarray(np.log(shares / (base + 1e-6)), dtype=np.float64)


def item_parts(tables: ItemTables) -> list[DoubleArray]:
    """Return the item matrix of each part, in the order of ``user_parts``; equal matrices are one object."""
    popularity, time = tables.popularity[:, None], tables.time[:, None]
    affinity = _twice(_affinity_tables(tables))
    popular = _twice([table * popularity for table in _affinity_tables(tables)])
    season = [tables.season, tables.season * popularity]
    single = [popularity, popularity**2, tables.cold[:, None], popularity, popularity, time, time]
    columns = [column[:, None] for column in tables.content.T]
    neighbours = [tables.links.neighbour_to] * 3
    after = [*[tables.links.after] * 3, *[tables.links.next_to] * 3]
    flags = [year_steps(tables.year, np.zeros(0))[1]] * len(AGES)
    return [*affinity, *popular, *affinity, *popular, *season, *single, *columns, *neighbours, *after, *flags]


def part_families(tables: ItemTables) -> list[str]:
    """Return which of ``TASTE_FAMILIES`` each part belongs to, in the order of ``item_parts``."""
    affinity = _twice(["factors", "factors", "content", *(["content"] * len(tables.bins))])
    links = ["neighbours"] * 3 + ["sequence"] * 6
    always = ["popularity"] * 9
    return [*affinity * 4, *always, *["content"] * tables.content.shape[1], *links, *["popularity"] * len(AGES)]


def user_parts(tables: ItemTables, history: History) -> list[DoubleArray]:
    """Return the user matrix of each part; users without events get zeros where they have no evidence."""
    ones = np.ones(history.user_index.size)
    recent = np.exp(-event_age(history.user_index, history.timestamp) / tables.settings.memory)
    profiles = [_profile_matrix(history, weight, tables.popularity.size) for weight in (ones, recent)]
    affinity = [part for columns in zip(*(_affinities(p, tables) for p in profiles), strict=True) for part in columns]
    constant = np.ones((history.n_users, 1))
    habits = _habits(history, tables.popularity, tables.settings.memory) - tables.habit_centre
    habits[_totals(profiles[0])[:, 0] == 0] = 0.0
    single = [constant, constant, constant, habits[:, :1], habits[:, 1:], _last_time(history, tables), constant]
    active = [part * habits[:, 1:] for part in affinity]
    season = [_membership(_last_time(history, tables)[:, 0])] * 2
    columns = [constant] * tables.content.shape[1]
    just = np.exp(-event_age(history.user_index, history.timestamp) / tables.settings.short_memory)
    profiles.append(_profile_matrix(history, just, tables.popularity.size))
    links = [*neighbour_users(tables.links, profiles), *follow_users(tables.links, profiles)]
    steps = year_steps(tables.year, _last_year(history, tables))[0]
    return [*affinity, *affinity, *active, *active, *season, *single, *columns, *links, *steps]


def _last_year(history: History, tables: ItemTables) -> DoubleArray:
    """Return when each user was last active, in calendar years, if times are in seconds since 1970, shape [users]."""
    mean, spread = tables.clock
    return 1970.0 + (_last_time(history, tables)[:, 0] * spread + mean) / _YEAR


def _twice(tables: list[Part]) -> list[Part]:
    """Return each part for all events and for recent ones."""
    return [table for table in tables for _ in range(2)]


def _affinity_tables(tables: ItemTables) -> list[DoubleArray]:
    return [tables.factors, tables.axes, tables.content, *tables.bins]


def _affinities(profile: sp.csr_array, tables: ItemTables) -> list[DoubleArray]:
    """Return the user side of each table of ``_affinity_tables`` for one weighting of the events."""
    axes = profile @ tables.axes / np.sqrt(_totals(profile) + 5.0)
    odds = [_log_odds(profile, table, base) for table, base in zip(tables.bins, tables.bin_base, strict=True)]
    return [_fold_factors(profile, tables), axes, _mean_of(profile, tables.content, tables.base), *odds]


def _profile_matrix(history: History, weight: DoubleArray, n_items: int) -> sp.csr_array:
    return sp.csr_array((weight, (history.user_index, history.item_index)), shape=(history.n_users, n_items))


def _totals(profile: sp.csr_array) -> DoubleArray:
    return np.asarray(profile.sum(axis=1), dtype=np.float64)[:, None]


def _mean_of(profile: sp.csr_array, columns: DoubleArray, base: DoubleArray | None = None) -> DoubleArray:
    """Return each user's weighted mean of item columns less ``base``, shrunk by one event."""
    total = _totals(profile)
    centre = np.zeros(columns.shape[1]) if base is None else base
    return np.asarray((profile @ columns - total * centre) / (total + 1.0), dtype=np.float64)


def _last_time(history: History, tables: ItemTables) -> DoubleArray:
    mean, spread = tables.clock
    last = np.full(history.n_users, -np.inf)
    np.maximum.at(last, history.user_index, (history.timestamp - mean) / spread)
    return np.where(np.isfinite(last), last, 0.0)[:, None]


def _log_odds(profile: sp.csr_array, table: DoubleArray, base: DoubleArray) -> DoubleArray:
    """Return log of the user's bin shares over the common ones, smoothed by three events' worth of the common."""
    shares = (profile @ table + 3.0 * base + 1e-6) / (_totals(profile) + 3.0)
    return np.asarray(np.log(shares / (base + 1e-6)), dtype=np.float64)


def _fold_factors(profile: sp.csr_array, tables: ItemTables) -> DoubleArray:
    """Solve Hu, Koren & Volinsky 2008 eq. 4 with confidence 1 + weight * profile and preference 1 on the profile."""
    settings, factors = tables.settings, tables.factors
    width = factors.shape[1]
    shared = factors.T @ factors + settings.regularization * np.eye(width)
    outer = (factors[:, :, None] * factors[:, None, :]).reshape(factors.shape[0], -1)
    grams = shared + settings.weight * np.asarray(profile @ outer).reshape(-1, width, width)
    signal = settings.weight * np.asarray(profile @ factors)
    return np.asarray(np.linalg.solve(grams, signal[:, :, None])[:, :, 0], dtype=np.float64)
