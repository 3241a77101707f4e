"""``recsim-llm realism``: from the command line to a card, and what it refuses."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from tiny_language_model import make_tiny_model

from recsim_llm.cli.main import main
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.scenarios import realism_run
from recsim_llm.scenarios.realism_run import CardRequest, card_facts, make_card

ASKED = ["realism", "--data", "fictional", "--users", "language", "--model", "scripted/genres", "--n-users", "4", "--seed", "3"]
SET = ["--set", "users.parameters.templates=en_compact", "--set", "users.parameters.rating_history=3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    assert (
        main([*ASKED, *SET, "--calibration", "fit", "--out", str(folder / "card"), "--json", str(folder / "t.json"), "--quiet"])
        == 0
    )
    return folder


def test_a_card_of_calibrated_language_users_shows_them_before_and_after(made):
    card = json.loads((made / "card" / "realism.json").read_text())
    assert card["name"] == "language users, calibrated"
    assert card["seeds"] == [3]
    names = [row["name"] for row in card["lines"][0]["measures"][0]["rows"]]
    assert names[:2] == ["language users, calibrated", "language users, before calibration"]
    assert "--calibration fit" in card["made"]["Command"]
    assert card["made"]["Calibration"].startswith("fitted on the training part")
    assert json.loads((made / "t.json").read_text())["lines"] == card["lines"]
    assert (made / "card" / "realism.html").is_file()
    assert (made / "card" / "calls.sqlite").is_file()


def test_a_card_is_of_users_who_are_asked_as_is_set(made):
    card = json.loads((made / "card" / "realism.json").read_text())
    assert (
        "--set 'users.parameters.templates=\"en_compact\"' --set users.parameters.rating_history=3" in card["made"]["Command"]
    )
    with closing(sqlite3.connect(made / "card" / "calls.sqlite")) as calls:
        told = [text for (text,) in calls.execute("SELECT text FROM parts WHERE text LIKE '%rated%'")]
    assert told
    assert max(text.count("\n- ") for text in told) <= 3


def test_a_tuned_model_is_judged_by_users_whom_it_never_met_and_the_card_says_so(tmp_path, monkeypatch):
    folder = make_tiny_model(tmp_path / "tuned", 1)
    card = {"data": {"name": "fictional", "fingerprint": "another"}, "users": {"training": [3, 1], "validation": [2]}}
    (folder / "tuning").mkdir()
    (folder / "tuning" / "card.json").write_text(json.dumps(card | {"settings": {"templates": "en_compact"}}))
    model = ModelSettings(name=f"transformers/{folder}", realisation="forced")
    request = CardRequest(data="fictional", users="language", model=model, n_users=2, seeds=(1,))
    measured = []
    monkeypatch.setattr(realism_run, "whole_card", lambda data, subject, settings, **_: measured.append(settings))
    _, dataset = make_card(request, tmp_path / "card")
    assert measured[0].apart == (1, 2, 3)
    assert card_facts(request, dataset)["Left out"].startswith("3 users whom the model was trained or watched on")


def test_a_card_is_not_overwritten(made, capsys):
    assert main([*ASKED, "--out", str(made / "card"), "--quiet"]) == 2
    assert "holds realism.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "nonesuch"], ["nonesuch", "fictional"]),
        (["--data", "fictional", "--users", "nonesuch"], ["nonesuch", "choice"]),
        (["--data", "fictional", "--users", "language"], ["expected --model"]),
        (["--data", "fictional", "--users", "cascade"], ["expected --model"]),
        (["--data", "fictional", "--users", "replay"], ["replay"]),
        (["--data", "fictional", "--model", "scripted/genres"], ["--users language"]),
        (["--data", "fictional", "--base-url", "http://x"], ["--base-url"]),
        (["--data", "fictional", "--users", "language", "--model", "scripted/genres", "--base-url", "x"], ["--base-url"]),
        (["--data", "fictional", "--calibration", "fit"], ["not applicable"]),
        (["--data", "fictional", "--set", "users.parameters.click_rate=.1"], ["click_rate", "choice users", "leave it out"]),
        (["--data", "fictional", "--set", "models.user.precision=bfloat16"], ["precision", "expected --model"]),
        (["--data", "fictional", "--set", "slate_size=5"], ["slate_size", "users.parameters.NAME"]),
        ([*ASKED[1:], "--set", "users.parameters.calibration=c.json"], ["expected it as --calibration FILE"]),
        ([*ASKED[1:], "--set", "users.parameters.charm=1"], ["charm"]),
        (["--data", "fictional", "--families", "astrology"], ["astrology", "neighbours"]),
        (["--data", "fictional", "--seeds", "0"], ["--seeds: got 0"]),
        (["--data", "fictional", "--n-users", "0"], ["users: got 0"]),
        (["--data", "fictional", "--users", "language", "--model", "scripted/genres", "--max-calls", "0"], ["limits"]),
        (["--data", "fictional", "--users", "language", "--model", "scripted/genres", "--calibration", "no.json"], ["no.json"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["realism", *arguments, "--quiet"]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("recsim-llm: ")
    for word in words:
        assert word in line


def test_what_will_be_asked_is_told_before_and_may_be_declined(tmp_path):
    told = []

    def decline(estimate):
        told.append(estimate)
        raise ConfigError("called off")

    request = CardRequest(data="fictional", users="language", model=ModelSettings(name="scripted/genres"), seeds=(1,))
    with pytest.raises(ConfigError, match="called off"):
        make_card(request, tmp_path / "card", confirm=decline)
    assert told[0].calls > 100
    assert told[0].local


def test_facts_give_the_command_again():
    request = CardRequest(data="my data", n_users=7, seeds=(4, 5))
    facts = card_facts(request, open_dataset("fictional"))
    words = "recsim-llm realism --data 'my data' --users choice --n-users 7 --split time --seeds 2 --seed 4"
    assert facts["Command"] == words


def test_the_command_shows_an_example(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["realism", "--help"])
    assert ended.value.code == 0
    assert "example:\n  recsim-llm realism" in capsys.readouterr().out
