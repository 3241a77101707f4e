"""Open Bandit Dataset: fashion that was shown in three places, with the probability of each item there.

``{policy}/{campaign}/{campaign}.csv`` has a row an item shown: ``timestamp``, ``item_id``, ``position`` (1 to 3: left, centre,
right), ``click``, ``propensity_score`` (of the item at this position) and features of users. Rows of one page are not tied to
each other.

Source: Y. Saito et al. (2021), Open Bandit Dataset and Pipeline: Towards Realistic and Reproducible Off-Policy Evaluation,
NeurIPS Datasets and Benchmarks, arXiv:2008.07146; fields at https://github.com/st-tech/zr-obp/tree/master/obd.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recsim_llm.core.exposures import Exposures
from recsim_llm.data.bad_rows import RowCheck
from recsim_llm.data.exposure_logs.exposure_settings import ExposureSettings
from recsim_llm.data.exposure_logs.impression_tables import read_flags, read_moments, read_propensities
from recsim_llm.data.exposure_logs.log_assembly import LogWords, assemble_log
from recsim_llm.data.exposure_logs.log_rows import LogRows
from recsim_llm.data.exposure_logs.published import comma_names
from recsim_llm.data.joined_tables import join_tables
from recsim_llm.data.table_files import read_text
from recsim_llm.data.text_layout import TextLayout

__all__ = ["find", "read"]

_CAMPAIGNS = ("all", "men", "women")
_NAMES = {
    "timestamp": "timestamp",
    "item_id": "item_id",
    "position": "position",
    "clicked": "click",
    "propensity": "propensity_score",
}
_LICENCE = (
    "Open Bandit Dataset: CC BY 4.0; figures derived from it should say where they come from. It is never shipped with this "
    "package."
)


def find(path: Path) -> dict[str, tuple[Path, ...]]:
    """Return the file of a campaign's folder, or the file itself, as a part without a name."""
    files = [path] if path.is_file() else [path / f"{campaign}.csv" for campaign in _CAMPAIGNS]
    found = [file for file in files if file.is_file() and set(_NAMES.values()) <= set(comma_names(file))]
    return {"": tuple(found)} if len(found) == 1 else {}


def read(parts: Mapping[str, tuple[Path, ...]], settings: ExposureSettings, name: str) -> Exposures:
    """Read a campaign: every row is a page, and a session, with one place filled.

    Raises:
        DataError: the file cannot be read, or a row cannot be used.
    """
    layout, paths = TextLayout(newlines_in_fields=False), [path for files in parts.values() for path in files]
    check = RowCheck(
        join_tables([read_text(path, _NAMES, layout, remedy="restore the file") for path in paths]), skip=settings.skip_bad_rows
    )
    position = check.whole_numbers("position")
    check.refuse(position < 1, column="position", expected="a number from 1", reason="bad position")
    number = np.arange(check.table.row_count)
    rows = LogRows(
        row=number,
        item_id=check.whole_numbers("item_id"),
        clicked=read_flags(check, "clicked"),
        session=number,
        page=np.zeros(len(number), np.int64),
        position=position - 1,
        timestamp=read_moments(check, "timestamp"),
        propensity=read_propensities(check, "propensity"),
    )
    words = LogWords(name=name, licence=_LICENCE, layout="grid", notes=("which items stood on one page is unknown",))
    return assemble_log(check, rows, settings, words)
