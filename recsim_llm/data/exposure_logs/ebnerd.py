"""EB-NeRD: impressions of the front page of a Danish newspaper, with sessions, clicks and reading times.

``behaviors.parquet`` has a row an impression: ``impression_id``, ``user_id``, ``session_id``, ``impression_time``,
``article_ids_inview`` (a list whose order says nothing), ``article_ids_clicked``, ``next_read_time`` (seconds on the article
that was clicked) and more. A bundle holds the folders ``train`` and ``validation``.

Source: J. Kruse et al. (2024), EB-NeRD: A Large-Scale Dataset for News Recommendation, arXiv:2410.03432; columns at
https://recsys.eb.dk/dataset/.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.impression_tables import read_dwell, read_moments
from recsim_llm.data.exposure_logs.item_lists import Entries, read_lists
from recsim_llm.data.exposure_logs.log_assembly import LogWords, assemble_log
from recsim_llm.data.exposure_logs.log_rows import LogRows, dense_rank
from recsim_llm.data.exposure_logs.placing import number_pages
from recsim_llm.data.exposure_logs.published import are_in_view, entry_ids, mark_rows, refuse_empty
from recsim_llm.data.joined_tables import join_tables
from recsim_llm.data.table_files import column_names, read_table
from recsim_llm.errors import DataError

__all__ = ["find", "read"]

_PARTS = ("train", "validation")
_FILE = "behaviors.parquet"

_NAMES = {
    "user_id": "user_id",
    "session": "session_id",
    "impression": "impression_id",
    "timestamp": "impression_time",
    "items": "article_ids_inview",
    "clicks": "article_ids_clicked",
    "dwell": "next_read_time",
}
_LICENCE = (
    "EB-NeRD: for research and teaching, under Ekstra Bladet's terms (recsys.eb.dk); figures derived from it should say where "
    "they come from. It is never shipped with this package."
)


def find(path: Path) -> dict[str, tuple[Path, ...]]:
    """Return the parts in a file, a split's folder or a bundle's: the splits of a bundle, else one without a name."""
    file = path / _FILE if path.is_dir() else path
    if file.is_file():
        return {"": (file,)} if _is_behaviors(file) else {}
    files = {part: path / part / _FILE for part in _PARTS}
    return {part: (file,) for part, file in files.items() if file.is_file() and _is_behaviors(file)}


def read(parts: Mapping[str, tuple[Path, ...]], settings: ExposureSettings, name: str) -> Exposures:
    """Read ``behaviors.parquet`` of one or several splits: an impression is a page, its articles stand in no order.

    The dwell of a click is the reading time that follows; where two articles were clicked on one page it is unknown. Articles
    read without a page (``article_id``), reading times of those, and ``history.parquet`` have no place in a log.

    Raises:
        DataError: a file cannot be read, or an impression has nothing in view, or a click that was not in view.
    """
    paths = [path for files in parts.values() for path in files]
    tables = [read_table(path, _NAMES, optional={"dwell", "impression"}, remedy="restore the file") for path in paths]
    check = RowCheck(join_tables(tables), skip=settings.skip_bad_rows)
    user_id, users = check.ids("user_id", labels=settings.string_ids)
    session, _ = check.ids("session", labels=settings.string_ids)
    shown, clicks = (read_lists(check.table.columns[column]) for column in ("items", "clicks"))
    refuse_empty(check, "items", shown)
    check.refuse(clicks.bad, column="clicks", expected="a list", reason="no clicks")
    (seen, taken), items = entry_ids(check, {"items": shown, "clicks": clicks}, settings)
    clicked, in_view = are_in_view(shown, seen, clicks, taken)
    check.refuse(
        mark_rows(clicks, ~in_view), column="clicks", expected="articles in view", reason="click on what was not in view"
    )
    time = read_moments(check, "timestamp")
    check.refuse(np.isnan(time), column="timestamp", expected="a time", reason="no timestamp")
    number = check.whole_numbers("impression") if check.has("impression") else np.arange(check.table.row_count)
    rows = LogRows(
        row=shown.row,
        item_id=seen,
        clicked=clicked,
        user_id=user_id[shown.row],
        session=session[shown.row],
        page=number_pages(session, dense_rank(time, number))[shown.row],
        timestamp=time[shown.row],
        dwell=_dwell(check, shown, clicks, clicked),
    )
    words = LogWords(name=name, licence=_LICENCE, users=users, items=items, copies="leave out")
    return assemble_log(check, rows, settings, words)


def _is_behaviors(path: Path) -> bool:
    if not path.name.endswith(".parquet"):
        return False
    try:
        names = column_names(path, ())
    except DataError:
        return False
    return {_NAMES[ours] for ours in ("user_id", "session", "timestamp", "items", "clicks")} <= set(names)


def _dwell(check: RowCheck, shown: Entries, clicks: Entries, clicked: BoolArray) -> DoubleArray | None:
    """Return seconds, float64 [m]: of pages with one click alone, since the table has one time a page."""
    if not check.has("dwell"):
        return None
    several = clicks.lengths > 1
    check.lose(several, f"{_NAMES['dwell']} of several clicks")
    seconds = read_dwell(check, "dwell", clicks.lengths > 0)
    return np.where(clicked & ~several[shown.row], seconds[shown.row], np.nan)
