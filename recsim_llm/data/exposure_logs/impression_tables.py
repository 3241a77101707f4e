"""Any table of impressions as an exposure log: one row an item that was shown, in a text file or Parquet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.column_values import (
    is_missing,
    parse_decimals,
    parse_flags,
    parse_moments,
    parse_whole_numbers,
)
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.log_assembly import LogWords, assemble_log
from recsim_llm.data.exposure_logs.log_rows import LogRows
from recsim_llm.data.exposure_logs.placing import name_column
from recsim_llm.data.rating_scales import read_stars
from recsim_llm.data.table_files import read_table
from recsim_llm.errors import ConfigError, DataError, one_of

__all__ = [
    "IMPRESSION_COLUMNS",
    "assemble_impressions",
    "read_dwell",
    "read_flags",
    "read_impressions",
    "read_moments",
    "read_propensities",
]

IMPRESSION_COLUMNS = (
    *("user_id", "session", "timestamp", "page", "position", "item_id"),
    *("clicked", "dwell", "rating", "purchased", "propensity"),
)
"""This package's names of the columns of a table of impressions."""

_REMEDY = "rename the column, or name it with --column NAME=THEIRS, in Python columns={'NAME': 'THEIRS'}"
_EXPLICIT = "--feedback explicit, in Python feedback='explicit', if what was rated counts as clicked"


def read_impressions(path: Path, settings: ExposureSettings, *, name: str) -> Exposures:
    """Read a table with one row an item that was shown; see ``recsim_llm.log.open_exposures``.

    Raises:
        ConfigError: a column is named that no log has.
        DataError: the file cannot be read, lacks a column, does not say what belongs together, or holds a row that cannot be
            used.
    """
    for ours in settings.columns:
        if ours not in IMPRESSION_COLUMNS:
            raise ConfigError(f"columns: got name {ours!r}, expected {one_of(ours, IMPRESSION_COLUMNS)}; rename or drop it")
    wanted = {ours: settings.columns.get(ours, ours) for ours in IMPRESSION_COLUMNS}
    must = {"item_id", *(("clicked",) if settings.feedback == "implicit" else ())} | set(settings.columns)
    check = RowCheck(
        read_table(path, wanted, optional=set(IMPRESSION_COLUMNS) - must, remedy=_remedy(settings)), skip=settings.skip_bad_rows
    )
    return assemble_impressions(check, settings, LogWords(name=name))


def assemble_impressions(check: RowCheck, settings: ExposureSettings, words: LogWords) -> Exposures:
    """Read the columns of a table whose rows are impressions, and put them into sessions and pages.

    Args:
        check: the table; its columns bear this package's names.
        settings: what it cannot say of itself.
        words: what is known besides; the labels of ids are filled in.

    Raises:
        DataError: as ``read_impressions``.
    """
    item_id, items = check.ids("item_id", labels=settings.string_ids)
    user_id, users = check.ids("user_id", labels=settings.string_ids) if check.has("user_id") else (None, None)
    rating = _ratings(check, settings) if check.has("rating") else None
    clicked, notes = _clicked(check, rating)
    rows = LogRows(
        row=np.arange(check.table.row_count),
        item_id=item_id,
        clicked=clicked,
        user_id=user_id,
        session=check.ids("session", labels=settings.string_ids)[0] if check.has("session") else None,
        page=check.whole_numbers("page") if check.has("page") else None,
        position=_positions(check) if check.has("position") else None,
        timestamp=read_moments(check, "timestamp") if check.has("timestamp") else None,
        dwell=read_dwell(check, "dwell", clicked) if check.has("dwell") else None,
        rating=rating,
        purchased=read_flags(check, "purchased") if check.has("purchased") else None,
        propensity=read_propensities(check, "propensity") if check.has("propensity") else None,
    )
    return assemble_log(check, rows, settings, replace(words, notes=(*words.notes, *notes), users=users, items=items))


def read_moments(check: RowCheck, column: str) -> DoubleArray:
    """Return a column of times, float64 [r]: seconds since 1970-01-01 UTC; NaN, and counted, where one cannot be read."""
    moments, bad = parse_moments(check.table.columns[column])
    check.lose(bad & ~is_missing(check.table.columns[column]), f"bad {column}")
    return np.where(bad, np.nan, moments)


def read_dwell(check: RowCheck, column: str, clicked: BoolArray, *, unit: float = 1.0) -> DoubleArray:
    """Return the seconds spent with what was clicked, float64 [r]; NaN where nothing was, or unknown.

    Args:
        check: the table.
        column: of numbers, 0 or more.
        clicked: bool [r].
        unit: seconds that the column's 1 stands for.
    """
    raw = check.table.columns[column]
    numbers, bad = parse_decimals(raw)
    wrong = (bad & ~is_missing(raw)) | (numbers < 0)
    check.lose(wrong, f"bad {column}")
    check.lose(~bad & ~clicked & (numbers > 0), f"{column} of what was not clicked")
    return np.where(bad | wrong | ~clicked, np.nan, numbers * unit)


def _remedy(settings: ExposureSettings) -> str:
    return _REMEDY if settings.feedback == "explicit" else f"{_REMEDY}; for clicked, pass {_EXPLICIT}"


def _clicked(check: RowCheck, rating: DoubleArray | None) -> tuple[BoolArray, tuple[str, ...]]:
    if check.has("clicked"):
        return read_flags(check, "clicked"), ()
    if rating is None:
        raise DataError(
            f"{check.table.name}: rating: got neither clicked nor rating, expected one of them; name it with "
            f"{name_column('rating')}"
        )
    return ~np.isnan(rating), (f"{check.table.name} does not say what was clicked: what was rated counts as clicked",)


def read_flags(check: RowCheck, column: str) -> BoolArray:
    """Return truth values, bool [r]; rows without one are refused."""
    flags, bad = parse_flags(check.table.columns[column])
    check.refuse(bad, column=column, expected="1 or 0, true or false", reason=f"bad {column}")
    return flags


def _positions(check: RowCheck) -> IntArray:
    """Return places, int64 [r]; -1 where the field is empty or says so itself."""
    raw = check.table.columns["position"]
    numbers, bad = parse_whole_numbers(raw)
    decimals, none = parse_decimals(raw)
    unknown = is_missing(raw) | (~none & (decimals == -1))
    check.refuse(bad & ~unknown, column="position", expected="a whole number of 0 or more", reason="bad position")
    return np.where(unknown, -1, numbers)


def read_propensities(check: RowCheck, column: str) -> DoubleArray:
    """Return probabilities, float64 [r]; NaN, and counted, where a field is none above 0."""
    raw = check.table.columns[column]
    numbers, bad = parse_decimals(raw)
    wrong = (bad & ~is_missing(raw)) | (~bad & ((numbers <= 0) | (numbers > 1)))
    check.lose(wrong, "propensity that is no number above 0 and up to 1")
    return np.where(bad | wrong, np.nan, numbers)


def _ratings(check: RowCheck, settings: ExposureSettings) -> DoubleArray:
    """Return stars, float64 [r], NaN where none were given; fields that cannot be used are counted, their rows stay."""
    raw = check.table.columns["rating"]
    rated = RowCheck(check.table, skip=True)
    rated.skipped.clear()
    rated.keep = check.keep & ~is_missing(raw)
    if not rated.keep.any():
        return np.full(check.table.row_count, np.nan)
    stars = read_stars(rated, settings.of_ratings())
    for reason, count in rated.skipped.items():
        check.unread[reason] = count
    return np.where(rated.keep, stars.astype(np.float64), np.nan)
