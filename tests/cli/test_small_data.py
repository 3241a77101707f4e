"""Every verb on data from one user and one item on: done, or refused in one line; no traceback and no warning of NumPy's."""

import json
import random
import warnings
from html import unescape

import pytest
from small_tables import SmallTable, draw_table, write_small_table

from recsim_llm.cli.main import main

SCALE = ("--rating-scale", "0.5,5")
"""Said, since stars that are all equal are asked about."""
FORMATS = ("obp", "obp-slates", "recbole", "movielens", "dialogues")
TABLES = {
    "one user, one item": SmallTable(1, 1, "one item"),
    "one user of ten items": SmallTable(1, 10, "dense", genres=("",)),
    "two ratings each": SmallTable(20, 60, "two each"),
    "two ratings each, all equal": SmallTable(12, 10, "two each", levels=(5,)),
    "one rating each": SmallTable(9, 4, "one each"),
    "everybody the same item": SmallTable(5, 30, "one item", same_time=True),
    "one busy user": SmallTable(20, 4, "one busy user", levels=(1, 5), genres=("",)),
    "all of everything": SmallTable(6, 8, "dense", levels=(3,)),
}


class Command:
    """Runs the command in process; anything but status 0, or 2 with one line, fails."""

    def __init__(self, capsys):
        self.capsys = capsys

    def __call__(self, *arguments):
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            status = main([str(argument) for argument in arguments])
        out, lines = self.capsys.readouterr()
        said = [line for line in lines.splitlines() if line.startswith("recsim-llm: ")]
        assert status in (0, 2), (arguments, lines)
        assert status == 0 or (len(said) == 1 and ", expected " in said[0]), (arguments, lines)
        assert " nan" not in out.lower()
        return status


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Command(capsys)


def serve(command, data, folder, seed, recommenders):
    """Every verb that needs a run, and a run to need."""
    draw = random.Random(seed)
    settings = ["--n-users", draw.choice([1, 2, 5, 30]), "--slate-size", draw.choice([1, 2, 3]), "--pages", draw.choice([1, 3])]
    run, model = folder / "run", ["--model", "scripted/genres"]
    users = ["--users", "language", *model] if seed % 4 == 3 else []
    shown = ["--recommenders", recommenders, "--seed", 1, "--yes", *settings, *users, *SCALE]
    if command("run", "movielens", "--data", data, *shown, "--out", run) == 0:
        command("report", run)
        command("compare", run)
        command("speak", run, "--reviews", 2, "--reasons", 2, "--interviews", 2, *model)
        logging, target = recommenders.split(",")[:2]
        command("ope", run, "--logging", logging, "--target", target)
        for form in FORMATS:
            command("export", run, form, folder / form)
    if seed % 2 == 0:
        command("compare", "ab", "--data", data, *shown, "--out", folder / "compared")


def learn(command, data, folder, seed):
    """The verbs that learn from ratings alone."""
    command("fit", data, folder / "fit", *SCALE, *([] if seed % 3 else ["--held-out"]))
    command("calibrate", data, folder / "calibration.json", "--model", "scripted/genres", "--seed", 1, "--n-users", 5, *SCALE)


@pytest.mark.parametrize("name", TABLES)
def test_every_verb_takes_small_data_or_says_in_one_line_what_is_missing(name, command, tmp_path):
    seed = list(TABLES).index(name)
    data = write_small_table(tmp_path / "data", TABLES[name])
    serve(command, data, tmp_path, seed, "random,popularity")
    learn(command, data, tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_every_verb_takes_drawn_data_or_says_in_one_line_what_is_missing(seed, command, tmp_path):
    data = write_small_table(tmp_path / "data", draw_table(seed), seed)
    names = random.Random(seed).choice(["random,popularity", "random,mf,item-knn", "popularity,oracle", "softmax,random"])
    serve(command, data, tmp_path, seed, names)
    learn(command, data, tmp_path, seed)
    command("realism", "--data", data, "--seed", 1, "--seeds", 1 + seed % 2, "--out", tmp_path / "card", *SCALE)


def test_a_card_of_small_data_is_written_and_says_what_cannot_be_assessed(command, tmp_path):
    data = write_small_table(tmp_path / "data", SmallTable(12, 9, "random"))
    assert command("realism", "--data", data, "--seed", 1, "--seeds", 2, "--out", tmp_path / "card") == 0
    lines = json.loads((tmp_path / "card" / "realism.json").read_text())["lines"]
    assert len(lines) == 13
    why = {line["name"]: line["not_assessed"] for line in lines}
    assert why["taste"].startswith("no user has 10 held-out items")
    assert why["taste"].endswith("data with 50 ratings a user, and 20 rated items that they did not rate, would do")


def test_users_of_few_ratings_say_in_print_manifest_and_report_how_little_they_know(command, capsys, tmp_path):
    data = write_small_table(tmp_path / "data", TABLES["two ratings each, all equal"])
    shown = ["--recommenders", "random", "--n-users", "5", "--pages", "1", "--slate-size", "2", "--seed", "1", *SCALE]
    assert main(["run", "movielens", "--data", str(data), *shown, "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    told = json.loads((tmp_path / "run" / "manifest.json").read_text())["population"]["little_known"]
    assert [note.split(":")[0] for note in told[:2]] == [
        "half of the 12 users have 2 ratings or fewer",
        "every rating is 5 stars, and so is every simulated one",
    ]
    assert all(f"little known: {note}" in printed for note in told)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert all(note[1:] in unescape(page) for note in told)
