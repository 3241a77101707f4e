"""The verb ``personas`` keeps to limits, asks before much is spent, and refuses what it has no use for."""

import json
import sqlite3
from contextlib import closing

import pytest

from recsim_llm.cli.main import main
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.scenarios.personas_run import PersonasRequest, make_personas

PAID = "SELECT count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered'"


@pytest.fixture
def command(tmp_path):
    out = tmp_path / "personas.json"
    return ["personas", "fictional", str(out), "--model", "scripted/genres", "--n-users", "6", "--seed", "7"]


def paid(folder):
    with closing(sqlite3.connect(folder / "personas.calls.sqlite")) as connection:
        return connection.execute(PAID).fetchone()[0]


def test_a_limit_stops_and_the_same_command_goes_on_with_a_higher_one(command, tmp_path, capsys):
    assert main([*command, "--max-calls", "2"]) == 2
    said = capsys.readouterr().err
    assert "give the same command again" in said
    assert "personas.calls.sqlite" in said
    assert paid(tmp_path) == 2
    assert not (tmp_path / "personas.json").exists()
    assert main([*command, "--max-calls", "6"]) == 0
    assert paid(tmp_path) == 6
    assert len(json.loads((tmp_path / "personas.json").read_text())["personas"]) == 6


def test_answers_of_another_file_are_taken_before_the_model_is_asked(command, tmp_path):
    assert main([*command, "--quiet"]) == 0
    (tmp_path / "other").mkdir()
    again = [*command[:2], str(tmp_path / "other" / "personas.json"), *command[3:], "--quiet"]
    assert main([*again, "--cache", str(tmp_path / "personas.calls.sqlite")]) == 0
    assert paid(tmp_path / "other") == 0


def test_what_will_be_asked_at_most_is_told_first(command, tmp_path, capsys):
    told = []
    model = ModelSettings(name="scripted/genres")
    make_personas(PersonasRequest(data="fictional", model=model, seed=7, users=3), tmp_path / "p.json", confirm=told.append)
    (estimate,) = told
    assert (estimate.calls, estimate.answer_tokens) == (3, 270)
    assert main(command) == 0
    assert "at most 6 calls of language models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ["--set", "users.parameters.templates=de"],
            "--set users.parameters.templates: got a setting of users, who are not asked",
        ),
        (["--set", "slate_size=4"], "--set slate_size: got a setting of something else, expected models.user.NAME"),
        (["--set", "models.user.base_url=http://x"], "got 'http://x', expected that as --base-url http://x; leave it out"),
        (["--set", "models.user.name=scripted/uniform"], "expected that as --model scripted/uniform; leave it out"),
        (["--max-calls", "0"], "limits: got {'calls': 0}, expected numbers above 0"),
        (["--n-users", "0"], "personas, users: got 0"),
    ],
)
def test_what_it_has_no_use_for_is_refused_in_one_line(command, tmp_path, capsys, more, said):
    assert main([*command, *more]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.strip().count("\n") == 0
    assert list(tmp_path.iterdir()) == []
