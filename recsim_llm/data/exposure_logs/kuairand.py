"""KuaiRand: videos that were shown in an app, some of them drawn at random in place of the recommended one.

``log_standard_….csv`` and ``log_random_….csv`` have a row a video shown: ``user_id``, ``video_id``, ``time_ms``, ``is_click``,
``play_time_ms``, ``is_rand``, ``tab`` and more; they lie in a folder ``data``. ``is_click`` is a click where two columns are
shown, and where one is, that the video was played (all of it, or more than 7 s).

Source: C. Gao et al. (2022), KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos, CIKM,
arXiv:2208.08696; fields at https://github.com/chongminggao/KuaiRand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recsim_llm.core.exposures import Exposures
from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.impression_tables import read_dwell, read_flags, read_moments
from recsim_llm.data.exposure_logs.log_assembly import LogWords, assemble_log
from recsim_llm.data.exposure_logs.log_rows import LogRows
from recsim_llm.data.exposure_logs.published import comma_names
from recsim_llm.data.joined_tables import join_tables
from recsim_llm.data.table_files import read_text
from recsim_llm.data.text_layout import TextLayout

__all__ = ["find", "read"]

_NAMES = {
    "user_id": "user_id",
    "item_id": "video_id",
    "timestamp": "time_ms",
    "clicked": "is_click",
    "dwell": "play_time_ms",
    "random": "is_rand",
}
_PARTS = ("standard", "random")
_MILLISECOND = 0.001
_LICENCE = (
    "KuaiRand: CC BY-SA 4.0; figures derived from it should say where they come from. It is never shipped with this package."
)


def find(path: Path) -> dict[str, tuple[Path, ...]]:
    """Return the parts ``standard`` (as recommended) and ``random`` of a folder, or the part that a file is of."""
    if path.is_file():
        part = next((part for part in _PARTS if path.name.startswith(f"log_{part}_")), "")
        return {part: (path,)} if _is_log(path) else {}
    found: dict[str, tuple[Path, ...]] = {}
    for part in _PARTS:
        files = [file for folder in (path, path / "data") for file in sorted(folder.glob(f"log_{part}_*.csv"))]
        if files and all(map(_is_log, files)):
            found[part] = tuple(files)
    return found


def read(parts: Mapping[str, tuple[Path, ...]], settings: ExposureSettings, name: str) -> Exposures:
    """Read logs: sessions are cut by a gap that is named, what is dated alike is a page, and positions are unknown.

    Dwell is the time that a video which counts as clicked was played. How likely an item was to be shown is unknown, of the
    random ones too: how many videos they were drawn from on that day is not said.

    Raises:
        DataError: a file cannot be read, no gap is named, or a row cannot be used.
    """
    layout, paths = TextLayout(newlines_in_fields=False), [path for files in parts.values() for path in files]
    check = RowCheck(
        join_tables([read_text(path, _NAMES, layout, remedy="restore the file") for path in paths]), skip=settings.skip_bad_rows
    )
    clicked, random = read_flags(check, "clicked"), read_flags(check, "random")
    rows = LogRows(
        row=np.arange(check.table.row_count),
        item_id=check.whole_numbers("item_id"),
        clicked=clicked,
        user_id=check.whole_numbers("user_id"),
        timestamp=read_moments(check, "timestamp"),
        dwell=read_dwell(check, "dwell", clicked, unit=_MILLISECOND),
    )
    told = f"{int((random & check.keep).sum()):,} of {int(check.keep.sum()):,} videos were drawn at random"
    words = LogWords(name=name, licence=_LICENCE, notes=(told,), copies="leave out")
    return assemble_log(check, rows, settings, words)


def _is_log(path: Path) -> bool:
    return set(_NAMES.values()) <= set(comma_names(path))
