"""A disk that fills up: one line, nothing half-written, and it goes on once there is room."""

import shutil
from contextlib import contextmanager

import pytest
from small_disks import ABLE, SmallDisk
from small_tables import SmallTable, write_small_table

from recsim_llm.cli.main import main
from recsim_llm.core.files import write_atomically

pytestmark = pytest.mark.skipif(not ABLE, reason="small disks can be mounted by root only")
SMALL = ["--n-users", "20", "--pages", "2", "--seed", "1", "--recommenders", "random,popularity", "--quiet"]
LANGUAGE = ["--users", "language", "--model", "scripted/genres"]


@contextmanager
def small_disk(place):
    """Mount a disk of its own; what is yielded leaves so many kilobytes on it, None all of them."""
    try:
        disk = SmallDisk(place)
    except OSError as error:
        pytest.skip(str(error))
    try:
        yield disk.leave
    finally:
        disk.unmount()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main(["compare", "demo", *SMALL, "--out", str(folder)]) == 0
    return folder


def log_bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("*/*.parquet")}


def only_line(capsys):
    said = capsys.readouterr().err
    assert said.startswith("recsim-llm: ")
    assert said.count("\n") == 1
    return said


def nothing_torn(place):
    return [path for path in place.rglob("*") if ".part" in path.name or "lock" in path.name] == []


@pytest.mark.parametrize("verb", ["run", "compare"])
@pytest.mark.parametrize("room", [8, 60])
def test_a_run_without_room_resumes_once_there_is_some(verb, room, tmp_path, finished, capsys):
    with small_disk(tmp_path / "disk") as leave:
        folder = tmp_path / "disk" / "run"
        leave(room)
        assert main([verb, "demo", *SMALL, "--out", str(folder)]) == 1
        said = only_line(capsys)
        assert "No space left on device" in said
        assert nothing_torn(tmp_path / "disk")
        leave(None)
        if f"recsim-llm resume {folder}" in said:
            assert main(["resume", str(folder), "--quiet"]) == 0
        else:
            assert not folder.exists()
            assert main([verb, "demo", *SMALL, "--out", str(folder)]) == 0
        assert log_bytes(folder) == log_bytes(finished)
        assert verb == "run" or (folder / "comparison.json").read_bytes() == (finished / "comparison.json").read_bytes()


def test_paid_answers_without_room_stop_the_run_and_are_asked_on_later(tmp_path, capsys):
    with small_disk(tmp_path / "disk") as leave:
        folder = tmp_path / "disk" / "run"
        leave(200)
        assert main(["run", "demo", *SMALL, *LANGUAGE, "--out", str(folder)]) == 2
        said = only_line(capsys)
        assert "make room" in said
        assert f"recsim-llm resume {folder}" in said
        leave(None)
        assert main(["resume", str(folder), "--quiet"]) == 0


@pytest.mark.parametrize("form", ["obp", "obp-slates", "recbole", "minari", "movielens", "dialogues"])
def test_an_export_without_room_leaves_nothing(form, tmp_path, finished, capsys):
    if form == "minari":
        pytest.importorskip("minari")
    with small_disk(tmp_path / "disk") as leave:
        leave(12)
        status = main(["export", str(finished), form, str(tmp_path / "disk" / "out"), "--quiet"])
        assert status == 0 or "make room" in only_line(capsys)
        assert (status == 0) == (tmp_path / "disk" / "out").exists()
        assert nothing_torn(tmp_path / "disk")


def test_a_fit_without_room_leaves_nothing_in_its_folder_nor_in_the_cache(tmp_path, monkeypatch, capsys):
    data = write_small_table(tmp_path / "data", SmallTable(40, 20))
    with small_disk(tmp_path / "disk") as leave:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "disk" / "cache"))
        leave(8)
        assert main(["fit", str(data), str(tmp_path / "disk" / "fit"), "--quiet"]) == 1
        assert "make room" in only_line(capsys)
        assert main(["run", "demo", "--data", str(data), *SMALL, "--out", str(tmp_path / "run")]) == 1
        assert "XDG_CACHE_HOME" in only_line(capsys)
        assert not (tmp_path / "run").exists()
        assert [path for path in (tmp_path / "disk").rglob("*") if path.is_file()] == [tmp_path / "disk" / "filler"]


def test_a_report_without_room_keeps_the_old_one(tmp_path, finished, capsys):
    with small_disk(tmp_path / "disk") as leave:
        folder = shutil.copytree(finished, tmp_path / "disk" / "run")
        before = (folder / "report.html").read_bytes()
        leave(8)
        assert main(["report", str(folder), "--quiet"]) == 1
        assert f"recsim-llm report {folder}" in only_line(capsys)
        assert (folder / "report.html").read_bytes() == before
        assert nothing_torn(tmp_path / "disk")


def test_what_cannot_be_written_names_its_file(tmp_path):
    with small_disk(tmp_path / "disk") as leave:
        leave(8)
        with pytest.raises(OSError, match=r"No space left on device: .*table\.json"):
            write_atomically(tmp_path / "disk" / "table.json", b"0" * 100_000)
