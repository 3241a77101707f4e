"""Ctrl-C and SIGTERM: what is there is kept and can be reported, and the run ends like one that was never stopped."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from recsim_llm.cli.main import main
from recsim_llm.comparison import summarise
from recsim_llm.errors import BudgetExceeded
from recsim_llm.log import open_run
from recsim_llm.scenarios import load_scenario, resume, run

SMALL = {"users.count": 40, "max_pages": 6, "slate_size": 5, "seed": 3, "recommenders": ["random", "popularity"]}
RETRAINED = {"recommenders": ["random", {"name": "popularity", "recommender": "popularity", "retrain": 1}]}
LANGUAGE = {"users.model": "language", "models.user.name": "scripted/genres", "max_pages": 4}


def log_bytes(folder):
    names = ["manifest.json", "segments.jsonl", *sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.parquet"))]
    return {name: (folder / name).read_bytes() for name in names}


def interrupt_at(arm, calls):
    """Return a progress callback that stops the run at its n-th call within an arm."""
    seen = []

    def progress(state):
        seen.extend([state] if state.arm_number == arm else [])
        if len(seen) == calls:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize(
    "more",
    [{}, {"barrier": "visit"}, RETRAINED, {"repeats": "allow"}, LANGUAGE],
    ids=["page", "visit", "retrained", "repeats", "language"],
)
def test_what_was_served_until_an_interrupt_is_reported_and_the_run_goes_on(more, tmp_path):
    scenario = load_scenario("demo", SMALL | more)
    whole, folder = run(scenario, tmp_path / "whole"), tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        run(scenario, folder, interrupt_at(1, 2))
    log = open_run(folder)
    assert (log.finished_arms, log.begun_arms) == (("random",), ("random", "popularity"))
    pages, there = (
        open_run(place).columns("pages", ["user_id", "page", "clicks"], arm="popularity") for place in (whole, folder)
    )
    assert 0 < len(there["page"]) < len(pages["page"])
    known = {row[:2]: row[2] for row in zip(*(pages[name].tolist() for name in pages), strict=True)}
    assert all(known[row[:2]] == row[2] for row in zip(*(there[name].tolist() for name in there), strict=True))
    assert f"popularity: not finished; the log holds {len(there['page'])} pages" in " ".join(summarise(folder).notes)
    assert main(["report", str(folder), "--quiet"]) == 0
    assert "not finished" in (folder / "report.html").read_text()
    resume(folder)
    assert log_bytes(folder) == log_bytes(whole)


def test_an_interrupt_of_the_resumed_run_leaves_one_unfinished_segment(tmp_path):
    scenario = load_scenario("demo", SMALL)
    whole, folder = run(scenario, tmp_path / "whole"), tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        run(scenario, folder, interrupt_at(0, 3))
    with pytest.raises(KeyboardInterrupt):
        resume(folder, interrupt_at(0, 2))
    (line,) = (folder / "segments.jsonl").read_text().splitlines()
    assert json.loads(line)["partial"] is True
    assert np.unique(open_run(folder).columns("pages", ["page"])["page"]).tolist() == [0, 1]
    resume(folder)
    assert log_bytes(folder) == log_bytes(whole)


def test_a_limit_that_is_reached_leaves_a_report_too(tmp_path):
    scenario = load_scenario("demo", SMALL | LANGUAGE | {"limits.calls": 60})
    with pytest.raises(BudgetExceeded):
        run(scenario, tmp_path / "run")
    assert summarise(tmp_path / "run").arm("random").pages == 40


def test_the_line_that_names_a_limit_names_the_command_that_goes_on(tmp_path, capsys):
    folder = tmp_path / "run"
    asked = ["--users", "language", "--model", "scripted/uniform", "--n-users", "4", "--pages", "2", "--seed", "1", "--quiet"]
    given = ["run", "demo", *asked, "--recommenders", "random", "--max-calls", "2", "--out", str(folder)]
    assert main(given) == 2
    remedy = capsys.readouterr().err.rstrip("\n").rpartition("go on with ")[2].strip("`")
    assert remedy == f"recsim-llm resume {folder} --max-calls N"
    assert main([*remedy.replace(" N", " 50").split()[1:], "--quiet"]) == 0


def test_what_was_asked_for_wrongly_has_nothing_to_go_on_with(tmp_path, capsys):
    folder = run(load_scenario("demo", SMALL), tmp_path / "run")
    assert main(["speak", str(folder), "--reviews", "-1", "--model", "scripted/genres"]) == 2
    got = "-1 reviews, 0 reasons, 0 interviews, expected numbers of 0 or more, one of them above 0"
    assert capsys.readouterr().err == f"recsim-llm: speak: got {got}; pass --reviews N, --reasons N or --interviews N\n"


STOPPED = """
import os, signal, sys
from recsim_llm.cli.main import main
from recsim_llm.scenarios import runner
served = runner.Progress
def stop(*state):
    if state[1] == 1:
        os.kill(os.getpid(), signal.{name})
    return served(*state)
runner.Progress = stop
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("name", "status", "by"), [("SIGINT", 130, "Ctrl-C"), ("SIGTERM", 143, "SIGTERM")])
def test_a_signal_ends_the_command_with_one_line_that_says_what_is_kept(name, status, by, tmp_path):
    folder = tmp_path / "run"
    arguments = ["run", "demo", "--n-users", "8", "--pages", "2", "--seed", "1", "--recommenders", "random,popularity"]
    code = STOPPED.format(name=name)
    command = [sys.executable, "-c", code, *arguments, "--out", str(folder), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stderr == (
        f"recsim-llm: stopped by {by}; what was done is kept, `recsim-llm report {folder}` shows it; "
        f"go on with `recsim-llm resume {folder}`\n"
    )
    assert main(["report", str(folder), "--quiet"]) == 0
    assert main(["resume", str(folder), "--quiet"]) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_second_signal_ends_the_process_at_once():
    code = """
import os, signal
from recsim_llm.cli.endings import heed_signals
with heed_signals():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("still here")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
