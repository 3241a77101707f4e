"""Everything that the log holds of some users, as plain values for the page of sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.log.columns import Columns
from recsim_llm.log.reader import RunReader
from recsim_llm.log.visit_rows import more_of_slots
from recsim_llm.terminal_text import printable

__all__ = ["SessionRows", "plain_number"]

Row = Mapping[str, Any]

_PLACE = ("user_id", "visit", "page")
_PAGES = ("satisfaction", "leave_prob", "reward", "stop_reason", "decided_by")
_CHANCES = ("propensity", "examine_prob", "click_prob")
_SLOTS = ("item_id", *_CHANCES, "examined", "clicked", "rating")
_VISITS = ("satisfaction", "reward", "stop_reason", "return_prob", "returned")
_TURNS = ("turn", "who", "act", "attribute", "value", "probability", "text")
_TOOLS = ("step", "tool", "arguments", "result", "error")
_DIGITS = 4
"""Digits of numbers on the page: enough for any chance as it is shown."""


class SessionRows:
    """The log of some users under one recommender; ``of`` tells one of them.

    Args:
        log: of the run.
        arm: name of the recommender.
        users: int64 [u]: whose rows are read, all of them into memory.
        texts: rows of ``texts`` of this recommender: what users said when they were asked afterwards.

    Raises:
        LogError: the log cannot be read.
    """

    def __init__(self, log: RunReader, arm: str, users: IntArray, texts: Sequence[Row]) -> None:
        def read(table: str, key: Sequence[str], names: Sequence[str]) -> Columns:
            columns = log.columns(table, list(dict.fromkeys([*key, *names])), arm=arm, among={"user_id": users})
            order = np.lexsort([columns[name] for name in reversed(key)])
            return {name: column[order] for name, column in columns.items()}

        self._more = more_of_slots(log)
        self._pages = read("pages", _PLACE, _PAGES)
        self._slots = read("impressions", (*_PLACE, "position"), (*_SLOTS, *self._more))
        self._visits = read("visits", _PLACE[:2], _VISITS)
        tables = {table for segment in log.segments if segment.arm in (arm, None) for table in segment.files}
        self._turns = read("turns", (*_PLACE[:2], "turn"), _TURNS) if "turns" in tables else None
        self._tools = read("tool_calls", (*_PLACE, "step"), _TOOLS) if "tool_calls" in tables else None
        self._said: dict[tuple[int, int, int], list[Row]] = defaultdict(list)
        wanted = set(users.tolist())
        for row in texts:
            if row["user_id"] in wanted and row["text"] is not None:
                self._said[row["user_id"], row["visit"], row["page"]].append(row)

    def of(self, user: int) -> list[dict[str, Any]]:
        """Return the visits of a user, in order; empty where there is none.

        Each has ``visit``, ``over`` (its row of ``visits``, None before its end), ``pages``, and ``turns`` in conversations.
        A page has its number, ``end`` (why the visit ended with it), ``slots`` and more; a slot is a list: item, chances of
        being shown, looked at and clicked, 2 for a click, 1 for a look and 0 for neither, stars, and what is written.
        """
        visits: dict[int, dict[str, Any]] = {}
        slots, tools = _by_place(self._slots, user), _by_place(self._tools, user)
        for row in _rows(self._pages, user):
            place = (row["visit"], row["page"])
            visit = visits.setdefault(row["visit"], {"visit": row["visit"], "over": None, "pages": []})
            page: dict[str, Any] = {"page": row["page"], "end": row["stop_reason"], "by": row["decided_by"]}
            page |= {name: plain_number(row[name]) for name in ("satisfaction", "leave_prob", "reward")}
            page["slots"] = [self._slot(slot) for slot in slots[place]]
            if used := tools[place]:
                page["tools"] = [{name: _plain(one[name]) for name in _TOOLS} for one in used]
            if said := self._said.get((user, *place)):
                page["said"] = [{name: _plain(one[name]) for name in ("kind", "position", "text")} for one in said]
            visit["pages"].append(page)
        for row in _rows(self._visits, user):
            if row["visit"] in visits:
                visits[row["visit"]]["over"] = {name: _plain(row[name]) for name in _VISITS}
        for row in _rows(self._turns, user):
            visit = visits.setdefault(row["visit"], {"visit": row["visit"], "over": None, "pages": []})
            visit.setdefault("turns", []).append({name: _plain(row[name]) for name in _TURNS})
        return [visits[number] for number in sorted(visits)]

    def _slot(self, slot: Row) -> list[Any]:
        drawn = 2 if slot["clicked"] == 1 else 1 if slot["examined"] == 1 else 0
        columns = [slot["item_id"], *(plain_number(slot[name]) for name in _CHANCES), drawn, plain_number(slot["rating"])]
        more = {name: _plain(slot[name]) for name in self._more}
        return columns + ([more] if any(value is not None for value in more.values()) else [])


def plain_number(value: Any) -> Any:
    """Return a number with a few digits, None for NaN."""
    if value is None or value != value:
        return None
    return value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}")


def _plain(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else plain_number(value)


def _by_place(columns: Columns | None, user: int) -> dict[tuple[int, int], list[Row]]:
    found: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in _rows(columns, user):
        found[row["visit"], row["page"]].append(row)
    return found


def _rows(columns: Columns | None, user: int) -> list[dict[str, Any]]:
    """Return the rows of a user, of columns sorted by user."""
    if columns is None:
        return []
    start, end = np.searchsorted(columns["user_id"], [user, user + 1])
    values = [column[start:end].tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
