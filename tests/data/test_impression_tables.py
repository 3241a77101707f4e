"""Tables of impressions: what belongs together is read or asked for, and what cannot be used is refused by its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsim_llm.core.exposures import Exposures
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.log import open_exposures

FULL = """user_id,session,timestamp,page,position,item_id,clicked,dwell,rating,purchased,propensity
ann,s1,1700000000.5,0,0,7,1,12.5,4,1,0.5
ann,s1,1700000000.5,0,1,9,0,,,0,0.25
ann,s1,1700000060,1,0,8,0,,,0,
bob,s2,1700000000,0,0,7,0,,,0,0.5
"""


def opened(folder: Path, text: str, **options: object) -> Exposures:
    (folder / "impressions.csv").write_text(text, encoding="utf-8")
    return open_exposures(folder, **options)  # type: ignore[arg-type]


def test_every_column_of_a_whole_table_is_read(tmp_path: Path) -> None:
    log = opened(tmp_path, FULL)
    assert [log.user_keys[user] for user in log.user_id.tolist()] == ["ann", "ann", "ann", "bob"]
    assert log.session.tolist() == [0, 0, 0, 1]
    assert log.page.tolist() == [0, 0, 1, 0]
    assert log.position.tolist() == [0, 1, 0, 0]
    assert log.item_id.tolist() == [7, 9, 8, 7]
    assert log.clicked.tolist() == [True, False, False, False]
    assert log.timestamp is not None
    assert log.timestamp.tolist() == [1700000000.5, 1700000000.5, 1700000060.0, 1700000000.0]
    np.testing.assert_array_equal(log.dwell, [12.5, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(log.rating, [4, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(log.purchased, [True, False, False, False])
    np.testing.assert_array_equal(log.propensity, [0.5, 0.25, np.nan, 0.5])
    assert not log.skipped
    assert not log.unread


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt.gz", ".parquet"])
def test_every_kind_of_file_gives_the_same_log(tmp_path: Path, suffix: str) -> None:
    import gzip

    rows = [line.split(",") for line in FULL.splitlines()]
    path = tmp_path / f"mine{suffix}"
    if suffix == ".parquet":
        columns = {name: [row[place] or None for row in rows[1:]] for place, name in enumerate(rows[0])}
        pq.write_table(pa.table(columns), path)
    else:
        text = "\n".join(("," if suffix == ".csv" else "\t").join(row) for row in rows) + "\n"
        path.write_bytes(gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode())
    (tmp_path / "other").mkdir()
    assert open_exposures(path).fingerprint == opened(tmp_path / "other", FULL).fingerprint


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    text = FULL.replace("item_id", "sku").replace("clicked", "click")
    log = opened(tmp_path, text, columns={"item_id": "sku", "clicked": "click"})
    assert log.item_id.tolist() == [7, 9, 8, 7]


def test_a_missing_column_is_named_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"impressions.csv line 1: clicked: got columns .*did you mean 'Clicked'") as error:
        opened(tmp_path, FULL.replace("clicked", "Clicked"))
    assert "\n" not in str(error.value)


def test_a_name_that_is_no_column_of_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'position'"):
        opened(tmp_path, FULL, columns={"postion": "rank"})


def test_a_log_without_users_has_one_for_each_session_and_says_so(tmp_path: Path) -> None:
    log = opened(tmp_path, "session,page,position,item_id,clicked\n4,0,0,1,0\n4,1,0,2,1\n9,0,0,1,1\n")
    assert log.user_id.tolist() == log.session.tolist() == [4, 4, 9]
    assert any("no users are named" in note for note in log.notes)


def test_sessions_of_users_with_the_same_names_are_told_apart(tmp_path: Path) -> None:
    log = opened(tmp_path, "user_id,session,page,position,item_id,clicked\n1,0,0,0,5,0\n2,0,0,0,5,1\n")
    assert log.session.tolist() == [0, 1]
    assert log.user_id.tolist() == [1, 2]
    assert any("numbered anew" in note for note in log.notes)


VISITS = "user_id,timestamp,item_id,clicked\n1,100,5,0\n1,200,6,1\n1,900,5,0\n2,250,6,0\n"


def test_without_sessions_the_way_out_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"session: got no such column.*--session-gap=1800"):
        opened(tmp_path, VISITS)


def test_sessions_are_cut_by_the_gap_that_is_named(tmp_path: Path) -> None:
    log = opened(tmp_path, VISITS, session_gap=600)
    assert log.session.tolist() == [0, 0, 1, 2]
    assert any("3 sessions were cut" in note for note in log.notes)


def test_a_gap_of_exactly_the_limit_does_not_cut(tmp_path: Path) -> None:
    assert opened(tmp_path, VISITS, session_gap=700).session.tolist() == [0, 0, 0, 1]


def test_a_gap_without_times_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="that needs timestamp too"):
        opened(tmp_path, "user_id,item_id,clicked\n1,5,0\n", session_gap=600)


def test_pages_are_told_apart_by_time_and_the_log_says_so(tmp_path: Path) -> None:
    text = "user_id,session,timestamp,item_id,clicked\n1,1,10,5,0\n1,1,10,6,1\n1,1,10.25,5,0\n"
    log = opened(tmp_path, text)
    assert log.page.tolist() == [0, 0, 1]
    assert any("2 pages" in note for note in log.notes)


def test_without_pages_and_times_a_session_may_be_called_a_page(tmp_path: Path) -> None:
    text = "user_id,session,position,item_id,clicked\n1,1,0,5,0\n1,1,1,6,1\n"
    with pytest.raises(DataError, match=r"page: got neither.*--page-by=session"):
        opened(tmp_path, text)
    assert opened(tmp_path, text, page_by="session").page.tolist() == [0, 0]


def test_positions_that_begin_at_one_are_moved_and_the_log_says_so(tmp_path: Path) -> None:
    text = "session,page,position,item_id,clicked\n1,0,1,5,0\n1,0,3,6,1\n2,0,2,6,1\n"
    log = opened(tmp_path, text)
    assert log.position.tolist() == [0, 2, 1]
    assert any("begin at 1" in note for note in log.notes)


def test_page_numbers_that_are_left_out_are_closed_up_and_counted(tmp_path: Path) -> None:
    text = "session,page,position,item_id,clicked\n1,3,0,5,0\n1,7,0,6,1\n"
    log = opened(tmp_path, text)
    assert log.page.tolist() == [0, 1]
    assert any("left out 1 times" in note for note in log.notes)


def test_pages_that_go_back_in_time_are_counted_and_stay_in_their_order(tmp_path: Path) -> None:
    log = opened(tmp_path, "session,page,timestamp,position,item_id,clicked\n1,0,900,0,5,0\n1,1,100,0,6,1\n")
    assert log.item_id.tolist() == [5, 6]
    assert any("1 pages are dated before" in note for note in log.notes)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("1,0,1,5,0", "line 4: item_id: got '5', expected each item_id once on a page"),
        ("1,0,0,7,0", "line 4: position: got '0', expected each position once on a page"),
        ("1,0,,7,0", "line 4: position: got '', expected a number, as other rows"),
        ("1,0,2.5,7,0", "line 4: position: got '2.5', expected a whole number"),
        ("1,0,2,7,2", "line 4: clicked: got '2', expected 1 or 0"),
        ("1,0,2,7,nan", "line 4: clicked: got 'nan', expected 1 or 0"),
        ("1,x,2,7,0", "line 4: page: got 'x', expected a whole number"),
        ("1,0,2,-7,0", "line 4: item_id: got '-7', expected a whole number of 0 or more"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_or_left_out_and_counted(tmp_path: Path, row: str, fault: str) -> None:
    text = f"session,page,position,item_id,clicked\n1,0,0,5,0\n1,0,1,6,1\n{row}\n2,0,0,5,1\n"
    with pytest.raises(DataError, match=fault) as error:
        opened(tmp_path, text)
    assert "\n" not in str(error.value)
    log = opened(tmp_path, text, skip_bad_rows=True)
    assert log.item_id.tolist() == [5, 6, 5]
    assert sum(log.skipped.values()) == 1


def test_fields_that_a_row_can_do_without_are_counted(tmp_path: Path) -> None:
    text = (
        "session,page,position,item_id,clicked,dwell,rating,propensity,timestamp\n"
        "1,0,0,5,1,-3,lots,0,never\n1,0,1,6,0,4,,2,\n1,0,2,7,1,8,3,0.5,1700000000\n1,1,0,7,1,x,2,0.5,1700000009\n"
    )
    log = opened(tmp_path, text)
    assert dict(log.unread) == {
        "impressions.csv: bad timestamp": 1,
        "impressions.csv: bad dwell": 2,
        "impressions.csv: dwell of what was not clicked": 1,
        "impressions.csv: bad rating": 1,
        "impressions.csv: propensity that is no number above 0 and up to 1": 2,
    }
    np.testing.assert_array_equal(log.dwell, [np.nan, np.nan, 8, np.nan])
    np.testing.assert_array_equal(log.rating, [np.nan, np.nan, 3, 2])
    np.testing.assert_array_equal(log.propensity, [np.nan, np.nan, 0.5, 0.5])


def test_ratings_of_another_scale_are_asked_about_and_mapped(tmp_path: Path) -> None:
    rows = "".join(f"{n},0,0,5,1,{n % 11}\n" for n in range(44))
    text = "session,page,position,item_id,clicked,rating\n" + rows
    with pytest.raises(DataError, match="rating-scale"):
        opened(tmp_path, text)
    log = opened(tmp_path, text, rating_scale=(0, 10), not_rated="none")
    assert log.rating is not None
    assert set(np.round(log.rating, 3)) == {round(1 + 0.4 * level, 3) for level in range(11)}


def test_what_was_rated_counts_as_clicked_where_explicit_is_said(tmp_path: Path) -> None:
    text = "session,page,item_id,rating\n1,0,5,4\n1,0,6,\n2,0,5,2\n"
    with pytest.raises(DataError, match=r"clicked: .*--feedback explicit"):
        opened(tmp_path, text)
    log = opened(tmp_path, text, feedback="explicit")
    assert log.clicked.tolist() == [True, False, True]
    assert log.position.tolist() == [-1, -1, -1]
    assert any("what was rated counts as clicked" in note for note in log.notes)


def test_ids_of_any_script_and_length_are_kept(tmp_path: Path) -> None:
    long = "9" * 30
    log = opened(tmp_path, f"session,page,position,item_id,clicked\nπ,0,0,{long},0\nπ,0,1,東京,1\n")
    assert [log.item_keys[item] for item in log.item_id.tolist()] == [long, "東京"]


def test_a_part_of_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="part: got 'train'"):
        opened(tmp_path, FULL, part="train")


def test_a_folder_without_a_log_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no table of columns clicked and item_id"):
        open_exposures(tmp_path)
    with pytest.raises(ConfigError, match="file or folder that is there"):
        open_exposures(tmp_path / "nowhere")


@pytest.mark.parametrize("seed", range(3))
def test_rows_in_any_order_are_the_same_log(tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = [
        f"{session % 3},{session},{100 * page + session},{place},{item},{draw.integers(2)},{draw.integers(1, 6)}"
        for session in range(7)
        for page in range(draw.integers(1, 4))
        for place, item in enumerate(draw.permutation(9)[: draw.integers(1, 6)])
    ]
    header = "user_id,session,timestamp,position,item_id,clicked,rating"
    log = opened(tmp_path, "\n".join([header, *rows, ""]))
    draw.shuffle(rows)
    assert opened(tmp_path, "\n".join([header, *rows, ""])).fingerprint == log.fingerprint
    assert len(log) == len(rows)


def test_a_large_table_keeps_its_pages_and_clicks(tmp_path: Path) -> None:
    rows = 100_000
    number = np.arange(rows)
    columns = {
        "session": number // 40,
        "page": number % 40 // 10,
        "position": number % 10,
        "item_id": number,
        "clicked": number % 2,
    }
    pq.write_table(pa.table(columns), tmp_path / "impressions.parquet")
    log = open_exposures(tmp_path)
    assert len(log.pages.page) == rows // 10
    assert log.clicked.sum() == rows // 2
