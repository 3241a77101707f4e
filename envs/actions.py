"""Actions: how a policy says what the next page shows, and the spaces that hold it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import Rows
from recsim_llm.core.repetition import KnownItems
from recsim_llm.core.visits import blank_slots
from recsim_llm.errors import SlateError
from recsim_llm.numerics.ranking import ProductRanking

__all__ = ["ACTIONS", "Action", "CandidateAction", "EmbeddingAction", "SlateAction", "as_array", "items_on_sale"]

ACTIONS = ("slate", "candidates", "embedding")
"""Names of the kinds of action."""

_OFFER = np.uint64(keyed.purpose_word("candidates"))
_REST = np.int64(2**40)
"""Coordinate of the draws that order all items, where the first ones do not suffice."""
_SPARE = 8
_MOST_KEYS = 4_000_000
"""Numbers that are drawn at once for that."""

Page = tuple[IntArray, BoolArray | None]


class Action(Protocol):
    """One kind of action, for a batch of rows."""

    @property
    def space(self) -> spaces.MultiDiscrete | spaces.Box:
        """The space of one row's action."""
        ...

    def page(self, given: npt.NDArray[Any], idle: IntArray | None) -> Page:
        """Return the page that an action names.

        Args:
            given: one action a row.
            idle: rows whose action must not be used; what is returned for them means nothing, but that no slot is blank.

        Returns:
            int64 [r, k]: catalog positions; and bool [r, k]: slots that must stay blank, None where none must.

        Raises:
            SlateError: the action is outside the space.
        """
        ...


class SlateAction:
    """The page itself, as catalog positions.

    Args:
        catalog: the items.
        rows: users that browse at the same time.
        slate_size: slots a page.
    """

    def __init__(self, catalog: Catalog, *, rows: int, slate_size: int) -> None:
        self._retired = catalog.retired
        self._numbers = _Numbers(len(catalog), rows, slate_size)
        self._one_plain = rows == 1 and self._retired is None

    @property
    def space(self) -> spaces.MultiDiscrete:
        """``MultiDiscrete([n] * k)``."""
        return self._numbers.space

    def page(self, given: npt.NDArray[Any], idle: IntArray | None) -> Page:
        """Return the page that an action names; arguments as of ``Action.page``."""
        numbers = self._numbers
        if self._one_plain and given.dtype.kind in "iu" and given.shape == numbers.shape:
            # On ten numbers Python is faster than NumPy.
            page = given[0].tolist()
            if len(set(page)) == len(page) and min(page) >= 0 and max(page) < numbers.options:
                return given.astype(np.int64), None
        item_index = numbers.checked(given, idle)
        blank = blank_slots(item_index, self._retired)
        if blank is not None and idle is not None:
            blank[idle] = False
        return item_index, blank


