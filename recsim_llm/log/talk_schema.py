"""The tables of a conversation's log: what each side did, turn by turn, and what came of each dialogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["DIALOGUES", "TALK_SCHEMAS", "TURNS", "dialogues_table", "turns_table"]

_WORDS = pa.dictionary(pa.int16(), pa.string())
_ARM = pa.dictionary(pa.int8(), pa.string())
TURNS = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("turn", pa.int32()),
        ("who", _WORDS),
        ("act", _WORDS),
        ("attribute", _WORDS),
        ("value", _WORDS),
        ("critique", _WORDS),
        ("item_ids", pa.list_(pa.int64())),
        ("probability", pa.float64()),
        ("welcome", pa.bool_()),
        ("obeyed", pa.bool_()),
        ("bits", pa.float64()),
        ("false", pa.bool_()),
        ("text", pa.string()),
    ]
)
"""One row an act. ``who`` is ``policy`` or ``user``; turn 0 is the user's opening, in which the policy has no row.
``attribute`` and ``value`` are what was asked about, answered or criticised; ``item_ids`` what was shown, or what the user
took or criticised. Of the user: ``probability`` of the act that was drawn; ``bits`` an answer took from the entropy of the
items that still fit; ``false``, whether an answer is not true of what the user looks for. Of the policy: ``welcome``, whether
the user wanted to be spoken to, null where it was silent; ``obeyed``, whether a recommendation heeds the last critique, null
where there is none. ``text`` is null unless somebody reads it. What does not belong to an act is null."""
DIALOGUES = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("turns", pa.int32()),
        ("stop_reason", _WORDS),
        ("item_id", pa.int64()),
        ("on_goal", pa.bool_()),
        ("goal_item", pa.int64()),
        ("questions", pa.int32()),
        ("recommended", pa.int32()),
        ("interruptions", pa.int32()),
        ("welcome", pa.int32()),
        ("invalid", pa.int32()),
        ("bits", pa.float64()),
        ("regret", pa.float64()),
        ("patience", pa.float64()),
        ("spent", pa.float64()),
        ("blame", _WORDS),
        ("blame_again", pa.float64()),
        ("leak_hits", pa.float64()),
        ("leak_expected", pa.float64()),
        ("leak_variance", pa.float64()),
    ]
)
"""One row a dialogue that is over. ``turns`` of the policy; ``item_id`` is what was accepted, null where nothing was;
``on_goal`` whether it is what the user looked for, true of everything accepted where there was no goal; ``goal_item`` the item
of the goal when the dialogue ended, null without goals. ``questions``, ``recommended``: turns of that kind; ``interruptions``
and ``welcome``: acts that the user did not want and did; ``invalid``: items blanked. ``bits``: that answers to questions told;
``regret``: how far the accepted item falls short of the best of the user's pool, in standard deviations of the user's appeal.
``patience`` at first and what was ``spent`` of it. ``blame``: what the user of a dialogue that found nothing did against
itself, and with which probability it would again. The last three are sums of the leak meter."""
TALK_SCHEMAS = {"turns": TURNS, "dialogues": DIALOGUES}
"""Every column of the tables, by table."""

Part = Mapping[str, Any]


def turns_table(arm: str, part: Part) -> pa.Table:
    """Return the ``TURNS`` table of an arm; an empty part gives no rows.

    Args:
        arm: its name.
        part: columns [n] by name; None in words and NaN in numbers are null; ``welcome``, ``obeyed`` and ``false`` are 1, 0,
            or -1 for null; ``item_ids`` int64 [n, k], -1 where there is none.
    """
    return _table(arm, part, TURNS)


def dialogues_table(arm: str, part: Part) -> pa.Table:
    """Return the ``DIALOGUES`` table of an arm; an empty part gives no rows.

    Args:
        arm: its name.
        part: columns [n] by name, nulls as of ``turns_table``; ``item_id`` and ``goal_item`` are -1 where there is none.
    """
    return _table(arm, part, DIALOGUES)


def _table(arm: str, part: Part, schema: pa.Schema) -> pa.Table:
    rows = len(part["user_id"]) if part else 0
    arrays = [pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([arm]))]
    arrays += [_column(part[field.name] if part else (), field) for field in list(schema)[1:]]
    return pa.Table.from_arrays(arrays, schema=schema)


def _column(values: npt.NDArray[Any] | Sequence[Any], field: pa.Field) -> pa.Array:
    if pa.types.is_dictionary(field.type):
        return pa.array(values, pa.string()).dictionary_encode().cast(field.type)
    if pa.types.is_list(field.type):
        kept = [[item for item in row if item >= 0] or None for row in np.asarray(values).tolist()]
        return pa.array(kept, field.type)
    if pa.types.is_string(field.type):
        return pa.array(values, field.type)
    column = np.asarray(values)
    if pa.types.is_boolean(field.type):
        return pa.array(column == 1, field.type, mask=column == -1)
    if pa.types.is_floating(field.type):
        return pa.array(column.astype(np.float64), field.type, from_pandas=True)
    mask = column < 0 if field.name in ("item_id", "goal_item") else None
    return pa.array(column.astype(field.type.to_pandas_dtype()), field.type, mask=mask)
