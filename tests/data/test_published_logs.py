"""MIND, KuaiRand, Open Bandit and Coat, in small files of their published layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from real_data import shared_folder

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.log import open_exposures

MIND = (
    "1\tU13\t11/11/2019 9:05:58 AM\tN1 N2\tN5-0 N7-1 N6-0\n"
    "2\tU13\t11/11/2019 9:06:08 PM\t\tN5-1\n"
    "3\tU9\t11/11/2019 12:00:00 PM\tN5\tN7-0 N6-0\n"
)
KUAI = "user_id,video_id,date,hourmin,time_ms,is_click,is_like,play_time_ms,duration_ms,is_rand,tab\n"
STANDARD = (
    "0,31,20220421,400,1650485801301,1,0,15000,104400,0,1\n"
    "0,32,20220421,400,1650485801301,0,0,200,104400,0,1\n"
    "0,33,20220421,500,1650485861000,0,0,0,9000,0,1\n"
    "4,31,20220421,500,1650485861000,1,0,,9000,0,1\n"
)
RANDOM = "0,77,20220422,500,1650485862500,1,0,2500,9000,1,1\n"
BANDIT = (
    ",timestamp,item_id,position,click,propensity_score,user_feature_0\n"
    "0,2019-11-24 00:00:23.800821+00:00,14,3,0,0.0125,81ce\n"
    "1,2019-11-24 00:00:25.548020+00:00,14,1,1,0.5,81ce\n"
)


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


def mind(folder: Path, text: str = MIND) -> Path:
    return write(folder, "behaviors.tsv", text)


def kuairand(folder: Path) -> Path:
    write(folder / "data", "log_standard_4_08_to_4_21_pure.csv", KUAI + STANDARD)
    write(folder / "data", "log_random_4_22_to_5_08_pure.csv", KUAI + RANDOM)
    return folder


def bandit(folder: Path, text: str = BANDIT) -> Path:
    return write(folder, "all.csv", text)


def coat(folder: Path, *, train: str = "0 3 0 \n5 0 1 \n", test: str = "1 0 0\n0 2 0\n") -> Path:
    write(folder, "train.ascii", train)
    write(folder, "propensities.ascii", "1.0e-01 2.0e-01 3.0e-01\n4.0e-01 5.0e-01 6.0e-01\n")
    return write(folder, "test.ascii", test)


def test_mind_has_pages_by_time_in_sessions_cut_by_a_named_gap(tmp_path: Path) -> None:
    log = open_exposures(mind(tmp_path), session_gap=1800)
    users = [log.user_keys[user] for user in log.user_id.tolist()]
    assert users == ["U13"] * 4 + ["U9"] * 2
    assert log.session.tolist() == [0, 0, 0, 1, 2, 2]
    assert [log.item_keys[item] for item in log.item_id.tolist()] == ["N5", "N6", "N7", "N5", "N6", "N7"]
    assert log.clicked.tolist() == [False, False, True, True, False, False]
    assert not log.has_positions
    assert log.timestamp is not None
    assert log.timestamp[[0, 3]].tolist() == [1573463158.0, 1573506368.0]


def test_mind_without_a_gap_is_asked_for_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="session-gap"):
        open_exposures(mind(tmp_path))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("4\tU1\t11/11/2019 9:05:58 AM\t\tN5 N7", "line 4: items: got .* .the test set has no clicks"),
        ("4\tU1\t11/11/2019 9:05:58 AM\t\t", "line 4: items: got '', expected a list"),
        ("4\tU1\t31/31/2019 9:05:58 AM\t\tN5-1", "line 4: timestamp: got '31/31/2019"),
        ("4\t\t11/11/2019 9:05:58 AM\t\tN5-1", "line 4: user_id: got ''"),
    ],
)
def test_a_line_of_mind_that_is_no_impression_is_named_or_left_out(tmp_path: Path, line: str, fault: str) -> None:
    mind(tmp_path, MIND + line + "\n")
    with pytest.raises(DataError, match=fault):
        open_exposures(tmp_path, session_gap=1800)
    assert len(open_exposures(tmp_path, session_gap=1800, skip_bad_rows=True)) == 6


def test_kuairand_has_sessions_over_both_kinds_of_log(tmp_path: Path) -> None:
    log = open_exposures(kuairand(tmp_path), session_gap=600)
    assert log.session.tolist() == [0, 0, 0, 0, 1]
    assert log.page.tolist() == [0, 0, 1, 2, 0]
    assert log.item_id.tolist() == [31, 32, 33, 77, 31]
    np.testing.assert_allclose(log.dwell, [15.0, np.nan, np.nan, 2.5, np.nan])
    assert log.propensity is None
    assert any("1 of 5 videos were drawn at random" in note for note in log.notes)


def test_the_random_part_of_kuairand_is_opened_alone(tmp_path: Path) -> None:
    kuairand(tmp_path)
    assert open_exposures(tmp_path, session_gap=600, part="random").item_id.tolist() == [77]
    path = tmp_path / "data" / "log_standard_4_08_to_4_21_pure.csv"
    assert len(open_exposures(path, session_gap=600)) == 4


def test_open_bandit_rows_are_pages_of_one_place_with_propensities(tmp_path: Path) -> None:
    log = open_exposures(bandit(tmp_path))
    assert log.position.tolist() == [2, 0]
    assert log.page.tolist() == [0, 0]
    assert log.session.tolist() == [0, 1]
    assert log.clicked.tolist() == [False, True]
    assert log.propensity is not None
    assert log.propensity.tolist() == [0.0125, 0.5]
    assert log.timestamp is not None
    assert log.timestamp[0] == pytest.approx(1574553623.800821, abs=1e-5)
    assert log.layout == "grid"


def test_a_position_of_open_bandit_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: position: got '0', expected a number from 1"):
        open_exposures(bandit(tmp_path, BANDIT.replace(",14,3,", ",14,0,")))


def test_coat_has_what_was_chosen_and_what_was_drawn(tmp_path: Path) -> None:
    coat(tmp_path)
    chosen, drawn = (open_exposures(tmp_path, part=part) for part in ("train", "test"))
    assert chosen.user_id.tolist() == [0, 1, 1]
    assert chosen.item_id.tolist() == [1, 0, 2]
    assert chosen.rating is not None
    assert chosen.rating.tolist() == [3, 5, 1]
    assert chosen.propensity is not None
    assert chosen.propensity.tolist() == [0.2, 0.4, 0.6]
    assert drawn.propensity is not None
    np.testing.assert_allclose(drawn.propensity, 1 / 3)
    both = open_exposures(tmp_path)
    assert both.session.tolist() == [0, 1, 2, 2, 3]
    assert both.user_id.tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("train", "fault"),
    [
        ("0 9 0\n1 0 1\n", "train.ascii line 1: rating: got 9 in column 2"),
        ("0 x 0\n1 0 1\n", "train.ascii: got .* expected lines of numbers"),
        ("0 1 0\n1 0\n", "train.ascii: got .* expected lines of numbers"),
        ("0 0\n0 1\n", "propensities.ascii: got shape"),
        ("0 nan 0\n1 0 1\n", "train.ascii: got 6 numbers, not all finite"),
        ("0 0 0\n0 0 0\n", "train.ascii: got no rating"),
    ],
)
def test_a_matrix_of_coat_that_is_none_is_refused_in_one_line(tmp_path: Path, train: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault) as error:
        open_exposures(coat(tmp_path, train=train), part="train")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("make", [mind, kuairand, bandit, coat])
def test_settings_of_tables_are_refused_where_the_layout_is_fixed(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with pytest.raises(ConfigError, match="rating_scale"):
        open_exposures(make(tmp_path), rating_scale=(1, 10))


def test_the_published_coats_are_rated_lower_where_they_were_drawn() -> None:
    folder = shared_folder("coat")
    chosen, drawn = (open_exposures(folder, part=part) for part in ("train", "test"))
    assert chosen.rating is not None
    assert drawn.rating is not None
    assert (len(chosen), len(drawn), len(chosen.users)) == (6_960, 4_640, 290)
    assert round(chosen.rating.mean(), 2) == 2.61
    assert round(drawn.rating.mean(), 2) == 2.23
