"""Conversations as they stand in the log: dialogue by dialogue, every act of both sides in order, and words for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.conversation.acts import CRITIQUES, POLICY_ACTS, USER_ACTS, PolicyActs, UserActs
from recsim_llm.conversation.attributes import Attributes
from recsim_llm.conversation.dialogue_words import Named, policy_words, user_words
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import LogError
from recsim_llm.log.reader import RunReader

__all__ = ["PORTION_USERS", "LoggedAct", "Transcript", "put_into_words", "read_transcripts"]

PORTION_USERS = 10_000
"""Users whose dialogues are in memory together."""
_ACTS = (
    *("user_id", "visit", "turn", "who", "act", "attribute", "value", "critique"),
    *("item_ids", "probability", "text"),
)
_ENDS = ("user_id", "visit", "stop_reason", "item_id", "goal_item")
_Key = tuple[int, int]
_Row = dict[str, Any]


class LoggedAct(NamedTuple):
    """What one side did in a turn."""

    turn: int
    """From 1; 0 is the user's opening."""
    who: str
    """``user`` or ``policy``."""
    act: str
    """One of ``USER_ACTS`` or ``POLICY_ACTS``."""
    attribute: str | None
    """What was asked about, answered or criticised."""
    value: str | None
    """Of an answer or a critique."""
    critique: str | None
    """One of ``CRITIQUES``."""
    items: tuple[int, ...]
    """Outside ids of what was shown, taken or criticised."""
    probability: float | None
    """Of a user's act; None of a policy's."""
    text: str | None
    """The words of the log; None where nobody read any."""


class Transcript(NamedTuple):
    """A dialogue that is over."""

    user_id: int
    """Of the log."""
    visit: int
    """Of the user."""
    acts: tuple[LoggedAct, ...]
    """In the order in which they were done; of a turn the policy's first."""
    stop_reason: str
    """One of ``STOPS``."""
    accepted: int | None
    """Outside id of what the user took."""
    goal_item: int | None
    """What the user looked for when the dialogue ended; None without goals."""
    satisfaction: float
    """At the end, 0 to 1: the share of patience that is left."""
    turn_satisfaction: tuple[float, ...]
    """The same after each turn."""


def read_transcripts(log: RunReader, arm: str, users: IntArray | None = None) -> Iterator[Transcript]:
    """Yield the dialogues of an arm that are over; the log is read once for every ``PORTION_USERS``.

    Args:
        log: of a run whose users talk.
        arm: name of the recommender.
        users: int64 [u]: ids of those wanted, in the order wanted; None takes all, ascending.

    Raises:
        LogError: nobody talks in the run, or a file cannot be read.
    """
    if not (log.manifest.get("settings") or {}).get("conversation"):
        raise LogError(
            f"{log.folder}: got a run in which nobody talks, expected one of a scenario with a section conversation, "
            "presentation or remarks; `recsim-llm run conversation` makes one, or add --set 'presentation={}'"
        )
    if users is None:
        users = np.unique(log.columns("dialogues", ["user_id"], arm=arm)["user_id"]).astype(np.int64)
    for start in range(0, len(users), PORTION_USERS):
        yield from _portion(log, arm, users[start : start + PORTION_USERS])


def _portion(log: RunReader, arm: str, users: IntArray) -> Iterator[Transcript]:
    ends = {_key(row): row for row in _rows(log, "dialogues", _ENDS, arm=arm, users=users)}
    acts = _by_dialogue(_rows(log, "turns", _ACTS, arm=arm, users=users))
    pages = _by_dialogue(_rows(log, "pages", ("user_id", "visit", "page", "satisfaction"), arm=arm, users=users))
    visits = {_key(row): row for row in _rows(log, "visits", ("user_id", "visit", "satisfaction"), arm=arm, users=users)}
    place = {user: number for number, user in enumerate(users.tolist())}
    for key in sorted(ends, key=lambda key: (place[key[0]], key[1])):
        end, turns = ends[key], sorted(acts.get(key, ()), key=lambda row: (row["turn"], row["who"] == "user"))
        after = sorted(pages.get(key, ()), key=lambda row: int(row["page"]))
        yield Transcript(
            user_id=key[0],
            visit=key[1],
            acts=tuple(_act(row) for row in turns),
            stop_reason=str(end["stop_reason"]),
            accepted=end["item_id"],
            goal_item=end["goal_item"],
            satisfaction=float(visits[key]["satisfaction"]),
            turn_satisfaction=tuple(float(row["satisfaction"]) for row in after),
        )


def _rows(log: RunReader, table: str, names: Sequence[str], *, arm: str, users: IntArray) -> list[_Row]:
    return [row for batch in log.batches(table, names, arm=arm, among={"user_id": users}) for row in batch.to_pylist()]


def _key(row: _Row) -> _Key:
    return row["user_id"], row["visit"]


def _by_dialogue(rows: list[_Row]) -> dict[_Key, list[_Row]]:
    found: dict[_Key, list[_Row]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row)
    return found


def _act(row: _Row) -> LoggedAct:
    words = {name: row[name] for name in ("turn", "who", "act", "attribute", "value", "critique", "probability", "text")}
    return LoggedAct(items=tuple(row["item_ids"] or ()), **words)


def put_into_words(
    acts: Sequence[LoggedAct], catalog: Catalog, attributes: Attributes, *, named: Named | None = None
) -> list[str]:
    """Return words for acts, made by the templates of ``dialogue_words``; empty where nothing is said.

    Args:
        acts: of either side.
        catalog: the items of the run.
        attributes: of the catalog.
        named: as of ``user_words``.

    Raises:
        LogError: an act is about what the catalog does not have.
    """
    said = [""] * len(acts)
    for who, words in (("user", _users), ("policy", _policys)):
        rows = [row for row, act in enumerate(acts) if act.who == who]
        for row, text in zip(rows, words([acts[row] for row in rows], catalog, attributes, named), strict=True):
            said[row] = text
    return said


def _users(acts: Sequence[LoggedAct], catalog: Catalog, attributes: Attributes, named: Named | None) -> list[str]:
    names = [attributes.names[place] for place in attributes.attribute.tolist()]
    values = list(zip(names, attributes.value_names, strict=True))
    told = UserActs(
        act=_places(USER_ACTS, [act.act for act in acts]),
        value=_places(values, [None if act.value is None else (act.attribute, act.value) for act in acts]),
        critique=_places(CRITIQUES, [act.critique for act in acts]),
        item_id=np.array([act.items[0] if act.items else -1 for act in acts], np.int64),
    )
    return [str(text) for text in user_words(told, catalog, attributes, named=named)]


def _policys(acts: Sequence[LoggedAct], catalog: Catalog, attributes: Attributes, named: Named | None) -> list[str]:
    slots = max((len(act.items) for act in acts), default=0)
    told = PolicyActs(
        act=_places(POLICY_ACTS, [act.act for act in acts]),
        attribute=_places(attributes.names, [act.attribute for act in acts]),
        item_id=np.array([[*act.items, *[-1] * (slots - len(act.items))] for act in acts], np.int64).reshape(len(acts), slots),
    )
    return [str(text) for text in policy_words(told, catalog, attributes, named=named)]


def _places(names: Sequence[Any], wanted: Sequence[Any]) -> IntArray:
    """Return int64 [n]: the place of each name; -1 for None."""
    place = {None: -1, **{name: number for number, name in enumerate(names)}}
    unknown = [name for name in wanted if name not in place]
    if unknown:
        raise LogError(f"turns: got {unknown[0]!r}, expected what the run's catalog and this version have; restore the log")
    return np.array([place[name] for name in wanted], np.int64)
