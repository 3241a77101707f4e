"""Where impressions belong: users, sessions and pages, numbered as ``Exposures`` wants them, and what was decided told."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.log_rows import LogRows, dense_rank
from recsim_llm.errors import DataError

__all__ = ["Pages", "Sessions", "find_pages", "find_sessions", "name_column", "needs_times", "number_pages"]


class Sessions(NamedTuple):
    """Whose impressions they are."""

    user_id: IntArray
    """int64 [n]."""
    session: IntArray
    """int64 [n]: one number for one session in the whole log."""
    notes: tuple[str, ...]
    """What was decided, one line each."""


class Pages(NamedTuple):
    """On which page of its session each impression stands."""

    page: IntArray
    """int64 [n]: from 0, no number left out."""
    notes: tuple[str, ...]
    """What was decided, one line each."""


def name_column(name: str) -> str:
    """Return how a column of another name is named, for the remedy of an error text."""
    return f"--column {name}=THEIRS, in Python columns={{'{name}': 'THEIRS'}}"


def needs_times(rows: LogRows, settings: ExposureSettings) -> bool:
    """Say whether sessions or pages are told by the time of each impression."""
    return rows.session is None or (rows.page is None and settings.page_by == "time")


def find_sessions(check: RowCheck, rows: LogRows, settings: ExposureSettings) -> Sessions:
    """Find the user and the session of each impression.

    Raises:
        DataError: the log has neither sessions nor, with a gap given, users and times.
    """
    name = check.table.name
    if rows.session is None:
        return _cut_sessions(name, rows, settings)
    if settings.session_gap is not None:
        raise DataError(f"{name}: got session_gap and a column of sessions, expected one of the two; leave session_gap out")
    if rows.user_id is None:
        return Sessions(rows.session, rows.session, (f"{name}: no users are named; every session is a user of its own",))
    pairs = dense_rank(rows.session, rows.user_id)
    if pairs.max() == dense_rank(rows.session).max():
        return Sessions(rows.user_id, rows.session, ())
    note = f"{name}: several users have a session of the same name: sessions are numbered anew, by name and user"
    return Sessions(rows.user_id, pairs, (note,))


def _cut_sessions(name: str, rows: LogRows, settings: ExposureSettings) -> Sessions:
    gap, user, time = settings.session_gap, rows.user_id, rows.timestamp
    if gap is None or user is None or time is None:
        lacks = " and ".join(word for word, column in (("user_id", user), ("timestamp", time)) if column is None)
        more = f"; that needs {lacks} too" if lacks else ""
        raise DataError(
            f"{name}: session: got no such column, expected one; name it with {name_column('session')}, or say how many "
            f"seconds without anything shown end a session, with --session-gap=1800, in Python session_gap=1800{more}"
        )
    order = np.lexsort((time, user))
    begins = np.zeros(len(order), np.bool_)
    begins[1:] = (user[order][1:] != user[order][:-1]) | (np.diff(time[order]) > gap)
    session = np.empty(len(order), np.int64)
    session[order] = np.cumsum(begins)
    note = f"{name}: {int(session.max()) + 1:,} sessions were cut where more than {gap:g} s lie between what a user was shown"
    return Sessions(user, session, (note,))


def find_pages(check: RowCheck, rows: LogRows, session: IntArray, settings: ExposureSettings) -> Pages:
    """Number the pages of each session.

    Args:
        check: the table.
        rows: the impressions, all with a time where ``needs_times``.
        session: int64 [n].
        settings: what tells pages apart where the log has none.

    Raises:
        DataError: nothing tells pages apart.
    """
    name, time = check.table.name, rows.timestamp
    if rows.page is not None:
        if settings.page_by is not None:
            raise DataError(f"{name}: got page_by and a column of pages, expected one of the two; leave page_by out")
        page = number_pages(session, rows.page)
        return Pages(page, _notes_on_pages(name, rows, session, page))
    if settings.page_by == "session":
        return Pages(np.zeros(len(rows), np.int64), ())
    if time is None or np.isnan(time).any():
        raise DataError(
            f"{name}: page: got neither pages nor the time of every row, expected one of them; name the column with "
            f"{name_column('page')}, or say that a session is one page with --page-by=session, in Python page_by='session'"
        )
    page = number_pages(session, time)
    count = int(dense_rank(session, page).max()) + 1
    told = f"{name}: what a session was shown at one time is a page: {count:,} pages of {len(page) / count:.3g} on average"
    return Pages(page, (told,))


def number_pages(session: IntArray, key: IntArray | DoubleArray) -> IntArray:
    """Number the different keys [n] of each session from 0, ascending; int64 [n]."""
    whole, number = dense_rank(session, key), dense_rank(session)
    first = np.full(int(number.max()) + 1, len(whole), np.int64)
    np.minimum.at(first, number, whole)
    return whole - first[number]


def _notes_on_pages(name: str, rows: LogRows, session: IntArray, page: IntArray) -> tuple[str, ...]:
    """Say where the log's own pages leave numbers out, and where they go back in time."""
    notes, own = [], rows.page
    order = np.lexsort((page, session))
    within = (session[order][1:] == session[order][:-1]) & (page[order][1:] != page[order][:-1])
    if own is not None and (left_out := int((within & (np.diff(own[order]) > 1)).sum())):
        notes.append(f"{name}: page numbers are left out {left_out:,} times; pages are numbered without gaps")
    if rows.timestamp is not None and (back := int((within & (np.diff(rows.timestamp[order]) < 0)).sum())):
        notes.append(f"{name}: {back:,} pages are dated before the page that comes before them; pages follow their numbers")
    return tuple(notes)
