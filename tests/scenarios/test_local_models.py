"""Runs with a model in this process of which nothing is set: how it is asked, in which words, and that a dry run knows both."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from recsim_llm.agents.language.template_family import FamilyReport, save_families
from recsim_llm.agents.tuning.tuned_card import CARD
from recsim_llm.cli.main import main
from recsim_llm.errors import BudgetExceeded, DataError
from recsim_llm.language import open_model
from recsim_llm.log.manifest import read_manifest
from recsim_llm.scenarios import load_scenario, resume, run
from recsim_llm.scenarios.dry_run import forecast_run
from recsim_llm.scenarios.model_outlook import lead_tokens
from recsim_llm.statistics import Estimate

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("llguidance")

from tiny_language_model import make_tiny_model

SMALL = {
    "users.model": "language",
    "users.count": 3,
    "max_pages": 2,
    "slate_size": 3,
    "seed": 3,
    "recommenders": ["popularity"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", 1)


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A model of which no probe is kept."""
    monkeypatch.setattr("recsim_llm.language.probing.probe_report.cache_folder", lambda: tmp_path / "probes")
    return made


def local(folder, **changes):
    return load_scenario("demo", SMALL | {"models.user": {"name": f"transformers/{folder}"}} | changes)


def asked(folder):
    """How a run asked: elicitation, family and reason, forms of its calls."""
    manifest = read_manifest(folder)
    with closing(sqlite3.connect(folder / "calls.sqlite")) as connection:
        forms = {form for (form,) in connection.execute("SELECT DISTINCT form FROM calls")}
    family = manifest["user_model_provenance"]["family"]
    return manifest["models"]["user"]["realisation"], family["name"], family["why"], forms


def used(folder):
    with closing(sqlite3.connect(folder / "calls.sqlite")) as connection:
        return connection.execute("SELECT count(*), sum(prompt_tokens) FROM calls WHERE cache_hit = 0").fetchone()


def characters(folder):
    """Characters of what a run told its model, common beginnings of the words before answers once."""
    with closing(sqlite3.connect(folder / "calls.sqlite")) as connection:
        texts = dict(connection.execute("SELECT hash, text FROM parts"))
        calls = connection.execute("SELECT parts, questions FROM calls").fetchall()
    return sum(
        sum(len(texts[part]) for part in json.loads(parts)) + 4 * lead_tokens("forced", texts[questions], 1)
        for parts, questions in calls
    )


def log_bytes(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/*.parquet"))}


def test_a_newcomers_model_is_asked_each_question_alone_in_few_words_and_the_first_screen_says_so(folder, tmp_path, capsys):
    command = ["run", "demo", "--users", "language", "--model", f"transformers/{folder}", "--n-users", "2", "--pages", "1"]
    command += ["--slate-size", "3", "--recommenders", "popularity", "--seed", "3", "--yes", "--out", str(tmp_path / "run")]
    assert main(command) == 0
    said = "asked by forced, prompts en_compact, since nothing was measured, and questions are asked alone"
    captured = capsys.readouterr()
    assert said in captured.err
    assert said in " ".join(captured.out.split())
    assert asked(tmp_path / "run")[::3] == ("forced", {"forced"})


def test_a_dry_run_foretells_the_prompts_that_are_then_asked(folder, tmp_path):
    scenario = local(folder, max_pages=1)
    told = forecast_run(scenario)
    out = run(scenario, tmp_path / "run")
    assert (told.forms, told.guessed) == ({"user": "forced"}, ())
    assert told.calls.value == used(out)[0] == 3
    # It counts four characters a token, whatever the model's tokens are.
    assert told.prompt_tokens.value == pytest.approx(characters(out) / 4, rel=0.01)


@pytest.mark.parametrize(("form", "family"), [("logprobs", "en"), ("samples", "en"), ("forced", "en_compact")])
def test_a_scenario_that_names_the_way_is_asked_so_and_rehearsed_so(form, family, folder, tmp_path):
    scenario = local(folder, **{"models.user.realisation": form, "users.count": 1, "max_pages": 1})
    assert forecast_run(scenario).forms == {"user": form}
    assert asked(run(scenario, tmp_path / "run"))[:2] == (form, family)


def test_what_a_probe_measured_goes_before_what_is_usual(folder, tmp_path):
    with open_model(f"transformers/{folder}") as model:
        name = model.name
    better, gap = Estimate(value=0.7, low=0.6, high=0.8, users=9), Estimate(value=0.2, low=0.1, high=0.3, users=9)
    areas = dict.fromkeys(("en", "en_compact"), better)
    save_families(
        FamilyReport(model=name, data="invented", users=9, users_asked=(), areas=areas, difference=gap, seconds=1.0), ""
    )
    out = run(local(folder), tmp_path / "run")
    assert asked(out)[:2] == ("forced", "en")
    # Full prompts have no words before an answer: the question itself stands there.
    with closing(sqlite3.connect(out / "calls.sqlite")) as connection:
        (questions,) = connection.execute("SELECT text FROM parts WHERE text LIKE '[[%' LIMIT 1").fetchone()
    assert json.loads(questions)[0][4] == ""


def test_a_tuned_model_is_asked_in_the_words_that_it_learned(folder, tmp_path):
    tuned = make_tiny_model(tmp_path / "tuned", 1)
    (tuned / CARD).parent.mkdir()
    card = {"data": {"name": "fictional", "fingerprint": "another"}, "users": {"training": [1], "validation": [2]}}
    (tuned / CARD).write_text(json.dumps(card | {"settings": {"templates": "de_compact"}}))
    scenario = local(tuned, **{"users.count": 1, "max_pages": 1})
    told = forecast_run(scenario)
    out = run(scenario, tmp_path / "run")
    assert asked(out)[:3] == ("forced", "de_compact", "the model was tuned to these words")
    assert told.calls.value == used(out)[0] == 1
    (tuned / CARD).write_text("{}")
    with pytest.raises(DataError, match="expected the card of a tuned model"):
        run(scenario, tmp_path / "damaged")
    assert not (tmp_path / "damaged" / "manifest.json").exists()


def test_a_run_that_was_stopped_goes_on_as_it_was_asked_though_a_probe_came_between(folder, tmp_path):
    whole = run(local(folder), tmp_path / "whole")
    with pytest.raises(BudgetExceeded):
        run(local(folder, **{"limits.calls": 2}), tmp_path / "stopped")
    with open_model(f"transformers/{folder}") as model:
        name = model.name
    better, gap = Estimate(value=0.7, low=0.6, high=0.8, users=9), Estimate(value=0.2, low=0.1, high=0.3, users=9)
    areas = dict.fromkeys(("en", "en_compact"), better)
    save_families(
        FamilyReport(model=name, data="invented", users=9, users_asked=(), areas=areas, difference=gap, seconds=1.0), ""
    )
    resumed = resume(tmp_path / "stopped", limits={"calls": 1000})
    assert asked(resumed) == asked(whole)
    assert log_bytes(resumed) == log_bytes(whole)
    assert used(resumed) == used(whole)
