"""Runs in time: the log, what moves users, what is on sale and sold, kills, batches, and nothing of it where it is off."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.dataset as arrow
import pytest
from living import EVERYTHING, SMALL, living

from recsim_llm.errors import ConfigError, SlateError
from recsim_llm.log.schema import VISITS
from recsim_llm.recommenders import Popularity
from recsim_llm.scenarios import arm_logs, load_scenario, resume, run


def table(folder, kind):
    return arrow.dataset(folder / kind).to_table().to_pandas()


def log_bytes(folder):
    names = ["manifest.json", "segments.jsonl", *sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.parquet"))]
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    scenario = living(interventions=EVERYTHING, intents="usual")
    return run(scenario, tmp_path_factory.mktemp("living") / "whole")


class StillSelling(Popularity):
    """Goes by what was on sale when it was fitted."""

    restock = None


class Diary(Popularity):
    """Counts the days that it is told of."""

    days = 0

    def begin_day(self):
        type(self).days += 1


@pytest.mark.parametrize(
    "arm",
    [
        {"recommender": f"{__name__}:Diary"},
        {"recommender": f"{__name__}:Diary", "retrain": "day"},
        {"recommender": "mmr", "settings": {"base": f"{__name__}:Diary"}},
    ],
    ids=["alone", "retrained", "as the base of another"],
)
def test_a_recommender_is_told_of_each_day(tmp_path, arm):
    Diary.days = 0
    run(living(recommenders=[{"name": "diary", **arm}]), tmp_path / "run")
    assert Diary.days == 6


def test_users_come_day_by_day_as_they_return(whole):
    visits = table(whole, "visits").sort_values(["arm", "user_id", "visit"])
    assert visits["day"].between(0, 5).all()
    assert visits["hour"].between(0, 23).all()
    assert set(visits["intent"].unique()) <= {"browse", "look_for", "gift", "kill_time"}
    for _, own in visits.groupby(["arm", "user_id"], observed=True):
        assert (np.diff(own["visit"]) == 1).all()
        assert (np.diff(own["day"]) >= 1).all()
        assert own["returned"].iloc[:-1].all()


def test_a_user_comes_at_the_same_times_to_every_arm_until_one_is_left(whole):
    times = table(whole, "visits").pivot_table(index=["user_id", "visit"], columns="arm", values="day", observed=True).dropna()
    assert len(times) > 60
    assert (times["random"] == times["mf"]).all()


def test_late_users_come_late_and_nothing_is_shown_before_its_release_or_after_its_retirement(whole):
    shown = table(whole, "impressions").merge(table(whole, "visits")[["arm", "user_id", "visit", "day"]])
    events = table(whole, "events")
    begun = events[(events["arm"] == "mf") & (events["event"] == "begins")].set_index("subject")["day"].to_dict()
    assert begun["new"] == 3
    assert begun["old"] == 2
    assert begun["late"] == 3
    first, last = shown[shown.item_id >= 0].groupby("item_id")["day"].agg(["min", "max"]).T.to_numpy()
    assert (first >= 3).sum() >= 5
    assert (last < 2).sum() >= 3
    assert (shown.groupby("user_id")["day"].min() >= 3).sum() >= 9


def test_a_sold_slot_shows_what_is_paid_for(whole):
    shown = table(whole, "impressions").merge(table(whole, "visits")[["arm", "user_id", "visit", "day"]])
    shown = shown[shown.arm == "random"]
    during, before = shown[shown.day.between(1, 4) & (shown.position == 1)], shown[(shown.day < 1) & (shown.position == 1)]
    sold = during["propensity"] == 1.0
    assert sold.mean() > 0.9
    assert during["item_id"][sold].nunique() <= 30 < shown["item_id"].nunique()
    assert (before["propensity"] < 1.0).all()


@pytest.mark.parametrize("rows", [700, 10**9])
def test_no_row_depends_on_the_segments(whole, tmp_path, monkeypatch, rows):
    monkeypatch.setattr(arm_logs, "SEGMENT_ROWS", rows)
    again = run(living(interventions=EVERYTHING, intents="usual"), tmp_path / "again")
    for kind in ("impressions", "pages", "visits", "events"):
        assert table(again, kind).equals(table(whole, kind))


def test_steps_of_an_hour_give_the_same_visits_to_a_recommender_that_does_not_learn(tmp_path):
    day = run(living(recommenders=["popularity"]), tmp_path / "day")
    hour = run(living(recommenders=["popularity"], **{"clock.step": "hour"}), tmp_path / "hour")
    order = ["user_id", "visit", "page", "position"]
    one, other = (table(folder, "impressions").sort_values(order).reset_index(drop=True) for folder in (day, hour))
    assert one.equals(other)


def test_a_killed_run_ends_with_the_same_bytes(whole, tmp_path):
    script = (
        "import sys; from pathlib import Path; from living import EVERYTHING, living\n"
        "from recsim_llm.scenarios import arm_logs, runner\n"
        "arm_logs.SEGMENT_ROWS = 600\n"
        "seen = iter(range(10**9))\n"
        "def report(_):\n"
        "    if next(seen) == int(sys.argv[2]): print('now', flush=True); import time; time.sleep(60)\n"
        "runner.run(living(interventions=EVERYTHING, intents='usual'), Path(sys.argv[1]), report)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    folder = tmp_path / "killed"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder), "45"], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)
    assert len((folder / "segments.jsonl").read_text().splitlines()) >= 1
    before, arm_logs.SEGMENT_ROWS = arm_logs.SEGMENT_ROWS, 600
    try:
        resume(folder)
        expected = run(living(interventions=EVERYTHING, intents="usual"), tmp_path / "unharmed")
    finally:
        arm_logs.SEGMENT_ROWS = before
    assert log_bytes(folder) == log_bytes(expected)
    assert table(folder, "pages").equals(table(whole, "pages"))


def test_a_recommender_that_goes_on_selling_what_is_retired_is_told():
    plug = f"{__name__}:StillSelling"
    sys.modules.setdefault(__name__, sys.modules[__name__])
    retire = [{"name": "old", "at": 1, "change": {"retire": {"items": {"popular": 0.3}}}}]
    arm = [{"name": "stale", "recommender": plug}]
    with pytest.raises(SlateError, match="retired"):
        run(living(recommenders=arm, interventions=retire), Path(os.devnull).parent / "shm" / f"living-{os.getpid()}")


def test_without_a_clock_there_is_nothing_of_it(tmp_path):
    scenario = load_scenario("small", {key: value for key, value in SMALL.items() if key != "clock"})
    folder = run(scenario, tmp_path / "plain")
    assert not (folder / "events").exists()
    assert arrow.dataset(folder / "visits").schema.names == VISITS.names
    assert not {"clock", "intents", "interventions"} & set(json.loads((folder / "manifest.json").read_text())["settings"])


@pytest.mark.parametrize("key", ["intents", "interventions"])
def test_what_needs_time_needs_a_clock(key):
    value = "usual" if key == "intents" else EVERYTHING[:1]
    with pytest.raises(ConfigError, match=f"clock beside {key}"):
        load_scenario("small", {key: value})


def test_an_unmoved_user_acts_as_without_influence(tmp_path):
    """The first visits of a living world are those of a run without a clock, where nothing moves anybody."""
    still = load_scenario(
        "small", {key: value for key, value in SMALL.items() if key != "clock"} | {"recommenders": ["popularity"]}
    )
    plain, timed = run(still, tmp_path / "plain"), run(living(recommenders=["popularity"]), tmp_path / "timed")
    order = ["user_id", "visit", "page", "position"]
    one, other = (table(folder, "impressions").sort_values(order).reset_index(drop=True) for folder in (plain, timed))
    first = other[other.visit == 0].reset_index(drop=True)
    assert len(first)
    assert one.equals(first)


def test_prices_and_promotions_leave_propensities_that_can_be_true(whole):
    shown = table(whole, "impressions")
    told = shown["propensity"].dropna()
    assert told.between(0, 1, inclusive="right").all()
