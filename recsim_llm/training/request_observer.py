"""Observations of an environment, made from a recommender's requests: the same to the last bit."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Decisions, Mood, Pages, Requests
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.ratings import Ratings
from recsim_llm.envs.observations import Observation, Observer, candidate_spaces
from recsim_llm.envs.user_tastes import TasteTable
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.recommenders.user_rows import UserRows, lengthen
from recsim_llm.training.policy_terms import PolicyTerms

__all__ = ["RequestObserver"]

_MADE_HERE = ("profile", "candidates", "taste", "fresh")
"""Parts that are read from the requests themselves; the pages of all others are played through an ``Observer``."""


class RequestObserver:
    """Shows a policy in a run what it saw in its environment.

    The pages of a user's life stand in the history of its requests; they are played through the environment's own
    ``Observer``, so that there is one computation of every part. Nothing is kept between requests but how many pages a user
    was shown, so that batches may come in any order.

    Args:
        terms: what the policy sees.
        catalog: the items.
        ratings: the training part.
    """

    def __init__(self, terms: PolicyTerms, catalog: Catalog, ratings: Ratings) -> None:
        self._terms, self._catalog = terms, catalog
        self._parts = tuple(part for part in terms.parts if part not in _MADE_HERE)
        self._observers: dict[int, Observer] = {}
        self._lives = _Lives(terms.slate_size)
        self._tastes = TasteTable.of(catalog, ratings) if "taste" in terms.parts else None

    @property
    def space(self) -> spaces.Dict:
        """Space of one user's observation, as the environment has it."""
        known: dict[str, spaces.Space[Any]] = dict(self._observer(1)[0].space.spaces) if self._parts else {}
        if "profile" in self._terms.parts:
            known["profile"] = spaces.Box(0, 1, (len(self._terms.profile),), np.float32)
        if "fresh" in self._terms.parts:
            known["fresh"] = spaces.MultiBinary(len(self._catalog))
        if self._tastes is not None:
            known["taste"] = self._tastes.space
        if "candidates" in self._terms.parts:
            known |= candidate_spaces(self._catalog, self._terms.candidates)
            if self._tastes is not None:
                known["candidate_vectors"] = self._tastes.candidate_space(self._terms.candidates)
        return spaces.Dict(known)

    def observe(self, requests: Requests, fresh: BoolArray, offered: IntArray | None) -> Observation:
        """Return the observation of each request, [u, ...].

        Args:
            requests: of ``u`` users.
            fresh: bool [u, n]: items on sale that are new to each user.
            offered: int64 [u, c]: catalog positions of the candidates; None with other actions.
        """
        seen = self._played(requests) if self._parts else {}
        if "profile" in self._terms.parts:
            seen["profile"] = self._profile(requests)
        if "fresh" in self._terms.parts:
            seen["fresh"] = fresh.view(np.int8)
        if self._tastes is not None:
            seen["taste"] = self._tastes.replay(self._catalog, requests, self._terms.slate_size)
        if offered is not None:
            seen["candidate_item"], seen["candidate_features"] = offered, self._catalog.features.take(offered, axis=0)
            if self._tastes is not None:
                seen["candidate_vectors"] = self._tastes.items.astype(np.float32).take(offered, axis=0)
        return seen

    def _played(self, requests: Requests) -> Observation:
        """Play the pages of every user's life through an observer."""
        users, pages = len(requests.user_id), self._lives.pages(requests)
        observer, rows = self._observer(users)
        index = np.where(requests.history_item >= 0, self._catalog.index_of(requests.history_item), -1)
        item, clicked, rating = _aligned(index, requests, pages, (rows, self._terms.slate_size))
        longest = item.shape[1]
        observer.begin(ALL_ROWS)
        for turn in range(longest):
            beginning = np.flatnonzero(pages == longest - turn)
            if turn and beginning.size:
                observer.begin(beginning)
            observer.record(_feedback(item[:, turn], clicked[:, turn], rating[:, turn]))
        beginning = np.flatnonzero(pages == 0)
        if longest and beginning.size:
            observer.begin(beginning)
        number, visit = np.zeros((2, rows), np.int64)
        # Beyond its own page budget a policy sees the last page that it knows, a share of at most 1 as in training.
        number[:users], visit[:users] = np.minimum(requests.page, self._terms.max_pages - 1), requests.visit
        seen = observer.observe(number, np.arange(rows), None, visit=visit)
        return {name: column[:users] for name, column in seen.items()}

    def _observer(self, users: int) -> tuple[Observer, int]:
        """Return an observer with room for so many users, and its rows; one for each power of two is kept."""
        rows = 1 << (users - 1).bit_length() if users > 1 else 2
        if rows not in self._observers:
            self._observers[rows] = Observer(
                parts=self._parts,
                catalog=self._catalog,
                population=_strangers(rows),
                rows=rows,
                slate_size=self._terms.slate_size,
                max_pages=self._terms.max_pages,
                history_pages=self._terms.history_pages,
                candidates=0,
            )
        return self._observers[rows], rows

    def _profile(self, requests: Requests) -> FloatArray:
        """Return the columns that the policy knows; of a value that nobody had in training there is none."""
        columns = np.zeros((len(requests.user_id), len(self._terms.profile)), np.float32)
        place = {name: column for column, name in enumerate(requests.profile.names)}
        known = [(at, place[name]) for at, name in enumerate(self._terms.profile) if name in place]
        if known:
            ours, theirs = np.array(known).T
            columns[:, ours] = requests.profile.columns[:, theirs]
        return columns


