"""The command: what it prints, writes and refuses."""

import json
import subprocess
import sys

import pytest

from recsim_llm.cli.main import main

SMALL = ["--n-users", "30", "--pages", "4", "--slate-size", "5", "--seed", "1", "--recommenders", "random,popularity"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command") / "run"
    assert main(["run", "demo", *SMALL, "--out", str(folder), "--quiet"]) == 0
    return folder


def test_run_prints_the_table_and_where_the_report_lies(tmp_path, capsys):
    out, table = tmp_path / "run", tmp_path / "table.json"
    assert main(["run", "demo", *SMALL, "--out", str(out), "--json", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "popularity" in printed
    assert str(out / "report.html") in printed.replace("\n", "")
    assert (out / "report.html").is_file()
    arms = json.loads(table.read_text())["arms"]
    assert [arm["arm"] for arm in arms] == ["random", "popularity"]
    assert arms[0]["users"] == 30


def test_quiet_prints_nothing(finished, capsys):
    assert main(["report", str(finished), "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_a_missing_seed_is_drawn_and_recorded(tmp_path):
    small = [part for part in SMALL if part not in ("--seed", "1")]
    for name in ("a", "b"):
        assert main(["run", "demo", *small, "--set", "seed=null", "--out", str(tmp_path / name), "--quiet"]) == 0
    seeds = [json.loads((tmp_path / name / "manifest.json").read_text())["seed"] for name in ("a", "b")]
    assert all(isinstance(seed, int) for seed in seeds)
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nonesuch"], ["nonesuch", "demo"]),
        (["run", "demo", "--set", "slate_sizes=3"], ["slate_sizes", "expected one of"]),
        (["run", "demo", "--recommenders", "nonesuch"], ["nonesuch", "popularity"]),
        (["run", "demo", "--users", "nonesuch"], ["nonesuch", "choice"]),
        (["run", "demo", "--data", "nonesuch"], ["nonesuch", "fictional"]),
        (["run", "demo", "--slate-size", "2000"], ["2000", "1500"]),
        (["run", "demo", "--set", "users.parameters.bore=1"], ["bore", "boredom"]),
        (["run", "demo", "--set", "users.parameters.boredom=much"], ["boredom", "number"]),
        (["run", "demo", "--reward", "fame"], ["fame", "clicks"]),
        (["resume", "nonesuch"], ["nonesuch", "manifest.json"]),
        (["report", "nonesuch"], ["nonesuch", "manifest.json"]),
        (["fit", "nonesuch", "out"], ["nonesuch", "fictional"]),
        (["data", "get", "ml-20b"], ["ml-20b", "ml-1m"]),
    ],
)
def test_bad_input_is_one_line_and_status_2_and_writes_nothing(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("recsim-llm: ")
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_is_not_overwritten(finished, capsys):
    assert main(["run", "demo", *SMALL, "--out", str(finished), "--quiet"]) == 2
    assert "resume" in capsys.readouterr().err


def test_resume_of_a_finished_run_prints_its_table(finished, capsys):
    assert main(["resume", str(finished)]) == 0
    assert "popularity" in capsys.readouterr().out


def test_list_names_everything(tmp_path, capsys):
    path = tmp_path / "list.json"
    assert main(["list", "--json", str(path)]) == 0
    table = json.loads(path.read_text())
    assert {"demo", "movielens"} <= set(table["scenarios"])
    assert {"mf", "oracle"} <= set(table["recommenders"])
    assert all(description for entries in table.values() for description in entries.values())
    lines = capsys.readouterr().out.splitlines()
    assert all(any(line.split()[:1] == [name] for line in lines) for entries in table.values() for name in entries)


def test_fit_writes_a_folder_that_a_run_takes(tmp_path, capsys):
    fitted = tmp_path / "fitted"
    assert main(["fit", "fictional", str(fitted)]) == 0
    printed = capsys.readouterr().out
    assert json.loads((fitted / "fit.json").read_text())["ratings"] > 10_000
    assert "ratings" in printed
    out = tmp_path / "run"
    assert main(["run", "demo", *SMALL, "--set", f"users.fitted={fitted}", "--out", str(out), "--quiet"]) == 0
    assert main(["fit", "fictional", str(fitted)]) == 2


@pytest.mark.parametrize("command", ["run", "resume", "report", "fit", "data", "list"])
def test_every_command_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "example:\n  recsim-llm" in capsys.readouterr().out


def test_the_installed_command_answers():
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from recsim_llm.cli.main import main; sys.exit(main(['list', '--quiet']))"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def write_tables(folder, bad_row=False):
    folder.mkdir()
    ratings = [f"{user},{item},{1 + (user * item) % 5},{user * 100 + item}" for user in range(1, 13) for item in range(1, 10)]
    if bad_row:
        ratings.insert(3, "1,9999,3,7")
    (folder / "interactions.csv").write_text("\n".join(["reviewer,item_id,rating,timestamp", *ratings]) + "\n")
    items = [f"{item},Thing {item},Tools|Toys" for item in range(1, 10)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,genres", *items]) + "\n")
    return str(folder)


OWN = ["run", "demo", "--slate-size", "3", "--pages", "2", "--recommenders", "random,popularity,mf", "--seed", "1", "--quiet"]


def test_a_run_takes_tables_with_other_column_names(tmp_path):
    data = write_tables(tmp_path / "shop")
    out = tmp_path / "run"
    assert main([*OWN, "--data", data, "--column", "user_id=reviewer", "--out", str(out)]) == 0
    assert json.loads((out / "manifest.json").read_text())["users"] == 12
    assert main(["resume", str(out), "--quiet"]) == 0


def test_bad_rows_stop_a_run_or_are_counted(tmp_path, capsys):
    data = write_tables(tmp_path / "shop", bad_row=True)
    arguments = [*OWN, "--data", data, "--column", "user_id=reviewer", "--out", str(tmp_path / "run")]
    assert main(arguments) == 2
    assert "interactions.csv line 5" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main([*arguments, "--skip-bad-rows"]) == 0
    skipped = json.loads((tmp_path / "run" / "manifest.json").read_text())["data"]["skipped"]
    assert list(skipped.values()) == [1]


@pytest.mark.parametrize("extra", [["--column", "user_id"], ["--data", "fictional", "--column", "user_id=reviewer"]])
def test_column_names_that_cannot_be_used_are_refused(extra, tmp_path, capsys):
    assert main([*OWN, *extra, "--out", str(tmp_path / "run")]) == 2
    assert "expected" in capsys.readouterr().err


def test_list_loads_no_room_that_it_only_names():
    code = (
        "import sys; from recsim_llm.cli.main import main; main(['list', '--quiet'])\n"
        "print([name for name in ('scipy', 'recsim_llm.scenarios.runner', 'recsim_llm.agents.worlds') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
