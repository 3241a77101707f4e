"""Pages as they came from a batch of users, and the columns of the log that are made of many of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.batches import join_feedback, take_feedback
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import PageWords, Slates, probability
from recsim_llm.log.schema import Part

__all__ = ["PageBatch", "ShownPages", "join_pages", "page_columns", "slot_columns"]


class PageBatch(NamedTuple):
    """One page of a batch of users, as it came."""

    feedback: Feedback
    """What was shown and drawn."""
    slates: Slates | None
    """What the recommender answered; None means that its propensities are unknown."""
    reward: DoubleArray
    """float64 [u]."""
    invalid: IntArray
    """int64 [u]: blanked slots."""
    out_of_pages: BoolArray
    """bool [u]: the page budget is used up."""
    keep: BoolArray | None
    """bool [u]: which users really had a page; None means that all had."""
    visit: IntArray | None
    """int64 [u]: visit numbers to log; None takes those of the dice."""
    friend_id: IntArray | None
    """int64 [u, k]: who liked what each slot shows, -1 for nobody."""
    words: PageWords | None
    """What users say, and what the words on the page do."""


class ShownPages(NamedTuple):
    """Many pages below each other, without those of users who had none."""

    batches: Sequence[PageBatch]
    """Where they come from, with everyone's rows."""
    rows: IntArray | None
    """int64 [p]: which rows of the batches, counted on, are pages; None means that all are."""
    feedback: Feedback
    """Of the pages."""

    def column(
        self, pick: Callable[[PageBatch], npt.NDArray[Any] | None], shape: tuple[int, ...] = (), missing: Any = None
    ) -> npt.NDArray[Any]:
        """Return a column of the batches, [p, *shape], with the same entry wherever a batch has none."""
        whole = []
        for batch in self.batches:
            values = pick(batch)
            whole.append(np.full((len(batch.reward), *shape), missing) if values is None else np.asarray(values))
        joined: npt.NDArray[Any] = np.concatenate(whole)
        return joined if self.rows is None else joined.take(self.rows, axis=0)


def join_pages(batches: Sequence[PageBatch]) -> ShownPages:
    """Put pages below each other.

    Args:
        batches: at least one, all of the same user model and slate size.
    """
    feedback = join_feedback([batch.feedback for batch in batches])
    rows = None
    if any(batch.keep is not None for batch in batches):
        kept = [np.ones(len(batch.reward), np.bool_) if batch.keep is None else batch.keep for batch in batches]
        rows = np.flatnonzero(np.concatenate(kept))
        feedback = take_feedback(feedback, rows)
    return ShownPages(batches, rows, feedback)


def slot_columns(shown: ShownPages, *, user_id: IntArray, item_id: IntArray, social: bool, spoken: bool, worded: bool) -> Part:
    """Return the columns of ``IMPRESSIONS``, without those that are unknown throughout.

    Args:
        shown: the pages.
        user_id: int64 [population]: outside ids by user index.
        item_id: int64 [n]: outside ids by item index.
        social: whether users have friends.
        spoken: whether users say something about what they are shown.
        worded: whether words on pages do something.
    """
    feedback = shown.feedback
    item_index = feedback.pages.item_index
    blank = item_index < 0
    rows, slots = item_index.shape
    outside = item_id.take(item_index, mode="clip")
    outside[blank] = -1
    # A copy in any case: what user models return may be theirs, and the log is encoded while they go on.
    examine = np.where(blank, np.float32(0), feedback.examine)
    visit, page = (column.astype(np.int32) for column in (_visit(shown), feedback.pages.page))
    click = probability(feedback.decisions.click_log_odds)
    click *= examine
    columns: dict[str, npt.NDArray[Any]] = {
        "user_id": np.repeat(user_id.take(feedback.pages.user_index), slots),
        "visit": np.repeat(visit, slots),
        "page": np.repeat(page, slots),
        "position": np.tile(np.arange(slots, dtype=np.int16), rows),
        "item_id": outside,
        "examine_prob": examine,
        "click_prob": click,
        "examined": feedback.examined,
        "clicked": feedback.clicked,
        "watched": feedback.by_slot(feedback.watched),
        "rating": feedback.ratings(),
    }
    if feedback.dwell is not None:
        columns["dwell"] = feedback.by_slot(feedback.dwell)
    for name in ("propensity", "prefix_propensity"):
        known = _known(shown, name, (slots,))
        if known is not None:
            columns[name] = np.where(blank, np.float32(np.nan), known)
    if social:
        columns["friend_id"] = shown.column(lambda batch: batch.friend_id, (slots,), -1)
    if spoken:
        columns["text"] = _texts(shown, lambda batch: None if batch.words is None else batch.words.text, blank)
    if worded:
        columns["explanation"] = _texts(shown, lambda batch: None if batch.slates is None else batch.slates.explanation, blank)
        columns["shown_title"] = _texts(shown, lambda batch: None if batch.slates is None else batch.slates.title, blank)
        plain = shown.column(
            lambda batch: None if batch.words is None else batch.words.plain_log_odds, (slots,), np.float32(np.nan)
        )
        columns["plain_click_prob"] = examine * probability(plain)
    return {name: column.reshape(rows * slots) for name, column in columns.items()}


def page_columns(shown: ShownPages, *, user_id: IntArray, worded: bool) -> Part:
    """Return the columns of ``PAGES``, without those that are unknown throughout; arguments as of ``slot_columns``."""
    feedback = shown.feedback
    pages: Part = {
        "user_id": user_id.take(feedback.pages.user_index),
        "visit": _visit(shown),
        "page": feedback.pages.page,
        "clicks": np.bincount(feedback.row, minlength=len(feedback.left)),
        "invalid_slots": shown.column(lambda batch: batch.invalid),
        "reward": shown.column(lambda batch: batch.reward),
        "satisfaction": probability(feedback.mood.satisfaction),
        "leave_prob": probability(feedback.mood.leave_log_odds),
        "left": feedback.left,
        "out_of_pages": shown.column(lambda batch: batch.out_of_pages) & ~feedback.left,
    }
    known = _known(shown, "slate_propensity", ())
    if known is not None:
        pages["slate_propensity"] = known
    if worded:
        pages["trust"] = shown.column(lambda batch: None if batch.words is None else batch.words.trust, (), np.float32(np.nan))
    if feedback.decisions.account is not None:
        pages |= feedback.decisions.account._asdict()
    return pages


def _visit(shown: ShownPages) -> IntArray:
    """Return int64 [p]: visit numbers to log."""
    return shown.column(lambda batch: batch.feedback.pages.visit if batch.visit is None else batch.visit)


def _known(shown: ShownPages, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.floating] | None:
    """Return a column of ``Slates``, [p, *shape], NaN where unknown; None where it is unknown throughout."""

    def pick(batch: PageBatch) -> npt.NDArray[np.floating] | None:
        column: npt.NDArray[np.floating] | None = None if batch.slates is None else getattr(batch.slates, name)
        return column

    if all(pick(batch) is None for batch in shown.batches):
        return None
    return shown.column(pick, shape, np.float32(np.nan))


def _texts(shown: ShownPages, pick: Callable[[PageBatch], npt.NDArray[Any] | None], blank: BoolArray) -> npt.NDArray[Any]:
    """Return object [p, k]: texts, empty where nothing is written or shown."""

    def as_objects(batch: PageBatch) -> npt.NDArray[Any] | None:
        column = pick(batch)
        return None if column is None else np.asarray(column, object)

    joined = shown.column(as_objects, blank.shape[1:], "").astype(object)
    joined[blank] = ""
    return joined
