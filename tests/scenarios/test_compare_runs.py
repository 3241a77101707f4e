"""Two run folders compared: as if they were of one run, refused where they cannot be paired, warned where they drifted."""

import json
import re
import shutil

import numpy as np
import pytest

from recsim_llm.cli.main import main
from recsim_llm.comparison import Judging
from recsim_llm.errors import ConfigError, LogError, RunExistsError
from recsim_llm.report.comparison_rows import read_comparison
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.compare import compare
from recsim_llm.scenarios.compare_runs import compare_runs

SMALL = {"users.count": 60, "max_pages": 3, "slate_size": 5, "seed": 3, "recommenders": ["popularity", "random"]}


def made(folder, **changes):
    return run(load_scenario("demo", SMALL | changes), folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One run of three recommenders, and the same recommenders in two runs that share one of them."""
    folder = tmp_path_factory.mktemp("runs")
    made(folder / "first")
    made(folder / "second", recommenders=["random", "mf"])
    compare(load_scenario("demo", SMALL | {"recommenders": ["popularity", "random", "mf"]}), folder / "whole")
    return folder


def copied(folder, runs, name="second", **changes):
    """A copy of a run whose manifest says something else; dots lead to what lies deeper."""
    shutil.copytree(runs / name, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for place, value in changes.items():
        *above, last = place.split(".")
        holder = manifest
        for key in above:
            holder = holder.setdefault(key, {})
        holder[last] = value
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_two_runs_are_judged_as_one_run_of_all_recommenders_is(runs, tmp_path):
    found = compare_runs(runs / "first", runs / "second", tmp_path / "out")
    whole = read_comparison(runs / "whole")
    content = json.loads(json.dumps(found.to_json()))
    assert content["sources"][1]["recommenders"] == {"mf": "mf"}
    assert {key: content[key] for key in whole if key != "sources"} == {key: whole[key] for key in whole if key != "sources"}
    assert read_comparison(tmp_path / "out") == content


def test_the_page_shows_both_runs_and_the_visits_of_each(runs, tmp_path):
    compare_runs(runs / "first", runs / "second", tmp_path / "out")
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "on fictional, runs first and second</h1>" in html
    links = set(re.findall(r'href="#(worst-[\d-]+)"', html))
    assert links
    assert links <= set(re.findall(r'id="(worst-[\d-]+)"', html))
    assert "Not in the log." not in html
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["comparison.json", "figures", "report.html"]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("seed", 4, "seed (3 and 4)"),
        ("slate_size", 7, "slate size (5 and 7)"),
        ("max_pages", 9, "pages a visit (3 and 9)"),
        ("visits", 2, "visits a user (1 and 2)"),
        ("settings.reward", "satisfaction", "reward (clicks and satisfaction)"),
        ("data.fingerprint", "other", "data ("),
        ("catalog.items", 3, "number of items"),
        ("user_model", "language", "user model (choice and language)"),
        ("settings.models.user.name", "a/b", "language model of the users (nothing recorded and a/b)"),
    ],
)
def test_runs_that_cannot_be_paired_are_refused_with_what_differs(runs, tmp_path, place, value, said):
    other = copied(tmp_path / "other", runs, **{place: value})
    with pytest.raises(ConfigError, match=re.escape(said)) as error:
        compare_runs(runs / "first", other, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_runs_of_other_users_are_refused(runs, tmp_path):
    made(tmp_path / "more", **{"users.count": 61})
    with pytest.raises(ConfigError, match=r"differ in users \(60 and 61, \d+ of them in both\)"):
        compare_runs(runs / "first", tmp_path / "more", tmp_path / "out")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("population.fingerprint", "other", "the population drifted"),
        ("settings.users.parameters.click_bias", 0.5, "users.parameters.click_bias (nothing recorded and 0.5)"),
        ("settings.users.noise.random_clicks", 0.5, "users.noise.random_clicks (nothing recorded and 0.5)"),
        ("settings.train_share", 0.5, "share of ratings to train on (0.8 and 0.5)"),
        ("versions.recsim_llm", "9", "versions.recsim_llm"),
        ("user_model_provenance.fit", "other", "fit.fit (nothing recorded and other)"),
    ],
)
def test_a_drift_is_warned_of_where_the_page_begins_and_on_the_terminal(runs, tmp_path, capsys, place, value, said):
    other = copied(tmp_path / "other", runs, **{place: value})
    out = tmp_path / "out"
    assert main(["compare", str(runs / "first"), str(other), "--out", str(out)]) == 0
    assert said in capsys.readouterr().out.replace("\n", " ")
    html = (out / "report.html").read_text(encoding="utf-8")
    assert html.count("Warning: ") == 1
    assert html.index("Warning: ") < html.index("<nav" if "<nav" in html else "<h2")


def test_a_recommender_that_did_otherwise_in_the_second_run_is_there_twice_with_a_warning(runs, tmp_path):
    made(tmp_path / "drifted", **{"users.parameters.click_bias": 2.0})
    found = compare_runs(runs / "first", tmp_path / "drifted", tmp_path / "out")
    assert found.arms == ("popularity (first)", "random (first)", "popularity (drifted)", "random (drifted)")
    warned = [note for note in found.notes if "did not get the same from every user" in note]
    assert [note.split()[1] for note in warned] == ["popularity", "random"]
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    swatches = dict(re.findall(r"arm(\d)\)\">●</span>&nbsp;(\w+ \(drifted\))", html))
    assert swatches == {"1": "popularity (drifted)", "0": "random (drifted)"}


def test_other_settings_under_one_name_are_said(runs, tmp_path):
    mf = {"name": "mf", "recommender": "mf", "settings": {"factors": 2}}
    made(tmp_path / "small", recommenders=[mf])
    found = compare_runs(runs / "second", tmp_path / "small", tmp_path / "out")
    assert "Warning: mf has other settings in the two runs (" in found.notes[0]
    assert found.arms == ("random", "mf (second)", "mf (small)")


def test_folders_of_one_name_are_told_apart_by_their_paths(runs, tmp_path):
    made(tmp_path / "first", **{"users.parameters.click_bias": 2.0})
    found = compare_runs(runs / "first", tmp_path / "first", tmp_path / "out")
    assert f"random ({tmp_path / 'first'})" in found.arms


def test_runs_judged_by_other_metrics_are_refused_unless_one_is_named(runs, tmp_path):
    one, other = copied(tmp_path / "one", runs, "whole"), copied(tmp_path / "other", runs, "whole")
    content = json.loads((other / "comparison.json").read_text())
    content["judging"]["metrics"] = ["mean_rating"]
    (other / "comparison.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"judged by \(the usual and mean_rating\).*pass --metrics"):
        compare_runs(one, other, tmp_path / "out")
    found = compare_runs(one, other, tmp_path / "out", Judging(metrics=("pages_per_visit",)))
    assert [metric.key for metric in found.metrics] == ["pages_per_visit"]


def test_the_same_run_twice_and_a_used_folder_are_refused(runs, tmp_path):
    with pytest.raises(ConfigError, match="twice"):
        compare_runs(runs / "first", runs / "second" / ".." / "first", tmp_path / "out")
    with pytest.raises(RunExistsError, match="--out"):
        compare_runs(runs / "first", runs / "second", runs / "whole")


def test_a_run_that_is_not_finished_is_refused(runs, tmp_path):
    other = copied(tmp_path / "other", runs)
    lines = (other / "segments.jsonl").read_text().splitlines(keepends=True)
    (other / "segments.jsonl").write_text("".join(lines[:1]))
    with pytest.raises(LogError, match="resume"):
        compare_runs(runs / "first", other, tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--n-users=9"], "users.count"),
        (["--plan"], "got --plan,"),
        (["--dry-run"], "got --dry-run,"),
        (["--max-calls=9"], "limits.calls"),
        (["--cache=runs/first"], "got --cache,"),
        (["--until-decided"], "--until-decided"),
        (["--set=visits=2"], "visits"),
    ],
)
def test_what_makes_a_run_is_refused_with_two_that_are_made(runs, tmp_path, capsys, more, said):
    assert main(["compare", str(runs / "first"), str(runs / "second"), *more, "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


def test_a_second_name_that_is_no_run_is_refused(runs, tmp_path, capsys):
    assert main(["compare", str(runs / "first"), "demo", "--out", str(tmp_path / "out")]) == 2
    assert "demo, which is no run folder" in capsys.readouterr().err


def test_the_oracle_of_the_second_run_is_left_out_where_it_did_otherwise(runs, tmp_path):
    made(tmp_path / "one", recommenders=["random", "oracle"])
    made(tmp_path / "other", recommenders=["popularity", "oracle"], **{"users.parameters.click_bias": 2.0})
    found = compare_runs(tmp_path / "one", tmp_path / "other", tmp_path / "out")
    assert found.arms == ("random", "oracle", "popularity")
    assert found.best != "oracle"
    assert any("oracle is in both runs" in note and "the first run is kept" in note for note in found.notes)


def test_json_holds_what_the_folder_holds(runs, tmp_path):
    out, content = tmp_path / "out", tmp_path / "found.json"
    arguments = [str(runs / "first"), str(runs / "second"), "--out", str(out), "--json", str(content), "--quiet"]
    assert main(["compare", *arguments]) == 0
    assert json.loads(content.read_text()) == json.loads((out / "comparison.json").read_text())
    values = [estimate["value"] for estimate in json.loads(content.read_text())["values"]["clicks_per_user"].values()]
    assert np.isfinite(values).all()
