"""``recsim-llm realism``: from the command line to a card, and what it refuses."""

from __future__ import annotations

import json

import pytest

from recsim_llm.cli.main import main
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError
from recsim_llm.scenarios.realism_run import CardRequest, card_facts, make_card

ASKED = ["realism", "--data", "fictional", "--users", "language", "--model", "scripted/genres", "--n-users", "4", "--seed", "3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    assert (
        main([*ASKED, "--calibration", "fit", "--out", str(folder / "card"), "--json", str(folder / "t.json"), "--quiet"]) == 0
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

    from recsim_llm.language.base.settings import ModelSettings

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
