"""Feedback of several batches put together, and put in another order of users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsim_llm.columns import stack_columns, take_columns
from recsim_llm.pages import Feedback, IntArray

__all__ = ["join_feedback", "take_feedback"]


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
            user_index=pages.user_index[order],
            visit=pages.visit[order],
            page=pages.page[order],
            item_index=pages.item_index[order],
        ),
        decisions=take_columns(feedback.decisions, order),
        draws=feedback.draws[order],
        clicked=feedback.clicked[order],
        slot=slot,
        row=slot // slots,
        rating=feedback.rating[kept],
        mood=take_columns(feedback.mood, order),
        left=feedback.left[order],
        rated=take_columns(feedback.rated, kept),
    )
