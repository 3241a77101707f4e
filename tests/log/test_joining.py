"""Runs of different users joined into one."""

import pytest
from written_runs import HAND, write_run

from recsim_llm.errors import LogError
from recsim_llm.log import open_run, read_manifest, write_manifest
from recsim_llm.log.joining import join_logs

ARMS = ["a", "b"]


def moved(users):
    return [(arm, user + users, *more) for arm, user, *more in HAND]


@pytest.fixture
def parts(tmp_path):
    ends = {"a": True, "b": True}
    return [write_run(tmp_path / str(n), moved(n), arms=ARMS, finished=ends) for n in (0, 100)]


def join(out, parts):
    out.mkdir(exist_ok=True)
    join_logs(out, parts, ARMS)
    write_manifest(out, read_manifest(parts[0]))
    return open_run(out)


def test_a_joined_log_has_the_rows_of_all(parts, tmp_path):
    joined = join(tmp_path / "joined", parts)
    users = joined.columns("pages", ["user_id"], arm="b")["user_id"].tolist()
    assert users == [page[1] for users in (0, 100) for page in moved(users) if page[0] == "b"]


def test_an_arm_of_a_joined_log_is_finished_once(parts, tmp_path):
    ends = [(segment.arm, segment.number, segment.last) for segment in join(tmp_path / "joined", parts).segments]
    assert ends == [("a", 0, False), ("a", 1, True), ("b", 0, False), ("b", 1, True)]


def test_joining_once_more_with_another_run_is_joining_all(parts, tmp_path):
    join(tmp_path / "again", parts[:1])
    join(tmp_path / "again", parts)
    join(tmp_path / "once", parts)
    for path in (tmp_path / "once").rglob("*.*"):
        assert (tmp_path / "again" / path.relative_to(tmp_path / "once")).read_bytes() == path.read_bytes()


def test_files_are_linked(parts, tmp_path):
    join(tmp_path / "joined", parts)
    assert (tmp_path / "joined" / "pages" / "01-00001.parquet").samefile(parts[1] / "pages" / "01-00000.parquet")


def test_a_run_without_an_index_is_refused(tmp_path):
    part = write_run(tmp_path / "part", HAND, arms=ARMS)
    with pytest.raises(LogError, match=r"got no segments\.jsonl"):
        join(tmp_path / "joined", [part])
