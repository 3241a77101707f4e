"""Checked impressions into ``Exposures``: the steps that every source shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.exposures import Exposures, Layout
from recsim_llm.data.bad_rows import SKIP_REMEDY, RowCheck, later_copies
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.log_rows import LogRows, dense_rank
from recsim_llm.data.exposure_logs.placing import find_pages, find_sessions, needs_times, number_pages

__all__ = ["LogWords", "assemble_log"]

_COLUMNS = ("item_id", "clicked", "timestamp", "dwell", "rating", "purchased", "propensity")
_LEFT_OUT = -2
_PAGES_REMEDY = f"{SKIP_REMEDY}; if it is another page, see to it that its page number or time is another"


@dataclass(frozen=True, kw_only=True)
class LogWords:
    """What is known about a log beside its impressions."""

    name: str
    """Short name."""
    licence: str = ""
    """Terms of use."""
    layout: Layout = "list"
    """How positions lie on a page, where the settings do not say."""
    notes: tuple[str, ...] = ()
    """What was decided in reading, one line each."""
    users: tuple[str, ...] | None = None
    """The label at position k belongs to user k; None where ids are the log's own."""
    items: tuple[str, ...] | None = None
    """Likewise, of items."""
    copies: Literal["refuse", "leave out"] = "refuse"
    """What becomes of an item that stands on a page a second time, below the first."""


def assemble_log(check: RowCheck, rows: LogRows, settings: ExposureSettings, words: LogWords) -> Exposures:
    """Put impressions into sessions and pages.

    Args:
        check: the table; rows that it does not keep are left out.
        rows: its impressions.
        settings: what tells sessions and pages apart where the log has none.
        words: what else is known.

    Raises:
        DataError: sessions or pages cannot be told, or an item or a position stands on a page twice and rows may not be
            skipped, or no row is left.
    """
    rows = rows.take(check.keep[rows.row])
    if rows.timestamp is not None and needs_times(rows, settings):
        expected = "a time, which tells sessions or pages apart"
        _refuse(check, rows, np.isnan(rows.timestamp), column="timestamp", expected=expected)
        rows = rows.take(check.keep[rows.row])
    sessions = find_sessions(check, rows, settings)
    pages = find_pages(check, rows, sessions.session, settings)
    position, notes = _positions(check, rows)
    whole = dense_rank(sessions.session, pages.page)
    kept = _leave_copies(check, rows, whole) if words.copies == "leave out" else np.ones(len(rows), np.bool_)
    kept &= _refuse_places(check, rows, whole, np.where(kept, position, _LEFT_OUT))
    columns = {name: values[kept] for name in _COLUMNS if (values := getattr(rows, name)) is not None}
    session, user = sessions.session[kept], sessions.user_id[kept]
    return Exposures(
        name=words.name,
        user_id=user,
        session=session,
        page=number_pages(session, pages.page[kept]),
        position=position[kept],
        **columns,
        layout=settings.layout or words.layout,
        licence=words.licence,
        skipped=check.skipped,
        unread=check.unread,
        notes=(*words.notes, *sessions.notes, *pages.notes, *notes),
        user_keys=_keys(user, None if rows.user_id is None else words.users),
        item_keys=_keys(rows.item_id[kept], words.items),
    )


def _keys(ids: IntArray, labels: tuple[str, ...] | None) -> dict[int, str]:
    return {} if labels is None else {number: labels[number] for number in np.unique(ids).tolist()}


def _positions(check: RowCheck, rows: LogRows) -> tuple[IntArray, tuple[str, ...]]:
    """Return int64 [n], from 0, -1 unknown, and what was decided."""
    if rows.position is None:
        return np.full(len(rows), -1, np.int64), (f"{check.table.name}: the order on a page is unknown",)
    known = rows.position >= 0
    if not known.any() or rows.position[known].min() != 1:
        return rows.position, ()
    note = f"{check.table.name}: positions begin at 1; the first place is position 0 here"
    return np.where(known, rows.position - 1, -1), (note,)


def _leave_copies(check: RowCheck, rows: LogRows, page: IntArray) -> BoolArray:
    """Return bool [n], false where an item stands higher on its page; these are counted."""
    again = later_copies(dense_rank(page, rows.item_id), np.ones(len(rows), np.bool_))
    if again.any():
        check.skipped[f"{check.table.name}: item that stands higher on the page"] = int(again.sum())
    return ~again


def _refuse_places(check: RowCheck, rows: LogRows, page: IntArray, position: IntArray) -> BoolArray:
    """Refuse rows that put an item or a position on a page again, or none where others have one.

    Args:
        check: the table.
        rows: its impressions.
        page: int64 [n]: a number for each page of the log.
        position: int64 [n]; -1 unknown, -2 of impressions that are left out already.

    Returns:
        bool [n]: what is left.
    """
    there = position > _LEFT_OUT
    for column, key, among in (("item_id", rows.item_id, there), ("position", position, position >= 0)):
        again = later_copies(dense_rank(page, key), among & check.keep[rows.row])
        expected = f"each {column} once on a page, and it is there above"
        _refuse(check, rows, again, column=column, expected=expected, remedy=_PAGES_REMEDY)
    known = check.keep[rows.row] & (position >= 0)
    some = np.zeros(int(page.max()) + 1, np.bool_)
    some[page[known]] = True
    wrong = (position == -1) & some[page]
    _refuse(check, rows, wrong, column="position", expected="a number, as other rows of the page have one")
    return check.keep[rows.row]


def _refuse(check: RowCheck, rows: LogRows, wrong: BoolArray, *, column: str, expected: str, remedy: str = SKIP_REMEDY) -> None:
    """Refuse the table's rows of marked impressions, bool [n]."""
    found = np.zeros(check.table.row_count, np.bool_)
    found[rows.row[wrong]] = True
    again = expected.startswith("each")
    reason = f"{column} twice on a page" if again else f"no {column}"
    check.refuse(found, column=column, expected=expected, reason=reason, remedy=remedy)
