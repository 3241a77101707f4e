"""Exposures as columns: what people were shown, where and when, and what they did with it.

Ratings say what people like. Exposures say how they look, click, stay and leave, and what was passed over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_flags, as_numbers, as_whole_numbers, check_choice
from recsim_llm.errors import DataError

__all__ = ["Exposures", "Layout", "PageTable", "SlateTable"]

Layout = Literal["list", "grid", "carousel"]
"""How positions lie on a page: below each other, in rows and columns, or side by side behind a scroll."""

_COLUMNS = ("user_id", "session", "page", "position", "item_id", "clicked", "timestamp", "dwell", "rating", "purchased")


class SlateTable(NamedTuple):
    """Pages as rows: for models of how a page is read from top to bottom."""

    item_index: IntArray
    """int64 [n, k]: position of each item in ``Exposures.items``; -1 for a slot that was not filled."""
    clicked: BoolArray
    """bool [n, k]."""
    page_index: IntArray
    """int64 [n]: position of the page in ``Exposures.pages``."""


class PageTable(NamedTuple):
    """Pages as columns, in the order in which sessions met them."""

    user_id: IntArray
    """int64 [p]."""
    session: IntArray
    """int64 [p]."""
    page: IntArray
    """int64 [p]: from 0 within the session."""
    first: IntArray
    """int64 [p]: first row of the page."""
    last_of_session: BoolArray
    """bool [p]: no page of the session came after it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposures:
    """Impressions as columns, one row an item that was shown, sorted by session, page and position.

    Rows may be given in any order. Columns that the data do not have are left out: they are unknown, never zero.

    Raises:
        DataError: columns disagree, an id or a place is no whole number, a page holds an item or a position twice, or a session
            belongs to two users.
    """

    name: str
    """Short name of where they come from."""
    user_id: IntArray
    """int64 [n]: outside ids of users, 0 or more. Where the data know sessions alone, a user for each."""
    session: IntArray
    """int64 [n]: number of the session, 0 or more, one number for one session in the whole log."""
    page: IntArray
    """int64 [n]: page of the session, from 0, no number left out."""
    position: IntArray
    """int64 [n]: place on the page, from 0; -1 on all rows of a page whose order says nothing."""
    item_id: IntArray
    """int64 [n]: outside ids, 0 or more."""
    clicked: BoolArray
    """bool [n]."""
    timestamp: DoubleArray | None = None
    """float64 [n]: seconds since 1970-01-01 UTC at which the page was shown; NaN unknown."""
    dwell: DoubleArray | None = None
    """float64 [n]: seconds spent with what was clicked; NaN where nothing was, or unknown."""
    rating: DoubleArray | None = None
    """float64 [n]: stars, NaN where none were given."""
    purchased: BoolArray | None = None
    """bool [n]."""
    propensity: DoubleArray | None = None
    """float64 [n]: chance, above 0, with which this item stood here; NaN unknown."""
    layout: Layout = "list"
    """How positions lie on a page."""
    licence: str = ""
    """One paragraph: under which terms the data may be used; empty means unknown."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Rows left out, by reason."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """Fields that could not be read, by reason; their rows are kept without them."""
    notes: tuple[str, ...] = ()
    """What else was decided in reading, one line each."""
    user_keys: Mapping[int, str] = field(default_factory=dict)
    """User_id to the data's own id where these are texts."""
    item_keys: Mapping[int, str] = field(default_factory=dict)
    """Item_id to the data's own id where these are texts."""

    def __post_init__(self) -> None:
        check_choice("exposures, layout", self.layout, get_args(Layout))
        users = as_whole_numbers("exposures, user_id", self.user_id, ("rows",), least=0)
        if not len(users):
            raise DataError("exposures: got no rows, expected at least one; check the impressions table")
        shape, checked = users.shape, {"user_id": users}
        for name, least in (("session", 0), ("page", 0), ("position", -1), ("item_id", 0)):
            checked[name] = as_whole_numbers(f"exposures, {name}", getattr(self, name), shape, least=least)
        columns: dict[str, IntArray | BoolArray | DoubleArray] = {**checked}
        columns["clicked"] = as_flags("exposures, clicked", self.clicked, shape)
        if self.purchased is not None:
            columns["purchased"] = as_flags("exposures, purchased", self.purchased, shape)
        for name, bounds in _BOUNDS.items():
            if getattr(self, name) is not None:
                columns[name] = as_numbers(f"exposures, {name}", getattr(self, name), shape, bounds=bounds, unknown=True)
        order = np.lexsort((checked["item_id"], checked["position"], checked["page"], checked["session"]))
        for name, column in columns.items():
            object.__setattr__(self, name, column[order])
        _check_places(self)

    def __len__(self) -> int:
        return len(self.user_id)

    @cached_property
    def items(self) -> IntArray:
        """int64 [i]: the distinct item ids, ascending."""
        return np.unique(self.item_id)

    @cached_property
    def users(self) -> IntArray:
        """int64 [u]: the distinct user ids, ascending."""
        return np.unique(self.user_id)

    @cached_property
    def page_index(self) -> IntArray:
        """int64 [n]: position of each row's page in ``pages``."""
        return np.cumsum(_begins(self.session, self.page)) - 1

    @cached_property
    def pages(self) -> PageTable:
        """The pages, by session and number."""
        first = np.flatnonzero(_begins(self.session, self.page))
        session = self.session[first]
        last = np.append(session[1:] != session[:-1], True)
        return PageTable(self.user_id[first], session, self.page[first], first, last)

    @property
    def has_positions(self) -> bool:
        """Whether the order on some page is known."""
        return bool((self.position >= 0).any())

    def slates(self, slate_size: int | None = None) -> SlateTable:
        """Lay the pages whose order is known out as rows.

        Args:
            slate_size: positions to keep, from the top; None keeps all.

        Raises:
            DataError: no page has an order.
        """
        if not self.has_positions:
            raise DataError(
                f"{self.name}: got pages whose order says nothing, expected positions; use a log that tells where items stood"
            )
        known = self.position >= 0 if slate_size is None else (self.position >= 0) & (self.position < slate_size)
        width = int(self.position[known].max()) + 1 if slate_size is None else slate_size
        page, row = np.unique(self.page_index[known], return_inverse=True)
        item_index = np.full((len(page), width), -1, np.int64)
        clicked = np.zeros((len(page), width), np.bool_)
        at = row, self.position[known]
        item_index[at] = np.searchsorted(self.items, self.item_id[known])
        clicked[at] = self.clicked[known]
        return SlateTable(item_index, clicked, page)

    def take(self, rows: BoolArray) -> Exposures:
        """Return the rows of a mask, bool [n]; pages keep their numbers as long as whole sessions or their ends go.

        Raises:
            DataError: no row is left, or a page is missing in the middle of a session.
        """
        named = [column for column in (*_COLUMNS, "propensity") if getattr(self, column) is not None]
        return replace(self, **{column: getattr(self, column)[rows] for column in named})

    def of_users(self, users: IntArray) -> Exposures:
        """Return what some users, int64 [m] outside ids, were shown.

        Raises:
            DataError: none of them was shown anything.
        """
        return self.take(np.isin(self.user_id, users))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the columns."""
        digest = hashlib.sha256(self.layout.encode())
        for column in fields(self):
            values = getattr(self, column.name)
            if isinstance(values, np.ndarray):
                digest.update(column.name.encode())
                digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()


_BOUNDS = {
    "timestamp": (-np.inf, np.inf),
    "dwell": (0.0, np.inf),
    "rating": (0.5, 5.0),
    "propensity": (np.finfo(np.float64).tiny, 1.0 + 1e-6),
}
"""Least and greatest of each column that may be unknown."""


def _begins(session: IntArray, page: IntArray) -> BoolArray:
    """Return bool [n]: rows at which a page begins."""
    return np.append(True, (session[1:] != session[:-1]) | (page[1:] != page[:-1]))


def _check_places(exposures: Exposures) -> None:
    """Refuse sorted columns in which a page, session or place is there twice or missing."""
    session, page, position = exposures.session, exposures.page, exposures.position
    same_session = session[1:] == session[:-1]
    same_page = same_session & (page[1:] == page[:-1])
    _refuse(
        exposures, same_session & (exposures.user_id[1:] != exposures.user_id[:-1]), "two users", "one; number sessions anew"
    )
    twice = same_page & (position[1:] == position[:-1]) & (position[1:] >= 0)
    _refuse(exposures, twice, "a position twice on a page", "each once; number the pages of a session")
    _refuse(exposures, same_page & (position[:-1] < 0) & (position[1:] >= 0), "positions on a part of a page", "all or none")
    step = page[1:] - page[:-1]
    missing = np.append(page[0] != 0, np.where(same_session, step > 1, page[1:] != 0))
    _refuse(exposures, missing[1:], "a page number left out", "pages 0, 1, 2 and so on of a session; number them anew")
    if missing[0]:
        raise DataError(f"exposures: got page {page[0]} of session {session[0]} first, expected page 0; number pages anew")
    key = np.lexsort((exposures.item_id, exposures.page_index))
    item, of_page = exposures.item_id[key], exposures.page_index[key]
    again = np.flatnonzero((item[1:] == item[:-1]) & (of_page[1:] == of_page[:-1]))
    if len(again):
        row = key[again[0]]
        raise DataError(
            f"exposures: got item {exposures.item_id[row]} twice on page {page[row]} of session {session[row]}, expected each "
            "item once on a page; leave one of them out"
        )


def _refuse(exposures: Exposures, wrong: BoolArray, *words: str) -> None:
    """Refuse the first row whose predecessor does not go with it; the words are what was got and expected."""
    rows = np.flatnonzero(wrong)
    if len(rows):
        got, expected = words
        row = rows[0] + 1
        raise DataError(
            f"exposures: got {got} at session {exposures.session[row]}, page {exposures.page[row]}, expected {expected}"
        )
