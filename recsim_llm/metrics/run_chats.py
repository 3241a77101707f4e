"""Chats of friends in a run, read from its folder alone: how many, how good, and which clicks came after them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.log.reader import RunReader
from recsim_llm.log.schema import CHAT, LIKE_THRESHOLD
from recsim_llm.metrics.item_tables import RunTables, find_rows
from recsim_llm.numerics.sorted_keys import find
from recsim_llm.statistics import Estimate, mean_estimate, share_estimate

__all__ = ["ArmChats", "measure_chats"]

_HOURS = 24


@dataclass(frozen=True, kw_only=True)
class ArmChats:
    """What friends said in chats under one recommender; intervals by user."""

    count: int
    """Chats of all users."""
    per_user: Estimate
    """Chats in which a user was told of something."""
    liked: Estimate
    """Share of them about what the friend gives 4 stars or more, or, where users give no stars, took."""
    clicks: Estimate
    """Share of clicks on items of which a friend had spoken in a chat of an earlier step."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def measure_chats(log: RunReader, tables: RunTables, arm: str) -> ArmChats | None:
    """Measure the chats under a recommender; None where nobody chats.

    Args:
        log: of the run.
        tables: beside it.
        arm: its name.

    Raises:
        LogError: the log and the tables do not fit each other.
    """
    settings = log.manifest.get("settings") or {}
    if not (settings.get("social") or {}).get("chats"):
        return None
    events = log.columns("events", ["event", "day", "hour", "user_id", "item_id", "value"], arm=arm)
    said = {name: column[events["event"] == CHAT] for name, column in events.items()}
    listener = _users(log, tables, said["user_id"])
    users = len(tables.user_id)
    count = np.bincount(listener, minlength=users).astype(np.float64)
    liked = np.bincount(listener, ~(said["value"] < LIKE_THRESHOLD), minlength=users).astype(np.float64)
    by_hour = settings["clock"]["step"] == "hour"
    told = listener * len(tables.item_id) + find_rows(said["item_id"], tables.item_id, f"{log.folder}: item_id")
    clicker, key, step = _clicks(log, tables, arm, by_hour=by_hour)
    after = _after(told, _step(said["day"], said["hour"], by_hour), key, step)
    clicks = [np.bincount(clicker, weights, minlength=users).astype(np.float64) for weights in (after, np.ones(len(after)))]
    return ArmChats(
        count=len(listener),
        per_user=mean_estimate(count, bounds=(0.0, np.inf)),
        liked=share_estimate(liked, count),
        clicks=share_estimate(clicks[0], clicks[1]),
    )


def _clicks(log: RunReader, tables: RunTables, arm: str, *, by_hour: bool) -> tuple[IntArray, IntArray, IntArray]:
    """Return who made each click, the pair of user and item, and the step; -1 in visits that are not over."""
    visits = log.columns("visits", ["user_id", "visit", "day", "hour"], arm=arm)
    shown = log.columns("impressions", ["user_id", "visit", "item_id"], arm=arm, among={"clicked": np.ones(1, np.int64)})
    most = int(max(visits["visit"].max(initial=0), shown["visit"].max(initial=0))) + 1
    steps = np.full(len(tables.user_id) * most, -1)
    steps[_users(log, tables, visits["user_id"]) * most + visits["visit"]] = _step(visits["day"], visits["hour"], by_hour)
    user = _users(log, tables, shown["user_id"])
    item = find_rows(shown["item_id"], tables.item_id, f"{log.folder}: item_id")
    return user, user * len(tables.item_id) + item, steps[user * most + shown["visit"]]


def _after(told: IntArray, told_step: IntArray, key: IntArray, step: IntArray) -> Any:
    """Return bool [c]: which clicks come after the first chat about their pair of user and item."""
    order = np.lexsort((told_step, told))
    pairs, first = np.unique(told[order], return_index=True)
    place = find(pairs, key)
    return (place >= 0) & (told_step[order][first][np.maximum(place, 0)] < step) if len(pairs) else place >= 0


def _step(day: IntArray, hour: IntArray, by_hour: bool) -> IntArray:
    return _HOURS * day.astype(np.int64) + hour if by_hour else day.astype(np.int64)


def _users(log: RunReader, tables: RunTables, user_id: IntArray) -> IntArray:
    return find_rows(user_id.astype(np.int64), tables.user_id, f"{log.folder}: user_id")
