"""The verb ``calibrate`` and runs with what it writes: nothing is lost, nobody is calibrated for another, and users without are
marked wherever a result is told."""

import json
import multiprocessing
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from html import unescape

import pytest
from small_tables import SmallTable, write_small_table

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.cli.main import main
from recsim_llm.comparison import Judging
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.chaos.server import ChaosServer
from recsim_llm.report.page import write_report
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.calibration_run import CalibrationRequest, make_calibration
from recsim_llm.scenarios.compare import compare
from recsim_llm.scenarios.study_requests import calls_beside

TWICE = "SELECT key, count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered' GROUP BY key HAVING count(*) > 1"
PAID = "SELECT count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered'"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Probes of servers are kept in a cache folder; ports come again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_small_table(tmp_path_factory.mktemp("data") / "shop", SmallTable(30, 60, genres=("Drama", "War", "Comedy")))


def request(data, **changes):
    settings = {"data": str(data), "model": ModelSettings(name="scripted/genres"), "seed": 5, "users": 8, "visit_pages": 4.0}
    return CalibrationRequest(**(settings | changes))


@pytest.fixture(scope="module")
def calibrated(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("calibrated") / "calibration.json"
    make_calibration(request(data), out)
    return out


def rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def answered(path):
    try:
        return rows(path, PAID)[0][0] if path.exists() else 0
    except sqlite3.OperationalError:
        return 0  # the file is just being made


def settings_of(data, **changes):
    base = {
        "data": str(data),
        "users.model": "language",
        "models.user": "scripted/genres",
        "max_pages": 2,
        "slate_size": 3,
        "seed": 3,
        "recommenders": ["random", "popularity"],
    }
    return load_scenario("movielens", base | changes)


def ask_until(data, base_url, out, answers):
    """Calibrate in another process and kill it once so many answers are in its file; tell whether it was still running."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["recsim_llm.scenarios.calibration_run", "recsim_llm.language.backends.openai_backend"])
    model = ModelSettings(name="openai-compatible/chaos", base_url=base_url, concurrency=1, realisation="json")
    process = processes.Process(target=make_calibration, args=(request(data, model=model), out))
    process.start()
    while process.is_alive() and answered(calls_beside(out)) < answers:
        process.join(0.001)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def test_a_killed_calibration_goes_on_without_a_repeated_call_and_ends_the_same(data, tmp_path):
    out, whole = tmp_path / "killed.json", tmp_path / "whole.json"
    with ChaosServer(seed=1, latency=0.01) as server:
        model = ModelSettings(name="openai-compatible/chaos", base_url=server.base_url, concurrency=1, realisation="json")
        make_calibration(request(data, model=model), whole)
        assert ask_until(data, server.base_url, out, 5)
        assert not out.exists()
        make_calibration(request(data, model=model), out)
        served = server.served
        make_calibration(request(data, model=model), out)
        assert server.served == served
    assert out.read_bytes() == whole.read_bytes()
    assert rows(calls_beside(out), TWICE) == []
    assert rows(calls_beside(out), PAID) == rows(calls_beside(whole), PAID)


def test_the_file_says_what_it_is_of_and_what_was_measured(calibrated):
    record = json.loads(calibrated.read_text())["record"]
    assert (record["model"], record["realisation"], record["template_family"]) == ("scripted/genres", "decision", "en")
    assert (record["seed"], record["click_rate"], record["visits"]) == (5, 0.02, "declared")
    assert len(record["users_fitted"]) == len(record["users_apart"]) == 8
    assert set(record["measured"]) == {
        "click_rate",
        "visit_pages",
        "click_bits",
        "star_mean",
        "star_spread",
        "star_wasserstein",
        "star_bits",
    }
    assert set(record["measured"]["star_mean"]) == {"target", "before", "after"}
    assert record["taste"]["sentence"].startswith("whether these users tell recommenders apart: too few users")


def test_users_without_a_calibration_are_marked_first_on_the_terminal_in_verdict_manifest_and_report(data, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["run", "movielens", "--data", str(data), "--users", "language", "--model", "scripted/genres", "--pages", "2"]
    assert main([*arguments, "--slate-size", "3", "--recommenders", "popularity", "--seed", "3", "--out", str(out)]) == 0
    said = capsys.readouterr()
    marked = "These users are played by scripted/genres, a stand-in that answers by a rule, and not calibrated: "
    assert said.err.lstrip().startswith(marked)
    assert marked in said.out.split("\n")[0]
    assert json.loads((out / "manifest.json").read_text())["users_warnings"][0].startswith(marked)
    page = unescape((out / "report.html").read_text())
    assert page.index(marked) < page.index("<nav")
    assert "<code>recsim-llm calibrate DATA FILE --model …</code> fits them to real people" in page
    assert "`" not in page[: page.index("<nav")].partition("<h1>")[2]
    assert "How the users were calibrated" not in page


def test_a_language_models_own_levels_are_told_in_other_words_than_a_stand_ins(data, tmp_path):
    with ChaosServer(seed=1) as server:
        model = {"name": "openai-compatible/chaos", "base_url": server.base_url, "realisation": "json"}
        told = []
        run(settings_of(data, **{"models.user": model, "users.count": 3}), tmp_path / "run", confirm=told.append)
    assert told[0].warnings[0] == (
        "These users are not calibrated: their click level and stars are the model's own. `recsim-llm calibrate DATA FILE "
        "--model …` fits them to real people, --set users.parameters.calibration=FILE takes it."
    )


def test_the_verdict_of_a_comparison_begins_with_how_the_users_were_calibrated(data, tmp_path):
    comparison = compare(settings_of(data, **{"users.parameters": {"calibration": {"click_bias": -1.0}}}), tmp_path / "run")
    assert comparison.verdict[0].startswith("These users are played by scripted/genres, a stand-in")
    until_decided = Judging(until_decided=True, block=10)
    blocks = compare(settings_of(data, **{"users.count": 20}), tmp_path / "blocks", until_decided)
    assert [line for line in blocks.verdict if "not calibrated" in line] == [blocks.verdict[0]]


def test_a_run_with_a_fitted_calibration_is_not_marked_and_reports_before_and_after(data, calibrated, tmp_path):
    out = run(settings_of(data, **{"users.parameters.calibration": str(calibrated)}), tmp_path / "run")
    manifest = json.loads((out / "manifest.json").read_text())
    assert not any("not calibrated" in line for line in manifest["users_warnings"])
    assert "Some of these users were used to fit their calibration: it was measured on others." in manifest["users_warnings"]
    page = unescape(write_report(out).read_text())
    assert "How the users were calibrated" in page
    assert "Fitted to 8 users of shop, measured on 8 others, who had no part in it; seed 5; scripted/genres" in page
    assert "How much taste they have" in page
    for name in ("calibration_stars", "calibration_reliability"):
        assert (out / "figures" / f"{name}.png").is_file()
        assert (out / "figures" / f"{name}.csv").is_file()


def test_a_cascades_language_side_is_marked_and_calibrated_alike(data, calibrated, tmp_path):
    cascade = {"users.model": "cascade", "users.count": 6}
    plain = run(settings_of(data, **cascade), tmp_path / "plain")
    warned = json.loads((plain / "manifest.json").read_text())["users_warnings"]
    assert "--set users.parameters.language.calibration=FILE" in warned[0]
    changes = cascade | {"users.parameters.language.calibration": str(calibrated)}
    mended = run(settings_of(data, **changes), tmp_path / "mended")
    assert not any("not calibrated" in line for line in json.loads((mended / "manifest.json").read_text())["users_warnings"])
    assert "How the users were calibrated" in write_report(mended).read_text()


def test_choice_users_need_none_and_are_not_marked(data, tmp_path):
    settings = {"data": str(data), "users.count": 3, "max_pages": 1, "slate_size": 3, "seed": 1, "recommenders": ["random"]}
    out = run(load_scenario("movielens", settings), tmp_path / "run")
    assert json.loads((out / "manifest.json").read_text())["users_warnings"] == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--model", "scripted/uniform"], "got one of model scripted/genres, expected one of scripted/uniform"),
        (
            ["--model", "scripted/genres", "--set", "models.user.realisation=json"],
            "of elicitation decision, expected one of json",
        ),
        (["--model", "scripted/genres", "--set", "users.parameters.templates=en_compact"], "got one of templates"),
    ],
)
def test_a_calibration_of_another_model_or_way_of_asking_is_refused_in_one_line(data, calibrated, tmp_path, capsys, more, said):
    command = ["run", "movielens", "--data", str(data), "--users", "language", "--recommenders", "random", "--seed", "1"]
    taken = ["--set", f"users.parameters.calibration={calibrated}", "--out", str(tmp_path / "run")]
    assert main([*command, *taken, *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("recsim-llm: ") == 1
    assert not (tmp_path / "run").exists()


def test_a_calibration_of_other_data_is_taken_and_told(calibrated, tmp_path):
    other = write_small_table(tmp_path / "other", SmallTable(12, 30), seed=2)
    out = run(settings_of(other, **{"users.parameters.calibration": str(calibrated)}), tmp_path / "run")
    (warned,) = (line for line in json.loads((out / "manifest.json").read_text())["users_warnings"] if "fitted on" in line)
    assert warned == "These users' calibration was fitted on other data than these, shop: their levels may be others here."


def test_users_of_whom_it_was_measured_that_they_have_no_taste_are_marked(data, calibrated, tmp_path):
    found = Calibration.load(calibrated)
    told = {"tells_apart": False, "sentence": "these users do not tell recommenders apart: they pick at chance", "measures": []}
    replace(found, record={**(found.record or {}), "taste": told}).save(tmp_path / "chance.json")
    out = run(settings_of(data, **{"users.parameters.calibration": str(tmp_path / "chance.json")}), tmp_path / "run")
    assert "These users do not tell recommenders apart: they pick at chance." in unescape(write_report(out).read_text())
    assert json.loads((out / "manifest.json").read_text())["users_warnings"][-1].startswith("These users do not tell")


def test_users_who_were_too_few_to_tell_whether_they_have_taste_are_marked(data, calibrated, tmp_path):
    found = Calibration.load(calibrated)
    told = {"tells_apart": None, "sentence": "whether these users tell recommenders apart: too few users", "measures": []}
    replace(found, record={**(found.record or {}), "taste": told}).save(tmp_path / "few.json")
    out = run(settings_of(data, **{"users.parameters.calibration": str(tmp_path / "few.json")}), tmp_path / "run")
    warned = json.loads((out / "manifest.json").read_text())["users_warnings"]
    assert warned[-1] == "Whether these users tell recommenders apart: too few users."


def test_a_rehearsal_and_speech_take_a_run_with_a_calibration(data, calibrated, tmp_path):
    command = ["run", "movielens", "--data", str(data), "--users", "language", "--model", "scripted/genres", "--seed", "1"]
    command += ["--recommenders", "random", "--quiet", "--set", f"users.parameters.calibration={calibrated}", "--pages", "2"]
    out = tmp_path / "run"
    assert main([*command, "--dry-run"]) == 0
    assert main([*command, "--out", str(out)]) == 0
    assert main(["speak", str(out), "--interviews", "1", "--quiet"]) == 0


def test_a_setting_that_calibrating_has_no_use_for_is_refused(data, tmp_path, capsys):
    command = ["calibrate", str(data), str(tmp_path / "c.json"), "--model", "scripted/genres", "--seed", "1"]
    assert main([*command, "--set", "slate_size=4"]) == 2
    assert "--set slate_size: got a setting of something else, expected models.user.NAME" in capsys.readouterr().err
    assert list(tmp_path.glob("c.*")) == []


def test_too_few_people_are_told_of_before_anything_is_foretold(tmp_path, capsys):
    small = write_small_table(tmp_path / "small", SmallTable(3, 5))
    assert main(["calibrate", str(small), str(tmp_path / "c.json"), "--model", "scripted/genres", "--seed", "1"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("recsim-llm: pages of later choices: got 0 of 3 users with 3 ratings in the last fifth and 7 of 5 ")
    assert "\n" not in error
    assert list(tmp_path.glob("c.*")) == []


@pytest.mark.parametrize("verb", ["calibrate", "personas", "realism"])
def test_people_with_one_rating_each_are_told_of_before_anything_is_foretold(verb, tmp_path, capsys):
    small = write_small_table(tmp_path / "small", SmallTable(3, 5, "one each"))
    own = {"realism": ["--data", str(small), "--users", "language", "--out", str(tmp_path / "card")]}
    command = [verb, *own.get(verb, [str(small), str(tmp_path / "c.json")]), "--model", "scripted/genres", "--seed", "1"]
    assert main(command) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("recsim-llm: split by time: got 3 users with one rating each, expected one or more with two")
    assert "\n" not in error


def test_a_limit_stops_a_calibration_which_goes_on_with_a_higher_one(data, tmp_path, capsys):
    command = ["calibrate", str(data), str(tmp_path / "c.json"), "--model", "scripted/genres", "--seed", "5", "--n-users", "8"]
    command += ["--visit-pages", "4"]
    assert main([*command, "--max-calls", "5"]) == 2
    assert "give the same command again" in capsys.readouterr().err
    assert rows(tmp_path / "c.calls.sqlite", PAID) == [(5,)]
    assert main([*command, "--json", str(tmp_path / "table.json")]) == 0
    said = capsys.readouterr()
    assert f"to use it    --set users.parameters.calibration={tmp_path / 'c.json'}" in said.out
    assert json.loads((tmp_path / "table.json").read_text())["record"]["users_fitted"]
