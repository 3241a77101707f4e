"""Reading a run: the rows, columns and arms that were asked for, and one line for what cannot be read."""

import numpy as np
import pytest
from written_runs import HAND, write_run

from recsim_llm.errors import LogError
from recsim_llm.log import open_run

OF_A = [user for arm, user, *_ in HAND if arm == "a"]


@pytest.fixture(params=[None, {"a": True, "b": True}], ids=["without an index", "with an index"])
def log(tmp_path, request):
    return open_run(write_run(tmp_path / "run", HAND, arms=["a", "b"], finished=request.param))


def test_a_run_is_opened_by_its_path_as_text_too(tmp_path):
    folder = write_run(tmp_path / "run", HAND, arms=["a", "b"])
    assert open_run(str(folder)).folder == folder


def test_an_arm_is_read_alone(log):
    assert log.columns("pages", ["user_id"], arm="a")["user_id"].tolist() == OF_A
    assert len(log.columns("pages", ["user_id"])["user_id"]) == len(HAND)


def test_an_arm_that_nobody_logged_has_no_rows(log):
    columns = log.columns("impressions", ["item_id", "rating", "stop_reason"][:2], arm="nobody")
    assert [(len(column), column.dtype) for column in columns.values()] == [(0, np.int64), (0, np.float64)]


def test_only_columns_asked_for_come(log):
    for batch in log.batches("impressions", ["item_id"], arm="b", among={"user_id": np.array([9])}):
        assert batch.schema.names == ["item_id"]


def test_rows_can_be_chosen_by_their_values(log):
    chosen = log.columns("pages", ["user_id", "page"], arm="b", among={"user_id": np.array([7]), "page": np.array([0, 2])})
    assert chosen["user_id"].tolist() == [7, 7]
    assert chosen["page"].tolist() == [0, 2]


def test_the_size_of_batches_is_bounded_and_changes_no_row(log):
    sizes = [len(batch) for batch in log.batches("impressions", ["item_id"], rows=3)]
    assert max(sizes) == 3
    assert sum(sizes) == 2 * len(HAND)


def test_columns_come_by_their_types(log):
    columns = log.columns("impressions", ["item_id", "clicked", "rating", "liked", "text"], arm="a")
    assert [column.dtype.kind for column in columns.values()] == ["i", "b", "f", "f", "O"]
    assert columns["item_id"].tolist() == [1, 2, 3, -1, 1, 2]
    np.testing.assert_equal(columns["rating"], [4, np.nan, 2, np.nan, np.nan, 5])
    np.testing.assert_equal(columns["liked"], [1, np.nan, 0, np.nan, np.nan, 1])
    assert log.columns("visits", ["stop_reason"])["stop_reason"].tolist() == ["left", "left", "max_pages", "left"]
    assert columns["text"].tolist() == [None] * 6


def test_arms_are_numbered_as_in_the_manifest(log):
    numbers = np.concatenate([log.arm_numbers(batch) for batch in log.batches("pages", ["arm"])])
    assert numbers.tolist() == [0 if arm == "a" else 1 for arm, *_ in HAND]


def test_an_arm_that_the_manifest_lacks_is_named(tmp_path):
    log = open_run(write_run(tmp_path / "run", HAND, arms=["a"]))
    with pytest.raises(LogError, match=r"got rows of arm 'b', expected one of manifest\.json: a;"):
        [log.arm_numbers(batch) for batch in log.batches("pages", ["arm"])]


def test_a_segment_at_a_time_gives_the_rows_of_the_arm(log):
    parts = [part.columns("pages", ["page"], arm="b")["page"] for part in log.split("b")]
    assert np.concatenate(parts).tolist() == log.columns("pages", ["page"], arm="b")["page"].tolist()


def test_a_column_that_is_missing_is_named(log):
    with pytest.raises(LogError, match=r"parquet: got no column 'fame', expected page, fame"):
        list(log.batches("pages", ["page", "fame"]))


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    run = write_run(tmp_path / "run", HAND, arms=["a", "b"])
    (run / "visits" / "000000.parquet").write_bytes(b"no parquet")
    with pytest.raises(LogError, match=r"visits/000000\.parquet: cannot be read as Parquet"):
        list(open_run(run).batches("visits", ["pages"]))
