"""The suite: the same bytes however it is run, answers that can fail, and rows that others can hand in."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from recsim_llm.cli.main import main
from recsim_llm.errors import ConfigError, DataError, RunExistsError
from recsim_llm.scenarios import load_scenario, run, shipped_scenarios, suite_check, suite_probes, suite_table
from recsim_llm.scenarios.suite import run_suite
from recsim_llm.scenarios.suite_probes import PROBES, Probe, ProbeMeasure, probe_scenario
from recsim_llm.scenarios.suite_profiles import read_arms
from recsim_llm.scenarios.suite_table import SCENARIOS, VERSION, SuiteScenario

ROOT = Path(__file__).resolve().parents[2]
TINY = """name: tiny
description: Does it matter what is shown?
recommenders: [popularity, random]
slate_size: 5
max_pages: 2
users: {count: 40}
measure:
  series:
    clicks: {metric: clicks_per_user}
  contrasts:
    gap: {series: clicks, against: random}
expect:
  - name: gap
    claim: Popular films get more clicks.
    contrast: gap
    direction: above
    tolerance: 0.1
    seeds: [5, 6]
"""
ENTRY = SuiteScenario("tiny.yaml", "suite")
FILES = ("suite.json", "suite.csv", "suite.html")
CLICKS = ProbeMeasure("clicks", "Clicks a user", {"metric": "clicks_per_user"})
RETURNS = ProbeMeasure("returns", "Visits after which a user comes back", {"metric": "return_share"})
SMALL = {"users.count": 20, "max_pages": 2, "slate_size": 5, "visits": 2}
TINY_PROBES = (
    Probe("pages", "Do users click?", "demo", SMALL | {"visits": 1}, (CLICKS,)),
    Probe("visits", "Do users come back?", "demo", SMALL, (RETURNS,)),
)


@pytest.fixture(autouse=True)
def tiny(tmp_path, monkeypatch):
    """A suite of one small scenario in the current folder, and a profile of two small worlds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    monkeypatch.setattr(suite_table, "SCENARIOS", (ENTRY,))
    for module in (suite_probes, suite_check):
        monkeypatch.setattr(module, "PROBES", TINY_PROBES)


def content_of(folder):
    return {name: (Path(folder) / name).read_bytes() for name in FILES}


def tell_nobody(_):
    """Hear nothing."""


def test_stopped_and_gone_on_with_and_in_processes_it_comes_to_the_same_bytes(tmp_path):
    def stop(done):
        raise KeyboardInterrupt(done.latest)

    run_suite(tmp_path / "whole", [ENTRY], processes=1, tell=tell_nobody)
    with pytest.raises(KeyboardInterrupt, match="tiny, seed 5"):
        run_suite(tmp_path / "stopped", [ENTRY], processes=1, tell=stop)
    assert not (tmp_path / "stopped" / "suite.json").exists()
    first = tmp_path / "stopped" / "tiny.yaml" / "seed-5" / "segments.jsonl"
    written = first.stat().st_mtime_ns
    told = []
    run_suite(tmp_path / "stopped", [ENTRY], processes=2, tell=told.append)
    assert [(done.runs, done.planned) for done in told] == [(1, 2), (2, 2)]
    assert first.stat().st_mtime_ns == written
    assert content_of(tmp_path / "stopped") == content_of(tmp_path / "whole")


