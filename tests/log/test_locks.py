"""One writer a folder: who holds it is named, and nobody holds it beyond the end of its process."""

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from recsim_llm.cli.main import main
from recsim_llm.errors import ConfigError, FolderInUseError
from recsim_llm.log import lock_folder
from recsim_llm.log.locks import lock_file, lock_report

HOLDER = """
import sys
from pathlib import Path
from recsim_llm.log.locks import lock_file, lock_folder, lock_report
{take}(Path(sys.argv[1]){more})
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(folder, take="lock_folder", more=", 'run folder'"):
    command = [sys.executable, "-c", HOLDER.format(take=take, more=more), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        try:
            yield child
        finally:
            child.kill()


def test_a_folder_has_one_writer_and_the_second_is_told_which(tmp_path):
    with another_process(tmp_path / "run") as child:
        words = rf"got {tmp_path}/run, in use by process {child.pid} since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d"
        with pytest.raises(FolderInUseError, match=words):
            lock_folder(tmp_path / "run", "run folder")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills otherwise")
def test_a_killed_process_holds_nothing(tmp_path):
    with another_process(tmp_path / "run") as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert (tmp_path / "run" / ".lock").exists()
        with lock_folder(tmp_path / "run", "run folder"):
            assert f"process {os.getpid()} since" in (tmp_path / "run" / ".lock").read_text()
    assert list((tmp_path / "run").iterdir()) == []


def test_what_was_made_for_a_lock_goes_with_it_unless_it_was_used(tmp_path):
    lock_folder(tmp_path / "a" / "b", "fit").release()
    assert list(tmp_path.iterdir()) == []
    with lock_folder(tmp_path / "a" / "b", "fit"):
        (tmp_path / "a" / "note.txt").write_text("mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "note.txt"]


def test_the_thread_that_holds_a_lock_may_take_it_again_and_no_other_thread(tmp_path):
    said = []

    def try_it():
        try:
            lock_folder(tmp_path, "run folder")
        except FolderInUseError as error:
            said.append(str(error))

    with lock_folder(tmp_path, "run folder"):
        with lock_folder(tmp_path / ".." / tmp_path.name, "run folder"):
            pass
        other = threading.Thread(target=try_it)
        other.start()
        other.join()
        assert (tmp_path / ".lock").exists()
    assert re.search(rf"in use by process {os.getpid()}", *said)
    assert not (tmp_path / ".lock").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_does_not_keep_its_parents_lock(tmp_path):
    lock = lock_folder(tmp_path / "run", "run folder")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.read(reading, 1)
        lock.release()
        os._exit(0)
    lock.release()
    with lock_folder(tmp_path / "run", "run folder"):
        os.write(writing, b"x")
        os.waitpid(child, 0)
        assert (tmp_path / "run" / ".lock").exists()
    os.close(reading)
    os.close(writing)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match=r"expected a folder that can be made and written; choose another"):
        lock_folder(tmp_path / "file" / "run", "run folder")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_has_one_writer_and_others_in_its_folder_have_their_own(tmp_path):
    with another_process(tmp_path / "one.json", take="lock_file", more=", 'calibration'") as child:
        with pytest.raises(
            FolderInUseError, match=rf"calibration: got {tmp_path}/one.json, in use by process {child.pid} since"
        ):
            lock_file(tmp_path / "one.json", "calibration")
        with lock_file(tmp_path / "two.json", "calibration"), lock_folder(tmp_path, "run folder"):
            pass


SMALL = ["--n-users", "20", "--pages", "2", "--seed", "1", "--recommenders", "random,popularity", "--quiet"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked") / "run"
    assert main(["run", "demo", *SMALL, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "demo", *SMALL, "--out"],
        ["compare", "demo", *SMALL, "--out"],
        ["compare", "demo", *SMALL, "--until-decided", "--out"],
        ["compare"],
        ["resume"],
        ["speak", "--reviews", "1", "--model", "scripted/genres"],
        ["fit", "fictional"],
        ["realism", "--data", "fictional", "--out"],
    ],
    ids=lambda arguments: " ".join(arguments[:1] + [part for part in arguments if part == "--until-decided"]),
)
def test_every_verb_that_writes_a_folder_refuses_one_that_is_being_written(arguments, finished, capsys):
    def content():
        return {path: path.read_bytes() for path in finished.rglob("*") if path.is_file() and path.name != ".lock"}

    before = content()
    with another_process(finished) as child:
        assert main([*arguments, str(finished)]) == 2
    said = capsys.readouterr().err
    assert f"in use by process {child.pid} since" in said
    assert said.count("\n") == 1
    assert content() == before


def test_a_report_is_written_while_its_run_goes_on(finished):
    with another_process(finished):
        assert main(["report", str(finished), "--quiet"]) == 0


def test_a_report_waits_for_another_and_is_refused_in_the_end(finished, monkeypatch):
    monkeypatch.setattr("recsim_llm.log.locks._PAUSE", 0.0)
    with another_process(finished, take="lock_report", more="") as child:
        with pytest.raises(FolderInUseError, match=f"process {child.pid}"):
            lock_report(finished)
        assert main(["report", str(finished), "--quiet"]) == 2
