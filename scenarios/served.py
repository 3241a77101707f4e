"""Pages of users who run free: offered, answered in any order, and put back in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from recsim_llm.core.batches import join_feedback, stack_columns, take_columns, take_feedback
from recsim_llm.core.pages import BoolArray, Feedback, FloatArray, IntArray, Requests, Slates

__all__ = ["Offer", "OpenOffers", "Served", "in_order"]


class Offer(NamedTuple):
    """A page that a recommender offers to some users."""

    requests: Requests
    """What the recommender was told."""
    history: IntArray
    """int64 [u]: how many items of each row of the requests' history are there; the rest fills up to the longest."""
    slates: Slates
    """What it answered."""
    item_index: IntArray
    """int64 [u, k]: the same as positions in the catalog, -1 where blank."""


class Served(NamedTuple):
    """A page that some users saw, and what came of it."""

    rows: IntArray
    """int64 [u]: rows of the user model."""
    requests: Requests
    """What the recommender was told."""
    history: IntArray
    """int64 [u]: as in ``Offer``."""
    slates: Slates
    """What it answered."""
    feedback: Feedback
    """What was drawn."""
    ratings: FloatArray
    """float32 [u, k]: stars, NaN where nothing was clicked."""
    out_of_pages: BoolArray
    """bool [u]: the page budget is used up."""
    ended: BoolArray
    """bool [u]: the visit is over."""


class OpenOffers:
    """Offers that wait for their users' answers, which come in any order."""

    def __init__(self) -> None:
        self._offers: dict[int, Offer] = {}
        self._waiting: dict[int, int] = {}
        self._place: dict[int, tuple[int, int]] = {}
        self._number = 0

    def add(self, rows: IntArray, offer: Offer) -> None:
        """Keep an offer until each of its rows has been taken."""
        self._number += 1
        self._offers[self._number], self._waiting[self._number] = offer, len(rows)
        self._place |= {row: (self._number, place) for place, row in enumerate(rows.tolist())}

    def take(self, rows: IntArray) -> Iterator[tuple[Offer, IntArray]]:
        """Yield what was offered to these rows: for each offer concerned, its part and the rows of that part."""
        concerned: dict[int, list[tuple[int, int]]] = {}
        for row in rows.tolist():
            number, place = self._place.pop(row)
            concerned.setdefault(number, []).append((place, row))
        for number, pairs in concerned.items():
            places, part = np.array(pairs).T
            offer: Offer = take_columns(self._offers[number], places)
            self._waiting[number] -= len(part)
            if not self._waiting[number]:
                del self._offers[number], self._waiting[number]
            yield offer, part


def in_order(served: Sequence[Served]) -> Iterator[Served]:
    """Yield what users saw page by page, each page once with all its users in ascending order of rows.

    Args:
        served: batches of one visit in any order; users of a batch may be on different pages.
    """
    by_page: dict[int, list[Served]] = {}
    for batch in served:
        number = batch.requests.page
        for page in np.unique(number).tolist():
            by_page.setdefault(page, []).append(_take(batch, np.flatnonzero(number == page)))
    for page in sorted(by_page):
        parts = by_page.pop(page)
        longest = max(int(part.history.max()) for part in parts)
        joined: Served = stack_columns([_bare(part._replace(requests=_of_width(part.requests, longest))) for part in parts])
        joined = joined._replace(feedback=join_feedback([part.feedback for part in parts]))
        yield _take(joined, np.argsort(joined.rows))


def _take(served: Served, order: IntArray) -> Served:
    feedback = served.feedback._replace(pages=served.feedback.pages._replace(rows=served.rows))
    taken: Served = take_columns(_bare(served), order)
    return taken._replace(feedback=take_feedback(feedback, order))


def _bare(served: Served) -> Served:
    """Leave the feedback out: its clicks are not one row a user and move by rules of their own."""
    return served._replace(feedback=None)  # type: ignore[arg-type]


def _of_width(requests: Requests, width: int) -> Requests:
    """Return requests whose histories are filled up, or cut where nothing is, to this many items."""
    here = min(width, requests.history_item.shape[1])
    gap = ((0, 0), (0, width - here))
    return requests._replace(
        history_item=np.pad(requests.history_item[:, :here], gap, constant_values=-1),
        history_clicked=np.pad(requests.history_clicked[:, :here], gap),
        history_rating=np.pad(requests.history_rating[:, :here], gap, constant_values=np.nan),
    )
