"""The run log: every impression, page and visit as Parquet, written in checksummed segments.

A run folder holds::

    manifest.json               the resolved settings, versions, seed and data fingerprints
    segments.jsonl              one line a finished segment: arm, number, rows, SHA-256 of its files
    impressions/*.parquet       one row a slot shown
    pages/*.parquet             one row a page
    visits/*.parquet            one row a visit
    timings.parquet             clock times, apart from the log so that the log compares byte for byte

A segment's files are written under a temporary name, flushed to disk and renamed; its line in ``segments.jsonl`` comes last.
A line without its line break is a torn write and does not count. Replaying a run meets its own segments again: bytes
that agree are kept, so a killed run ends like one that was never killed; bytes that differ raise ``LogError``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsim_llm.log_tables import (
    IMPRESSIONS,
    LIKE_THRESHOLD,
    PAGES,
    VISITS,
    Part,
    impressions_table,
    pages_table,
    visits_table,
)
from recsim_llm.pages import Feedback, FloatArray, IntArray, Slates, probability
from recsim_llm.segments import Segments

__all__ = ["IMPRESSIONS", "LIKE_THRESHOLD", "PAGES", "VISITS", "RunLog", "Segments"]


class RunLog:
    """Collects what one arm produces and hands it over in segments.

    Args:
        segments: of the run folder.
        arm: name of the arm.
        place: position of the arm in the scenario.
        segment_rows: impressions after which a segment is written, at the next page boundary.
    """

    def __init__(self, segments: Segments, arm: str, place: int, segment_rows: int = 500_000) -> None:
        self._segments, self.arm, self._place, self._segment_rows = segments, arm, place, segment_rows
        self._number = 0
        self._buffered = 0
        self._impressions: list[Part] = []
        self._pages: list[Part] = []
        self._visits: list[Part] = []

    def page(
        self,
        *,
        user_id: IntArray,
        item_id: IntArray,
        slates: Slates | None,
        feedback: Feedback,
        reward: npt.NDArray[np.float64],
        invalid: IntArray,
        out_of_pages: npt.NDArray[np.bool_],
    ) -> None:
        """Record one page of a batch of users.

        Args:
            user_id: int64 [u].
            item_id: int64 [u, k]: as shown, -1 where blank.
            slates: what the recommender answered, for its propensities; None means that they are unknown.
            feedback: what was drawn.
            reward: float64 [u].
            invalid: int64 [u]: blanked slots.
            out_of_pages: bool [u]: the page budget ended the visit, if the user did not.
        """
        pages, decisions = feedback.pages, feedback.decisions
        users, slots = item_id.shape
        examine = feedback.users.examination(pages.user_index)
        watched, ratings = feedback.by_slot(feedback.watched), feedback.by_slot(feedback.rating)
        known = slates or Slates(item_id)
        self._impressions.append(
            {
                "user_id": np.repeat(user_id, slots),
                "visit": np.repeat(pages.visit, slots),
                "page": np.repeat(pages.page, slots),
                "position": np.tile(np.arange(slots), users),
                "item_id": item_id.reshape(-1),
                "propensity": _flat(known.propensity, item_id.size),
                "prefix_propensity": _flat(known.prefix_propensity, item_id.size),
                "examine_prob": np.where(item_id < 0, np.float32(0), examine).reshape(-1),
                "click_prob": np.where(item_id < 0, np.float32(0), examine * probability(decisions.click_log_odds)).reshape(-1),
                "examined": feedback.examined.reshape(-1),
                "clicked": feedback.clicked.reshape(-1),
                "watched": watched.reshape(-1),
                "rating": ratings.reshape(-1),
            }
        )
        self._pages.append(
            {
                "user_id": user_id,
                "visit": pages.visit,
                "page": pages.page,
                "slate_propensity": _flat(known.slate_propensity, users),
                "clicks": np.bincount(feedback.row, minlength=users),
                "invalid_slots": invalid,
                "reward": reward,
                "satisfaction": probability(feedback.mood.satisfaction),
                "leave_prob": probability(feedback.mood.leave_log_odds),
                "left": feedback.left,
                "out_of_pages": out_of_pages & ~feedback.left,
            }
        )
        self._buffered += item_id.size

    def visits(
        self,
        *,
        user_id: IntArray,
        visit: IntArray,
        pages: IntArray,
        clicks: IntArray,
        reward: npt.NDArray[np.float64],
        satisfaction: FloatArray,
        left: npt.NDArray[np.bool_],
        return_prob: FloatArray,
        returned: npt.NDArray[np.bool_],
    ) -> None:
        """Record visits that ended; all columns have one entry a visit, ``left`` tells the user's end from the budget's."""
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
            }
        )

    def turn(self) -> None:
        """Write a segment if enough has come together; to be called between pages."""
        if self._buffered >= self._segment_rows:
            self._write(last=False)

    def close(self) -> None:
        """Write what is left and mark the arm as finished."""
        self._write(last=True)

    def _write(self, last: bool) -> None:
        tables = {
            "impressions": impressions_table(self.arm, self._impressions),
            "pages": pages_table(self.arm, self._pages),
            "visits": visits_table(self.arm, self._visits),
        }
        self._segments.add(self.arm, self._place, self._number, tables, last)
        self._number += 1
        self._buffered = 0
        self._impressions, self._pages, self._visits = [], [], []


def _flat(values: npt.NDArray[np.floating] | None, size: int) -> npt.NDArray[np.floating]:
    return np.full(size, np.nan, np.float32) if values is None else np.asarray(values).reshape(-1)
