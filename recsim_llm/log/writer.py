"""Writing the run log: what one arm produces, page by page, becomes segments of every impression, page and visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.batches import join_feedback
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import PageWords, Slates, probability
from recsim_llm.log.schema import Part, events_table, impressions_table, pages_table, tool_calls_table, visits_table
from recsim_llm.log.segments import SegmentWriter

__all__ = ["RunLog", "ToolCalls"]

ToolCalls = Callable[[IntArray, IntArray, IntArray], Mapping[str, npt.NDArray[Any]]]
"""Hands over what an agent did for pages: takes int64 [u] each of user ids, visits and pages."""


class _Batch(NamedTuple):
    """One page of a batch of users, as it came; columns are made of many at once when a segment is written."""

    feedback: Feedback
    slates: Slates | None
    reward: DoubleArray
    invalid: IntArray
    out_of_pages: BoolArray
    keep: BoolArray | None
    visit: IntArray | None
    friend_id: IntArray | None
    words: PageWords | None


class RunLog:
    """Collects what one arm produces and hands it over in segments.

    Args:
        segments: of the run folder.
        arm: name of the arm.
        place: position of the arm in the scenario.
        catalog: the items, for their outside ids.
        user_id: int64 [population]: outside ids by user index.
        segment_rows: impressions after which a segment is written, at the next page boundary.
        timed: whether there is a clock, so that visits have a time and there are events.
        social: whether users have friends, so that slots have a friend who liked what they show.
        worded: whether words on pages do something, so that slots have an explanation and a title, and pages a trust.
        spoken: whether users say something about what they are shown.
    """

    def __init__(
        self,
        segments: SegmentWriter,
        arm: str,
        place: int,
        *,
        catalog: Catalog,
        user_id: IntArray,
        segment_rows: int = 500_000,
        timed: bool = False,
        social: bool = False,
        worded: bool = False,
        spoken: bool = False,
    ) -> None:
        self._segments, self.arm, self._place, self._segment_rows = segments, arm, place, segment_rows
        self._item_id, self._user_id = catalog.item_id, user_id
        self._number = 0
        self._buffered = 0
        self._batches: list[_Batch] = []
        self._visits: list[Part] = []
        self._timed, self._social, self._worded, self._spoken = timed, social, worded, spoken
        self._events: list[Part] = []
        self._tools: ToolCalls | None = None
        self._tool_calls: list[Part] = []

    def follow(self, tools: ToolCalls) -> None:
        """Log what an agent does for each page; to be called before the first page.

        Args:
            tools: hands over columns of ``TOOL_CALLS`` for pages, int64 [u] each of user ids, visits and pages.
        """
        self._tools = tools

    def page(
        self,
        feedback: Feedback,
        *,
        slates: Slates | None,
        reward: DoubleArray,
        invalid: IntArray,
        out_of_pages: BoolArray,
        keep: BoolArray | None = None,
        visit: IntArray | None = None,
        friend_id: IntArray | None = None,
        words: PageWords | None = None,
    ) -> None:
        """Record one page of a batch of users.

        Args:
            feedback: what was shown and drawn.
            slates: what the recommender answered, for its propensities; None means that they are unknown.
            reward: float64 [u].
            invalid: int64 [u]: blanked slots.
            out_of_pages: bool [u]: the page budget is used up.
            keep: bool [u]: which users really had a page; None means that all had.
            visit: int64 [u]: visit numbers to log; None takes those of the dice.
            friend_id: int64 [u, k]: who liked what each slot shows, -1 for nobody; only where users have friends.
            words: what users say, and what the words on the page do; only where they do either.
        """
        self._batches.append(_Batch(feedback, slates, reward, invalid, out_of_pages, keep, visit, friend_id, words))
        self._buffered += feedback.clicked.size
        if self._tools is not None:
            pages = feedback.pages
            self._tool_calls.append(dict(self._tools(self._user_id[pages.user_index], pages.visit, pages.page)))

    def visits(
        self,
        *,
        user_id: IntArray,
        visit: IntArray,
        pages: IntArray,
        clicks: IntArray,
        reward: DoubleArray,
        satisfaction: FloatArray,
        left: BoolArray,
        return_prob: FloatArray,
        returned: BoolArray,
        last: BoolArray,
        **when: npt.NDArray[Any],
    ) -> None:
        """Record visits that are over, one entry a visit in each column.

        ``left`` tells the user's end from the budget's; after ``last`` ones no other is simulated, whatever ``returned`` says.
        ``when`` they took place are columns of ``WHEN``, where there is a clock.
        """
        self._visits.append(
            {
                "user_id": user_id,
                "visit": visit,
                "pages": pages,
                "clicks": clicks,
                "reward": reward,
                "satisfaction": satisfaction,
                "left": left,
                "return_prob": return_prob,
                "returned": returned,
                "return_unknown": last,
                **when,
            }
        )

    def events(self, **columns: Any) -> None:
        """Record what happened besides: columns of ``EVENTS`` of one length.

        ``day``, ``hour``, ``event`` and ``subject`` must be there; of the others, those that are not say that there is none.
        """
        rows = len(columns["day"])
        part = {name: np.full(rows, -1) for name in ("user_id", "visit", "page", "item_id", "other_id")}
        part["value"] = np.full(rows, np.nan)
        self._events.append(part | {name: np.asarray(column) for name, column in columns.items()})

    @property
    def full(self) -> bool:
        """Whether enough has come together for a segment."""
        return self._buffered >= self._segment_rows

    def turn(self) -> None:
        """Write a segment if enough has come together; to be called between pages."""
        if self.full:
            self._write(last=False)

    def close(self) -> None:
        """Write what is left and mark the arm as finished."""
        self._write(last=True)

    def keep_unfinished(self) -> None:
        """Write what is left of an arm that is broken off, to be read until the run goes on, which writes it anew."""
        if self._batches:
            self._write(last=False, partial=True)

    def _write(self, last: bool, partial: bool = False) -> None:
        impressions, pages = self._columns() if self._batches else ({}, {})
        tables = {
            "impressions": impressions_table(self.arm, impressions, social=self._social, worded=self._worded),
            "pages": pages_table(self.arm, pages, worded=self._worded),
            "visits": visits_table(self.arm, self._visits, timed=self._timed),
        }
        if self._timed:
            tables["events"] = events_table(self.arm, self._events)
        if self._tools is not None:
            tables["tool_calls"] = tool_calls_table(self.arm, self._tool_calls)
        self._segments.add(self.arm, self._place, self._number, tables=tables, last=last, partial=partial)
        self._number += 1
        self._buffered = 0
        self._batches, self._visits, self._events, self._tool_calls = [], [], [], []

    def _columns(self) -> tuple[Part, Part]:
        """Return the columns of the impressions and of the pages collected so far."""
        batches = self._batches
        feedbacks = [batch.feedback for batch in batches]
        joined = join_feedback(feedbacks)
        users = self._user_id.take(joined.pages.user_index)
        visits = [batch.feedback.pages.visit if batch.visit is None else batch.visit for batch in batches]
        visit = np.concatenate(visits)
        item_index = joined.pages.item_index
        item_id = np.where(item_index < 0, -1, self._item_id.take(item_index, mode="clip"))
        rows, slots = item_id.shape
        chance = _chances(joined)
        impressions: Part = {
            "user_id": np.repeat(users, slots),
            "visit": np.repeat(visit, slots),
            "page": np.repeat(joined.pages.page, slots),
            "position": np.tile(np.arange(slots, dtype=np.int16), rows),
            "item_id": item_id.reshape(-1),
            "propensity": _known(batches, lambda slates: slates.propensity, item_id.shape, item_id),
            "prefix_propensity": _known(batches, lambda slates: slates.prefix_propensity, item_id.shape, item_id),
            "examine_prob": chance[0].reshape(-1),
            "click_prob": chance[1].reshape(-1),
            "examined": joined.examined.reshape(-1),
            "clicked": joined.clicked.reshape(-1),
            "watched": joined.by_slot(joined.watched).reshape(-1),
            "rating": joined.ratings().reshape(-1),
            "dwell": joined.by_slot(np.full(joined.slot.shape, np.nan) if joined.dwell is None else joined.dwell).reshape(-1),
        }
        if self._social:
            friends = [
                np.full(one.clicked.shape, -1) if b.friend_id is None else b.friend_id
                for b, one in zip(batches, feedbacks, strict=True)
            ]
            impressions["friend_id"] = np.concatenate(friends).reshape(-1)
        if self._spoken:
            impressions["text"] = _texts([None if b.words is None else b.words.text for b in batches], batches, item_index)
        if self._worded:
            impressions |= _worded(batches, item_index, chance[0])
        out = np.concatenate([batch.out_of_pages for batch in batches])
        pages: Part = {
            "user_id": users,
            "visit": visit,
            "page": joined.pages.page,
            "slate_propensity": _known(batches, lambda slates: slates.slate_propensity, (rows,), None),
            "clicks": np.bincount(joined.row, minlength=rows),
            "invalid_slots": np.concatenate([batch.invalid for batch in batches]),
            "reward": np.concatenate([batch.reward for batch in batches]),
            "satisfaction": probability(joined.mood.satisfaction),
            "leave_prob": probability(joined.mood.leave_log_odds),
            "left": joined.left,
            "out_of_pages": out & ~joined.left,
        }
        if self._worded:
            trust = [None if b.words is None else b.words.trust for b in batches]
            pages["trust"] = _joined(trust, batches, (rows,), np.float32(np.nan))
        if joined.decisions.account is not None:
            pages |= joined.decisions.account._asdict()
        return _kept(batches, impressions, pages, slots)


def _chances(feedback: Feedback) -> tuple[FloatArray, FloatArray]:
    """Return float32 [u, k] each: the probability that a slot is examined, and that it is clicked; 0 where blank."""
    blank = feedback.pages.item_index < 0
    examine = np.where(blank, np.float32(0), feedback.examine)
    return examine, examine * probability(feedback.decisions.click_log_odds)


def _known(
    batches: list[_Batch],
    pick: Callable[[Slates], npt.NDArray[np.floating] | None],
    shape: tuple[int, ...],
    item_id: IntArray | None,
) -> npt.NDArray[np.floating]:
    """Return a flat column of propensities, NaN where unknown; blanked slots have none."""
    if all(batch.slates is None for batch in batches):
        return np.full(int(np.prod(shape)), np.nan, np.float32)
    columns = []
    for batch in batches:
        values = None if batch.slates is None else pick(batch.slates)
        rows = len(batch.reward)
        columns.append(np.full((rows, *shape[1:]), np.nan, np.float32) if values is None else np.asarray(values))
    known = np.concatenate(columns)
    if item_id is not None:
        known = np.where(item_id < 0, np.float32(np.nan), known)
    return known.reshape(-1)


def _joined(
    columns: list[npt.NDArray[Any] | None], batches: list[_Batch], shape: tuple[int, ...], missing: Any
) -> npt.NDArray[Any]:
    """Return the columns of all batches below each other, with the same entry wherever a batch has none."""
    whole = [
        np.full((len(batch.reward), *shape[1:]), missing) if column is None else np.asarray(column)
        for batch, column in zip(batches, columns, strict=True)
    ]
    return np.concatenate(whole)


def _texts(columns: list[npt.NDArray[Any] | None], batches: list[_Batch], item_index: IntArray) -> npt.NDArray[Any]:
    """Return a flat column of texts, empty where nothing is written or shown."""
    texts = [None if column is None else np.asarray(column, object) for column in columns]
    joined = _joined(texts, batches, item_index.shape, "").astype(object)
    return np.where(item_index < 0, "", joined).reshape(-1)


def _worded(batches: list[_Batch], item_index: IntArray, examine: FloatArray) -> Part:
    """Return the columns of ``EXPLAINED``."""
    said = [(None, None) if b.slates is None else (b.slates.explanation, b.slates.title) for b in batches]
    plain = [None if b.words is None else b.words.plain_log_odds for b in batches]
    return {
        "explanation": _texts([words for words, _ in said], batches, item_index),
        "shown_title": _texts([title for _, title in said], batches, item_index),
        "plain_click_prob": (examine * probability(_joined(plain, batches, item_index.shape, np.float32(np.nan)))).reshape(-1),
    }


def _kept(batches: list[_Batch], impressions: Part, pages: Part, slots: int) -> tuple[Part, Part]:
    """Drop the rows of users who had no page."""
    if all(batch.keep is None for batch in batches):
        return impressions, pages
    everyone = [np.ones(len(batch.reward), np.bool_) if batch.keep is None else batch.keep for batch in batches]
    keep = np.concatenate(everyone)
    slot = np.repeat(keep, slots)
    return {name: column[slot] for name, column in impressions.items()}, {name: column[keep] for name, column in pages.items()}
