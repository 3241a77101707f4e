"""Table files that cannot be read at all: each is refused in one line that says what to do."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from recsim_llm.data import load_tables
from recsim_llm.errors import DataError

INTERACTIONS = "user_id,item_id,rating,timestamp\n1,10,4,100\n1,20,2.5,200\n2,10,5,300\n"


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.xlsx", b"x", "r.xlsx: got suffix '.xlsx', expected .csv"),
        ("r", b"x", "r: got suffix ''"),
        ("r.csv", b"", "r.csv: the file is empty"),
        (
            "r.csv",
            b"item_id,rating\n1,2\n",
            "r.csv line 1: user_id: got columns 'item_id, rating', expected one named 'user_id'",
        ),
        ("r.parquet", b"not parquet", "r.parquet: could not be read"),
        ("r.csv.gz", b"not gzip", "r.csv.gz: could not be read"),
        ("r.csv.gz", gzip.compress(INTERACTIONS.encode() * 100, mtime=0)[:60], "r.csv.gz: could not be read"),
    ],
)
def test_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(DataError) as error:
        load_tables(put(tmp_path, name, content))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(said)
    assert ";" in str(error.value)


def test_missing_file_and_empty_parquet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv: no such file in"):
        load_tables(tmp_path / "absent.csv")
    with pytest.raises(DataError, match=r"absent\.parquet: no such file in"):
        load_tables(put(tmp_path, "r.csv", INTERACTIONS), tmp_path / "absent.parquet")
    parquet.write_table(pa.table({"user_id": [1], "item_id": [1], "rating": [1.0]}).slice(0, 0), tmp_path / "r.parquet")
    with pytest.raises(DataError, match=r"r\.parquet: got no rows"):
        load_tables(tmp_path / "r.parquet")


def test_mapped_column_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"r\.csv line 1: timestamp: got columns .* expected one named 'when'"):
        load_tables(put(tmp_path, "r.csv", INTERACTIONS), columns={"timestamp": "when"})
