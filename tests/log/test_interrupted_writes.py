"""Ctrl-C while a segment is being written: no line of the index stands twice, and none is lost."""

import os
import signal
import threading
import time

import pytest
from written_runs import HAND, write_run

from recsim_llm.log import open_segments
from recsim_llm.log import segments as segments_module
from recsim_llm.log.segments import read_segments
from recsim_llm.log.work_beside import WorkBeside


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_work_is_done_once_though_the_wait_for_it_is_broken_off():
    beside, begun, go_on = WorkBeside(), [], threading.Event()

    def work():
        begun.append(True)
        assert go_on.wait(60)

    beside.begin(work)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        beside.finish()
    threading.Timer(0.2, go_on.set).start()
    beside.finish()
    assert begun == [True]


def test_a_thread_that_was_late_does_nothing_once_all_is_settled(monkeypatch):
    beside, done, begin = WorkBeside(), [], threading.Event()

    class Late(threading.Thread):
        def run(self):
            assert begin.wait(60)
            super().run()

    class Broken(threading.Event):
        def wait(self, timeout=None):
            raise KeyboardInterrupt

    monkeypatch.setattr("recsim_llm.log.work_beside.Thread", Late)
    monkeypatch.setattr("recsim_llm.log.work_beside.Event", Broken)
    with pytest.raises(KeyboardInterrupt):
        beside.begin(lambda: done.append(True))
    beside.settle()
    begin.set()
    while any(isinstance(thread, Late) for thread in threading.enumerate()):
        time.sleep(0.01)
    assert done == []
    beside.finish()
    assert done == [True]


def test_a_line_whose_writer_was_stopped_before_it_knew_is_not_written_twice(tmp_path, monkeypatch):
    run = write_run(tmp_path / "run", HAND, arms=["a", "b"], finished={"a": True, "b": False})
    tables = _tables(run)
    segments, append = open_segments(run), segments_module._append

    def stopped(*given):
        append(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(segments_module, "_append", stopped)
        with pytest.raises(KeyboardInterrupt):
            segments.add("b", 1, 1, tables=tables, last=True)
    segments.add("b", 1, 1, tables=tables, last=True)
    assert [(segment.arm, segment.number) for segment in read_segments(run)] == [("a", 0), ("b", 0), ("b", 1)]


def _tables(run):
    import pyarrow.parquet as pq

    return {name: pq.read_table(run / name / "00-00000.parquet") for name in ("impressions", "pages", "visits")}
