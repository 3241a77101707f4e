"""What a scenario measures and expects: refused with its line where it cannot be meant, and told the whole way where it can."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from living import living

from recsim_llm.cli.main import main
from recsim_llm.comparison.contrast_settings import ContrastSettings, FindingSettings, MeasureSettings
from recsim_llm.comparison.findings import measure_findings
from recsim_llm.errors import ConfigError
from recsim_llm.log.manifest import read_manifest
from recsim_llm.metrics.series_definitions import SERIES
from recsim_llm.metrics.series_settings import ItemGroup, SeriesSettings, UserGroup
from recsim_llm.report import write_report
from recsim_llm.scenarios import Scenario, load_scenario, resume, run
from recsim_llm.scenarios.new_scenario import write_scenario

HEAD = """name: measured
recommenders: [popularity, random]
slate_size: 5
max_pages: 2
users: {count: 40}
measure:
  series:
    clicks: {metric: clicks_per_user}
"""
TAIL = """  contrasts:
    gap: {series: clicks, against: random}
expect:
  - name: gap
    claim: Popular films get more clicks.
    contrast: gap
    direction: above
    seeds: [5, 6]
seed: 4
"""


def write(tmp_path, text):
    path = tmp_path / "measured.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("    tail: {metric: click_shares}\n", "line 9: measure.series.tail.metric: .*did you mean 'click_share'"),
        ("    tail:\n      metric: click_share\n      item: {}\n", "line 11: got unknown key .*item.*did you mean 'items'"),
        ("    tail: {metric: exposure_share}\n", "line 9: measure.series.tail: got exposure_share without items"),
        ("    back: {metric: return_share, by: page}\n", "line 9: .*got return_share by page, expected it by visit or day"),
        ("    day: {metric: click_share, by: day}\n", "line 9: measure.series.day.by: got day, expected visit or page"),
        ("    few: {metric: return_share, items: {genre: War}}\n", "line 9: .*got return_share of some items"),
        ("    few: {metric: click_share, users: {trait: activity}}\n", "line 9: .*expected a trait with above or below"),
        ("    a b: {metric: click_share}\n", "the name 'a b', expected letters, digits"),
        ("  contrasts:\n    gap: {series: click}\n", "line 10: .*series: got 'click', expected one of clicks; did you mean"),
        (
            "  contrasts:\n    gap: {series: clicks, against: randm}\n",
            "line 10: .*against: got 'randm', .*did you mean 'random'",
        ),
        (TAIL.replace("contrast: gap", "contrast: gpa"), "line 14: expect.0.contrast: got 'gpa', .*did you mean 'gap'"),
        (TAIL.replace("contrast: gap", "contrast: {series: clcks}"), "line 14: expect.0.contrast.series: got 'clcks'"),
        (TAIL.replace("contrast: gap", "contrast: {series: clicks, agianst: mf}"), "line 14: .*did you mean 'against'"),
        (TAIL.replace("direction", "direktion"), "line 15: got unknown key 'expect.0.direktion', .*'direction'"),
        (TAIL.replace("above", "up"), "line 15: expect.0.direction: got 'up', expected one of above, below, equal"),
        (TAIL.replace("[5, 6]", "[5, six]"), "line 16: expect.0.seeds.1: got 'six', expected a whole number"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line_and_the_nearest_name(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words) as caught:
        load_scenario(write(tmp_path, HEAD + text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("series", "words"),
    [
        (
            "{metric: click_share, items: {genre: Comdy}}",
            "measure.series.few.items.genre: got 'Comdy', .*did you mean 'Comedy'",
        ),
        ("{metric: click_share, items: {provider: Nobody}}", "measure.series.few.items.provider: got 'Nobody'"),
        ("{metric: click_share, items: {ids: [1, 987654]}}", "measure.series.few.items.ids: got 987654"),
        ("{metric: click_share, users: {trait: activty, above: 0.5}}", "users.trait: got 'activty', .*did you mean 'activity'"),
        ("{metric: click_share, users: {field: shoe, value: '43'}}", "measure.series.few.users.field: got 'shoe'"),
    ],
)
def test_what_the_data_lack_is_refused_before_anything_is_written(tmp_path, series, words):
    scenario = load_scenario(write(tmp_path, HEAD + f"    few: {series}\n"))
    with pytest.raises(ConfigError, match=words):
        run(scenario, tmp_path / "run")
    assert not [path for path in (tmp_path / "run").glob("*") if not path.name.startswith(".")]


def test_other_recommenders_may_be_run_and_leave_undecided_what_is_about_the_scenarios_own(tmp_path):
    scenario = load_scenario(write(tmp_path, HEAD + TAIL), {"recommenders": ["popularity"]})
    assert scenario.expect[0].name == "gap"


def test_a_scenario_that_measures_nothing_has_neither_key_in_its_manifest_and_no_traits(tmp_path):
    folder = run(
        load_scenario("demo", {"users.count": 4, "max_pages": 1, "recommenders": ["random"], "seed": 1}), tmp_path / "r"
    )
    assert not {"measure", "expect"} & set(read_manifest(folder)["settings"])
    assert not [name for name in pq.read_table(folder / "users.parquet").schema.names if name.startswith("trait_")]


def test_a_run_tells_answer_figures_and_seed_on_the_terminal_in_json_and_on_the_page(tmp_path, capsys):
    out, file = tmp_path / "run", tmp_path / "found.json"
    assert main(["run", write(tmp_path, HEAD + TAIL), "--out", str(out), "--json", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "holds: Popular films get more clicks." in shown
    assert "seed 4 may have been used to choose parameters; seeds that may judge it: 5, 6" in shown
    (finding,) = json.loads(file.read_text())["measured"]["findings"]
    assert (finding["answer"], finding["may_judge"]) == ("holds", False)
    assert json.loads((out / "metrics.json").read_text())["measured"]["findings"] == [finding]
    assert "What was expected" in (out / "report.html").read_text()


def test_a_run_with_measures_resumes_and_a_series_is_drawn_where_time_goes_on(tmp_path):
    text = HEAD.replace("max_pages", "visits: 2\nmax_pages") + TAIL
    out = tmp_path / "run"
    assert main(["run", write(tmp_path, text), "--out", str(out), "--quiet"]) == 0
    assert (out / "figures" / "series_clicks.png").is_file()
    assert (out / "figures" / "series_clicks.csv").read_text().splitlines()[0] == "arm,time,value,low,high,users"
    before = (out / "manifest.json").read_bytes()
    resume(out)
    assert (out / "manifest.json").read_bytes() == before


def test_the_report_says_of_what_and_per_what_events_are_counted_and_what_happens_by_plan(tmp_path):
    series = {"s": {"metric": "events_per_user", "event": "save"}}
    contrasts = {"saved": {"series": "s"}}
    plans = [{"name": "in a hurry", "at": 2, "until": 3, "change": {"impatience": {"size": 0.5}}}]
    measure = {"series": series, "contrasts": contrasts}
    scenario = living(actions={"save": {"log_odds": 1.0}}, interventions=plans, measure=measure)
    folder = run(scenario, tmp_path / "run")
    measured = measure_findings(folder)
    assert [(one.label, one.unit) for one in measured.series] == [("Saves per user", "saves")]
    rows = pq.read_table(folder / "events", columns=["arm", "event"]).to_pylist()
    saves = sum(row == {"arm": "random", "event": "save"} for row in rows)
    (contrast,) = measured.contrasts
    assert (contrast.unit, contrast.estimate.value) == ("saves", pytest.approx(saves / 60))
    write_report(folder)
    page = (folder / "report.html").read_text()
    assert "s: saves per user by day" in page
    assert "By plan: in a hurry, from day 2 to 3." in page


def test_a_comparison_tells_findings_too_and_says_where_users_came_block_by_block(tmp_path, capsys):
    path = write(tmp_path, HEAD.replace("40", "120") + TAIL)
    assert (
        main(
            [
                "compare",
                path,
                "--metrics",
                "clicks_per_user",
                "--out",
                str(tmp_path / "whole"),
                "--json",
                str(tmp_path / "found.json"),
            ]
        )
        == 0
    )
    assert "holds: Popular films get more clicks." in capsys.readouterr().out
    assert json.loads((tmp_path / "found.json").read_text())["measured"]["findings"][0]["answer"] == "holds"
    assert (
        main(
            [
                "compare",
                path,
                "--until-decided",
                "--block",
                "60",
                "--metrics",
                "clicks_per_user",
                "--out",
                str(tmp_path / "blocks"),
            ]
        )
        == 0
    )
    assert "not measured: users came block by block" in capsys.readouterr().out


def test_expect_judges_by_every_seed_and_its_status_says_whether_all_holds(tmp_path, capsys):
    out, path = tmp_path / "runs", write(tmp_path, HEAD + TAIL)
    assert main(["run", path, "--expect", "--out", str(out), "--json", str(tmp_path / "found.json")]) == 0
    shown = capsys.readouterr().out
    assert "seed 5: holds" in shown
    assert "mean over 2 seeds" in shown
    assert sorted(folder.name for folder in out.glob("seed-*")) == ["seed-5", "seed-6"]
    (finding,) = json.loads((out / "expectations.json").read_text())["findings"]
    assert finding["answer"] == "holds"
    # The effect is switched off: both arms are the same one.
    planted = ["--recommenders", "random", "--set", "recommenders=[popularity, {name: random, recommender: popularity}]"]
    assert main(["run", path, "--expect", "--out", str(tmp_path / "planted"), *planted]) == 3
    assert "does not hold: Popular films get more clicks." in capsys.readouterr().out


def test_expect_goes_on_where_it_was_stopped_and_runs_nothing_twice(tmp_path):
    out, path = tmp_path / "runs", write(tmp_path, HEAD + TAIL)
    run(load_scenario(path, {"seed": 5}), out / "seed-5")
    written = (out / "seed-5" / "segments.jsonl").stat().st_mtime_ns
    assert main(["run", path, "--expect", "--out", str(out), "--quiet"]) == 0
    assert (out / "seed-5" / "segments.jsonl").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--expect"], "demo without findings that name seeds"),
        (["retraining", "--expect", "--seed", "3"], "--seed: got it with --expect"),
        (["retraining", "--expect", "--dry-run"], "--dry-run: got it with --expect"),
    ],
)
def test_expect_is_refused_where_it_cannot_work(arguments, words, capsys):
    assert main(["run", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_new_scenario_runs_as_it_stands_and_its_file_is_never_overwritten(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "scenario", "my-study"]) == 0
    path = tmp_path / "my-study.yaml"
    assert "recsim-llm run my-study.yaml" in path.read_text()
    assert main(["run", "my-study.yaml", "--out", "first"]) == 0
    assert "holds: A recommender that is fitted anew" in capsys.readouterr().out
    assert main(["new", "scenario", "my-study.yaml"]) == 2
    assert "which exists" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a b", "..", "none/such"])
def test_a_new_scenario_needs_a_name_and_a_folder(tmp_path, name):
    with pytest.raises(ConfigError):
        write_scenario(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_list_tells_what_scenarios_expect_and_cost(tmp_path, capsys):
    assert main(["list", "--json", str(tmp_path / "list.json")]) == 0
    shown = capsys.readouterr().out
    assert "expects: They also show fewer items more often." in shown
    assert "costs: at most 4 recommenders x 300 users x 4 visits x 10 pages = 48,000 pages; tens of CPU-seconds" in shown
    content = json.loads((tmp_path / "list.json").read_text())
    assert content["outlines"]["retraining"]["seeds"] == 5
    assert isinstance(content["scenarios"]["demo"], str)


def test_the_page_names_every_key_and_every_metric():
    page = (Path(__file__).resolve().parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    settings = (Scenario, MeasureSettings, ContrastSettings, SeriesSettings, FindingSettings, UserGroup, ItemGroup)
    keys = {key for kind in settings for key in kind.model_fields} | set(SERIES)
    assert not {key for key in keys if not re.search(rf"\b{key}\b", page)}
