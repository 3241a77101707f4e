"""What acts of a policy must look like, and which of their items stay blank."""

from __future__ import annotations

import numpy as np

from recsim_llm.conversation.acts import ASK, EXPLAIN, POLICY_ACTS, RECOMMEND, SILENT, PolicyActs
from recsim_llm.conversation.attributes import Attributes
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.repetition import KnownItems
from recsim_llm.core.visits import blank_slots
from recsim_llm.errors import SlateError
from recsim_llm.recommenders.base import check_words

__all__ = ["admit_acts"]


def admit_acts(
    acts: PolicyActs,
    rows: IntArray,
    *,
    catalog: Catalog,
    attributes: Attributes,
    slots: int,
    shown: IntArray,
    known: KnownItems | None,
    name: str | None,
) -> tuple[PolicyActs, IntArray, IntArray]:
    """Return acts as they take place: what does not belong to an act is -1 or '', and invalid items are -1.

    Args:
        acts: of a policy, a row each of ``rows``.
        rows: int64 [m]: of the dialogues.
        catalog: the items.
        attributes: what can be asked about.
        slots: most items of an act.
        shown: int64 [m, n]: ids of items recommended so far in each dialogue, -1 for none; only these may be explained, or an
            explanation would be a recommendation to which no rule applies.
        known: the rule on repetition, for recommendations alone.
        name: who is to blame, whose invalid items are refused; None blanks and counts them.

    Returns:
        The acts; int64 [m, k], their items as catalog positions; int64 [m], how many were blanked.

    Raises:
        SlateError: wrong shapes, types or places, words too long, or an invalid item where these are refused.
    """
    whom = name or "policy"
    if not isinstance(acts, PolicyActs):
        raise SlateError(f"{whom}: got {type(acts).__name__} from respond, expected PolicyActs; begin with silent_acts")
    act, attribute = _column(acts.act, "act", len(rows), whom), _column(acts.attribute, "attribute", len(rows), whom)
    item_id = np.asarray(acts.item_id)
    if item_id.dtype.kind not in "iu" or item_id.shape != (len(rows), slots):
        raise SlateError(
            f"{whom}: got item_id {item_id.dtype} of shape {item_id.shape}, expected integers of shape ({len(rows)}, {slots})"
        )
    _check_range(act, "act", range(len(POLICY_ACTS)), whom)
    _check_range(attribute, "attribute", range(-1, len(attributes.names)), whom)
    check_words(acts.text, f"{whom}: text", (len(rows),))
    shows = np.isin(act, (RECOMMEND, EXPLAIN))
    item_id = np.where(shows[:, None], item_id, -1).astype(np.int64)
    unheard = (act == EXPLAIN)[:, None] & (item_id >= 0) & ~(item_id[:, :, None] == shown[:, None, :]).any(axis=2)
    if name is not None and unheard.any():
        row, slot = np.argwhere(unheard)[0]
        raise SlateError(
            f"{name}, row {row}, position {slot}: got item {item_id[row, slot]} explained, expected one that was recommended "
            "in this dialogue; recommend it first"
        )
    offered = np.where(unheard, -1, item_id)
    index, invalid = _admitted(offered, rows, act == RECOMMEND, catalog=catalog, known=known, name=name)
    ids = np.where(index < 0, -1, catalog.item_id[index])
    text = None if acts.text is None else np.where(act == SILENT, "", np.asarray(acts.text, object))
    return PolicyActs(act, np.where(act == ASK, attribute, -1), ids, text), index, invalid + unheard.sum(axis=1)


def _admitted(
    item_id: IntArray, rows: IntArray, new: IntArray, *, catalog: Catalog, known: KnownItems | None, name: str | None
) -> tuple[IntArray, IntArray]:
    given = item_id >= 0
    index = np.where(given, catalog.index_of(item_id), -1)
    blank = blank_slots(index, catalog.retired) if index.size else None
    wrong = np.zeros(index.shape, np.bool_) if blank is None else blank & given
    if name is not None and wrong.any():
        row, slot = np.argwhere(wrong)[0]
        raise SlateError(
            f"{name}, row {row}, position {slot}: got item {item_id[row, slot]}, expected different items of the catalog that "
            "are on sale; set invalid=count to blank and count such slots"
        )
    index[wrong] = -1
    if known is not None and new.any():
        again = known.admit(index[new], rows[new], None, refuse=name)
        if again is not None:
            index[new] = np.where(again, -1, index[new])
    return index, (given & (index < 0)).sum(axis=1)


def _column(values: IntArray, what: str, count: int, whom: str) -> IntArray:
    column = np.asarray(values)
    if column.dtype.kind not in "iu" or column.shape != (count,):
        raise SlateError(f"{whom}: got {what} {column.dtype} of shape {column.shape}, expected integers of shape ({count},)")
    return column.astype(np.int64)


def _check_range(column: IntArray, what: str, allowed: range, whom: str) -> None:
    wrong = (column < allowed.start) | (column >= allowed.stop)
    if wrong.any():
        expected = f"{allowed.start} to {allowed.stop - 1}"
        raise SlateError(f"{whom}: got {what} {column[wrong][0]}, expected {expected}; see recsim_llm.conversation.acts")
