"""Result pages of search sessions: positions, clicks, splits, and documents that stand on a page twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from real_data import shared_folder

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.log import open_exposures

PAGES = {
    "train": "8\t1\t[5, 6, 7]\t[1, 1, 1]\t[0, 1, 0]\n8\t1\t[6, 5, 9]\t[1, 1, 1]\t[1, 0, 0]\n"
    "3\t2\t[5, 6, 7]\t[1, 1, 1]\t[0, 0, 0]\n",
    "valid": "11\t2\t[9, 5, 9]\t[1, 1, 1]\t[0, 0, 1]\n",
    "human_label": "8\t1\t[5, 6, 7]\t[1, 1, 1]\t[0, 1, 0]\t[0, 2, 1]\n",
}


def written(folder: Path) -> Path:
    for part, text in PAGES.items():
        (folder / f"{part}_per_query.txt").write_text(text)
    return folder


def test_pages_follow_the_lines_and_positions_the_lists(tmp_path: Path) -> None:
    log = open_exposures(written(tmp_path), part="train")
    assert log.session.tolist() == [3] * 3 + [8] * 6
    assert log.user_id.tolist() == log.session.tolist()
    assert log.page.tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert log.position.tolist() == [0, 1, 2] * 3
    assert log.item_id.tolist() == [5, 6, 7, 5, 6, 7, 6, 5, 9]
    assert log.clicked.tolist() == [False] * 4 + [True, False, True, False, False]
    assert log.timestamp is None


def test_splits_together_are_the_log_and_judged_pages_do_not_count_twice(tmp_path: Path) -> None:
    written(tmp_path)
    whole = open_exposures(tmp_path)
    parts = [open_exposures(tmp_path, part=part) for part in ("train", "valid")]
    assert len(whole) == sum(map(len, parts))
    assert len(open_exposures(tmp_path, part="human_label")) == 3
    assert open_exposures(tmp_path / "train_per_query.txt").fingerprint == parts[0].fingerprint


def test_a_document_that_stands_higher_on_the_page_is_left_out_and_counted(tmp_path: Path) -> None:
    log = open_exposures(written(tmp_path), part="valid")
    assert log.position.tolist() == [0, 1]
    assert sum(log.skipped.values()) == 1


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        open_exposures(written(tmp_path), part="trian")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("4\t1\t[5, 6]\t[1, 1]\t[0, 1, 0]", "line 2: clicks: got .* expected as many"),
        ("4\t1\t[5, 6]\t[1, 1]\t[0, 3]", "line 2: clicks: got .* expected a list of 1 and 0"),
        ("4\t1\t[]\t[]\t[]", "line 2: items: got '\\[\\]', expected a list with one"),
        ("4\t1\t[5, -6]\t[1, 1]\t[0, 1]", "line 2: items: got .* expected a list of ids"),
        ("4\t1\t[5, [6]]\t[1, 1]\t[0, 1]", "line 2: items: got .* expected a list"),
        ("4\t1\t5 6\t[1, 1]\t[0, 1]", "line 2: items: got .* expected a list"),
        ("\t1\t[5, 6]\t[1, 1]\t[0, 1]", "line 2: session: got ''"),
        ("4\t1\t[5, 6]", "line 2: got 3 fields, expected 5"),
    ],
)
def test_a_line_that_is_no_page_is_named_or_left_out_and_counted(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "train_per_query.txt"
    path.write_text(f"2\t1\t[5, 6]\t[1, 1]\t[0, 1]\n{line}\n5\t1\t[6, 5]\t[1, 1]\t[1, 0]\n")
    with pytest.raises(DataError, match=fault) as error:
        open_exposures(path)
    assert "\n" not in str(error.value)
    log = open_exposures(path, skip_bad_rows=True)
    assert log.session.tolist() == [2, 2, 5, 5]
    assert log.clicked.tolist() == [False, True, True, False]
    assert sum(log.skipped.values()) == 1


def test_a_fault_in_one_of_several_files_is_named_by_its_file(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "valid_per_query.txt").write_text("4\t1\t[5]\t[1]\t[1]\n4\t1\t[5]\t[1]\t[7]\n")
    with pytest.raises(DataError, match=r"^valid_per_query.txt line 2: clicks"):
        open_exposures(tmp_path)


def test_the_published_sessions_have_their_published_click_rates() -> None:
    log = open_exposures(shared_folder("trec-session-2014"))
    assert len(log.pages.page) == 3_596
    rates = [log.clicked[log.position == rank].mean() for rank in range(10)]
    np.testing.assert_allclose(rates, [0.136, 0.089, 0.064, 0.045, 0.033, 0.024, 0.020, 0.015, 0.013, 0.011], atol=0.0011)
    clicks = np.bincount(log.page_index, weights=log.clicked)
    assert round((clicks == 0).mean(), 2) == 0.72
