"""The calls file: every attempt a row, answers found again, nothing lost to a kill, no key inside."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import call_records
import pytest
from call_records import RULES, answer, key, record
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language.base.wire import RawReply, TokenChoice, TokenUsage
from recsim_llm.language.calls.call_summary import summary
from recsim_llm.language.calls.raw_replies import dump_reply, load_reply
from recsim_llm.language.calls.store import CallStore, Paid


def rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def store(tmp_path):
    opened = CallStore(tmp_path / "run" / "calls.sqlite")
    yield opened
    opened.close()


def test_a_run_without_calls_has_no_file(store):
    assert store.paid() == Paid(0, 0, 0.0, {})
    store.close()
    assert not store.path.exists()


def test_an_answer_is_found_again_by_its_key_only(store):
    store.put(record(1))
    assert store.get(key(1)) == answer(1)
    assert store.get(key(2)) is None
    store.close()
    assert store.get(key(1)) == answer(1)


def test_rows_are_kept_together_with_a_commit(store):
    store.put(record(1))
    store.put(record(2))
    assert rows(store.path, "SELECT count(*) FROM calls") == [(0,)]
    store.commit()
    store.commit()
    assert rows(store.path, "SELECT count(*) FROM calls") == [(2,)]


def test_after_rows_were_lost_none_is_taken(store):
    store.put(record(1))
    store.commit()
    store._writer.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON calls WHEN NEW.subject = '3' BEGIN SELECT raise(ABORT, 'no room'); END"
    )
    store.put(record(2))
    with pytest.raises(LogError, match="no room"):
        store.put(record(3, subject="3"))
    for use in (store.commit, lambda: store.put(record(4))):
        with pytest.raises(LogError, match="no room"):
            use()
    store.close()
    assert rows(store.path, "SELECT count(*) FROM calls") == [(1,)]


def test_a_note_that_takes_rows_with_it_is_a_loss(store):
    store.put(record(1))
    store.commit()
    store._writer.execute("CREATE TEMP TRIGGER full BEFORE INSERT ON notes BEGIN SELECT raise(ROLLBACK, 'no room'); END")
    store.put(record(2))
    for use in (lambda: store.note("m", "n", "v"), store.commit):
        with pytest.raises(LogError, match="no room"):
            use()


def test_failures_are_rows_and_no_answers(store):
    store.put(record(1, status="failed", cause="timeout", reply=None))
    store.put(record(1, status="failed", cause="not_json", attempt=2))
    store.commit()
    assert store.get(key(1)) is None
    found = rows(store.path, "SELECT attempt, status, cause, reply IS NULL FROM calls ORDER BY id")
    assert found == [(1, "failed", "timeout", 1), (2, "failed", "not_json", 0)]


def test_a_hit_is_a_row_without_a_second_copy_of_the_answer(store):
    store.put(record(1))
    store.put(record(1, cache_hit=True, attempt=0, seconds=None, cost=None))
    store.commit()
    query = "SELECT cache_hit, reply IS NULL, prompt_tokens, seconds FROM calls ORDER BY id"
    assert rows(store.path, query) == [(0, 0, 100, 1.25), (1, 1, None, None)]


def test_parts_and_questions_are_kept_once(store):
    for number in range(5):
        store.put(record(number))
    store.close()
    store.put(record(9))
    store.commit()
    names = rows(store.path, "SELECT name, count(*) FROM parts GROUP BY name ORDER BY name")
    assert names == [("page", 6), ("questions", 1), ("rules", 1)]


def test_a_prompt_can_be_rebuilt_from_its_parts(store):
    store.put(record(3))
    store.commit()
    query = "SELECT text FROM calls, json_each(parts) AS piece JOIN parts ON hash = piece.value ORDER BY piece.key"
    assert rows(store.path, query) == [(RULES.text,), ("page 3",)]


def test_an_answer_of_the_cache_is_copied_once_and_the_cache_stays_as_it_is(tmp_path, store):
    with closing(CallStore(tmp_path / "old" / "calls.sqlite")) as old:
        old.put(record(1))
    before = (tmp_path / "old" / "calls.sqlite").read_bytes()
    store.also_read(tmp_path / "old")
    for _ in range(2):
        reply = store.get(key(1))
        store.put(record(1, reply=reply, cache_hit=True))
    store.close()
    assert rows(store.path, "SELECT reply IS NULL FROM calls ORDER BY id") == [(0,), (1,)]
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["calls.sqlite"]
    assert (tmp_path / "old" / "calls.sqlite").read_bytes() == before
    with closing(CallStore(store.path)) as alone:
        assert alone.get(key(1)) == answer(1)


def test_a_cache_that_is_still_being_written_is_read_up_to_now(tmp_path, store):
    store.put(record(1))
    store.commit()
    with closing(CallStore(tmp_path / "new.sqlite", cache=store.path)) as new:
        assert new.get(key(1)) == answer(1)
        store.put(record(2))
        store.commit()
        assert new.get(key(2)) == answer(2)


def test_a_store_that_is_its_own_cache_is_read_once(store):
    store.put(record(1))
    store.also_read(store.path.parent)
    store.put(record(1, reply=store.get(key(1)), cache_hit=True))
    store.commit()
    assert rows(store.path, "SELECT reply IS NULL FROM calls ORDER BY id") == [(0,), (1,)]


def test_a_missing_cache_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"without recorded calls, expected a run folder or a calls\.sqlite"):
        CallStore(None, cache=tmp_path)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4096, b""])
def test_a_damaged_cache_is_named_in_one_line(tmp_path, content):
    place = tmp_path / "calls.sqlite"
    place.write_bytes(content)
    with pytest.raises(LogError, match=r"calls\.sqlite: got .*, expected ") as raised:
        CallStore(None, cache=tmp_path)
    assert "\n" not in str(raised.value)


def test_a_damaged_file_of_its_own_is_named_in_one_line(tmp_path, store):
    store.path.parent.mkdir()
    store.path.write_bytes(b"not a database" * 100)
    for use in (lambda: store.get(key(1)), lambda: store.put(record(1)), store.paid):
        with pytest.raises(LogError, match=r"calls\.sqlite: got .*, expected a calls file"):
            use()


def test_a_file_damaged_in_the_middle_is_named_in_one_line(store):
    for number in range(200):
        store.put(record(number))
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096:] = b"\xaa" * (len(content) - 4096)
    store.path.write_bytes(content)
    with pytest.raises(LogError, match=r"calls\.sqlite: got"):
        store.get(key(1))


def test_an_answer_that_is_no_reply_is_damage(store):
    store.put(record(1))
    store.commit()
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE calls SET reply = '{}'")
    with pytest.raises(LogError, match="expected a calls file"):
        store.get(key(1))


def test_a_database_of_something_else_is_refused(tmp_path):
    with closing(sqlite3.connect(tmp_path / "calls.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE other (x)")
    with closing(CallStore(tmp_path / "calls.sqlite")) as store, pytest.raises(LogError, match="format 0, expected 1"):
        store.get(key(1))


KILLED = """
import sys
from pathlib import Path
from call_records import key, record
from recsim_llm.language.calls.store import CallStore
store = CallStore(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    if store.get(key(number)) is None:
        store.put(record(number))
        store.commit()
        print(number, flush=True)
    number += 1
"""


def test_no_answer_is_lost_to_a_kill_at_any_instant(tmp_path):
    path, handed_out = tmp_path / "calls.sqlite", 0
    environment = os.environ | {"PYTHONPATH": os.path.dirname(call_records.__file__)}
    for life in range(4):
        arguments = [sys.executable, "-c", KILLED, str(path), str(handed_out)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
            for _ in range(40 + 17 * life):
                handed_out = int(process.stdout.readline()) + 1
            process.send_signal(signal.SIGKILL)
            handed_out = max([handed_out, *(int(line) + 1 for line in process.stdout.readlines() if line.endswith("\n"))])
        with closing(CallStore(path)) as store:
            assert all(store.get(key(number)) == answer(number) for number in range(handed_out))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_totals_come_by_role_model_and_end(store):
    for number in range(10):
        store.put(record(number, seconds=float(number + 1)))
    store.put(record(1, cache_hit=True, seconds=None, cost=None))
    store.put(record(3, status="failed", cause="timeout", reply=None, seconds=60.0, cost=None))
    store.put(record(4, role="judge", cost=None))
    store.close()
    judge, answered, failed = summary(store.path.parent)
    assert (judge.role, judge.calls, judge.cost) == ("judge", 1, None)
    assert answered == (
        *("user", "test/model", "answered", "", 10, 1, 1000, 640, 80, 5.0),
        *(5.0, 9.0, 10.0),
        *(0, 0),
    )
    assert (failed.status, failed.cause, failed.calls, failed.prompt_tokens, failed.seconds_50) == (
        "failed",
        "timeout",
        1,
        0,
        60,
    )


def test_no_digit_of_the_cost_hangs_on_which_call_was_slow(tmp_path):
    prices = [0.1 * (number % 7 + 1) / 3 for number in range(60)]
    costs = set()
    for order in (prices, prices[::-1], sorted(prices)):
        with closing(CallStore(tmp_path / f"{len(costs)}-{order[0]}" / "calls.sqlite")) as store:
            for number, price in enumerate(order):
                store.put(record(number, cost=price, seconds=float(number)))
            path = store.path.parent
        costs.add(summary(path)[0].cost)
    assert costs == {math.fsum(prices)}


def test_totals_of_a_missing_run_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="without recorded calls"):
        summary(tmp_path)


floats = st.floats(allow_nan=False, max_value=0)
texts = st.text(st.characters(codec=None))
tokens = st.lists(st.builds(TokenChoice, texts, st.lists(st.tuples(texts, floats), max_size=3).map(tuple)), max_size=3).map(
    tuple
)


@given(
    st.builds(
        RawReply,
        texts=st.lists(texts, max_size=3).map(tuple),
        tokens=st.lists(tokens, max_size=2).map(tuple),
        probabilities=st.lists(st.lists(st.floats(0, 1), max_size=3).map(tuple), max_size=3).map(tuple),
        finish=st.sampled_from(["stop", "length"]),
        refusal=texts,
        usage=st.builds(TokenUsage, *[st.none() | st.integers(0, 10**9)] * 3),
    )
)
def test_a_reply_survives_its_line_exactly(reply):
    line = dump_reply(reply)
    assert "\n" not in line
    assert load_reply(line) == reply


def test_what_was_noted_first_counts_and_is_found_in_a_cache(tmp_path):
    first = CallStore(tmp_path / "first.sqlite")
    first.note("a/b", "context", "512")
    first.note("a/b", "context", "2048")
    assert (first.noted("a/b", "context"), first.noted("a/c", "context")) == ("512", None)
    first.close()
    second = CallStore(tmp_path / "second.sqlite", cache=tmp_path / "first.sqlite")
    assert second.noted("a/b", "context") == "512"
    assert not (tmp_path / "second.sqlite").exists()


def test_a_calls_file_from_before_there_were_notes_has_none(tmp_path):
    store = CallStore(tmp_path / "calls.sqlite")
    store.note("a/b", "context", "512")
    store.close()
    with closing(sqlite3.connect(tmp_path / "calls.sqlite")) as connection:
        connection.execute("DROP TABLE notes")
        connection.commit()
    assert CallStore(None, cache=tmp_path / "calls.sqlite").noted("a/b", "context") is None
