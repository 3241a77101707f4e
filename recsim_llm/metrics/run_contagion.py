"""Contagion in a run whose users have friends, read from its folder alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.log.reader import RunReader
from recsim_llm.log.tables import FRIENDS, has_table, read_table
from recsim_llm.metrics.contagion import Cascades, consumption_assortativity, measure_cascades, traceable_share
from recsim_llm.metrics.item_tables import RunTables, find_rows
from recsim_llm.metrics.run_chats import ArmChats, measure_chats
from recsim_llm.population.friendships import Friendships
from recsim_llm.statistics import Estimate

__all__ = ["ArmContagion", "measure_contagion"]

_HOURS = 24
_EVENT = "friend_click"
_LEAST_PAIRS = 30  # with fewer friendships a day's coefficient is noise


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmContagion:
    """What went from friend to friend under one recommender."""

    arm: str
    """Its name."""
    clicks: int
    """Clicks of all users."""
    traced: Estimate
    """Share of them on items of which a friend had told before."""
    cascades: Cascades
    """Trees of who brought whom to an item."""
    assortativity: DoubleArray
    """float64 [days]: how alike friends are in the genres that they consume on each day; NaN where nobody can tell."""
    chats: ArmChats | None = None
    """What they said two by two; None where nobody chats."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        sizes = self.cascades.size_counts()
        return {
            "arm": self.arm,
            "clicks": self.clicks,
            "traced": asdict(self.traced),
            "cascades": len(self.cascades.size),
            "cascade_sizes": {str(size): int(sizes[size]) for size in np.flatnonzero(sizes)},
            "largest_cascade": int(self.cascades.size.max(initial=0)),
            "deepest_cascade": int(self.cascades.depth.max(initial=0)),
            "mean_cascade": None if not len(self.cascades.size) else float(self.cascades.size.mean()),
            "assortativity_by_day": [None if np.isnan(value) else float(value) for value in self.assortativity],
            **({} if self.chats is None else {"chats": self.chats.to_json()}),
        }


def measure_contagion(log: RunReader, tables: RunTables) -> tuple[ArmContagion, ...] | None:
    """Measure contagion under each recommender.

    Args:
        log: of the run.
        tables: beside it.

    Returns:
        One an arm; None where users have no friends.

    Raises:
        LogError: the log and the tables do not fit each other.
    """
    if not has_table(log.folder, "friends"):
        return None
    table = read_table(log.folder, "friends", FRIENDS.names)
    one, other = (_users(log, tables, table.column(name).to_numpy()) for name in FRIENDS.names)
    friendships = Friendships.from_pairs(len(tables.user_id), one, other)
    return tuple(_measure(log, tables, friendships, arm) for arm in log.arms)


def _measure(log: RunReader, tables: RunTables, friendships: Friendships, arm: str) -> ArmContagion:
    user, item, day = _clicks(log, tables, arm)
    names = ("event", "user_id", "item_id", "other_id", "day", "hour")
    events = log.columns("events", names, arm=arm)
    told = events["event"] == _EVENT
    traced = {name: events[name][told].astype(np.int64) for name in names[1:]}
    step = _HOURS * traced["day"] + traced["hour"]
    known = day >= 0
    shares = tables.genres / np.maximum(tables.genres.sum(axis=1, keepdims=True), 1)
    return ArmContagion(
        arm=arm,
        clicks=len(user),
        traced=traceable_share(_users(log, tables, traced["user_id"]), user),
        cascades=measure_cascades(traced["user_id"], traced["item_id"], traced["other_id"], step),
        assortativity=consumption_assortativity(
            friendships, user[known], shares[item[known]], day[known], least_pairs=_LEAST_PAIRS
        )
        if known.any()
        else np.zeros(0),
        chats=measure_chats(log, tables, arm),
    )


def _clicks(log: RunReader, tables: RunTables, arm: str) -> tuple[IntArray, IntArray, IntArray]:
    """Return user, item and day of every click, as rows of the tables; the day is -1 in visits that are not over."""
    visits = log.columns("visits", ["user_id", "visit", "day"], arm=arm)
    most = int(visits["visit"].max(initial=0)) + 1
    days = np.full(len(tables.user_id) * most, -1)
    days[_users(log, tables, visits["user_id"]) * most + visits["visit"]] = visits["day"]
    clicked = {"clicked": np.ones(1, np.int64)}
    shown = log.columns("impressions", ["user_id", "visit", "item_id"], arm=arm, among=clicked)
    user, visit = _users(log, tables, shown["user_id"]), shown["visit"].astype(np.int64)
    day = np.where(visit < most, days[user * most + np.minimum(visit, most - 1)], -1)
    return user, find_rows(shown["item_id"], tables.item_id, f"{log.folder}: item_id"), day


def _users(log: RunReader, tables: RunTables, user_id: IntArray) -> IntArray:
    return find_rows(user_id.astype(np.int64), tables.user_id, f"{log.folder}: user_id")
