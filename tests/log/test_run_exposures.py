"""A run's own log as an exposure log: what was logged is what is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from export_runs import make_run
from written_runs import HAND, write_run

from recsim_llm.errors import ConfigError
from recsim_llm.log import open_exposures


def test_visits_become_sessions_and_blank_slots_no_impressions(tmp_path: Path) -> None:
    log = open_exposures(write_run(tmp_path / "run", HAND, arms=("a", "b")), part="a")
    assert log.user_id.tolist() == [7, 7, 7, 9, 9]
    assert log.session.tolist() == [0, 0, 0, 1, 1]
    assert log.page.tolist() == [0, 0, 1, 0, 0]
    assert log.position.tolist() == [0, 1, 0, 0, 1]
    assert log.item_id.tolist() == [1, 2, 3, 1, 2]
    assert log.clicked.tolist() == [True, False, True, False, True]
    np.testing.assert_array_equal(log.rating, [4, np.nan, 2, np.nan, 5])
    assert log.propensity is None
    assert log.skipped == {"blank slots": 1}
    assert log.licence == "MIT"


def test_an_arm_is_named_where_there_are_several(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", HAND, arms=("a", "b"))
    with pytest.raises(ConfigError, match="expected one of a, b"):
        open_exposures(run)
    with pytest.raises(ConfigError, match="got 'c'"):
        open_exposures(run, part="c")


def test_options_of_tables_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", HAND, arms=("a", "b"))
    with pytest.raises(ConfigError, match="session_gap"):
        open_exposures(run, part="a", session_gap=60)
    assert open_exposures(run, part="a", feedback="implicit", skip_bad_rows=False, layout="grid").layout == "grid"


def test_what_a_run_logged_is_what_is_loaded(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    rows = [row for path in (tmp_path / "run" / "impressions").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    for arm in ("random", "popularity"):
        log = open_exposures(tmp_path / "run", part=arm)
        names = ("user_id", "visit", "page", "position", "item_id", "clicked", "rating", "propensity")
        logged = sorted(tuple(row[name] for name in names) for row in rows if row["arm"] == arm)
        visits = {pair: number for number, pair in enumerate(sorted({row[:2] for row in logged}))}
        assert len(visits) > 12
        rating = np.full(len(log), np.nan) if log.rating is None else log.rating
        assert log.propensity is not None
        columns = (log.user_id, log.session, log.page, log.position, log.item_id, log.clicked)
        stars = [None if np.isnan(one) else one for one in rating.tolist()]
        loaded = list(zip(*(column.tolist() for column in columns), stars, log.propensity.tolist(), strict=True))
        assert loaded == [(row[0], visits[row[:2]], *row[2:]) for row in logged]


def test_a_runs_own_ids_are_kept_where_they_are_texts(tmp_path: Path) -> None:
    from recsim_llm.scenarios import load_scenario, run

    run(load_scenario("shop", {"users.count": 5, "recommenders": ["popularity"], "seed": 3}), tmp_path / "run")
    log = open_exposures(tmp_path / "run")
    keys = {row["item_id"]: row["item_key"] for row in pq.read_table(tmp_path / "run" / "items.parquet").to_pylist()}
    assert log.item_keys == {item: keys[item] for item in log.items.tolist()}
    assert set(log.user_keys) == set(log.users.tolist())
    assert log.rating is None
