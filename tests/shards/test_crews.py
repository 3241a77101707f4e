"""Crews: the same work by workers of this process and of others, who may fail, be lost or hang."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recsim_llm.cli.endings import ending
from recsim_llm.errors import BackendError, ConfigError, ServiceError, ToolError
from recsim_llm.shards.crew import Ended, Failed, Job, Lost, Part, cut
from recsim_llm.shards.process_worker import packed, unpacked
from recsim_llm.shards.sharding import Sharding, open_crew

BACKENDS = ("inline", "processes")


@pytest.fixture(params=BACKENDS)
def crew(request):
    opened = open_crew(Sharding(request.param, 2))
    yield opened
    opened.stop()


def job(name, **arguments):
    return Job(f"shard_works:{name}", arguments)


def gone(process_id):
    """Wait until a process has ended; tell whether it has."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(("whole", "shards"), [(10, 3), (4, 4), (7, 1)])
def test_shares_are_neighbours_and_nearly_equal(whole, shards):
    shares = cut(whole, shards)
    assert [first for first, _ in shares[1:]] == [last for _, last in shares[:-1]]
    assert (shares[0][0], shares[-1][1]) == (0, whole)
    sizes = [last - first for first, last in shares]
    assert max(sizes) - min(sizes) <= 1


def test_each_call_brings_the_next_step(crew):
    crew.start([job("count", upto=2, number=0), job("count", upto=1, number=1)])
    assert crew.call({0: None, 1: None}) == {0: Part((0, 0), waits=False), 1: Part((1, 0), waits=False)}
    assert crew.call({1: None, 0: None}) == {1: Ended(1), 0: Part((0, 1), waits=False)}
    assert crew.call({0: None}) == {0: Ended(0)}


def test_who_asks_is_answered_with_the_next_call(crew):
    crew.start([job("sum_of_all", mine=number, rounds=3) for number in (5, 7)])
    answers = dict.fromkeys((0, 1))
    for _ in range(3):
        steps = crew.call(answers)
        assert all(step.waits for step in steps.values())
        answers = dict.fromkeys(steps, sum(step.value for step in steps.values()))
    assert crew.call(answers) == {0: Ended(36), 1: Ended(36)}


def test_an_error_of_a_job_is_handed_over(crew):
    crew.start([job("fail", after=1), job("count", upto=1)])
    assert crew.call({0: None}) == {0: Part(0, waits=False)}
    steps = crew.call({0: None, 1: None})
    assert isinstance(steps[0], Failed)
    assert isinstance(steps[0].error, KeyError)
    assert steps[1] == Part((0, 0), waits=False)


def test_a_job_that_does_not_exist_is_an_error_of_one_line(crew):
    crew.start([job("nothing")])
    (step,) = crew.call({0: None}).values()
    assert isinstance(step.error, ConfigError)
    assert "\n" not in str(step.error)


def test_a_worker_ahead_of_everyone_can_be_stopped(crew):
    crew.start([job("count", upto=100_000), job("sum_of_all", mine=1, rounds=2)])
    crew.call({1: None})
    crew.stop()
    crew.stop()


def test_a_lost_worker_is_told_and_another_one_takes_its_place(tmp_path):
    crew = open_crew(Sharding("processes", 2))
    try:
        lost = job("fall", after=1, mark=tmp_path / "fallen")
        crew.start([lost, job("count", upto=2)])
        crew.call({0: None})
        steps = crew.call({0: None, 1: None})
        assert steps == {0: Lost("was ended by signal 9"), 1: Part((0, 0), waits=False)}
        crew.restart(0, lost)
        assert [crew.call({0: None})[0] for _ in range(2)] == [Part(0, waits=False), Ended("whole")]
        assert crew.call({1: None}) == {1: Part((0, 1), waits=False)}
    finally:
        crew.stop()


def test_workers_end_with_the_process_that_started_them(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; from recsim_llm.shards.sharding import Sharding, open_crew\n"
        "from recsim_llm.shards.crew import Job\n"
        "crew = open_crew(Sharding('processes', 1))\n"
        "crew.start([Job('shard_works:hang', {'mark': Path(sys.argv[1])})])\n"
        "crew.call({0: None})\n"
        "os.kill(os.getpid(), 9)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    mark = tmp_path / "worker"
    subprocess.run([sys.executable, "-c", script, str(mark)], env=environment, check=False, timeout=60)
    assert gone(int(mark.read_text(encoding="ascii")))


def test_stopping_ends_a_worker_that_hangs(tmp_path):
    crew = open_crew(Sharding("processes", 1))
    mark = tmp_path / "worker"
    crew.start([job("hang", mark=mark)])
    crew.call({0: None})
    crew.stop()
    assert gone(int(mark.read_text(encoding="ascii")))


@pytest.mark.parametrize(
    "error",
    [ToolError("no such item", cause="item"), BackendError("overloaded", "busy", retryable=True, retry_after=2.0)],
    ids=["tool", "backend"],
)
def test_errors_arrive_as_they_were_raised(error):
    arrived = unpacked(packed(Failed(error))).error
    assert (type(arrived), str(arrived), arrived.cause) == (type(error), str(error), error.cause)


def test_where_an_error_was_raised_is_no_part_of_the_line_that_the_command_ends_with():
    arrived = unpacked(packed(Failed(BackendError("connection", "got nothing", retryable=True)))).error
    arrived.add_note("what was done is kept")
    assert "\n" in arrived.__notes__[0]
    assert ending(arrived) == ("got nothing; what was done is kept", 2)


def test_what_cannot_be_packed_arrives_in_words():
    error = RuntimeError("broken")
    error.keeps = lambda: None
    assert str(unpacked(packed(Failed(error))).error) == "RuntimeError: broken"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("cluster", 2), "did you mean|expected one of inline, processes, ray"),
        (("processes", 0), "got 0, expected 1 or more"),
        (("processes", 2, "auto"), "expected it with ray only"),
    ],
)
def test_what_cannot_be_is_refused(asked, said):
    with pytest.raises(ConfigError, match=said):
        Sharding.checked(*asked)


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "auto"])
def test_where_nobody_listens_is_told_at_once_in_one_line(address, tmp_path, monkeypatch):
    ray_crew = pytest.importorskip("recsim_llm.shards.ray_crew", reason="needs Ray: pip install 'recsim_llm[ray]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    last = tmp_path / "ray_current_cluster"
    last.write_text(f"127.0.0.1:{port}")
    monkeypatch.setattr(ray_crew, "_STARTED_LAST", last)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray_crew.ray, "init", lambda **_: pytest.fail("Ray was asked, and would not have answered"))
    with pytest.raises(ServiceError, match=rf"^backend ray: got no cluster at {address.format(port)} \(Connection refused\)"):
        ray_crew.RayCrew(address.format(port))
