"""``recsim-llm watch`` as a person runs it: it prints an address, serves until Ctrl-C, and says what became of the run."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pytest
from patience import PATIENCE

from recsim_llm.cli.main import main

SMALL = ["watch", "demo", "--n-users=12", "--pages=2", "--seed=3", "--recommenders=random,popularity"]


@contextmanager
def watching(*options):
    """Start the command; give it and its address."""
    command = [sys.executable, "-c", "import sys; from recsim_llm.cli.main import main; sys.exit(main())"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, *SMALL, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("watch"), line + process.stderr.read()
            yield process, re.search(r"http://127\.0\.0\.1:\d+/\S+/", line)[0]
        finally:
            if process.poll() is None:
                process.kill()


def act(address, place, **wanted):
    request = Request(address + place, json.dumps(wanted).encode(), {"Content-Type": "application/json"})
    return json.loads(urlopen(request, timeout=PATIENCE).read())


def state(address, version=-1):
    return json.loads(urlopen(f"{address}state?version={version}", timeout=PATIENCE).read())


def until(address, wanted):
    told = state(address)
    while told["state"] != wanted:
        told = state(address, told["version"])
    return told


def end(process, sign=signal.SIGINT):
    process.send_signal(sign)
    said = process.communicate(timeout=PATIENCE)
    return process.returncode, *said


@pytest.mark.slow
def test_a_run_watched_to_its_end_is_reported_like_any_other(tmp_path):
    out = tmp_path / "run"
    with watching(f"--out={out}", f"--json={tmp_path / 'run.json'}") as (process, address):
        assert until(address, "paused")["out"] == str(out)
        act(address, "act", do="play")
        until(address, "finished")
        status, said, complained = end(process)
    assert (status, complained) == (0, "")
    assert f"again   recsim-llm report {out}" in said
    assert (out / "report.html").is_file()
    assert "by_hand" not in json.loads((out / "manifest.json").read_text())
    assert json.loads((tmp_path / "run.json").read_text())["scenario"] == "demo"


@pytest.mark.slow
def test_a_run_that_was_left_can_be_gone_on_with_unless_it_was_changed(tmp_path, capsys):
    left, changed = tmp_path / "left", tmp_path / "changed"
    with watching(f"--out={left}") as (process, address):
        act(address, "act", do="step")
        until(address, "paused")
        status, said, _ = end(process)
    assert status == 0
    assert f"not finished; go on with `recsim-llm resume {left}`" in said
    assert main(["resume", str(left), "--quiet"]) == 0
    with watching(f"--out={changed}") as (process, address):
        act(address, "change", arm="random", recommender="popularity")
        before = state(address)
        act(address, "act", do="step")
        while not state(address, before["version"])["by_hand"]:
            pass
        status, _, complained = end(process, signal.SIGTERM)
    assert status == 143
    assert complained.startswith("recsim-llm: stopped by SIGTERM; what was done is kept")
    assert "go on with" not in complained
    capsys.readouterr()
    assert main(["resume", str(changed)]) == 2
    assert "changed by hand and is not finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port=70000"], "--port: got 70000, expected one that is free"),
        (["--recommenders=randon"], "randon"),
        (["--json=run.json"], "--json: got run.json for a run that is not kept, expected --out DIR with it"),
    ],
)
def test_what_cannot_be_watched_is_told_in_one_line(options, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_used_is_refused(capsys, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert main([*SMALL, f"--out={tmp_path}"]) == 2
    assert "holds files, expected a new one" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
