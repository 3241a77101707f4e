"""Writing the run log: what one arm produces, page by page, becomes segments of every impression, page and visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import PageWords, Slates
from recsim_llm.log.schema import Part, events_table, impressions_table, pages_table, tool_calls_table, visits_table
from recsim_llm.log.segments import SegmentWriter
from recsim_llm.log.shown_pages import PageBatch, join_pages, page_columns, slot_columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RunLog", "ToolCalls"]

ToolCalls = Callable[[IntArray, IntArray, IntArray], Mapping[str, npt.NDArray[Any]]]
"""Hands over what an agent did for pages: takes int64 [u] each of user ids, visits and pages."""


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
        self._batches: list[PageBatch] = []
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
        self._batches.append(PageBatch(feedback, slates, reward, invalid, out_of_pages, keep, visit, friend_id, words))
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
        tables = self._shown_tables() | {"visits": visits_table(self.arm, self._visits, timed=self._timed)}
        if self._timed:
            tables["events"] = events_table(self.arm, self._events)
        if self._tools is not None:
            tables["tool_calls"] = tool_calls_table(self.arm, self._tool_calls)
        self._segments.add(self.arm, self._place, self._number, tables=tables, last=last, partial=partial)
        self._number += 1
        self._buffered = 0
        self._batches, self._visits, self._events, self._tool_calls = [], [], [], []

    def _shown_tables(self) -> dict[str, pa.Table]:
        """Return the tables of impressions and of pages."""
        slots: Part = {}
        pages: Part = {}
        if self._batches:
            shown = join_pages(self._batches)
            having = {"social": self._social, "spoken": self._spoken, "worded": self._worded}
            slots = slot_columns(shown, user_id=self._user_id, item_id=self._item_id, **having)
            pages = page_columns(shown, user_id=self._user_id, worded=self._worded)
        return {
            "impressions": impressions_table(self.arm, slots, social=self._social, worded=self._worded),
            "pages": pages_table(self.arm, pages, worded=self._worded),
        }
