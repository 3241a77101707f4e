"""Runs whose users' answers are set against neutral ones: stopped, resumed, replayed, foretold, and told in the report."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pyarrow.dataset as arrow
import pytest

from recsim_llm.agents import read_remembered
from recsim_llm.cli.main import main
from recsim_llm.errors import BudgetExceeded, ConfigError, RecSimError
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.log.manifest import read_manifest
from recsim_llm.report import calls_line, read_calls, write_report
from recsim_llm.scenarios import load_scenario, resume, run
from recsim_llm.scenarios.dry_run import forecast_run

PAID = "SELECT count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered'"
EXTRA = f"{PAID} AND (form = 'likelihood' OR nonce = 'neutral')"


def scenario(contrast, **changes):
    settings = {
        "users.model": "language",
        "users.count": 6,
        "max_pages": 2,
        "slate_size": 4,
        "seed": 3,
        "recommenders": ["random", "popularity"],
        "models.user": {"name": "scripted/contrast_scripts:pulled", "realisation": "forced"},
        "users.parameters.contrast": contrast,
        "users.parameters.templates": "en_compact",
    }
    return load_scenario("demo", settings | changes)


def log_bytes(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/*.parquet"))}


def count(folder, query):
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return connection.execute(query).fetchone()[0]


@pytest.fixture(scope="module", params=["neutral", "titles"])
def contrast(request):
    return request.param


@pytest.fixture(scope="module")
def whole(contrast, tmp_path_factory):
    return run(scenario(contrast), tmp_path_factory.mktemp("runs") / contrast)


@pytest.mark.parametrize("calls", [3, 20])
def test_a_run_stopped_anywhere_and_resumed_writes_the_same_bytes_and_pays_nothing_twice(contrast, whole, tmp_path, calls):
    out = tmp_path / "short"
    with pytest.raises(BudgetExceeded, match="nothing is lost"):
        run(scenario(contrast, **{"limits.calls": calls}), out)
    assert count(out, PAID) == calls
    resume(out, limits={"calls": 10_000})
    assert log_bytes(out) == log_bytes(whole)
    assert count(out, PAID) == count(whole, PAID)


def test_a_replay_asks_nothing_and_writes_the_same_bytes(contrast, whole, tmp_path):
    again = run(scenario(contrast, **{"models.user": f"replay/{whole}"}), tmp_path / "again")
    assert log_bytes(again) == log_bytes(whole)
    assert count(again, PAID) == 0


def test_a_replay_without_its_neutral_answers_stops(contrast, tmp_path):
    plain = run(scenario("none"), tmp_path / "plain")
    with pytest.raises(RecSimError, match="was not recorded"):
        run(scenario(contrast, **{"models.user": f"replay/{plain}"}), tmp_path / "again")


def test_pages_in_another_order_of_waiting_get_the_same_answers(contrast, whole, tmp_path):
    again = run(scenario(contrast, barrier="visit"), tmp_path / "again")
    assert log_bytes(again) == log_bytes(whole)


def test_a_contrast_changes_what_users_do_and_is_in_the_manifest(contrast, whole, tmp_path):
    plain = run(scenario("none"), tmp_path / "plain")
    assert log_bytes(plain) != log_bytes(whole)
    assert read_manifest(whole)["settings"]["users"]["parameters"]["contrast"] == contrast
    assert "contrast" not in calls_line(read_calls(plain))


def test_the_report_says_what_the_contrast_cost(whole):
    calls = read_calls(whole)
    assert sum(row.contrast_calls for row in calls) == count(whole, EXTRA) > 0
    assert f"of which {count(whole, EXTRA)} calls and " in calls_line(calls)
    assert f"of which {count(whole, EXTRA)} calls and " in write_report(whole).read_text(encoding="utf-8")


def test_the_forecast_says_what_the_contrast_will_cost(contrast, whole):
    told = forecast_run(scenario(contrast))
    assert told.calls.low <= count(whole, PAID) <= told.calls.high
    assert told.contrast_calls == pytest.approx(count(whole, EXTRA), rel=0.3)
    assert any(line.startswith("contrast at most") for line in told.lines())
    assert told.to_json()["contrast_calls"] == told.contrast_calls
    assert forecast_run(scenario("none")).contrast_calls == 0


def test_what_a_user_had_in_mind_is_read_page_by_page_whatever_else_was_asked(whole):
    user = arrow.dataset(whole / "pages").to_table()["user_id"][0].as_py()
    pages = read_remembered(whole, user)
    assert {(page.visit, page.page) for page in pages} == {(0, 0), (0, 1)}
    assert any(page.remembers for page in pages)


class CalledOffError(Exception):
    """Raised in place of consent."""


def call_off(estimate):
    raise CalledOffError(estimate)


def most_asked(contrast, folder):
    with pytest.raises(CalledOffError) as caught:
        run(scenario(contrast), folder, confirm=call_off)
    return caught.value.args[0]


def test_the_most_that_a_run_can_ask_counts_the_contrast(contrast, whole, tmp_path):
    most, plain = most_asked(contrast, tmp_path / "one"), most_asked("none", tmp_path / "other")
    assert plain.calls < count(whole, PAID) <= most.calls
    assert most.calls <= plain.calls + 6 * 2 * 2 * (4 + 1)
    assert most.prompt_tokens > plain.prompt_tokens


def test_the_most_that_a_cascade_can_ask_counts_the_contrast_of_its_language_side(contrast, tmp_path):
    def most(kind):
        own = {"language": {"contrast": kind, "templates": "en_compact"}}
        with pytest.raises(CalledOffError) as caught:
            run(scenario("none", **{"users.model": "cascade", "users.parameters": own}), tmp_path / kind, confirm=call_off)
        return caught.value.args[0].calls

    assert most(contrast) > most("none") > 0


def test_a_way_without_log_probabilities_is_refused_on_the_command_line(contrast, tmp_path, capsys):
    sets = [f"users.parameters.contrast={contrast}", "models.user.realisation=json"]
    command = ["run", "demo", "--users", "language", "--model", "scripted/genres", "--n-users", "4", "--seed", "1"]
    changes = [part for value in sets for part in ("--set", value)]
    assert main([*command, *changes, "--recommenders", "popularity", "--out", str(tmp_path / "run"), "--quiet"]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert f"contrast {contrast}: got realisation json" in said
    remedy = [*command, "--set", sets[0], "--set", "models.user.realisation=forced", "--recommenders", "popularity"]
    assert main([*remedy, "--out", str(tmp_path / "run"), "--quiet"]) == 0


def test_templates_without_the_words_for_titles_are_refused(tmp_path):
    from importlib.resources import files

    own = tmp_path / "own"
    own.mkdir()
    for path in files("recsim_llm.agents.language").joinpath("templates/en").iterdir():
        if path.name != "titles.jinja":
            (own / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"titles\.jinja"):
        run(scenario("titles", **{"users.parameters.templates": str(own)}), tmp_path / "run")
    run(scenario("neutral", **{"users.parameters.templates": str(own), "users.count": 2}), tmp_path / "other")


def test_the_dry_run_writes_the_cost_as_json(contrast, tmp_path, capsys):
    command = ["run", "demo", "--users", "language", "--model", "scripted/genres", "--n-users", "4", "--seed", "1", "--dry-run"]
    sets = ["--set", f"users.parameters.contrast={contrast}", "--set", "models.user.realisation=forced"]
    assert main([*command, *sets, "--recommenders", "popularity", "--json", str(tmp_path / "told.json")]) == 0
    assert json.loads((tmp_path / "told.json").read_text())["contrast_calls"] > 0
    assert "contrast at most" in capsys.readouterr().out
