"""Work beside the caller: one piece at a time, and what fails is told to the caller and tried again."""

from threading import Event, get_ident

import pytest

from recsim_llm.log.work_beside import WorkBeside

LONG = 60.0


def test_the_caller_goes_on_while_the_work_is_done():
    beside, go_on, seen = WorkBeside(), Event(), []

    def work():
        assert go_on.wait(LONG)
        seen.append(get_ident())

    beside.begin(work)
    assert seen == []
    go_on.set()
    beside.finish()
    assert len(seen) == 1
    assert seen[0] != get_ident()


def test_work_is_done_in_the_order_in_which_it_was_begun():
    beside, seen = WorkBeside(), []
    for number in range(20):
        beside.begin(lambda number=number: seen.append(number))
    beside.finish()
    assert seen == list(range(20))


def test_work_that_fails_is_told_and_tried_again_before_anything_else():
    beside, seen, full = WorkBeside(), [], [True]

    def write():
        if full[0]:
            raise OSError("no room")
        seen.append("first")

    beside.begin(write)
    for _ in range(2):
        with pytest.raises(OSError, match="no room"):
            beside.begin(lambda: seen.append("never"))
    full[0] = False
    beside.begin(lambda: seen.append("second"))
    beside.finish()
    assert seen == ["first", "second"]


def test_settling_waits_and_raises_nothing():
    beside, tried = WorkBeside(), []

    def fail():
        tried.append(True)
        raise OSError("no room")

    beside.begin(fail)
    beside.settle()
    assert tried == [True]
    with pytest.raises(OSError, match="no room"):
        beside.finish()
