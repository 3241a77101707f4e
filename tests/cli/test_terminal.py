"""Foreign text in the terminal: planted control sequences, wherever they come from, are not obeyed."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

import recsim_llm.cli
from recsim_llm.cli.main import main
from recsim_llm.cli.output import make_console, print_pairs, show_progress, show_status
from recsim_llm.errors import DataError
from recsim_llm.language.backends.scripted import Scripted

PLANTED = "\x1b[2J\x1b]0;owned\x07\x9b31m\rover\u202eevil\x07"
SEQUENCE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SMALL = ["--n-users", "6", "--pages", "2", "--slate-size", "3", "--seed", "1", "--set", "users.parameters.boredom=0.1"]


def no_sequence(capsys):
    shown = capsys.readouterr()
    assert not SEQUENCE.search(shown.out + shown.err)
    return shown.out + shown.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminal") / f"run {PLANTED}"
    arms = f'recommenders=[{{name: "pop{PLANTED.encode("unicode_escape").decode()}", recommender: popularity}}]'
    assert main(["run", "demo", *SMALL, "--set", arms, "--out", str(folder), "--quiet"]) == 0
    return folder


def test_names_of_arms_and_folders_are_harmless(finished, capsys):
    assert main(["report", str(finished)]) == 0
    assert "popover" in no_sequence(capsys).replace("\n", "")


def test_what_a_model_writes_is_harmless(finished, capsys, monkeypatch):
    send = Scripted.send

    async def planted(self, call):
        reply = await send(self, call)
        return replace(reply, texts=tuple(f"A film {PLANTED}" for _ in reply.texts)) if call.form == "text" else reply

    monkeypatch.setattr(Scripted, "send", planted)
    assert main(["speak", str(finished), "--reviews", "2", "--reasons", "2", "--model", "scripted/genres"]) == 0
    assert "A film" in no_sequence(capsys)


@pytest.mark.parametrize(
    "command",
    [
        ["report", f"no folder {PLANTED}"],
        ["run", f"no scenario {PLANTED}"],
        ["run", "demo", "--data", f"no data {PLANTED}"],
        ["run", "demo", "--recommenders", f"no recommender {PLANTED}"],
        ["speak", f"no run {PLANTED}", "--reviews", "1"],
        ["probe", f"nobody/{PLANTED}"],
    ],
)
def test_messages_are_harmless_and_one_line(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    shown = no_sequence(capsys)
    assert len([line for line in shown.splitlines() if line.startswith("recsim-llm: ")]) == 1


def test_a_refused_option_is_harmless_and_shows_no_secret(capsys):
    for option in (f"--planted{PLANTED}", "--data=x", "--http://someone:s3cret@127.0.0.1"):
        with pytest.raises(SystemExit):
            main(["probe", option])
        assert "s3cret" not in no_sequence(capsys)


def test_a_traceback_is_harmless(capsys, monkeypatch):
    monkeypatch.setattr("recsim_llm.cli.main.make_parser", _failing)
    assert main([]) == 2
    assert "Traceback" in no_sequence(capsys)


class _failing:  # noqa: N801
    """A parser whose handler fails with a planted text."""

    traceback = True

    def parse_args(self, _):
        return self

    def handler(self, _):
        raise DataError(f"title {PLANTED}\nrecsim-llm: forged")


def test_a_table_is_laid_out_without_what_takes_no_room():
    from rich.table import Table

    console = make_console(file=io.StringIO(), width=40)
    table = Table("Name", "Number")
    table.add_row(f"{PLANTED}name", "1")
    console.print(table)
    lines = console.file.getvalue().splitlines()
    assert not SEQUENCE.search("".join(lines))
    assert len({len(line) for line in lines}) == 1


def test_a_terminal_still_gets_the_consoles_own_colours():
    console = make_console(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(f"{PLANTED}bold", style="bold")
    assert console.file.getvalue().startswith("\x1b[1m")
    assert "\x1b[2J" not in console.file.getvalue()


def test_progress_and_pairs_are_harmless(capsys):
    class State:
        arm, arms, arm_number, share, users, everyone, pages, clicks, spent = f"arm {PLANTED}", 1, 0, 0.5, 1, 2, 1, 1, None

    with show_progress(False) as update:
        update(State)
    with show_status(False) as say:
        say(f"asking {PLANTED}")
    print_pairs(f"title {PLANTED}", {f"name {PLANTED}": f"value {PLANTED}"})
    assert "value over" in no_sequence(capsys)


def test_nothing_else_in_the_command_prints():
    for path in Path(recsim_llm.cli.__file__).parent.glob("*.py"):
        if path.name != "output.py":
            assert not re.search(r"(?<![\w.])print\(|\bConsole\(|print_exception", path.read_text(encoding="utf-8")), path.name
