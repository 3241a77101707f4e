"""Generic pairs of tables: kinds of files, column names, ids, times, scales, and rows that cannot be used."""

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from recsim_llm.data import id_labels, load_tables
from recsim_llm.errors import ConfigError, DataError

INTERACTIONS = "user_id,item_id,rating,timestamp\n1,10,4,100\n1,20,2.5,200\n2,10,5,300\n"
ITEM_HEADER = "item_id,title,genres,year,description,provider\n"
ITEMS = ITEM_HEADER + '10,"Lamp, red",Home|Light,2001,"Two\nlines",Acme\n20,Chair,,,,\n'


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(error: pytest.ExceptionInfo[DataError] | pytest.ExceptionInfo[ConfigError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_captions_are_read_where_there_are_some_and_change_the_fingerprint(tmp_path: Path) -> None:
    clicks = put(tmp_path, "clicks.csv", INTERACTIONS)
    bare = load_tables(clicks, put(tmp_path, "items.csv", ITEMS)).catalog
    header, *rows = ITEMS.split("\n")
    captioned = header + ",caption\n" + "\n".join([rows[0], rows[1] + ",a red lamp", rows[2] + ",", ""])
    told = load_tables(clicks, put(tmp_path, "items.csv", captioned)).catalog
    assert bare.caption is None
    assert told.caption is not None
    assert told.caption.tolist() == ["a red lamp", ""]
    assert replace(told, caption=None).fingerprint == bare.fingerprint != told.fingerprint


def test_pair_of_tables_is_read_whole(tmp_path: Path) -> None:
    data = load_tables(put(tmp_path, "clicks.csv", INTERACTIONS), put(tmp_path, "items.csv", ITEMS))
    catalog = data.catalog
    assert data.name == "clicks"
    assert catalog.title.tolist() == ["Lamp, red", "Chair"]
    assert [catalog.genres_of(item) for item in range(2)] == [["Home", "Light"], []]
    assert catalog.year.tolist() == [2001, -1]
    assert catalog.description is not None
    assert catalog.description.tolist() == ["Two\nlines", ""]
    assert catalog.provider is not None
    assert catalog.provider.tolist() == ["Acme", ""]
    assert catalog.popularity.tolist() == [2, 1]
    assert data.ratings.rating.tolist() == [4, 2.5, 5]
    assert data.ratings.timestamp.tolist() == [100, 200, 300]


def test_tab_gzip_and_parquet_read_like_commas(tmp_path: Path) -> None:
    plain = load_tables(put(tmp_path, "a.csv", INTERACTIONS)).fingerprint
    tabs = INTERACTIONS.replace(",", "\t")
    table = {"user_id": [1, 1, 2], "item_id": [10, 20, 10], "rating": [4, 2.5, 5], "timestamp": [100, 200, 300]}
    parquet.write_table(pa.table(table), tmp_path / "a.parquet")
    assert load_tables(put(tmp_path, "a.tsv", tabs)).fingerprint == plain
    assert load_tables(put(tmp_path, "a.csv.gz", gzip.compress(INTERACTIONS.encode()))).fingerprint == plain
    assert load_tables(put(tmp_path, "a.tsv.gz", gzip.compress(tabs.encode()))).fingerprint == plain
    assert load_tables(tmp_path / "a.parquet").fingerprint == plain


def test_items_come_from_the_interactions_where_there_is_no_item_table(tmp_path: Path) -> None:
    data = load_tables(put(tmp_path, "a.csv", INTERACTIONS), name="mine")
    assert data.name == "mine"
    assert data.catalog.item_id.tolist() == [10, 20]
    assert data.catalog.title.tolist() == ["item 10", "item 20"]
    assert data.catalog.genre_names == ()


def test_column_names_are_mapped(tmp_path: Path) -> None:
    reviews = put(tmp_path, "reviews.csv", "stars,who,what\n4,1,10\n3,2,10\n")
    goods = put(tmp_path, "goods.csv", "id,label,tags\n10,Lamp,a;b\n")
    names = {"user_id": "who", "item_id": "what", "rating": "stars"}
    item_names = {"items.item_id": "id", "title": "label", "genres": "tags"}
    data = load_tables(reviews, goods, columns=names | item_names, genre_separator=";")
    assert data.catalog.genre_names == ("a", "b")
    assert data.catalog.title.tolist() == ["Lamp"]
    assert data.ratings.timestamp.tolist() == [0, 0]


def test_text_ids_become_positions_in_sorted_order(tmp_path: Path) -> None:
    reviews = put(tmp_path, "r.csv", "user_id,item_id,rating\nZoë,B07,4\nAnn,000171287X,3\nZoë,0001048791,5\n")
    goods = put(tmp_path, "i.csv", "item_id,title\nB07,Lamp\n0001048791,Book\n000171287X,Other book\n")
    data = load_tables(reviews, goods)
    assert data.ratings.user_id.tolist() == [1, 0, 1]
    assert data.ratings.item_id.tolist() == [2, 1, 0]
    assert data.catalog.item_id.tolist() == [2, 0, 1]
    assert id_labels(reviews, "user_id") == ("Ann", "Zoë")
    assert id_labels(goods, "item_id") == ("0001048791", "000171287X", "B07")
    assert load_tables(reviews).catalog.title.tolist() == ["0001048791", "000171287X", "B07"]


def test_text_ids_can_be_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path, "r.csv", "user_id,item_id,rating\n17,5,4\n3.7,5,3\n")
    with pytest.raises(DataError) as error:
        load_tables(path)
    assert refusal(error).startswith("r.csv line 3: user_id: got '3.7', expected a whole number of 0 or more; fix")
    assert "string_ids=True" in refusal(error)
    assert load_tables(path, string_ids=True).user_keys == {0: "17", 1: "3.7"}


def test_bad_text_ids_are_named_and_skipped(tmp_path: Path) -> None:
    rows = b"user_id,item_id,rating\nann,b1,4\n,b1,3\nb\xe9,b1,3\nann,zz,3\n\xc3\xa9,b1,5\n"
    path = put(tmp_path, "r.csv", rows)
    goods = put(tmp_path, "i.csv", "item_id,title\nb1,Lamp\n")
    with pytest.raises(DataError, match="line 3: user_id: got '', expected a label"):
        load_tables(path, goods)
    data = load_tables(path, goods, skip_bad_rows=True)
    assert data.skipped == {"r.csv: bad user_id": 2, "r.csv: unknown item_id": 1}
    assert list(data.user_keys.values()) == ["ann", "é"]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("964982703", 964982703),
        ("964982703.0", 964982703),
        ("1588687728923", 1588687728),
        ("1588687728923000", 1588687728),
        ("1588687728923000000", 1588687728),
        ("1970-01-02", 86400),
        ("1970-01-02 00:00:01", 86401),
        ("1970-01-02T00:00:01.9", 86401),
        ("1970-01-02T00:00:01Z", 86401),
        ("1970-01-02T01:00:01+01:00", 86401),
        ("1969-12-31", -86400),
    ],
)
def test_times_are_seconds_milliseconds_or_dates(tmp_path: Path, written: str, seconds: int) -> None:
    path = put(tmp_path, "r.csv", f"user_id,item_id,rating,timestamp\n1,1,4,{written}\n")
    assert load_tables(path).ratings.timestamp.tolist() == [seconds]


