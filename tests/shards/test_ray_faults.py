"""Shards on Ray when the run's own process or the cluster's head ends: one line, and the run goes on to the same bytes."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

pytest.importorskip("ray", reason="needs Ray: pip install 'recsim_llm[ray]'")

from stopped_runs import log_bytes

from recsim_llm.scenarios import load_scenario, resume, run

pytestmark = pytest.mark.slow

SETTINGS = {"users.count": 12, "seed": 3, "max_pages": 4, "recommenders": ["popularity", "linucb"]}
WORDS = ["demo", "--n-users", "12", "--seed", "3", "--pages", "4", "--recommenders", "popularity,linucb"]
# A run that, once it has told of a page, waits until it may go on.
COMMAND = """
import sys, time
from pathlib import Path
from recsim_llm.cli.main import main
from recsim_llm.scenarios import sharded_arms

begun, go_on, told = Path(sys.argv[1]), Path(sys.argv[2]), sharded_arms.Progress
def wait(*state):
    begun.touch()
    while not go_on.exists():
        time.sleep(0.05)
    return told(*state)
sharded_arms.Progress = wait
sys.exit(main(sys.argv[3:]))
"""


class Head:
    """A cluster's only node, whose processes end with ``stop``."""

    def __init__(self, folder, port):
        self.address, self._said = f"127.0.0.1:{port}", folder / f"head-{time.monotonic_ns()}.txt"
        words = ["--head", "--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=2", "--block", "--disable-usage-stats"]
        words += ["--include-dashboard=false"]
        environment = os.environ | {"RAY_AUTH_MODE": "disabled"}
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words]
        with self._said.open("w") as said:
            self._process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        assert waited(lambda: "Ray runtime started" in self._said.read_text() or self._process.poll() is not None)
        assert self._process.poll() is None, self._said.read_text()

    def stop(self):
        self._process.terminate()
        self._process.wait(60)


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def whole(tmp_path):
    return log_bytes(run(load_scenario("demo", SETTINGS), tmp_path / "whole"))


def waited(done, seconds=120):
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.1)
    return done()


class Command:
    """A command in a process of its own, which waits at its first page."""

    def __init__(self, folder, *words):
        self._begun, self._go_on = folder / "begun", folder / "go on"
        for path in (self._begun, self._go_on):
            path.unlink(missing_ok=True)
        line = [sys.executable, "-c", COMMAND, str(self._begun), str(self._go_on), *words, "--quiet"]
        self.process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def wait_for_page(self):
        assert waited(lambda: self._begun.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.stderr.read()

    def end(self):
        """Let it go on; return its status and what it said."""
        self._go_on.touch()
        said = self.process.communicate(timeout=240)[1]
        return self.process.returncode, said


def test_a_run_that_a_signal_ends_goes_on_in_the_cluster_and_without(port, whole, tmp_path):
    head, out = Head(tmp_path, port), tmp_path / "run"
    sharded = ["--backend", "ray", "--shards", "2", "--address", head.address]
    try:
        told = f"what was done is kept, `recsim-llm report {out}` shows it; go on with `recsim-llm resume {out}`"
        for words, number, ending in (
            (["run", *WORDS, "--out", str(out)], signal.SIGINT, (130, f"recsim-llm: stopped by Ctrl-C; {told}\n")),
            (["resume", str(out)], signal.SIGKILL, (-signal.SIGKILL, "")),
        ):
            command = Command(tmp_path, *words, *sharded)
            command.wait_for_page()
            command.process.send_signal(number)
            assert command.end() == ending
    finally:
        head.stop()
    assert log_bytes(resume(out)) == whole


def test_a_head_that_is_gone_ends_in_one_line_and_the_run_goes_on_with_another(port, whole, tmp_path):
    head, out = Head(tmp_path, port), tmp_path / "run"
    sharded = ["--backend", "ray", "--shards", "2", "--address", head.address]
    try:
        command = Command(tmp_path, "run", *WORDS, "--out", str(out), *sharded)
        command.wait_for_page()
        head.stop()
        status, said = command.end()
        assert (status, said.count("\n")) == (2, 1), said
        assert f"`recsim-llm resume {out}`" in said
        head = Head(tmp_path, port)
        assert Command(tmp_path, "resume", str(out), *sharded).end() == (0, "")
    finally:
        head.stop()
    assert log_bytes(out) == whole
