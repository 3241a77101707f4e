"""The verb ``sql``: what is shown, how much of it, and what goes to files."""

import csv
import json
import subprocess
import sys

import pytest
import written_runs as logs

from recsim_llm.cli.main import main

pytest.importorskip("duckdb")


@pytest.fixture
def folder(tmp_path):
    return logs.write_run(tmp_path / "run", logs.HAND, arms=["a", "b"], finished={"a": True, "b": False})


def test_a_table_is_shown_with_what_was_read(folder, capsys):
    assert main(["sql", str(folder), "SELECT arm, sum(clicks) AS clicks FROM pages GROUP BY arm ORDER BY arm"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0] == ["arm", "clicks"]
    assert lines[2:4] == [["a", "3"], ["b", "5"]]
    assert " ".join(lines[4]) == "run: not finished: b (4 pages so far)"


def test_without_a_question_tables_and_columns_are_listed(folder, capsys):
    assert main(["sql", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "pages (7 rows): arm, user_id, visit, page," in said
    assert main(["sql", str(folder), str(logs.write_run(folder.with_name("two"), logs.HAND, arms=["a", "b"]))]) == 0
    assert "pages (14 rows): run, arm, user_id, visit, page," in capsys.readouterr().out


def test_rows_are_bounded_and_the_rest_counted_while_files_have_all(folder, capsys, tmp_path):
    files = [tmp_path / "all.csv", tmp_path / "all.json"]
    flags = ["--rows", "3", "--csv", str(files[0]), "--json", str(files[1])]
    assert main(["sql", str(folder), "SELECT i, i / 0 AS n FROM range(10000) one(i)", *flags]) == 0
    out = capsys.readouterr().out
    assert f"9,997 of 10,000 rows are not shown; --rows N shows more, {files[0]} and {files[1]} have all" in out
    assert len(out.splitlines()) < 12
    content = json.loads(files[1].read_text(encoding="utf-8"))
    assert content["rows"] == [[i, None] for i in range(10000)]
    assert content["columns"] == [{"name": "i", "type": "BIGINT"}, {"name": "n", "type": "DOUBLE"}]
    assert content["runs"] == [str(folder)]
    assert content["notes"] == ["run: not finished: b (4 pages so far)"]
    with files[0].open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [["i", "n"], *([str(i), ""] for i in range(10000))]


def test_an_answer_without_rows_has_its_columns(folder, capsys, tmp_path):
    path = tmp_path / "none.json"
    assert main(["sql", str(folder), "SELECT arm FROM pages WHERE false", "--json", str(path), "--rows", "0"]) == 0
    assert "arm" in capsys.readouterr().out
    assert json.loads(path.read_text())["rows"] == []


def test_formulas_are_defused_for_spreadsheets_and_nothing_a_terminal_obeys_is_shown(folder, capsys, tmp_path):
    path = tmp_path / "all.csv"
    texts = ["=1+1", "+1", "-1", "@a", "\tx", "  =1", "plain", "a=b", 'say "x", y']
    values = ", ".join(f"""('{text}', -1, ['=1'])""" for text in texts)
    question = f"""SELECT text || chr(27) || '[2J' AS "=text", n, l FROM (VALUES {values}) one(text, n, l)"""
    assert main(["sql", str(folder), question, "--csv", str(path)]) == 0
    assert "\x1b" not in capsys.readouterr().out
    with path.open(encoding="utf-8", newline="") as stream:
        head, *rows = csv.reader(stream)
    assert head == ["'=text", "n", "l"]
    ends = "\x1b[2J"
    assert [row[0] for row in rows] == [f"'{text}{ends}" for text in texts[:6]] + [text + ends for text in texts[6:]]
    assert {(row[1], row[2]) for row in rows} == {("-1", '["=1"]')}


def test_long_values_are_cut_where_they_are_shown_alone(folder, capsys, tmp_path):
    path = tmp_path / "all.csv"
    assert main(["sql", str(folder), "SELECT repeat('ab\n', 5000) AS long", "--csv", str(path)]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) < 100
    assert len(path.read_text()) > 15_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["RUN", "SELECT nope FROM pages"], 'column "nope" not found'),
        (["RUN", "DROP VIEW pages"], "got DROP, expected one SELECT"),
        (["NOWHERE", "SELECT 1"], "manifest.json"),
        (["RUN", "RUN", "SELECT 1"], "expected each run once"),
        (["RUN", "SELECT 1", "--csv", "NOWHERE/x.csv"], "--csv: got"),
        (["RUN", "SELECT 1", "--json", "NOWHERE/x.json"], "--json: got"),
        (["RUN", "SELECT 1", "--rows", "-1"], "--rows: got -1, expected 0 or more"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(folder, capsys, words, said):
    names = {"RUN": str(folder), "NOWHERE": str(folder.with_name("nowhere"))}
    words = [names.get(word, word.replace("NOWHERE", names["NOWHERE"])) for word in words]
    assert main(["sql", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1


def test_a_question_that_fails_halfway_leaves_the_older_file(folder, tmp_path, capsys):
    path = tmp_path / "all.csv"
    path.write_text("older")
    question = "SELECT CASE WHEN i < 50000 THEN i ELSE error('enough') END FROM range(60000) one(i)"
    assert main(["sql", str(folder), question, "--csv", str(path)]) == 2
    assert "enough" in capsys.readouterr().err
    assert path.read_text() == "older"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["all.csv", "run"]


def test_without_the_package_it_is_said_how_to_get_it(folder, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    assert main(["sql", str(folder), "SELECT 1"]) == 2
    assert "pip install '.[sql]'" in capsys.readouterr().err


ENDLESS = """
import os, signal, sys, threading
from recsim_llm.cli.main import main
from recsim_llm.exports.sql_query import RunDatabase
check = RunDatabase._check
def begin(self, question):
    check(self, question)
    threading.Timer(1.0, os.kill, (os.getpid(), getattr(signal, sys.argv[2]))).start()
RunDatabase._check = begin
sys.exit(main(["sql", sys.argv[1], "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"]))
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_endless_question_can_be_stopped(folder, name, status):
    done = subprocess.run(
        [sys.executable, "-c", ENDLESS, folder, name], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
