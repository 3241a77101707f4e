"""Segments: whole or not at all, checked when a run is opened, changed only by who opens it for writing."""

import json
from pathlib import Path

import pytest
from written_runs import HAND, write_run

from recsim_llm.core.files import write_atomically
from recsim_llm.errors import LogError
from recsim_llm.log import open_run, open_segments
from recsim_llm.log import segments as segments_module
from recsim_llm.log.segments import encode_segments, read_segments

FIRST = "impressions/00-00000.parquet"


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", HAND, arms=["a", "b"], finished={"a": True, "b": False})


def tables_of(run):
    import pyarrow.parquet as pq

    return {name: pq.read_table(run / name / "00-00000.parquet") for name in ("impressions", "pages", "visits")}


def state_of(folder):
    return {str(path): (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")}


def fail_once_flushed(fsync, index):
    """Return a flush of files to disk that fails for an index, whose line is there by then."""

    def flush(number):
        if Path(f"/proc/self/fd/{number}").resolve() == index:
            raise OSError(28, "No space left on device")
        fsync(number)

    return flush


def leave_half_written(run):
    (run / "pages" / "01-00001.parquet.part").write_bytes(b"half")
    with (run / "segments.jsonl").open("a") as index:
        index.write('{"arm": "b", "seg')


def test_a_line_names_arm_number_rows_checksums_and_whether_it_is_the_last(run):
    line = json.loads((run / "segments.jsonl").read_text().splitlines()[0])
    assert line["rows"] == {"impressions": 6, "pages": 3, "visits": 2}
    assert (line["arm"], line["segment"], line["last"]) == ("a", 0, True)
    assert set(line["sha256"]) == {FIRST, "pages/00-00000.parquet", "visits/00-00000.parquet"}


def test_an_index_that_is_read_and_written_is_the_same(run):
    assert encode_segments(read_segments(run)) == (run / "segments.jsonl").read_bytes()


def test_opening_a_run_to_read_it_changes_nothing(run):
    leave_half_written(run)
    before = state_of(run)
    assert open_run(run).finished_arms == ("a",)
    assert state_of(run) == before


def test_opening_a_run_to_write_clears_away_what_is_half_written(run):
    whole = (run / "segments.jsonl").read_bytes()
    leave_half_written(run)
    assert open_segments(run).finished("a")
    assert (run / "segments.jsonl").read_bytes() == whole
    assert not list(run.rglob("*.part"))


def test_the_same_segment_again_is_kept(run):
    before = state_of(run)
    open_segments(run).add("a", 0, 0, tables=tables_of(run), last=True)
    assert state_of(run) == before


def test_another_segment_under_the_same_number_is_refused(run):
    tables = tables_of(run)
    tables["pages"] = tables["pages"].slice(1)
    with pytest.raises(LogError, match="segment 0 of arm 'a' came out different"):
        open_segments(run).add("a", 0, 0, tables=tables, last=True)


def test_what_cannot_be_written_is_told_with_the_next_segment_and_written_once_it_can(run, tmp_path, monkeypatch):
    tables, full = tables_of(run), [True]

    def write(path, content):
        if full[0] and path.parent.name == "visits":
            raise OSError(28, "No space left on device", str(path))
        write_atomically(path, content)

    monkeypatch.setattr(segments_module, "write_atomically", write)
    found = {}
    for name in ("troubled", "calm"):
        full[0] = name == "troubled"
        segments = open_segments(tmp_path / name)
        segments.add("a", 0, 0, tables=tables, last=False)
        if full[0]:
            with pytest.raises(OSError, match=r"No space left on device: .*visits/00-00000\.parquet"):
                segments.add("a", 0, 1, tables=tables, last=False)
            assert read_segments(tmp_path / name) == ()
            full[0] = False
        segments.add("a", 0, 1, tables=tables, last=False)
        segments.add("a", 0, 2, tables=tables, last=True)
        found[name] = {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
    assert found["troubled"] == found["calm"]
    assert [segment.number for segment in read_segments(tmp_path / "calm")] == [0, 1, 2]


def test_half_a_line_of_the_index_does_not_spoil_the_next(run, monkeypatch):
    before, tables = (run / "segments.jsonl").read_bytes(), tables_of(run)
    segments = open_segments(run)
    with monkeypatch.context() as patch:
        patch.setattr(segments_module.os, "fsync", fail_once_flushed(segments_module.os.fsync, run / "segments.jsonl"))
        with pytest.raises(OSError, match="No space left"):
            segments.add("b", 1, 1, tables=tables, last=True)
    assert (run / "segments.jsonl").read_bytes() == before
    segments.add("b", 1, 1, tables=tables, last=True)
    assert open_segments(run).finished("b")


@pytest.mark.parametrize("open_it", [open_run, open_segments])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_file_that_is_missing_or_damaged_is_named(run, open_it, damage):
    content = (run / FIRST).read_bytes()
    (run / FIRST).unlink()
    if damage == "cut":
        (run / FIRST).write_bytes(content[:-1])
    with pytest.raises(LogError, match=rf"{FIRST}: got a file missing or damaged, expected SHA-256"):
        open_it(run)


@pytest.mark.parametrize(
    "line", ["[]", "{", '{"arm": "a", "segment": 0}', '{"arm":"a","segment":0,"last":true,"rows":{},"sha256":{"other/x":"0"}}']
)
def test_an_index_that_is_none_is_refused(run, line):
    (run / "segments.jsonl").write_text(line + "\n")
    with pytest.raises(LogError, match=r"segments\.jsonl: got .*, expected the index of a run"):
        open_run(run)
