"""The verb ``tune``, and the command that it names in the end."""

from __future__ import annotations

import json
import shlex

import pytest

from recsim_llm.cli.main import main

SMALL = ["--seed", "7", "--examples", "8", "--width", "64", "--layers", "2", "--rating-history", "4"]


def test_the_command_that_the_verb_names_in_the_end_runs(people, tmp_path, monkeypatch, capsys, small_chunks):
    monkeypatch.setattr("recsim_llm.data.open_dataset", lambda *_, **__: people)
    table = tmp_path / "card.json"
    out = tmp_path / "my model"
    assert main(["tune", "scratch", "--data", "fictional", *SMALL, "--out", str(out), "--json", str(table)]) == 0
    assert json.loads(table.read_text())["settings"]["width"] == 64
    monkeypatch.undo()
    printed = capsys.readouterr().out
    (command,) = [line.removeprefix("use     ") for line in printed.splitlines() if line.startswith("use")]
    words = ["demo" if word == "SCENARIO" else word for word in shlex.split(command)[1:]]
    small = ["--n-users", "3", "--pages", "1", "--visits", "1", "--recommenders", "popularity,random"]
    assert main([*words, *small, "--seed", "3", "--out", str(tmp_path / "run"), "--yes"]) == 0
    assert "was tuned to" not in capsys.readouterr().out
    other = [*words, *small, "--set", "users.parameters.templates=de", "--seed", "3", "--out", str(tmp_path / "other"), "--yes"]
    assert main(other) == 0
    assert "tuned to the words of en_compact and is asked in those of de" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gpt", "--data", "fictional"], "expected scratch or transformers/FOLDER"),
        (["scratch", "--data", "nowhere"], "nowhere"),
        (["transformers/nowhere", "--data", "fictional"], "nowhere"),
    ],
)
def test_what_cannot_work_is_said_in_a_line_and_leaves_nothing(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert main(["tune", *arguments, "--seed", "7", "--out", "tuned"]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())
