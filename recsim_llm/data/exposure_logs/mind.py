"""MIND: impressions of Microsoft News with clicks.

``behaviors.tsv`` has five fields a line, separated by tabs and without a header: impression id, user id, time
(``11/13/2019 8:36:57 AM``), history (what the user clicked before), and impressions: ``N1-0 N2-1``, 1 for a click, in an order
that was shuffled. The test set has no labels, and is no log.

Source: F. Wu et al. (2020), MIND: A Large-scale Dataset for News Recommendation, ACL; fields at
https://github.com/msnews/msnews.github.io/blob/master/assets/doc/introduction.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.item_lists import split_words
from recsim_llm.data.exposure_logs.log_assembly import LogWords, assemble_log
from recsim_llm.data.exposure_logs.log_rows import LogRows, dense_rank
from recsim_llm.data.exposure_logs.published import entry_ids, first_line, mark_rows, refuse_empty
from recsim_llm.data.joined_tables import join_tables
from recsim_llm.data.table_files import read_text
from recsim_llm.data.text_layout import TextLayout

__all__ = ["find", "read"]

_FILE = "behaviors.tsv"
_HEADER = ("impression", "user_id", "timestamp", "history", "items")
_LINE = re.compile(rb"^[^\t]*\t[^\t]*\t\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2} [AP]M\t[^\t]*\t[^\t]*$")
_TIME = "%m/%d/%Y %I:%M:%S %p"
_LABELLED = r"^(?P<id>.+)-(?P<label>[01])$"
_LICENCE = (
    "MIND: for research that is not commercial, under the Microsoft Research License Terms; figures derived from it should say "
    "where they come from. It is never shipped with this package."
)


def find(path: Path) -> dict[str, tuple[Path, ...]]:
    """Return the file of a folder, or the file itself, as a part without a name."""
    file = path / _FILE if path.is_dir() else path
    return {"": (file,)} if file.is_file() and _LINE.match(first_line(file)) else {}


def read(parts: Mapping[str, tuple[Path, ...]], settings: ExposureSettings, name: str) -> Exposures:
    """Read ``behaviors.tsv``: an impression is a page, its news stand in no order; sessions are cut by a gap that is named.

    Times are taken for UTC, since the data do not say their zone. The history has no place in a log.

    Raises:
        DataError: the file cannot be read, no gap is named, or a line holds no impression with clicks.
    """
    layout = TextLayout(delimiter="\t", quoted=False, header=_HEADER)
    paths = [path for files in parts.values() for path in files]
    tables = [read_text(path, {column: column for column in _HEADER}, layout, remedy="restore the file") for path in paths]
    check = RowCheck(join_tables(tables), skip=settings.skip_bad_rows)
    user_id, users = check.ids("user_id", labels=settings.string_ids)
    number = check.whole_numbers("impression")
    shown = split_words(check.table.columns["items"])
    refuse_empty(check, "items", shown)
    found = pc.extract_regex(shown.values, _LABELLED)
    bad = np.asarray(found.is_null(), np.bool_)
    expected = "news with 1 for a click or 0, as N1-0 N2-1 (the test set has no clicks)"
    check.refuse(mark_rows(shown, bad), column="items", expected=expected, reason="news without clicks")
    (item_id,), items = entry_ids(check, {"items": shown._replace(values=pc.struct_field(found, "id"))}, settings)
    time = _times(check)
    rows = LogRows(
        row=shown.row,
        item_id=item_id,
        clicked=np.asarray(pc.fill_null(pc.equal(pc.struct_field(found, "label"), "1"), False), np.bool_),
        user_id=user_id[shown.row],
        page=dense_rank(time, number)[shown.row],
        timestamp=time[shown.row],
    )
    notes = ("times are taken for UTC", "histories are left out")
    words = LogWords(name=name, licence=_LICENCE, notes=notes, users=users, items=items, copies="leave out")
    return assemble_log(check, rows, settings, words)


def _times(check: RowCheck) -> DoubleArray:
    texts = check.table.columns["timestamp"].cast(pa.string(), safe=False)
    moments = pc.strptime(pc.utf8_trim_whitespace(texts), format=_TIME, unit="s", error_is_null=True)
    bad = np.asarray(moments.is_null(), np.bool_)
    check.refuse(bad, column="timestamp", expected="a time as 11/13/2019 8:36:57 AM", reason="bad timestamp")
    return np.asarray(pc.fill_null(moments.cast(pa.int64()), 0).to_numpy(), np.float64)