def test_what_fails_in_a_process_ends_the_suite_with_its_own_words(tmp_path):
    (tmp_path / "tiny.yaml").write_text(f"{TINY}data: nowhere\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="got 'nowhere'"):
        run_suite(tmp_path / "out", [ENTRY], processes=2, tell=tell_nobody)


def test_the_verb_writes_table_and_page_and_its_status_says_whether_all_holds(tmp_path, capsys):
    assert main(["suite", "--out", "out", "--processes", "1", "--json", "found.json"]) == 0
    shown = capsys.readouterr().out
    assert "holds: Popular films get more clicks." in shown
    assert "1 finding of 1 scenario: 1 hold, 0 do not hold, 0 not decided" in shown
    (row,) = csv.DictReader(io.StringIO(Path("out/suite.csv").read_text(encoding="utf-8")))
    assert (row["scenario"], row["answer"], row["seeds"], row["calls"]) == ("tiny.yaml", "holds", "5 6", "0")
    assert float(row["low"]) < float(row["mean"]) < float(row["high"])
    assert json.loads(Path("found.json").read_text()) == json.loads(Path("out/suite.json").read_text())
    page = Path("out/suite.html").read_text(encoding="utf-8")
    assert all(said in page for said in ("Does it matter what is shown?", "seed 6: holds", "What it cannot say", "quick"))
    # The effect is taken away: both arms are the same one.
    planted = TINY.replace("random]", "{name: random, recommender: popularity}]")
    (tmp_path / "tiny.yaml").write_text(planted, encoding="utf-8")
    assert main(["suite", "--out", "planted", "--processes", "1"]) == 3
    assert "does not hold: Popular films get more clicks." in capsys.readouterr().out


def test_recommenders_get_rows_that_can_be_handed_in_and_what_was_made_up_is_found_out(tmp_path, capsys):
    arms = ["random", "{name: varied, recommender: mmr, settings: {base: popularity}}"]
    assert main(["suite", "--recommenders", *arms, "--out", "rows", "--processes", "1"]) == 0
    assert "varied, less popularity:" in capsys.readouterr().out
    content = json.loads(Path("rows/suite.json").read_text())
    assert [row["recommender"]["name"] for row in content["rows"]] == ["random", "varied"]
    clicks = content["rows"][0]["measures"][0]
    assert clicks["difference"] == pytest.approx(clicks["value"] - clicks["baseline"])
    assert clicks["high"] < 0  # random pages get fewer clicks
    assert Path("rows/figures/suite_profiles.png").is_file()
    assert "Do users come back?" in Path("rows/suite.html").read_text(encoding="utf-8")
    # A row does not hang on who else is there.
    main(["suite", "--recommenders", arms[0], "--out", "alone", "--processes", "1", "--quiet"])
    assert json.loads(Path("alone/suite.json").read_text())["rows"] == content["rows"][:1]

    assert main(["suite", "--check", "rows/suite.json", "--out", "check", "--processes", "1"]) == 0
    assert "random, Visits after which a user comes back, seed 51: agrees" in capsys.readouterr().out
    returns = content["rows"][0]["measures"][1]
    for seed in returns["seeds"]:
        seed["value"] += 0.4
        seed["difference"] += 0.4
    returns["value"] += 0.4
    Path("made-up.json").write_text(json.dumps(content | {"rows": content["rows"][:1]}))
    with pytest.raises(DataError, match=r"random, returns: got a mean difference of .*, expected"):
        suite_check.read_submission(Path("made-up.json"))
    returns["difference"] += 0.4
    Path("made-up.json").write_text(json.dumps(content | {"rows": content["rows"][:1]}))
    assert main(["suite", "--check", "made-up.json", "--out", "check", "--processes", "1"]) == 3
    assert "seed 51: differs" in capsys.readouterr().out


def test_two_recommenders_are_told_apart_where_they_differ_and_one_is_the_same_as_itself(tmp_path, capsys):
    assert main(["suite", "--compare", "random", "popularity", "--out", "two", "--processes", "1"]) == 0
    assert "popularity against random: more on clicks a user" in capsys.readouterr().out
    compared = json.loads(Path("two/suite.json").read_text())
    # Intervals that hold together are wider than each by itself.
    alone, together = compared["rows"][0]["measures"][0], compared["compared"][0]
    assert together["low"] < alone["low"] < alone["high"] < together["high"]
    assert "Verdict" in Path("two/suite.html").read_text(encoding="utf-8")
    same = ["random", "{name: again, recommender: random}"]
    assert main(["suite", "--compare", *same, "--out", "same", "--processes", "1", "--scenarios", "pages"]) == 0
    assert "again against random: no difference is decided" in capsys.readouterr().out
    assert [one["verdict"] for one in json.loads(Path("same/suite.json").read_text())["compared"]] == ["the same"]


def test_in_a_loop_recommenders_are_fitted_anew_but_for_those_that_learn_as_they_go():
    (loop,) = (probe for probe in PROBES if probe.name == "loop")
    arms = read_arms(["mf", "linucb", "{name: hourly, recommender: mf, retrain: 5}"])
    fitted = [probe_scenario(loop, read_arms(["popularity"])[0], arm).recommenders for arm in arms]
    assert [[arm.retrain for arm in pair] for pair in fitted] == [["day", "day"], ["day", None], ["day", 5]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--subset", "quik"], "got the subset 'quik', expected .*did you mean 'quick'"),
        (["--scenarios", "tiny.yml"], "got the scenario 'tiny.yml', expected .*tiny.yaml"),
        (["--recommenders", "mf", "--scenarios", "page"], "got the profile scenario 'page', .*did you mean 'pages'"),
        (["--recommenders", "popularty"], "got 'popularty', expected .*did you mean 'popularity'"),
        (["--recommenders", "{name: a"], "got the recommender '{name: a', expected a name or settings in braces"),
        (["--recommenders", "mf", "--subset", "full"], "--subset: got it with --recommenders"),
        (["--compare", "mf", "random", "--check", "rows.json"], "--check: got it with --compare"),
        (["--processes", "0"], "processes: got 0, expected 1 or more"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_line(arguments, words, capsys):
    assert main(["suite", "--out", "out", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(words, said), said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "findings"}, "got no rows of recommenders"),
        ({"suite": VERSION + 1}, f"got suite {VERSION + 1}, expected {VERSION}"),
        ({}, "row 0: recommender: got nothing"),
    ],
)
def test_what_is_no_row_of_this_suite_is_not_taken(change, words):
    Path("rows.json").write_text(json.dumps({"kind": "profiles", "suite": VERSION, "rows": [{}]} | change))
    with pytest.raises((DataError, ConfigError), match=words):
        suite_check.read_submission(Path("rows.json"))


def test_a_folder_with_a_run_is_left_alone(tmp_path):
    run(load_scenario("tiny.yaml", {"seed": 1, "users.count": 4}), tmp_path / "run")
    with pytest.raises(RunExistsError, match="which holds a run, expected a new folder for many runs"):
        run_suite(tmp_path / "run", [ENTRY], processes=1, tell=tell_nobody)


def test_every_shipped_scenario_that_expects_something_is_in_the_suite_and_told_somewhere():
    shipped = {name for name in shipped_scenarios() if load_scenario(name).expect}
    assert [one.name for one in SCENARIOS] == list(dict.fromkeys(one.name for one in SCENARIOS))
    assert {one.name for one in SCENARIOS} == shipped
    for one in SCENARIOS:
        assert one.name in (ROOT / "docs" / f"{one.page}.md").read_text(encoding="utf-8"), one
        assert one.name in (ROOT / "notebooks" / f"{one.notebook}.ipynb").read_text(encoding="utf-8"), one
        assert all(len(finding.seeds) >= 3 for finding in load_scenario(one.name).expect), one