class _Pages(NamedTuple):
    """Pages of many users: [rows, pages, slots]."""

    item: IntArray
    clicked: BoolArray
    rating: FloatArray


class _Lives:
    """How many pages each user was shown so far, over all visits."""

    def __init__(self, slate_size: int) -> None:
        self._slots, self._rows = slate_size, UserRows()
        self._last = np.zeros((0, 3), np.int64)  # pages before the last request, its visit, its page

    def pages(self, requests: Requests) -> IntArray:
        """Return int64 [u]: pages in the history of each request."""
        rows = self._rows.add(requests.user_id)
        self._last = lengthen(self._last, len(self._rows))
        before, visit, page = self._last[rows].T
        same = (visit == requests.visit) & (page == requests.page)
        next_page = (visit == requests.visit) & (page + 1 == requests.page)
        next_visit = (visit + 1 == requests.visit) & (requests.page == 0)
        known: IntArray = np.select(
            [requests.visit == 0, same, next_page | next_visit], [requests.page, before, before + 1], -1
        )
        strange = known < 0
        if strange.any():
            # Of whom nothing is known the history tells, up to its last slot that was not blank.
            shown = requests.history_item[strange] >= 0
            last = np.where(shown.any(axis=1), shown.shape[1] - np.argmax(shown[:, ::-1], axis=1), 0)
            known[strange] = np.maximum(-(-last // self._slots), requests.page[strange])
        self._last[rows] = np.stack([known, requests.visit, requests.page], axis=1)
        return known


def _aligned(item: IntArray, requests: Requests, pages: IntArray, shape: tuple[int, int]) -> _Pages:
    """Return the histories so that everyone's last page stands at the end; blank before.

    Args:
        item: int64 [u, h]: the history as catalog positions.
        requests: whose it is.
        pages: int64 [u]: of each user.
        shape: rows and slots a page.
    """
    (rows, slots), longest = shape, int(pages.max())
    column = np.arange(longest * slots) - (longest - pages)[:, None] * slots
    inside = column >= 0
    column = np.where(inside, column, 0)

    def taken(values: npt.NDArray[Any], empty: float) -> npt.NDArray[Any]:
        filled = np.full((rows, longest * slots), empty, values.dtype)
        if longest:
            filled[: len(pages)] = np.where(inside, np.take_along_axis(values, column, axis=1), values.dtype.type(empty))
        return filled.reshape(rows, longest, slots)

    return _Pages(taken(item, -1), taken(requests.history_clicked, False), taken(requests.history_rating, np.nan))


def _strangers(rows: int) -> Population:
    """Return users of whom an observer knows nothing."""
    none = np.zeros((rows, 0), np.float32)
    return Population(user_id=np.arange(rows), traits=np.zeros((rows, len(TRAITS)), np.float32), genre_names=(), taste=none)


def _feedback(item: IntArray, clicked: BoolArray, rating: FloatArray) -> Feedback:
    """Return what an observer reads of a page's feedback; the rest is unknown and not there."""
    slot = clicked.reshape(-1).nonzero()[0]
    row = slot // clicked.shape[1]
    users = np.arange(len(item))
    pages = Pages(ALL_ROWS, users, users, users, item)
    none = np.empty(0, np.float32)
    return Feedback(
        pages=pages,
        decisions=Decisions(none),
        draws=none,
        clicked=clicked,
        slot=slot,
        row=row,
        rating=rating.reshape(-1)[slot],
        mood=Mood(none, none),
        left=np.empty(0, np.bool_),
        users=cast(UserModel, None),
    )
