"""The verb ``data show``: figures of an exposure log in lines and as JSON, and one line where it is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from written_runs import HAND, write_run

from recsim_llm.cli.main import main

TABLE = """user,visit,at,slot,sku,click,seconds,stars
ann,1,1700000000,1,MUG,1,14.5,4
ann,1,1700000000,2,SPOON,0,,
ann,1,1700000070,1,PAN,0,,
bob,2,1700000000,1,MUG,1,8,2
"""
COLUMNS = {
    "user_id": "user",
    "session": "visit",
    "timestamp": "at",
    "position": "slot",
    "item_id": "sku",
    "clicked": "click",
    "dwell": "seconds",
    "rating": "stars",
}


def arguments(folder: Path, *more: str) -> list[str]:
    (folder / "log.csv").write_text(TABLE)
    return ["data", "show", str(folder / "log.csv"), *(f"--column={ours}={theirs}" for ours, theirs in COLUMNS.items()), *more]


def test_a_table_is_shown_with_its_click_rates_by_position(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, "--json", str(tmp_path / "figures.json"))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "log: 4 impressions of 3 items on 3 pages, in 2 sessions of 2 users"
    assert lines[1] == "clicks        2 (0.500 of impressions); 1 pages without one"
    assert [line.split() for line in lines if line.strip()[:1].isdigit()] == [
        ["0", "3", "2", "0.667"],
        ["1", "1", "0", "0.000"],
    ]
    assert any(line.startswith("dwell") and "of 2 of 2 clicks" in line for line in lines)
    assert any(line.startswith("purchases") and line.endswith("unknown") for line in lines)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["positions"][0] == {"position": 0, "impressions": 3, "clicks": 2}
    assert len(figures["reading"]["notes"]) == 2


def test_an_arm_of_a_run_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", HAND, arms=("a", "b"))
    assert main(["data", "show", str(run), "--part", "a"]) == 0
    assert capsys.readouterr().out.startswith("run-a: 5 impressions of 3 items on 3 pages, in 2 sessions of 2 users")


def test_rows_that_were_left_out_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "impressions.csv"
    path.write_text("session,page,position,item_id,clicked\n1,0,0,5,0\n1,0,0,6,1\n1,1,0,6,1\n")
    assert main(["data", "show", str(tmp_path), "--skip-bad-rows"]) == 0
    assert "1 row was left out (impressions.csv: position twice on a page 1)" in capsys.readouterr().out


def test_pages_can_be_told_by_session_and_sessions_by_a_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "impressions.csv"
    path.write_text("user_id,timestamp,item_id,clicked\n1,10,5,0\n1,20,6,1\n1,500,6,1\n")
    assert main(["data", "show", str(tmp_path), "--session-gap", "60", "--page-by", "session", "--layout", "grid"]) == 0
    assert "3 impressions of 2 items on 2 pages, in 2 sessions of 1 users" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (["--constant-rating", "4"], "--constant-rating"),
        (["--session-gap", "60"], "session_gap"),
        (["--session-gap", "-1"], "session_gap: got -1.0, expected a number above 0"),
        (["--part", "train"], "part: got 'train'"),
    ],
)
def test_what_does_not_go_with_a_log_ends_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], fault: str
) -> None:
    assert main(arguments(tmp_path, *more)) == 2
    said = capsys.readouterr().err
    assert fault in said
    assert said.count("\n") == 1


def test_a_second_path_and_options_of_logs_elsewhere_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", str(tmp_path), "another"]) == 2
    assert "got folder another" in capsys.readouterr().err
    for more in (["--json", str(tmp_path / "x.json")], ["--part", "train"]):
        assert main(["data", "make", "shop", str(tmp_path / "shop"), *more]) == 2
        assert "with `data show` only" in capsys.readouterr().err
    assert not (tmp_path / "shop").exists()
