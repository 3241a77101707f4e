"""What else is done with runs in time: each verb reads their log rightly, or says in a line why it does not."""

import json

import numpy as np
import pyarrow.dataset as arrow
import pytest
from living import SMALL, living

from recsim_llm.cli.main import main
from recsim_llm.errors import ConfigError
from recsim_llm.exports import load_bandit_feedback
from recsim_llm.log import open_exposures
from recsim_llm.offpolicy import read_log
from recsim_llm.scenarios import load_scenario, resume, run
from recsim_llm.scenarios.export import export
from recsim_llm.scenarios.recorded import RecordedEnv

ARM = "random"
STOCK = [
    {"name": "new", "at": "day 3", "change": {"release": {"items": {"share": 0.2}}}},
    {"name": "old", "at": 2, "change": {"retire": {"items": {"popular": 0.1}}}},
]
# Some users never come: first visits would fall into twice as many days as there are.
LATE = {"recommenders": [ARM, "popularity"], "clock": {"days": 6, "arrive_days": 12, "gap_days": 1.5}}
DAYS = {"users": {"count": 60}, "recommenders": ["random", "popularity"], "clock": {"days": 3}, "seed": 3}
MOVED = LATE | {"social": {"friends": {"degree": 6}}, "interventions": STOCK}


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    return run(living(**LATE), tmp_path_factory.mktemp("late") / "run")


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    return run(living(**MOVED), tmp_path_factory.mktemp("moved") / "run")


def visits(folder):
    table = arrow.dataset(folder / "visits").to_table().to_pandas()
    return table[table.arm == ARM].set_index(["user_id", "visit"])


def refused(capsys, *arguments):
    assert main([str(one) for one in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_users_who_never_came_are_in_no_export(late, tmp_path):
    came = set(visits(late).index.get_level_values("user_id"))
    assert 20 < len(came) < 50
    export(late, "movielens", tmp_path / "stars", arm=ARM)
    export(late, "recbole", tmp_path / "recbole", arm=ARM)
    users = (tmp_path / "recbole" / ARM / f"{ARM}-clicks" / f"{ARM}-clicks.user").read_text().splitlines()[1:]
    assert {int(line.split("\t")[0]) for line in users} == came
    export(late, "obp", tmp_path / "obp", arm=ARM)
    assert set(load_bandit_feedback(tmp_path / "obp" / ARM / "feedback.npz")["user_id"].tolist()) == came
    assert set(open_exposures(late, part=ARM).user_id.tolist()) == came
    assert set(read_log(late, ARM).user_id.tolist()) == came


def test_exported_times_are_the_days_and_hours_of_visits(late, tmp_path):
    export(late, "recbole", tmp_path / "recbole", arm=ARM)
    lines = (tmp_path / "recbole" / ARM / f"{ARM}-clicks" / f"{ARM}-clicks.inter").read_text().splitlines()[1:]
    rows = np.array([[float(field) for field in line.split("\t")] for line in lines])
    user, time, visit = rows[:, 0].astype(int), rows[:, 3], rows[:, 4].astype(int)
    when = visits(late).loc[list(zip(user, visit, strict=True))]
    assert (np.floor(time / 3600) == 24 * when["day"].to_numpy() + when["hour"].to_numpy()).all()
    assert len(set(when["day"])) > 3


def test_sessions_for_simeval_tell_day_and_hour(moved, tmp_path):
    export(moved, "simeval", tmp_path / "out", arm=ARM)
    table = visits(moved)
    for line in (tmp_path / "out" / ARM / "sessions.jsonl").read_text().splitlines():
        session = json.loads(line)
        own = table.loc[(int(session["user_id"]), session["meta"]["visit"])]
        assert (session["meta"]["day"], session["meta"]["hour"]) == (own["day"], own["hour"])
    losses = json.loads((tmp_path / "out" / ARM / "losses.json").read_text())
    assert {"day", "hour"} <= set(losses["fields_mapped"])
    assert "events" in losses["fields_lost"]


def test_a_data_set_of_a_run_with_a_clock_names_no_environment(moved, tmp_path):
    pytest.importorskip("minari")
    written = export(moved, "minari", tmp_path / "sets", arm=ARM)["arms"][ARM]
    assert written["replays"] == 0
    assert written["episodes"] == len(visits(moved))
    manifest = json.loads((moved / "manifest.json").read_text())
    prints = {name: manifest[name]["fingerprint"] for name in ("data", "population")}
    with pytest.raises(ConfigError, match="with a clock, expected one without"):
        RecordedEnv(manifest["settings"], prints)


def test_off_policy_estimates_refuse_worlds_that_move_beside_a_user(moved, capsys):
    line = refused(capsys, "ope", moved, "--logging", ARM, "--target", "popularity", "--quiet")
    assert "a run with social, release (new), retire (old), expected one in which" in line


def test_off_policy_estimates_take_runs_in_which_users_come_day_by_day(late, capsys):
    found = late.parent / "ope.json"
    assert main(["ope", str(late), "--logging", ARM, "--target", "popularity", "--quiet", "--json", str(found)]) == 0
    assert json.loads(found.read_text())["users"] == len(set(visits(late).index.get_level_values("user_id")))


def test_users_of_a_world_in_time_do_not_come_in_blocks(tmp_path, capsys):
    scenario = tmp_path / "days.yaml"
    scenario.write_text(json.dumps({"name": "days", "data": "fictional-100"} | DAYS))
    line = refused(capsys, "compare", scenario, "--until-decided", "--block", "20", "--out", tmp_path / "out", "--quiet")
    assert "got a clock where users are taken block by block" in line
    assert not (tmp_path / "out").exists()
    planned = ("--plan", "--pilot", "20", "--effect", "0.5", "--out", tmp_path / "plan", "--quiet")
    assert "got a clock where users are taken block by block" in refused(capsys, "compare", scenario, *planned)


def test_recorded_users_are_not_moved_twice(late, capsys):
    asked = {key: value for key, value in SMALL.items() if not key.startswith(("clock", "users"))}
    replay = asked | {"users.model": "replay", "users.parameters": {"run": str(late), "arm": ARM}, "recommenders": [ARM]}
    with pytest.raises(Exception, match="got a run with a clock, expected one without"):
        run(load_scenario("small", replay), late.parent / "again")
    assert not (late.parent / "again").exists()


def test_a_report_of_a_run_with_a_clock_counts_who_came(late):
    assert main(["report", str(late), "--quiet"]) == 0
    told = json.loads((late / "metrics.json").read_text())
    (arm,) = (one for one in told["arms"] if one["arm"] == ARM)
    assert arm["metrics"]["clicks_per_user"]["users"] == len(set(visits(late).index.get_level_values("user_id")))


def test_a_finished_run_is_resumed_without_a_change(moved):
    before = {path: path.read_bytes() for path in moved.rglob("*.parquet")}
    resume(moved)
    assert all(path.read_bytes() == content for path, content in before.items())
