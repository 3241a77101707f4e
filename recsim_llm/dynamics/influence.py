"""What moves users from outside: additions to what a user model says, as numpy columns by row.

The log-odds of a click on an item move by ``weight[row] . load[item]``, a table of low rank with one column for all items, two
for each genre (taste, with which opinions move, and what a visit is for, with which they do not), and one for each cause such
as a trend; and by what friends tell, which is kept by pairs of a row and an item.
The sum is cut off at a declared limit, so that the bounds of a user model with influence can be declared as well.

What is consumed of harmful items adds up in
``craving``, a moving average between 0 and 1: it makes such items more tempting and takes from satisfaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np

from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Rows
from recsim_llm.dynamics.word_of_mouth import HeardItems

__all__ = ["LIMIT", "Influence"]

LIMIT = 6.0
"""Most log-odds of a click, of leaving or of satisfaction that can be added or taken."""
_EVERYONE = slice(None)


class Influence:
    """What is added to each row, now.

    Args:
        catalog: the items.
        causes: names of further columns.
    """

    def __init__(self, catalog: Catalog, causes: Sequence[str] = ()) -> None:
        genres = len(catalog.genre_names)
        self.taste, self.wish = slice(1, 1 + genres), slice(1 + genres, 1 + 2 * genres)
        """Columns of the genres: of taste, and of what a visit is for."""
        self._column = {name: 1 + 2 * genres + place for place, name in enumerate(causes)}
        self.load = np.zeros((len(catalog), 1 + 2 * genres + len(causes)), np.float32)
        """float32 [n, c]: what each item has of each column; column 0 is 1."""
        self.load[:, 0] = 1.0
        # As in choice users: shares of genres, so that an item of three genres is no three times as much of one.
        shares = catalog.genres / np.maximum(catalog.genres.sum(axis=1, keepdims=True), 1)
        self.load[:, self.taste] = self.load[:, self.wish] = shares
        self.harmful: FloatArray = np.zeros(len(catalog), np.float32)
        """float32 [n]: how harmful each item is, 0 to 1."""
        self.temptation = self.regret = 0.0
        """Log-odds that full craving adds to a click on a wholly harmful item, and takes from satisfaction."""
        self.craving_memory = 0.9
        """Share of a craving that is left one page later."""
        self.heard: HeardItems | None = None
        """What friends told; None where nobody does."""
        self.chats: HeardItems | None = None
        """What was said in chats of two friends; None where nobody chats."""
        self.in_words = False
        """Whether users take in themselves what friends say (``HearsFriends``), so that nothing is added for it."""
        self.allocate(0)

    def column(self, cause: str) -> int:
        """Return where the column of a cause stands."""
        return self._column[cause]

    def allocate(self, rows: int) -> None:
        """Make room for so many rows; nothing is added to them."""
        self.weight: FloatArray = np.zeros((rows, self.load.shape[1]), np.float32)
        """float32 [r, c]: how much of each column a row feels, in log-odds of a click."""
        self.leaving: FloatArray = np.zeros(rows, np.float32)
        """float32 [r]: log-odds added to leaving after a page."""
        self.accidental: FloatArray = np.zeros(rows, np.float32)
        """float32 [r]: share of examined slots that are clicked by accident, 0 to below 1."""
        self.craving: FloatArray = np.zeros(rows, np.float32)
        """float32 [r]: 0 to 1."""

    def add_cause(self, cause: str) -> None:
        """Make a further column, of which no item has anything yet."""
        self._column[cause] = self.load.shape[1]
        self.load = np.pad(self.load, ((0, 0), (0, 1)))
        self.weight = np.pad(self.weight, ((0, 0), (0, 1)))

    def copy_rows(self, rows: IntArray) -> Influence:
        """Return what is added to int64 [m] rows, as rows of its own."""
        other = copy(self)
        other.weight, other.leaving = self.weight[rows], self.leaving[rows]
        other.accidental, other.craving = self.accidental[rows], self.craving[rows]
        other.heard = None if self.heard is None else self.heard.copy_rows(rows)
        other.chats = None if self.chats is None else self.chats.copy_rows(rows)
        return other

    def clicks(self, rows: Rows, item_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: log-odds added to a click on each slot; -1 marks a blank one, which nobody sees."""
        added: FloatArray = np.matvec(self.load.take(item_index, axis=0, mode="clip"), self.weight[rows])
        if self.temptation:
            added += np.float32(self.temptation) * self.craving[rows][:, None] * self.harmful.take(item_index, mode="clip")
        for told in self._told():
            added += told.shift(rows, item_index)
        return np.clip(added, -LIMIT, LIMIT, out=added)

    def appeal(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: the same for every item of the catalog."""
        everything = np.arange(len(self.load))
        count = len(self.leaving[rows])
        added = np.empty((count, len(self.load)), np.float32)
        # Row by row, as pages are: products of whole matrices round otherwise.
        for place, weight in enumerate(self.weight[rows]):
            added[place] = np.matvec(self.load, weight)
        if self.temptation:
            added += np.float32(self.temptation) * self.craving[rows][:, None] * self.harmful[everything]
        for told in self._told():
            added += told.appeal_shift(rows)
        return np.clip(added, -LIMIT, LIMIT, out=added)

    def _told(self) -> list[HeardItems]:
        """Return what of friends' talk is added to clicks; nothing where users take it in themselves."""
        return [] if self.in_words else [told for told in (self.heard, self.chats) if told is not None]

    def opinions(self, rows: IntArray, item: IntArray) -> FloatArray | None:
        """Return float32 [c]: log-odds added to a higher rating of consumed items, by row and item; None for none."""
        if not self.weight[:, self.taste].any():
            return None
        load, weight = self.load[:, self.taste].take(item, axis=0), self.weight[:, self.taste].take(rows, axis=0)
        moved: FloatArray = np.vecdot(load, weight)
        return np.clip(moved, -LIMIT, LIMIT, out=moved)

    def consume(self, rows: Rows, slot: IntArray, row: IntArray, item_index: IntArray) -> FloatArray | None:
        """Take in what was consumed on a page; return what its rows lose of satisfaction, float32 [m], None for nothing.

        Args:
            rows: of the pages.
            slot: int64 [c]: flat slots of what was consumed.
            row: int64 [c]: rows of the page that they belong to.
            item_index: int64 [m, k]: the page.
        """
        if not self.harms:
            return None
        most = np.zeros(len(item_index), np.float32)
        np.maximum.at(most, row, self.harmful.take(item_index.reshape(-1).take(slot)))
        memory = np.float32(self.craving_memory)
        craving = memory * self.craving[rows] + (1 - memory) * most
        self.craving[rows] = craving
        return np.float32(self.regret) * craving

    @property
    def harms(self) -> bool:
        """Whether what is consumed of harmful items does anything."""
        return bool(self.temptation or self.regret)
