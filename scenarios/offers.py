"""Pages offered to users, answered in any order, and put back in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.batches import join_feedback, stack_columns, take_columns, take_feedback
from recsim_llm.core.pages import PageWords, Requests, Slates
from recsim_llm.core.visits import PageOutcome
from recsim_llm.dynamics.user_actions import Acts, Asked

__all__ = ["AnsweredOffer", "Offer", "OpenOffers", "fill_history", "in_order", "join_answered"]


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
    asked: Asked | None = None
    """How the page came about; None where users can do no more than look at what is recommended."""


class AnsweredOffer(NamedTuple):
    """A page that some users were offered, and what came of it."""

    rows: IntArray
    """int64 [u]: rows of the user model."""
    offer: Offer
    """What these users were offered."""
    outcome: PageOutcome
    """What they did, and what it pays."""
    ratings: FloatArray
    """float32 [u, k]: stars, NaN where nothing was clicked."""
    acts: Acts | None = None
    """What else they did with its items; None where they can do nothing else."""
    words: PageWords | None = None
    """What they said about it, and what its words did; None where words are nothing."""


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


def in_order(answered: Sequence[AnsweredOffer]) -> Iterator[AnsweredOffer]:
    """Yield what users were offered page by page, each page once with all its users in ascending order of rows.

    Args:
        answered: batches of one visit in any order; users of a batch may be on different pages.
    """
    by_page: dict[int, list[AnsweredOffer]] = {}
    for batch in answered:
        number = batch.offer.requests.page
        for page in np.unique(number).tolist():
            by_page.setdefault(page, []).append(_take(batch, np.flatnonzero(number == page)))
    for page in sorted(by_page):
        joined = join_answered(by_page.pop(page))
        yield _take(joined, np.argsort(joined.rows))


def join_answered(parts: Sequence[AnsweredOffer]) -> AnsweredOffer:
    """Put answered offers below each other.

    Args:
        parts: at least one, of different users of one world.
    """
    longest = max(int(part.offer.history.max()) for part in parts)
    joined: AnsweredOffer = stack_columns([_bare(_of_width(part, longest)) for part in parts])
    feedback = join_feedback([part.outcome.feedback for part in parts])
    feedback = feedback._replace(pages=feedback.pages._replace(rows=joined.rows))
    return joined._replace(outcome=joined.outcome._replace(feedback=feedback))


def _take(answered: AnsweredOffer, order: IntArray) -> AnsweredOffer:
    feedback = answered.outcome.feedback
    feedback = feedback._replace(pages=feedback.pages._replace(rows=answered.rows))
    taken: AnsweredOffer = take_columns(_bare(answered), order)
    return taken._replace(outcome=taken.outcome._replace(feedback=take_feedback(feedback, order)))


def _bare(answered: AnsweredOffer) -> AnsweredOffer:
    """Leave the feedback out: its clicks are not one row a user and move by rules of their own."""
    return answered._replace(outcome=answered.outcome._replace(feedback=None))  # type: ignore[arg-type]


def _of_width(answered: AnsweredOffer, width: int) -> AnsweredOffer:
    return answered._replace(offer=answered.offer._replace(requests=fill_history(answered.offer.requests, width)))


def fill_history(requests: Requests, width: int) -> Requests:
    """Return requests whose histories are filled up, or cut where nothing is, to this many items."""
    here = min(width, requests.history_item.shape[1])
    gap = ((0, 0), (0, width - here))
    return requests._replace(
        history_item=np.pad(requests.history_item[:, :here], gap, constant_values=-1),
        history_clicked=np.pad(requests.history_clicked[:, :here], gap),
        history_rating=np.pad(requests.history_rating[:, :here], gap, constant_values=np.nan),
        history_actions=None if requests.history_actions is None else np.pad(requests.history_actions[:, :here], gap),
    )
