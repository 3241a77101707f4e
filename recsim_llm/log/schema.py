"""The tables of the run log: their columns, and how they are put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsim_llm.core.pages import DECIDERS, Account
from recsim_llm.log.talk_schema import TALK_SCHEMAS

__all__ = [
    "CHAT",
    "EVENTS",
    "EXPLAINED",
    "FRIENDS_LIKED",
    "IMPRESSIONS",
    "LIKE_THRESHOLD",
    "PAGES",
    "PROVIDER_EXPOSURE",
    "PROVIDER_LEAVES",
    "SCHEMAS",
    "TOOL_CALLS",
    "TRUST",
    "VISITS",
    "WHEN",
    "Part",
    "events_table",
    "impressions_table",
    "pages_table",
    "tool_calls_table",
    "visits_table",
]

Part = dict[str, npt.NDArray[Any]]
"""Columns of a few rows, by name."""

LIKE_THRESHOLD = 4.0
"""Stars from which a rating counts as a like."""

CHAT = "chat"
"""Event of two friends who talk."""
PROVIDER_EXPOSURE, PROVIDER_LEAVES = "provider_exposure", "provider_leaves"
"""Events of providers: every day of each one who is still there, and of who leaves at the end of it."""

_ARM = pa.dictionary(pa.int8(), pa.string())
IMPRESSIONS = pa.schema(
    [
        pa.field("arm", _ARM, nullable=False),
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("visit", pa.int32(), nullable=False),
        pa.field("page", pa.int32(), nullable=False),
        pa.field("position", pa.int16(), nullable=False),
        pa.field("item_id", pa.int64(), nullable=False),
        ("propensity", pa.float32()),
        ("prefix_propensity", pa.float32()),
        pa.field("examine_prob", pa.float32(), nullable=False),
        pa.field("click_prob", pa.float32(), nullable=False),
        pa.field("examined", pa.bool_(), nullable=False),
        pa.field("clicked", pa.bool_(), nullable=False),
        ("watched", pa.float32()),
        ("rating", pa.float32()),
        ("liked", pa.bool_()),
        ("text", pa.string()),
        ("dwell", pa.float32()),
    ]
)
"""One row a slot. ``click_prob`` is the probability of a click before anything is drawn (examination included); propensities
are null where unknown; ``item_id`` is -1 for a blanked slot; ``watched``, ``rating`` and ``liked`` are null without a click.
``dwell``, seconds with a clicked item, is null also of users who were not fitted to a log that tells them. What is never null
is declared so: by far most of a log are impressions, and readers and the writer need not look."""
PAGES = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("page", pa.int32()),
        ("slate_propensity", pa.float64()),
        ("clicks", pa.int16()),
        ("invalid_slots", pa.int16()),
        ("reward", pa.float64()),
        ("satisfaction", pa.float32()),
        ("leave_prob", pa.float32()),
        ("next_action", pa.dictionary(pa.int8(), pa.string())),
        ("stop_reason", pa.dictionary(pa.int8(), pa.string())),
        ("decided_by", pa.dictionary(pa.int8(), pa.string())),
        ("disagreement", pa.float32()),
        ("memories_dropped", pa.int16()),
    ]
)
"""One row a page. ``satisfaction`` is 0 to 1; ``next_action`` is ``next`` or ``leave``; ``stop_reason`` is null within a visit,
``left`` when the user ended it, ``max_pages`` when the page budget did. The last three say how the decision came about and
are null where there is one way only: which of ``DECIDERS`` made it, how far another one lay from it (mean absolute difference
of click probabilities; null where only one was asked), and how many memories the prompt had no room for."""
VISITS = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("pages", pa.int32()),
        ("clicks", pa.int32()),
        ("reward", pa.float64()),
        ("satisfaction", pa.float32()),
        ("stop_reason", pa.dictionary(pa.int8(), pa.string())),
        ("return_prob", pa.float32()),
        ("returned", pa.bool_()),
    ]
)
"""One row a visit that is over. ``satisfaction`` is after its last page; ``return_prob`` and ``returned`` are of the next visit
and are null where none is simulated."""
WHEN = pa.schema([("day", pa.int32()), ("hour", pa.int8()), ("intent", pa.dictionary(pa.int8(), pa.string()))])
"""Further columns of ``VISITS`` in runs with a clock: when the visit was, and what for; null where nobody said."""
EVENTS = pa.schema(
    [
        ("arm", _ARM),
        ("day", pa.int32()),
        ("hour", pa.int8()),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("page", pa.int32()),
        ("item_id", pa.int64()),
        ("event", pa.dictionary(pa.int8(), pa.string())),
        ("subject", pa.string()),
        ("other_id", pa.int64()),
        ("value", pa.float64()),
    ]
)
"""One row an event, in runs with a clock alone: ``begins`` and ``ends`` of an intervention, whose name is the ``subject`` and
whose ``value`` counts the items that it is about, or the users where it is about none; and what users do beyond clicks:
``search``, with the query as ``subject`` and the number of items on sale that hold a word of it as ``value``, ``filter``,
with the genre as ``subject``, ``back``, and ``recsim_llm.core.pages.ACTIONS``, whose ``value`` is the probability that they
had, and whose ``other_id`` is the friend to whom an item was sent.
``friend_click`` is a click on an item of which a friend, ``other_id``, had told; ``value`` is what friends added to its
log-odds, null where the user was told in words. ``chat`` is what a friend, ``other_id``, said to a user of an item, and
``value`` how many stars the friend gives it, null where users give none. Of ``provider_exposure`` and ``provider_leaves``
``other_id`` is the provider's place in the alphabet, from 0, ``subject`` its name, ``value`` exposure over merit.
``user_id``, ``visit``, ``page`` and ``item_id`` are -1 where there is none, ``other_id``, a friend or a provider, too."""
FRIENDS_LIKED = pa.schema([("friend_id", pa.int64())])
"""Further column of ``IMPRESSIONS`` in runs where users have friends: the friend who liked the item and told of it first, as
the page says beside it; null where nobody did."""
TOOL_CALLS = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("page", pa.int32()),
        ("step", pa.int16()),
        ("tool", pa.dictionary(pa.int8(), pa.string())),
        ("arguments", pa.string()),
        ("result", pa.string()),
        ("error", pa.dictionary(pa.int8(), pa.string())),
        ("tokens", pa.int32()),
        ("chosen", pa.int16()),
        ("invalid", pa.int16()),
        ("from_candidates", pa.int16()),
        ("from_base", pa.int16()),
    ]
)
"""One row a tool that an agent asked for, in the arms of agents alone, in the order of asking; then one row of the tool
``page`` a page. ``step`` is the call of the model that asked for it, from 1; ``tool`` is null where what it wrote names none;
``arguments`` and ``result`` are as the model wrote and as it was told in short, at most 500 characters each; ``error`` is null,
or the cause of ``ToolError``; ``tokens`` of the call of the model, read and written, estimated, are at its first tool. In the
row of a page ``error`` says why there is no answer (``calls``, ``tokens``, ``context`` or ``no_answer``); of its positions
``chosen`` are the agent's, ``from_candidates`` and ``from_base`` were filled; ``invalid`` counts ids of its answers that were
none of the candidates, or given twice. These four are null in other rows."""
EXPLAINED = pa.schema([("explanation", pa.string()), ("shown_title", pa.string()), ("plain_click_prob", pa.float32())])
"""Further columns of ``IMPRESSIONS`` in runs whose scenario turns ``presentation`` on: why the item is there and under which
title of the recommender's own, as the user read it, null where nothing was written; and the probability of a click that the
same page would have had without its words, null where the users, who read words themselves, were not asked."""
TRUST = pa.schema([("trust", pa.float32())])
"""Further column of ``PAGES`` in such runs: how much the user trusts words after the page, 0 to 1."""
SCHEMAS = {
    "impressions": pa.schema([*IMPRESSIONS, *FRIENDS_LIKED, *EXPLAINED]),
    "pages": pa.schema([*PAGES, *TRUST]),
    "visits": pa.schema([*VISITS, *WHEN]),
    "events": EVENTS,
    "tool_calls": TOOL_CALLS,
    **TALK_SCHEMAS,
}
"""Every column that a table can have, by table."""

_DECIDERS = pa.array(DECIDERS)
_NEXT_ACTIONS = pa.array(["next", "leave"])
_STOP_REASONS = pa.array(["left", "max_pages"])


def impressions_table(arm: str, part: Part, *, social: bool = False, worded: bool = False) -> pa.Table:
    """Return the ``IMPRESSIONS`` table of an arm; an empty part has no rows.

    Args:
        arm: its name.
        part: columns [n] by name, without those that are null throughout; ``text`` is empty where users say nothing.
        social: whether users have friends, so that there is ``FRIENDS_LIKED``.
        worded: whether words on pages do something, so that there is ``EXPLAINED``.
    """
    rating = part.get("rating", np.empty(0, np.float32))
    columns = _nulls(IMPRESSIONS, ("propensity", "prefix_propensity", "text", "dwell"), len(rating)) | part
    columns["liked"] = _flags(rating >= LIKE_THRESHOLD, ~np.isnan(rating))
    if "text" in part:
        columns["text"] = _said(part["text"])
    if social:
        friend = columns.get("friend_id", np.empty(0, np.int64))
        columns["friend_id"] = pa.array(friend, mask=friend < 0)
    if worded:
        columns |= {name: _said(columns.get(name, np.empty(0, object))) for name in ("explanation", "shown_title")}
    return _table(arm, columns, pa.schema([*IMPRESSIONS, *(FRIENDS_LIKED if social else ()), *(EXPLAINED if worded else ())]))


def pages_table(arm: str, part: Part, *, worded: bool = False) -> pa.Table:
    """Return the ``PAGES`` table of an arm, with ``TRUST`` where words on pages do something; an empty part gives no rows."""
    left = part.get("left", np.empty(0, np.bool_))
    ended = left | part.get("out_of_pages", np.empty(0, np.bool_))
    columns = _nulls(PAGES, ("slate_propensity", *Account._fields), len(left)) | part
    columns["next_action"] = pa.DictionaryArray.from_arrays(pa.array(ended.astype(np.int8)), _NEXT_ACTIONS)
    columns["stop_reason"] = _stop_reason(left, ~ended)
    if "decided_by" in part:
        columns["decided_by"] = pa.DictionaryArray.from_arrays(pa.array(part["decided_by"]), _DECIDERS)
    return _table(arm, columns, SCHEMAS["pages"] if worded else PAGES)


def visits_table(arm: str, parts: list[Part], *, timed: bool = False) -> pa.Table:
    """Return the ``VISITS`` table of an arm, with the columns of ``WHEN`` where there is a clock."""
    columns = _joined(parts)
    columns["stop_reason"] = _stop_reason(columns.get("left", np.empty(0, np.bool_)), None)
    if parts:
        columns["returned"] = pa.array(columns["returned"], mask=columns.pop("return_unknown"))
    if not timed:
        return _table(arm, columns, VISITS)
    columns["intent"] = _words(columns.get("intent", np.full(len(columns["stop_reason"]), None)))
    return _table(arm, columns, SCHEMAS["visits"])


def events_table(arm: str, parts: list[Part]) -> pa.Table:
    """Return the ``EVENTS`` table of an arm."""
    columns = _joined(parts)
    columns["event"] = _words(columns.get("event", np.empty(0, object)))
    columns["subject"] = pa.array(columns.get("subject", np.empty(0, object)), pa.string())
    return _table(arm, columns, EVENTS)


def tool_calls_table(arm: str, parts: list[Part]) -> pa.Table:
    """Return the ``TOOL_CALLS`` table of an arm."""
    columns = _joined(parts)
    columns |= {name: _words(columns.get(name, np.empty(0, object))) for name in ("tool", "error")}
    columns |= {name: pa.array(columns.get(name, np.empty(0, object)), pa.string()) for name in ("arguments", "result")}
    for name in ("chosen", "invalid", "from_candidates", "from_base"):
        counts = columns.get(name, np.empty(0, np.int64)).astype(np.int16)
        columns[name] = pa.array(counts, mask=counts < 0)
    return _table(arm, columns, TOOL_CALLS)


def _said(texts: npt.NDArray[Any]) -> pa.Array:
    """Return texts, null where they are empty."""
    return pa.array([text or None for text in texts.tolist()], pa.string())


def _words(values: npt.NDArray[Any]) -> pa.DictionaryArray:
    return pa.array(values, pa.string()).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))


def _stop_reason(left: npt.NDArray[np.bool_], within: npt.NDArray[np.bool_] | None) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array((~left).astype(np.int8), mask=within), _STOP_REASONS)


def _joined(parts: list[Part]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _nulls(schema: pa.Schema, names: Iterable[str], rows: int) -> dict[str, Any]:
    """Return columns in which everything is unknown."""
    return {name: pa.nulls(rows, schema.field(name).type) for name in names}


def _table(arm: str, columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    rows = max((len(column) for column in columns.values()), default=0)
    arrays = [pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([arm]))]
    for field in list(schema)[1:]:
        column = columns.get(field.name, np.empty(0))
        if isinstance(column, np.ndarray):
            column = _array(column, field)
        arrays.append(column)
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(column: npt.NDArray[Any], field: pa.Field) -> pa.Array:
    """Return a column of numbers or flags; NaN is null where there can be nulls."""
    if pa.types.is_boolean(field.type):
        return _flags(column.astype(np.bool_, copy=False), None)
    column = np.ascontiguousarray(column, field.type.to_pandas_dtype())
    known = ~np.isnan(column) if field.nullable and pa.types.is_floating(field.type) else None
    return pa.Array.from_buffers(field.type, len(column), [None if known is None else _bits(known), pa.py_buffer(column)])


def _flags(flags: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_] | None) -> pa.BooleanArray:
    """Return flags, null where they are not known."""
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None if known is None else _bits(known), _bits(flags)])


def _bits(flags: npt.NDArray[np.bool_]) -> pa.Buffer:
    # Arrow keeps flags as bits, and NumPy packs them several times as fast as Arrow converts them.
    return pa.py_buffer(np.packbits(flags, bitorder="little"))
