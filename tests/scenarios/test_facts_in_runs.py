"""Facts in whole runs: told before the first page, asked on the fifth visit; limits, resume and the command."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from recsim_llm.agents.language.remembered_pages import read_remembered
from recsim_llm.cli.main import main
from recsim_llm.errors import BudgetExceeded, ConfigError, RecSimError
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.scenarios import load_scenario, resume, run

COMEDIES = "You laugh at nothing and never take a comedy."
SMALL = {
    "users.model": "language",
    "users.count": 4,
    "visits": 5,
    "max_pages": 2,
    "slate_size": 4,
    "seed": 3,
    "recommenders": ["popularity"],
    "models.user": "scripted/genres",
    "users.parameters.return_base": 20.0,
}


def prompts(folder):
    """Return the prompt of every page, by user, visit and page."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        texts = dict(connection.execute("SELECT hash, text FROM parts"))
        calls = connection.execute("SELECT nonce, parts FROM calls").fetchall()
    found = {}
    for nonce, parts in calls:
        _, user, visit, page = nonce.split()
        found[user, int(visit), int(page)] = "\n\n".join(texts[part] for part in json.loads(parts))
    return found


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Return a finished run without facts, and the id of one of its users."""
    folder = run(load_scenario("demo", SMALL), tmp_path_factory.mktemp("runs") / "plain")
    return folder, min(user for user, _, _ in prompts(folder))


@pytest.fixture(scope="module")
def told(known, tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    facts = folder / "facts.json"
    facts.write_text(json.dumps({known[1]: {"comedies": COMEDIES}}), encoding="utf-8")
    out = run(load_scenario("demo", SMALL | {"users.parameters.facts": str(facts)}), folder / "run")
    facts.unlink()  # The run keeps what was in it.
    return out


def test_told_before_the_first_page_and_asked_on_the_fifth_visit(known, told):
    found = prompts(told)
    own = {place: text for place, text in found.items() if place[0] == known[1]}
    assert {visit for _, visit, _ in own} == {0, 1, 2, 3, 4}
    assert all(f"- {COMEDIES}\n" in f"{text}\n" for text in own.values())


def test_nobody_else_is_told(known, told):
    assert not [place for place, text in prompts(told).items() if COMEDIES in text and place[0] != known[1]]


def test_everybody_else_acts_as_without_it(known, told):
    plain, other = prompts(known[0]), prompts(told)
    same = [place for place in plain if place[0] != known[1]]
    assert same
    assert all(plain[place] == other[place] for place in same)


def test_a_resumed_run_still_knows_it(known, told, tmp_path):
    changes = {"users.parameters.facts": {known[1]: {"comedies": COMEDIES}}, "limits.calls": 20}
    with pytest.raises(BudgetExceeded):
        run(load_scenario("demo", SMALL | changes), tmp_path / "run")
    resume(tmp_path / "run", limits={"calls": 1_000})
    assert prompts(tmp_path / "run") == prompts(told)


def test_other_people_are_told_later_who_the_run_lacks_and_strangers_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="facts: got user 'nobody', expected the id of a user of fictional, such as"):
        run(load_scenario("demo", SMALL | {"users.parameters.facts": {"nobody": {"a": COMEDIES}}}), tmp_path / "run")
    with pytest.raises(ConfigError, match="personas: got user 'nobody', expected the id of a user of fictional, such as"):
        run(load_scenario("demo", SMALL | {"users.parameters.personas": {"nobody": "You love it."}}), tmp_path / "run")


@pytest.mark.parametrize("verb", ["calibrate", "realism"])
def test_a_study_refuses_facts_about_strangers_before_anything_is_asked(verb, tmp_path, capsys):
    (tmp_path / "facts.json").write_text('{"nobody": {"a": "You hate comedies."}}', encoding="utf-8")
    told = ["--set", f"users.parameters.facts={tmp_path / 'facts.json'}", "--model", "scripted/genres", "--seed", "1"]
    own = {"calibrate": ["fictional", str(tmp_path / "c.json")], "realism": ["--data", "fictional", "--users", "language"]}
    out = ["--out", str(tmp_path / "card")] if verb == "realism" else []
    assert main([verb, *own[verb], *told, *out]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("recsim-llm: facts: got user 'nobody', expected the id of a user of fictional")
    assert "\n" not in error


def test_the_command_tells_what_is_wrong_with_a_file(tmp_path, capsys):
    (tmp_path / "facts.json").write_text('{"1": "comedies"}', encoding="utf-8")
    options = ["run", "demo", "--users", "language", "--model", "scripted/genres", "--recommenders", "popularity"]
    options += ["--set", f"users.parameters.facts={tmp_path / 'facts.json'}", "--n-users", "2", "--out", str(tmp_path / "run")]
    assert main([*options, "--seed", "1"]) == 2
    assert "user '1': got 'comedies', expected statements by subject" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_a_user_had_in_mind_is_read_page_by_page(known, told):
    pages = read_remembered(told, known[1])
    assert [(page.visit, page.page) for page in pages][:2] == [(0, 0), (0, 1)]
    assert len(pages) == len([place for place in prompts(told) if place[0] == known[1]])
    assert all(COMEDIES in page.knows for page in pages)
    assert pages[0].remembers == ""
    assert "You" in pages[-1].remembers
    assert all(COMEDIES not in page.knows + page.remembers for page in read_remembered(known[0], known[1]))


def test_a_folder_without_calls_is_one_line(tmp_path):
    with pytest.raises(RecSimError, match="calls"):
        read_remembered(tmp_path, 1)