def test_times_of_mixed_kinds_are_read_and_bad_ones_named(tmp_path: Path) -> None:
    head = "user_id,item_id,rating,timestamp\n1,1,4,1970-01-02\n2,1,4,1970-01-02T00:00:00Z\n3,1,4,86400\n"
    assert load_tables(put(tmp_path, "r.csv", head)).ratings.timestamp.tolist() == [86400] * 3
    data = load_tables(put(tmp_path, "r.csv", head + "4,1,4,1970-02-31\n5,1,4,9999999999999999999\n6,1,3,\n"))
    assert data.ratings.timestamp.tolist() == [86400] * 3 + [0] * 3
    assert data.unread == {"r.csv: bad timestamp": 3}


def test_other_scale_is_refused_even_when_rows_may_be_skipped(tmp_path: Path) -> None:
    path = put(tmp_path, "r.csv", "user_id,item_id,rating\n1,1,4\n1,2,10\n2,1,7\n")
    for skip in (False, True):
        with pytest.raises(DataError) as error:
            load_tables(path, skip_bad_rows=skip)
        assert refusal(error).startswith("r.csv line 3: rating: got '10', expected a number from 0.5 to 5")
        assert "rating_scale=(1, 10)" in refusal(error)


def test_rating_scale_maps_onto_one_to_five(tmp_path: Path) -> None:
    path = put(tmp_path, "r.csv", "user_id,item_id,rating\n1,1,0\n1,2,10\n2,1,5\n")
    assert load_tables(path, rating_scale=(0, 10)).ratings.rating.tolist() == [1, 5, 3]
    with pytest.raises(DataError, match=r"r\.csv line 3: rating: got '10', expected a number from 0 to 8; fix the row"):
        load_tables(path, rating_scale=(0, 8))


