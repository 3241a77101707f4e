"""Runs whose providers may leave: the log, what is on sale, batches, kills, and nothing of it where it is off."""

import json

import pyarrow.dataset as arrow
import pytest
from living import SMALL, living

from recsim_llm.errors import ConfigError
from recsim_llm.log.manifest import read_manifest
from recsim_llm.scenarios import arm_logs, load_scenario, resume, run

IMPATIENT = {"window_days": 2, "patience_days": 1, "grace_days": 2, "least_share": 0.6}
ARMS = ["popularity", "random"]


def leaving(**changes):
    return living(recommenders=ARMS, providers=IMPATIENT, **changes)


def table(folder, kind):
    return arrow.dataset(folder / kind).to_table().to_pandas()


def log_bytes(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/*.parquet"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(leaving(), tmp_path_factory.mktemp("leaving") / "whole")


def test_who_leaves_is_never_shown_again(whole):
    events, items = table(whole, "events"), arrow.dataset(whole / "items.parquet").to_table().to_pandas()
    left = events[(events.event == "provider_leaves") & (events.arm == "popularity")]
    assert 1 <= len(left) < 8
    assert (left["value"] < IMPATIENT["least_share"]).all()
    assert (left["day"] >= IMPATIENT["grace_days"]).all()
    visits = table(whole, "visits")[["arm", "user_id", "visit", "day"]]
    shown = table(whole, "impressions").merge(visits).merge(items[["item_id", "provider"]])
    for _, one in left.iterrows():
        mine = shown[(shown.arm == "popularity") & (shown.provider == one["subject"])]
        assert (mine["day"] <= one["day"]).all()
        assert sorted(items["provider"].unique())[one["other_id"]] == one["subject"]


def test_exposure_over_merit_is_that_of_the_log(whole):
    events, items = table(whole, "events"), arrow.dataset(whole / "items.parquet").to_table().to_pandas()
    visits = table(whole, "visits")[["arm", "user_id", "visit", "day"]]
    shown = table(whole, "impressions").merge(visits).merge(items[["item_id", "provider"]])
    first = shown[(shown.arm == "random") & (shown.day <= 1)]
    expected = first["provider"].value_counts(normalize=True) / items["provider"].value_counts(normalize=True)
    said = events[(events.arm == "random") & (events.event == "provider_exposure") & (events.day == 1)]
    assert said.set_index("subject")["value"].to_dict() == pytest.approx(expected.to_dict())


def test_no_row_depends_on_the_segments_and_hours_change_nothing(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(arm_logs, "SEGMENT_ROWS", 700)
    again = run(leaving(), tmp_path / "again")
    for kind in ("impressions", "events"):
        assert table(again, kind).equals(table(whole, kind))
    hours = table(run(leaving(**{"clock.step": "hour"}), tmp_path / "hours"), "events")
    names = ["arm", "day", "event", "other_id"]
    assert hours[names].equals(table(whole, "events")[names])


def test_a_run_stopped_while_providers_leave_ends_with_the_same_bytes(whole, tmp_path):
    def stop(progress):
        if progress.arm == "random" and progress.share > 0.7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(leaving(), tmp_path / "stopped", stop)
    resume(tmp_path / "stopped")
    assert log_bytes(tmp_path / "stopped") == log_bytes(whole)


def test_without_the_section_there_is_nothing_of_it(tmp_path):
    folder = run(living(recommenders=["popularity"]), tmp_path / "plain")
    assert not (table(folder, "events")["event"].str.startswith("provider")).any()
    assert "providers" not in read_manifest(folder)["settings"]


def test_providers_need_a_clock_and_data_that_know_them(tmp_path):
    with pytest.raises(ConfigError, match="clock beside providers"):
        load_scenario("small", {key: value for key, value in SMALL.items() if key != "clock"} | {"providers": {}})
    films = tmp_path / "films"
    films.mkdir()
    (films / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4,1\n1,2,3,2\n2,1,5,3\n2,2,2,4\n", "utf-8")
    (films / "movies.csv").write_text("movieId,title,genres\n1,A (2000),Drama\n2,B (2001),Comedy\n", "utf-8")
    scenario = load_scenario("small", SMALL | {"data": str(films), "slate_size": 1, "users.count": 2, "providers": {}})
    with pytest.raises(ConfigError, match="data without providers"):
        run(scenario, tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_the_manifest_says_when_they_leave(whole):
    assert json.loads((whole / "manifest.json").read_text())["settings"]["providers"]["patience_days"] == 1
