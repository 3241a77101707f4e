"""EB-NeRD: pages by time, articles in no order, and reading times of what was clicked."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from real_data import shared_folder

from recsim_llm.errors import DataError
from recsim_llm.log import open_exposures


def row(impression: int, session: int, minute: int, shown: Any, clicked: Any, **other: Any) -> dict[str, Any]:
    return {
        "impression_id": impression,
        "user_id": session // 10,
        "session_id": session,
        "impression_time": datetime(2023, 5, 20, 7, minute),
        "article_ids_inview": shown,
        "article_ids_clicked": clicked,
        "next_read_time": 30.0,
        **other,
    }


def written(folder: Path, *more: dict[str, Any]) -> Path:
    rows = [
        row(3, 11, 9, [70, 60, 50], [60], next_read_time=8.0),
        row(2, 11, 4, [60, 50], [50], next_read_time=None),
        row(7, 24, 4, [50, 60], [60, 50]),
        *more,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "behaviors.parquet")
    return folder


def test_impressions_become_pages_in_the_order_of_their_times(tmp_path: Path) -> None:
    log = open_exposures(written(tmp_path))
    assert log.session.tolist() == [11] * 5 + [24] * 2
    assert log.user_id.tolist() == [1] * 5 + [2] * 2
    assert log.page.tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert log.item_id.tolist() == [50, 60, 50, 60, 70, 50, 60]
    assert not log.has_positions
    assert log.clicked.tolist() == [True, False, False, True, False, True, True]
    assert log.timestamp is not None
    assert np.diff(log.timestamp[[0, 2]]).tolist() == [300.0]


def test_dwell_is_the_reading_time_that_follows_a_single_click(tmp_path: Path) -> None:
    log = open_exposures(written(tmp_path))
    np.testing.assert_array_equal(log.dwell, [np.nan, np.nan, np.nan, 8.0, np.nan, np.nan, np.nan])
    assert list(log.unread.values()) == [1]


def test_the_splits_of_a_bundle_are_opened_alone_or_together(tmp_path: Path) -> None:
    written(tmp_path / "train")
    written(tmp_path / "validation", row(9, 31, 1, [50], []))
    assert len(open_exposures(tmp_path, part="train")) == 7
    assert len(open_exposures(tmp_path / "validation")) == 8


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (row(9, 40, 1, [50, 60], [99]), "row 4: clicks: got .99., expected articles in view"),
        (row(9, 40, 1, [], []), "row 4: items: got .., expected a list with one item"),
        (row(9, 40, 1, None, []), "row 4: items: got None, expected a list"),
        (row(9, 40, 1, [50], None), "row 4: clicks: got None, expected a list"),
        (row(9, 40, 1, [50], [], impression_time=None), "row 4: timestamp: got None"),
        (row(9, 40, 1, [50], [], session_id=None), "row 4: session: got None"),
    ],
)
def test_an_impression_that_cannot_be_one_is_named_or_left_out(tmp_path: Path, bad: dict[str, Any], fault: str) -> None:
    written(tmp_path, bad)
    with pytest.raises(DataError, match=fault):
        open_exposures(tmp_path)
    log = open_exposures(tmp_path, skip_bad_rows=True)
    assert log.fingerprint == open_exposures(written(tmp_path / "good")).fingerprint
    assert sum(log.skipped.values()) == 1


def test_the_sample_has_its_exits_and_reading_times() -> None:
    log = open_exposures(shared_folder("ebnerd-sample"))
    pages = np.unique(log.pages.session, return_counts=True)[1]
    assert (len(log.users), len(pages), pages.sum()) == (38, 485, 1_046)
    hazard = [(pages == page).sum() / (pages >= page).sum() for page in range(1, 6)]
    np.testing.assert_allclose(hazard, [0.49, 0.48, 0.45, 0.41, 0.44], atol=0.005)
    assert log.dwell is not None
    np.testing.assert_array_equal(np.nanquantile(log.dwell, [0.25, 0.5, 0.75]), [6, 23, 65])
