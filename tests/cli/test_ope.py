"""The verb ``ope``: estimates from a log, what it refuses, and what the report shows of them."""

import json

import pytest

from recsim_llm.cli.main import main
from recsim_llm.offpolicy import ESTIMATORS
from recsim_llm.scenarios import load_scenario, run

SOFT = {"name": "soft", "recommender": "softmax", "settings": {"base": "popularity", "temperature": 0.3}}
COLD = {"name": "cold", "recommender": "softmax", "settings": {"base": "popularity", "temperature": 0.2}}
SMALL = {
    "users.count": 80,
    "max_pages": 2,
    "slate_size": 3,
    "seed": 3,
    "users.parameters.click_bias": 2.0,
    "recommenders": ["random", SOFT, COLD, "popularity", "linucb"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run(load_scenario("demo", SMALL), tmp_path_factory.mktemp("runs") / "logged")


@pytest.fixture
def logged(folder):
    """The run, without what another test estimated from it."""
    (folder / "ope.json").unlink(missing_ok=True)
    return folder


def ope(folder, *options):
    return main(["ope", str(folder), *options])


def refusal(capsys, folder, *options):
    assert ope(folder, *options, "--quiet") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert not (folder / "ope.json").exists()
    return line


def by_name(content):
    return {row["estimator"]: row for row in content["estimators"]}


def test_an_arm_is_estimated_from_the_log_of_another_and_held_against_what_it_earned(logged, tmp_path, capsys):
    table = tmp_path / "table.json"
    assert ope(logged, "--logging", "random", "--target", "cold", "--json", str(table)) == 0
    printed = capsys.readouterr().out
    content = json.loads(table.read_text())
    assert content == json.loads((logged / "ope.json").read_text())
    rows = by_name(content)
    assert set(rows) == set(ESTIMATORS)
    slot = rows["independent IPS"]
    assert slot["low"] < slot["value"] < slot["high"]
    assert slot["effective_pages"] < content["pages"] == content["users"] == 80
    assert slot["error"]["value"] == pytest.approx(slot["value"] - content["truth"]["value"])
    assert slot["gain"]["value"] == pytest.approx(slot["value"] - content["logged"]["value"])
    assert "cold in place of random" in printed
    assert "When cold was run it earned" in printed
    assert [row["standing"] for row in content["overlap"]] == ["thin", "thin", "enough"]


def test_the_report_shows_the_kept_estimate_with_its_figures_and_takes_one_from_elsewhere(logged, tmp_path):
    assert ope(logged, "--logging", "popularity", "--target", "popularity", "--quiet") == 0
    (logged / "ope.json").rename(tmp_path / "ope.json")
    assert main(["report", str(logged), "--ope", str(tmp_path), "--quiet"]) == 0
    assert (logged / "ope.json").is_file()
    page = (logged / "report.html").read_text(encoding="utf-8")
    assert "Off-policy estimates</a></h2>" in page
    assert "popularity in place of popularity" in page
    for name in ("off_policy_estimates", "position_curve"):
        assert f'aria-labelledby="{name}-title"' in page
        assert len((logged / "figures" / f"{name}.csv").read_text().splitlines()) > 3


def test_a_recommender_that_was_never_run_is_estimated_without_a_truth(logged, capsys):
    settings = ["--set", "base=popularity", "--set", "temperature=0.25"]
    assert ope(logged, "--logging", "soft", "--target", "softmax", *settings) == 0
    content = json.loads((logged / "ope.json").read_text())
    assert content["truth"] is None
    assert content["target_settings"] == {"base": "popularity", "temperature": 0.25}
    assert by_name(content)["IPS"]["value"] > 0
    assert "When softmax was run" not in capsys.readouterr().out


def test_a_thin_log_is_called_too_little_to_settle_anything(logged, capsys):
    assert ope(logged, "--logging", "random", "--target", "popularity") == 0
    printed = capsys.readouterr().out
    assert "The log holds too little of the target to settle it" in printed
    standings = {row["standing"] for row in json.loads((logged / "ope.json").read_text())["overlap"]}
    assert standings == {"none"}


def test_all_pages_can_be_taken(logged):
    assert ope(logged, "--logging", "soft", "--target", "cold", "--pages", "all", "--quiet") == 0
    content = json.loads((logged / "ope.json").read_text())
    assert content["pages"] > content["users"] == 80


def test_what_the_log_does_not_know_is_refused_by_name_and_the_rest_is_told(logged, capsys):
    assert ope(logged, "--logging", "soft", "--target", "cold") == 0
    rows = by_name(json.loads((logged / "ope.json").read_text()))
    assert rows["independent IPS"]["value"] is None
    assert "propensity of the log unknown" in rows["independent IPS"]["refused"]
    assert rows["IPS"]["value"] is not None
    assert "Refused: independent IPS: got propensity of the log unknown" in capsys.readouterr().out
    (logged / "ope.json").unlink()
    chosen = ("--estimators", "independent IPS, slot-level doubly robust")
    assert "unknown" in refusal(capsys, logged, "--logging", "soft", "--target", "cold", *chosen)


def test_a_log_that_holds_nothing_of_the_target_is_refused_in_one_line(logged, capsys):
    line = refusal(capsys, logged, "--logging", "popularity", "--target", "cold")
    assert "log of 'popularity'" in line
    assert "zero support" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--logging", "gone", "--target", "cold"], ["'gone'", "random, soft"]),
        (["--logging", "soft", "--target", "gone"], ["'gone'", "softmax", "soft, cold"]),
        (["--logging", "soft", "--target", "oracle"], ["'oracle'", "truth"]),
        (["--logging", "soft", "--target", "linucb"], ["linucb", "learned while it served"]),
        (["--logging", "soft", "--target", "cold", "--set", "temperature=1"], ["'cold'", "expected none"]),
        (["--logging", "soft", "--target", "softmax", "--set", "warmth=1"], ["warmth", "temperature"]),
        (["--logging", "soft", "--target", "cold", "--estimators", "magic"], ["'magic'", "self-normalised IPS"]),
        (["--logging", "soft", "--estimators", "IPS"], ["--target"]),
    ],
)
def test_wrong_arguments_are_one_line_that_names_what_there_is(logged, capsys, options, words):
    line = refusal(capsys, logged, "--pages", "all", *options)
    assert all(word in line for word in words), line


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert "manifest.json" in refusal(capsys, tmp_path, "--logging", "soft", "--target", "cold")


def test_without_a_target_the_position_curve_is_learned_and_held_against_the_truth(logged, capsys):
    assert ope(logged, "--logging", "popularity") == 0
    content = json.loads((logged / "ope.json").read_text())
    assert content["target"] is None
    curve = content["position_curve"]
    assert curve["learned"][0]["value"] == curve["truth"][0] == 1.0
    assert curve["learned"][2]["low"] < curve["truth"][2] < 1.0
    printed = capsys.readouterr().out
    assert "as learned from the clicks of popularity" in printed
    assert "Position 3" in printed


def test_a_log_with_too_few_clicks_for_a_position_curve_says_so(logged, capsys):
    assert ope(logged, "--logging", "random") == 0
    assert "No position curve: got" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"target": "x", "estimators": 5}', "null", '{"target": null, "position_curve": []}']
)
def test_a_damaged_estimate_is_one_line(logged, tmp_path, capsys, text):
    path = tmp_path / "ope.json"
    path.write_text(text)
    assert main(["report", str(logged), "--ope", str(path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "recsim-llm ope" in line
    assert not (logged / "ope.json").exists()
    assert main(["report", str(logged), "--ope", str(tmp_path / "gone")]) == 2