class CandidateAction:
    """Positions in a candidate set, which is drawn for each page, uniformly from the items that may be shown.

    Args:
        catalog: the items.
        user_id: int64 [population]: outside ids by user index; the candidates hang on them.
        known: what the rows' users know and may therefore not be offered again; None where that does not matter.
        rows: users that browse at the same time.
        slate_size: slots a page.
        candidates: size of the candidate set.
    """

    def __init__(
        self, catalog: Catalog, user_id: IntArray, known: KnownItems | None, *, rows: int, slate_size: int, candidates: int
    ) -> None:
        self._on_sale, self._user_id, self._known = items_on_sale(catalog), user_id, known
        self._numbers = _Numbers(candidates, rows, slate_size)
        self.offered = np.zeros((rows, candidates), np.int64)
        """int64 [r, c]: catalog positions that the next action chooses from."""

    @property
    def space(self) -> spaces.MultiDiscrete:
        """``MultiDiscrete([c] * k)``."""
        return self._numbers.space

    def page(self, given: npt.NDArray[Any], idle: IntArray | None) -> Page:
        """Return the page that an action names; arguments as of ``Action.page``."""
        item_index = np.take_along_axis(self.offered, self._numbers.checked(given, idle), axis=1)
        return item_index, blank_slots(item_index, None)

    def offer(self, rows: Rows, seed_word: keyed.Words, kernel: Kernel) -> None:
        """Draw the candidates of the next page.

        Args:
            rows: for which rows.
            seed_word: uint64 [m]: of these rows.
            kernel: who sits there, at which visit and page.
        """
        word = keyed.absorb(seed_word + _OFFER, self._user_id[kernel.user_index[rows]])
        word = keyed.absorb(keyed.absorb(word, kernel.visit[rows]), kernel.page[rows])
        if self._known is None:
            self.offered[rows] = self._on_sale.take(keyed.sample(word, len(self._on_sale), self.offered.shape[1]))
        else:
            self.offered[rows] = self._draw_new(word, np.arange(len(self.offered))[rows], self._known)

    def _draw_new(self, word: keyed.Words, rows: IntArray, known: KnownItems) -> IntArray:
        """Return int64 [m, c]: items in random order, all of them new to the users as far as there are enough."""
        count = self.offered.shape[1]
        tries = self._on_sale.take(self._place(keyed.absorb(word[:, None], np.arange(count + count // 2 + _SPARE))))
        good = _first_of_each(tries) & ~known.knows(tries, rows)
        good &= np.cumsum(good, axis=1) <= count
        drawn = np.full((len(rows), count), -1, np.int64)
        enough = np.count_nonzero(good, axis=1) == count
        drawn[enough] = tries[enough][good[enough]].reshape(-1, count)
        short = np.flatnonzero(~enough)
        step = max(1, _MOST_KEYS // len(self._on_sale))
        for start in range(0, len(short), step):
            some = short[start : start + step]
            drawn[some] = self._complete(tries[some], good[some], word[some], known.fresh(rows[some]))
        return drawn

    def _complete(self, tries: IntArray, good: BoolArray, word: keyed.Words, fresh: BoolArray) -> IntArray:
        """Return int64 [m, c]: the tries that were good, then all other items in random order, the known ones last."""
        rank = 1 + keyed.uniform(keyed.absorb(keyed.absorb(word[:, None], _REST), self._on_sale))
        everything = np.full(fresh.shape, np.inf)
        everything[:, self._on_sale] = rank + ~fresh[:, self._on_sale]
        row, place = np.nonzero(good)
        everything[row, tries[row, place]] = place / good.shape[1]
        return np.argsort(everything, axis=1, kind="stable")[:, : self.offered.shape[1]]

    def _place(self, word: keyed.Words) -> IntArray:
        return (keyed.uniform(word) * len(self._on_sale)).astype(np.int64)


class EmbeddingAction:
    """A point; the page is the exact top of the items that may be shown by product with their features.

    Args:
        catalog: the items.
        known: what the rows' users know, so that it comes only where nothing else is left; None where that does not matter.
        rows: users that browse at the same time.
        slate_size: slots a page.
    """

    def __init__(self, catalog: Catalog, known: KnownItems | None, *, rows: int, slate_size: int) -> None:
        self._known = known
        # What is retired is never shown: the ranking does without it from the start.
        self._on_sale = None if catalog.retired is None else items_on_sale(catalog)
        features = catalog.features if self._on_sale is None else catalog.features[self._on_sale]
        self._shape, self._slots = (rows, features.shape[1]), slate_size
        self._ranking = ProductRanking(features)

    @property
    def space(self) -> spaces.Box:
        """``Box(-1, 1, [f])``."""
        return spaces.Box(-1, 1, self._shape[1:], np.float32)

    def page(self, given: npt.NDArray[Any], idle: IntArray | None) -> Page:
        """Return the page that an action names; arguments as of ``Action.page``."""
        if given.dtype.kind != "f" or given.shape != self._shape:
            raise SlateError(
                f"action: got {given.dtype} of shape {given.shape}, expected floats of shape {self._shape} (users, features)"
            )
        asked = np.ones(len(given), np.bool_)
        if idle is not None:
            asked[idle] = False
        with np.errstate(over="ignore"):
            point = given[asked].astype(np.float32)
        if not np.isfinite(point).all():
            row = np.flatnonzero(asked)[~np.isfinite(point).all(axis=1)][0]
            raise SlateError(f"action of row {row}: got {given[row]}, expected finite numbers")
        barred = self._barred(ALL_ROWS if idle is None else np.flatnonzero(asked))
        place = np.zeros((len(given), self._slots), np.int64)
        place[asked] = self._ranking.best(point, self._slots, barred)
        return (place if self._on_sale is None else self._on_sale.take(place)), None

    def _barred(self, rows: Rows) -> npt.NDArray[np.uint8] | None:
        """Return for each item of the ranking one bit, set where these rows' users know it."""
        if self._known is None:
            return None
        if self._on_sale is None:
            return self._known.barred(rows)
        return np.packbits(~self._known.fresh(rows)[:, self._on_sale], axis=1, bitorder="little")


class _Numbers:
    """Integers from 0, one a slot."""

    def __init__(self, options: int, rows: int, slots: int) -> None:
        self.options, self.shape = options, (rows, slots)
        self._limit = np.full(self.shape, options, np.uint64)  # a whole page: NumPy compares equal shapes fastest

    @property
    def space(self) -> spaces.MultiDiscrete:
        return spaces.MultiDiscrete(np.full(self.shape[1], self.options, np.int64))

    def checked(self, given: npt.NDArray[Any], idle: IntArray | None) -> IntArray:
        if given.dtype.kind not in "iu" or given.shape != self.shape:
            raise SlateError(
                f"action: got {given.dtype} of shape {given.shape}, expected integers of shape {self.shape} (users, slots)"
            )
        chosen = given.astype(np.int64)
        if idle is not None:
            chosen[idle] = np.arange(self.shape[1])
        outside = chosen.view(np.uint64) >= self._limit
        if np.count_nonzero(outside):
            row, position = np.argwhere(outside)[0]
            raise SlateError(
                f"slate of row {row}, position {position}: got {chosen[row, position]}, expected 0 to {self.options - 1}"
            )
        return chosen


def _first_of_each(items: IntArray) -> BoolArray:
    """Return bool [m, t]: where an item stands for the first time in its row."""
    width = items.shape[1]
    # Sorted together with their places: the first place of each item comes first.
    together = items * width + np.arange(width)
    together.sort(axis=1)
    item, place = together // width, together % width
    first = np.ones(items.shape, np.bool_)
    first[:, 1:] = item[:, 1:] != item[:, :-1]
    found = np.empty_like(first)
    np.put_along_axis(found, place, first, axis=1)
    return found


def as_array(action: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return an action as an array.

    Raises:
        SlateError: it is ragged.
    """
    try:
        return np.asarray(action)
    except ValueError as error:
        raise SlateError(f"action: got {action!r}, expected numbers, as many for each row") from error


def items_on_sale(catalog: Catalog) -> IntArray:
    """Return int64 [m]: catalog positions of the items that are not retired."""
    return np.arange(len(catalog)) if catalog.retired is None else np.flatnonzero(~catalog.retired)
