"""Batches of users put together and picked from: named tuples of columns, and the feedback of pages.

Named tuples of columns are what travels through a page; feedback needs more, since its clicked slots are not one row a user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import Pages, Rows
from recsim_llm.core.profiles import Profile
from recsim_llm.errors import ContractError

__all__ = ["join_feedback", "spread_columns", "spread_feedback", "stack_columns", "take_columns", "take_feedback"]


def stack_columns(values: Sequence[Any]) -> Any:
    """Put batches below each other.

    Args:
        values: at least one; arrays of one shape but for the first axis, or named tuples of such, nested to any depth. None
            stands for a column that nobody has. Profiles must be of the same population.

    Raises:
        ContractError: only some of the batches have a column.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    if isinstance(known[0], Profile):
        return Profile.joined(values)
    if isinstance(known[0], tuple):
        return type(known[0])(*(stack_columns(column) for column in zip(*values, strict=True)))
    if len(known) < len(values):
        raise ContractError("columns: got None for some batches only, expected a column in all of them or in none")
    return np.concatenate(known)


def take_columns(value: Any, order: Rows) -> Any:
    """Return some rows of an array, of a named tuple of arrays, or of nothing.

    Args:
        value: as in ``stack_columns``, but one batch.
        order: int64 [m]: positions along the first axis, or a slice of them.
    """
    if value is None:
        return None
    if isinstance(value, tuple):
        return type(value)(*(take_columns(column, order) for column in value))
    return value[order]


def spread_columns(value: Any, place: IntArray, rows: int) -> Any:
    """Return columns of more rows, in which those of a batch have places of their own and all others hold zeros.

    Args:
        value: as in ``take_columns``.
        place: int64 [m]: where each row of the batch goes.
        rows: how many rows there are then.
    """
    if value is None:
        return None
    if isinstance(value, tuple):
        return type(value)(*(spread_columns(column, place, rows) for column in value))
    column = np.zeros((rows, *value.shape[1:]), value.dtype)
    column[place] = value
    return column


def spread_feedback(feedback: Feedback, place: IntArray, rows: int) -> Feedback:
    """Return the feedback of more rows, in which nothing was shown to those that are not in the batch.

    Args:
        feedback: of ``m`` users.
        place: int64 [m]: where each goes, ascending.
        rows: how many rows there are then.
    """
    slots = feedback.clicked.shape[1]
    row = place[feedback.row]
    pages: Pages = spread_columns(feedback.pages._replace(rows=place), place, rows)
    item_index = np.full((rows, slots), -1)
    item_index[place] = feedback.pages.item_index
    draws = np.full((rows, *feedback.draws.shape[1:]), np.inf, np.float32)
    draws[place] = feedback.draws
    return feedback._replace(
        pages=pages._replace(rows=slice(None), item_index=item_index),
        decisions=spread_columns(feedback.decisions, place, rows),
        draws=draws,
        clicked=spread_columns(feedback.clicked, place, rows),
        slot=row * slots + feedback.slot % slots,
        row=row,
        mood=spread_columns(feedback.mood, place, rows),
        left=spread_columns(feedback.left, place, rows),
    )


def join_feedback(feedbacks: Sequence[Feedback]) -> Feedback:
    """Put batches below each other; clicked slots and rows are counted on.

    Args:
        feedbacks: at least one, all of the same user model and slate size. ``pages.rows`` of the result is the first
            one's: rows of the user model have no meaning across pages.
    """
    first = feedbacks[0]
    if len(feedbacks) == 1:
        return first
    sizes = np.array([len(feedback.left) for feedback in feedbacks])
    above = np.repeat(np.cumsum(sizes) - sizes, [feedback.slot.size for feedback in feedbacks])
    return first._replace(
        pages=first.pages._replace(
            user_index=np.concatenate([feedback.pages.user_index for feedback in feedbacks]),
            visit=np.concatenate([feedback.pages.visit for feedback in feedbacks]),
            page=np.concatenate([feedback.pages.page for feedback in feedbacks]),
            item_index=np.concatenate([feedback.pages.item_index for feedback in feedbacks]),
        ),
        decisions=stack_columns([feedback.decisions for feedback in feedbacks]),
        draws=np.concatenate([feedback.draws for feedback in feedbacks]),
        clicked=np.concatenate([feedback.clicked for feedback in feedbacks]),
        slot=np.concatenate([feedback.slot for feedback in feedbacks]) + above * first.clicked.shape[1],
        row=np.concatenate([feedback.row for feedback in feedbacks]) + above,
        rating=np.concatenate([feedback.rating for feedback in feedbacks]),
        mood=stack_columns([feedback.mood for feedback in feedbacks]),
        left=np.concatenate([feedback.left for feedback in feedbacks]),
        rated=stack_columns([feedback.rated for feedback in feedbacks]),
        engaged=stack_columns([feedback.engaged for feedback in feedbacks]),
        looked=stack_columns([feedback.looked for feedback in feedbacks]),
        dwell=stack_columns([feedback.dwell for feedback in feedbacks]),
    )


def take_feedback(feedback: Feedback, order: IntArray) -> Feedback:
    """Return the feedback of some users of the batch, in another order.

    Args:
        feedback: of ``u`` users; its rows must be given as numbers, not as a slice.
        order: int64 [m]: positions in the batch, each at most once.
    """
    slots = feedback.clicked.shape[1]
    place = np.full(len(feedback.left), -1)
    place[order] = np.arange(len(order))
    row = place[feedback.row]
    kept = np.flatnonzero(row >= 0)
    slot = row[kept] * slots + feedback.slot[kept] % slots
    kept, slot = kept[np.argsort(slot)], np.sort(slot)
    pages = feedback.pages
    return feedback._replace(
        pages=pages._replace(
            rows=pages.rows if isinstance(pages.rows, slice) else pages.rows[order],
            user_index=pages.user_index.take(order),
            visit=pages.visit.take(order),
            page=pages.page.take(order),
            item_index=pages.item_index.take(order, axis=0),
        ),
        decisions=take_columns(feedback.decisions, order),
        draws=feedback.draws.take(order, axis=0),
        clicked=feedback.clicked.take(order, axis=0),
        slot=slot,
        row=slot // slots,
        rating=feedback.rating[kept],
        mood=take_columns(feedback.mood, order),
        left=feedback.left[order],
        rated=take_columns(feedback.rated, kept),
        engaged=take_columns(feedback.engaged, kept),
        looked=take_columns(feedback.looked, order),
        dwell=take_columns(feedback.dwell, kept),
    )
