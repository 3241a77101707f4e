"""Pages with their clicks, as click models read them: one row a page, items from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.checked_columns import as_flags, as_whole_numbers
from recsim_llm.core.exposures import Exposures
from recsim_llm.errors import DataError

__all__ = ["ClickedPages", "join_pages", "read_clicked_pages"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClickedPages:
    """Pages as rows.

    Raises:
        DataError: columns disagree, there is no page or no item on any, or a blank slot was clicked.
    """

    item_id: IntArray
    """int64 [n, k]: outside ids from the top of the page; -1 for a slot that was not filled."""
    clicked: BoolArray
    """bool [n, k]."""
    user_id: IntArray
    """int64 [n]: whose page it was; intervals draw users."""

    def __post_init__(self) -> None:
        item_id = as_whole_numbers("pages, item_id", self.item_id, ("pages", "positions"), least=-1)
        clicked = as_flags("pages, clicked", self.clicked, item_id.shape)
        user_id = as_whole_numbers("pages, user_id", self.user_id, item_id.shape[:1], least=0)
        if not (item_id >= 0).any():
            raise DataError("pages: got no item on any page, expected at least one; check the impressions table")
        if (clicked & (item_id < 0)).any():
            raise DataError("pages: got a click on a blank slot, expected clicks on items alone; check the columns' order")
        for name, column in (("item_id", item_id), ("clicked", clicked), ("user_id", user_id)):
            object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.item_id)

    @property
    def slate_size(self) -> int:
        """Positions of the longest page, k."""
        return int(self.item_id.shape[1])

    def take(self, rows: IntArray | BoolArray) -> ClickedPages:
        """Return some of the pages: places, int64 [m], or a mask, bool [n]."""
        return ClickedPages(item_id=self.item_id[rows], clicked=self.clicked[rows], user_id=self.user_id[rows])

    def last_click_above(self) -> IntArray:
        """Return int64 [n, k]: position of the last click above each slot, counted from 1; 0 without one."""
        rank = np.arange(1, self.slate_size + 1)
        last = np.maximum.accumulate(np.where(self.clicked, rank, 0), axis=1)
        above = np.zeros_like(last)
        above[:, 1:] = last[:, :-1]
        return above


def read_clicked_pages(exposures: Exposures, slate_size: int | None = None) -> ClickedPages:
    """Lay out the pages of a log whose order is known.

    Args:
        exposures: the log.
        slate_size: positions to keep, from the top; None keeps all.

    Raises:
        DataError: no page has an order.
    """
    slates = exposures.slates(slate_size)
    item_id = np.where(slates.item_index >= 0, exposures.items[slates.item_index], -1)
    return ClickedPages(item_id=item_id, clicked=slates.clicked, user_id=exposures.pages.user_id[slates.page_index])


def join_pages(*parts: ClickedPages) -> ClickedPages:
    """Put pages of several parts below each other; shorter ones get blank slots at their end."""
    size = max(part.slate_size for part in parts)
    spare = [((0, 0), (0, size - part.slate_size)) for part in parts]
    return ClickedPages(
        item_id=np.concatenate([np.pad(p.item_id, by, constant_values=-1) for p, by in zip(parts, spare, strict=True)]),
        clicked=np.concatenate([np.pad(p.clicked, by) for p, by in zip(parts, spare, strict=True)]),
        user_id=np.concatenate([part.user_id for part in parts]),
    )
