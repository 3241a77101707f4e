"""Shards on two machines of a Ray cluster, of which one goes down in the middle of the run.

The machines are network namespaces of this one, joined by a cable of the kernel's (veth): each has an address of its own, and
they share nothing but the files.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from shutil import which

import pytest

pytest.importorskip("ray", reason="needs Ray: pip install 'recsim_llm[ray]'")

from stopped_runs import log_bytes

from recsim_llm.scenarios import load_scenario, run

pytestmark = pytest.mark.slow

ADDRESSES = ("10.231.7.1", "10.231.7.2")
PORT = 6391
STARTED = []
SETTINGS = {"users.count": 40, "seed": 3, "max_pages": 6, "recommenders": ["popularity", "linucb"]}
RUN = f"""
import sys, time
from pathlib import Path
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.shards.sharding import Sharding

out, address, begun, go_on = sys.argv[1:]
def report(state):
    Path(begun).touch()
    while not Path(go_on).exists():
        time.sleep(0.05)
run(load_scenario("demo", {SETTINGS!r}), Path(out), report, sharding=Sharding("ray", 2, address))
"""


def network(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def machines():
    """Names of two network namespaces that can reach each other; whatever runs in them ends with the test."""
    if which("ip") is None or os.geteuid():
        pytest.skip("two machines are made of network namespaces: needs root and the command ip")
    names = [f"shards-{os.getpid()}-{number}" for number in (0, 1)]
    ends = [f"sh{os.getpid() % 100_000}-{number}" for number in (0, 1)]
    try:
        for name in names:
            network("netns", "add", name)
        network("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", "name", ends[1], "netns", names[1])
        for name, end, address in zip(names, ends, ADDRESSES, strict=True):
            network("-n", name, "addr", "add", f"{address}/24", "dev", end)
            for device in (end, "lo"):
                network("-n", name, "link", "set", device, "up")
    except subprocess.CalledProcessError as error:
        _remove(names)
        pytest.skip(f"two machines are made of network namespaces: {error.stderr.decode().strip()}")
    yield names
    _remove(names)
    while STARTED:
        STARTED.pop().wait()


def _remove(names):
    for name in names:
        with suppress(subprocess.CalledProcessError):
            _take_down(name)
            network("netns", "del", name)


def _take_down(machine):
    """End all that runs on a machine, at once."""
    listed = subprocess.run(["ip", "netns", "pids", machine], check=True, capture_output=True, text=True).stdout
    for process_id in listed.split():
        with suppress(ProcessLookupError):
            os.kill(int(process_id), signal.SIGKILL)


def start(machine, said, *words):
    """Start a Python program on a machine; what it says goes into a file."""
    environment = os.environ | {"RAY_AUTH_MODE": "disabled"}
    enter = ["ip", "netns", "exec", machine, sys.executable]
    with said.open("w", encoding="utf-8") as stream:
        STARTED.append(subprocess.Popen([*enter, *words], env=environment, stdout=stream, stderr=subprocess.STDOUT))
    return STARTED[-1]


def start_node(machine, address, said, *words):
    """Start a node of the cluster, and wait until it is there."""
    ray = ["-m", "ray.scripts.scripts", "start", f"--node-ip-address={address}", "--num-cpus=1", "--disable-usage-stats"]
    start(machine, said, *ray, "--block", *words)
    assert waited(lambda: "Ray runtime started" in said.read_text(encoding="utf-8")), said.read_text(encoding="utf-8")


def waited(done, seconds=120):
    """Wait until something is so; tell whether it came to that."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.1)
    return done()


def test_a_machine_that_goes_down_costs_nothing_but_time(machines, tmp_path):
    (head, other), begun, go_on, said = machines, tmp_path / "begun", tmp_path / "go on", tmp_path / "run.txt"
    place = f"{ADDRESSES[0]}:{PORT}"
    start_node(head, ADDRESSES[0], tmp_path / "head.txt", "--head", f"--port={PORT}", "--include-dashboard=false")
    start_node(other, ADDRESSES[1], tmp_path / "other.txt", f"--address={place}")

    driver = start(head, said, "-c", RUN, str(tmp_path / "run"), place, str(begun), str(go_on))
    assert waited(begun.exists), said.read_text(encoding="utf-8")
    assert any("_Actor" in _title(process_id) for process_id in _processes(other)), "both machines should have a shard"
    _take_down(other)
    go_on.touch()
    assert driver.wait(timeout=300) == 0, said.read_text(encoding="utf-8")
    assert log_bytes(tmp_path / "run") == log_bytes(run(load_scenario("demo", SETTINGS), tmp_path / "whole"))


def _processes(machine):
    return subprocess.run(["ip", "netns", "pids", machine], check=True, capture_output=True, text=True).stdout.split()


def _title(process_id):
    with suppress(OSError):
        return Path(f"/proc/{process_id}/cmdline").read_text(encoding="utf-8", errors="replace")
    return ""