def test_data_without_ratings_needs_a_constant(tmp_path: Path) -> None:
    path = put(tmp_path, "r.csv", "user_id,item_id\n1,1\n2,1\n")
    with pytest.raises(DataError) as error:
        load_tables(path)
    assert "r.csv: rating: got no such column" in refusal(error)
    assert "feedback='implicit'" in refusal(error)
    assert load_tables(path, feedback="implicit").ratings.rating.tolist() == [5, 5]
    assert load_tables(path, constant_rating=4).feedback == "implicit"
    assert load_tables(path, constant_rating=4).ratings.rating.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": {"stars": "rating"}}, "columns: got name 'stars', expected one of user_id"),
        ({"columns": {"title": "name"}}, "columns: got 'title' but no item table"),
        ({"rating_scale": (5, 5)}, "rating_scale: got"),
        ({"constant_rating": 9}, "constant_rating: got 9"),
        ({"rating_scale": (0, 10), "constant_rating": 3}, "constant_rating: got 3, expected none beside rating_scale"),
    ],
)
def test_options_that_cannot_work_are_refused(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_tables(put(tmp_path, "r.csv", INTERACTIONS), **options)  # type: ignore[arg-type]
    assert refusal(error).startswith(said)


BAD_ROWS = [
    ("9,10,6,1", "rating: got '6', expected a number from 0.5 to 5", "bad rating"),
    ("9,10,inf,1", "rating: got 'inf'", "bad rating"),
    ("9,10,good,1", "rating: got 'good'", "bad rating"),
    ("9,ten,3,1", "item_id: got 'ten'", "bad item_id"),
    ("9,30,3,1", "item_id: got '30'", "unknown item_id"),
    ("1,10,3,1", "item_id: got '10', expected one rating", "duplicate rating"),
    ("9,10,3", "got 3 fields, expected 4", "wrong number of fields"),
]


@pytest.mark.parametrize(("row", "said", "reason"), BAD_ROWS)
def test_bad_row_is_named_and_skipped(tmp_path: Path, row: str, said: str, reason: str) -> None:
    goods = put(tmp_path, "i.csv", ITEMS)
    more = "3,10,4,400\n3,20,4,500\n"
    path = put(tmp_path, "r.csv.gz", gzip.compress((INTERACTIONS + row + "\n" + more).encode()))
    with pytest.raises(DataError) as error:
        load_tables(path, goods)
    assert refusal(error).startswith(f"r.csv.gz line 5: {said}")
    assert "--skip-bad-rows" in refusal(error)
    data = load_tables(path, goods, skip_bad_rows=True)
    assert data.skipped == {f"r.csv.gz: {reason}": 1}
    assert len(data.ratings) == 5


@pytest.mark.parametrize("rows", ["3,20,4,500\n" * 3, "3,20,4,500\n" * 20_000], ids=["few", "many"])
@pytest.mark.parametrize("skip", [False, True])
def test_quote_that_swallows_the_rest_is_never_skipped(tmp_path: Path, rows: str, skip: bool) -> None:
    path = put(tmp_path, "r.csv", INTERACTIONS + '9,"10,3,1\n' + rows)
    with pytest.raises(DataError) as error:
        load_tables(path, skip_bad_rows=skip)
    assert refusal(error).startswith("r.csv line 5: ")
    assert "never closed" in refusal(error)


def test_large_parquet_ids_stay_exact(tmp_path: Path) -> None:
    ids = [2**63 - 1, 2**63 - 2]
    parquet.write_table(pa.table({"user_id": ids, "item_id": [1, 1], "rating": [1.0, 2.0]}), tmp_path / "r.parquet")
    assert load_tables(tmp_path / "r.parquet").ratings.user_id.tolist() == ids


def test_bad_item_rows_are_named_and_skipped(tmp_path: Path) -> None:
    path = put(tmp_path, "r.csv", INTERACTIONS)
    with pytest.raises(DataError, match=r"i\.csv line 5: item_id: got '10', expected every item once; fix the row"):
        load_tables(path, put(tmp_path, "i.csv", ITEMS + "10,Copy,,,,\n"))
    goods = put(tmp_path, "i.csv", ITEMS + "10,Copy,,,,\n30,Desk,,soon,,\n")
    data = load_tables(path, goods, skip_bad_rows=True)
    assert data.skipped == {"i.csv: duplicate item_id": 1}
    assert data.unread == {"i.csv: bad year": 1}
    assert data.catalog.title.tolist() == ["Lamp, red", "Chair", "Desk"]
    assert data.catalog.year.tolist() == [2001, -1, -1]


def test_parquet_types_are_understood(tmp_path: Path) -> None:
    moment = datetime(1970, 1, 2, tzinfo=UTC)
    table = pa.table(
        {
            "user_id": pa.array(["a", "b"]).dictionary_encode(),
            "item_id": pa.array([1.0, 2.0]),
            "rating": pa.array([4, 5], pa.int8()),
            "timestamp": pa.array([moment, moment], pa.timestamp("ns", "UTC")),
        }
    )
    goods = pa.table({"item_id": [1, 2], "genres": [["x", "y"], None], "year": [1999.0, None], "title": ["a", None]})
    parquet.write_table(table, tmp_path / "r.parquet")
    parquet.write_table(goods, tmp_path / "i.parquet")
    data = load_tables(tmp_path / "r.parquet", tmp_path / "i.parquet")
    assert data.ratings.user_id.tolist() == [0, 1]
    assert data.ratings.timestamp.tolist() == [86400, 86400]
    assert [data.catalog.genres_of(item) for item in range(2)] == [["x", "y"], []]
    assert data.catalog.year.tolist() == [1999, -1]
    assert data.catalog.title.tolist() == ["a", ""]


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("rating", [4.0, None, 3.0], "rating: got None"),
        ("rating", [4.0, float("nan"), 3.0], "rating: got nan"),
        ("rating", [True, False, True], "rating: got True"),
        ("item_id", [1.0, 2.5, 3.0], "item_id: got 2.5"),
        ("item_id", [1, None, 3], "item_id: got None"),
        ("user_id", [1, -2, 3], "user_id: got -2"),
        ("user_id", ["a", None, "c"], "user_id: got None"),
    ],
)
def test_bad_parquet_value_is_named_by_row(tmp_path: Path, column: str, values: list[object], said: str) -> None:
    good = {"user_id": [1, 2, 3], "item_id": [1, 2, 3], "rating": [4.0, 4.0, 4.0], "timestamp": [1, 2, 3]}
    parquet.write_table(pa.table(good | {column: values}), tmp_path / "r.parquet")
    with pytest.raises(DataError) as error:
        load_tables(tmp_path / "r.parquet")
    row = 1 if "True" in said else 2
    assert refusal(error).startswith(f"r.parquet row {row}: {said}")


def test_a_table_none_of_whose_times_can_be_read_says_what_stands_for_them(tmp_path):
    path = tmp_path / "interactions.csv"
    path.write_text("user_id,item_id,rating,timestamp\n1,2,4,31.12.2024\n1,3,5,01.01.2025\n2,2,3,02.01.2025\n")
    dataset = load_tables(path)
    assert dataset.ratings.timestamp.tolist() == [0, 0, 0]
    (note,) = dataset.notes
    assert "got '31.12.2024', expected seconds since 1970" in note
    path.write_text("user_id,item_id,rating,timestamp\n1,2,4,31.12.2024\n1,3,5,2025-01-01\n2,2,3,2025-01-02\n")
    assert load_tables(path).notes == ()
