"""``recsim-llm realism --dialogues``: from a run and a file to a card, and what it refuses."""

import json

import pytest
from talking_runs import make_talks
from told_files import SATISFACTION, arena

from recsim_llm.cli.main import main

PEOPLE = [
    ("satisfied", "U: Hi, I'm looking for a comedy", "A: @1?", "U: Who plays in it?", "A: Her", "U: I'll watch it", "U: Bye"),
    ("frustrated", "U: hello", "A: @1?", "U: not interested", "A: @2?", "U: My aunt lives in Leeds"),
] * 8


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    make_talks(folder / "run")
    (folder / "arena.json").write_text(arena(*PEOPLE))
    (folder / "uss.txt").write_text(SATISFACTION)
    return folder


def score(folder, *more, people="arena.json", run="run"):
    return main(["realism", "--dialogues", str(folder / people), "--simulated", str(folder / run), *more])


def test_a_card_is_made_of_a_run_and_a_file(made, capsys):
    out = made / "card"
    assert score(made, "--part", "popularity", "--seed", "3", "--out", str(out), "--json", str(made / "t.json")) == 0
    printed = capsys.readouterr().out
    assert "14 dialogues: Do its users talk as people do?" in printed
    assert "told from people by acts" in printed
    card = json.loads((out / "realism.json").read_text())
    (line,) = card["lines"]
    assert (card["name"], card["data"], line["number"]) == ("users of run, popularity", "arena.json", 14)
    assert card["behaviour"]["lines"] == [14]
    assert [measure["name"] for measure in line["measures"]] == [
        "acts, total variation",
        "turns, Wasserstein-1",
        "acceptance",
        "satisfaction, Wasserstein-1",
        "utterances with a known act",
    ]
    assert {row["name"] for row in line["measures"][2]["rows"]} >= {"people, at least", "people, at most"}
    assert json.loads((made / "t.json").read_text())["lines"] == card["lines"]
    page = (out / "realism.html").read_text()
    assert "told from people by acts" in page
    assert "--part popularity --seed 3" in page
    assert (out / "figures" / "dialogue_acts.csv").read_text().startswith("row,act,share\n")


def test_users_who_are_people_are_not_told_from_them(made, capsys):
    assert score(made, "--seed", "1", "--out", str(made / "same"), run="arena.json") == 0
    assert "not told from people" in capsys.readouterr().out


def test_an_export_of_the_run_is_the_run(made):
    main(["export", str(made / "run"), "conversations", str(made / "out"), "--quiet"])
    told = "out/popularity/conversations.jsonl"
    assert score(made, "--seed", "3", "--out", str(made / "again"), "--quiet", run=told) == 0
    assert score(made, "--part=popularity", "--seed", "3", "--out", str(made / "first"), "--quiet") == 0
    again, first = (json.loads((made / name / "realism.json").read_text())["lines"][0] for name in ("again", "first"))
    assert [[row["value"] for row in measure["rows"]] + [measure["rows"][0]["low"]] for measure in again["measures"]] == [
        [row["value"] for row in measure["rows"]] + [measure["rows"][0]["low"]] for measure in first["measures"]
    ]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ([], "--part: got several recommenders, expected one of asking, popularity"),
        (["--part", "nobody"], "--part: got 'nobody'"),
        (["--part", "asking", "--data", "fictional"], "--data: got it with --dialogues"),
        (["--part", "asking", "--n-users", "5"], "--n-users: got it with --dialogues"),
        (["--part", "asking", "--dry-run"], "--dry-run: got it with --dialogues"),
    ],
)
def test_options_that_do_not_go_together_are_refused(made, capsys, arguments, fault):
    assert score(made, *arguments, "--out", str(made / "none")) == 2
    assert fault in capsys.readouterr().err
    assert not (made / "none").exists()


def test_dialogues_need_both_sides(made, capsys):
    assert main(["realism", "--dialogues", str(made / "arena.json")]) == 2
    assert "got --dialogues without --simulated" in capsys.readouterr().err
    assert main(["realism", "--simulated", str(made / "run")]) == 2
    assert "got --simulated without --dialogues" in capsys.readouterr().err


def test_a_card_is_not_overwritten(made, capsys):
    options = ("--part", "asking", "--out", str(made / "once"), "--quiet")
    assert score(made, *options) == 0
    assert score(made, *options) == 2
    assert "holds realism.json" in capsys.readouterr().err


def test_of_two_dialogues_nothing_is_claimed(made, capsys):
    assert score(made, "--part", "asking", "--out", str(made / "few"), people="uss.txt") == 0
    assert "too few dialogues to tell from people's" in capsys.readouterr().out
