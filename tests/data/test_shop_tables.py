"""Shop data: ids that are texts, clicks and purchases, repeats, and fields that a row can do without."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from recsim_llm.data import load_tables
from recsim_llm.data.reading_notes import reading_lines, reading_record
from recsim_llm.errors import ConfigError, DataError

CLICKS = "user_id,item_id,timestamp\nann,SKU-1,100\nbob,SKU-1,150\nann,SKU-1,300\nann,SKU-2,200\nann,SKU-1,250\n"


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def ids(folder: Path, *values: str) -> Path:
    rows = "\n".join(f"{value},{number},{number % 5 + 1}" for number, value in enumerate(values))
    return put(folder, "r.csv", f"user_id,item_id,rating\n{rows}\n")


@pytest.mark.parametrize(
    "values",
    [
        ["1", "2", "003"],
        ["12", "x9", "4"],
        ["1", "2", "12345678901234567890"],
        ["SKU-MUG", "7", "8"],
        ["a b", "é", "7"],
    ],
)
def test_one_text_makes_all_ids_of_a_column_texts(tmp_path: Path, values: list[str]) -> None:
    data = load_tables(ids(tmp_path, *values))
    assert [data.user_keys[user] for user in data.ratings.user_id.tolist()] == values
    assert data.catalog.item_key is None


@pytest.mark.parametrize(
    ("values", "numbers"),
    [(["12", "7", "3"], [12, 7, 3]), (["12.0", "7.0", "3.0"], [12, 7, 3]), (["12.", " 7", "3.00"], [12, 7, 3])],
)
def test_ids_that_are_all_numbers_stay_numbers(tmp_path: Path, values: list[str], numbers: list[int]) -> None:
    data = load_tables(ids(tmp_path, *values))
    assert data.ratings.user_id.tolist() == numbers
    assert data.user_keys == {}


@pytest.mark.parametrize("given", [{}, {"string_ids": True}], ids=str)
def test_an_id_that_is_missing_gets_no_advice_to_take_it_for_a_text(tmp_path: Path, given: dict[str, bool]) -> None:
    path = tmp_path / "r.parquet"
    parquet.write_table(pa.table({"user_id": pa.array([3.0, None]), "item_id": [1, 2], "rating": [4, 3]}), path)
    with pytest.raises(DataError, match=r"row 2: user_id: got None, expected .*; fix the row or pass --skip-bad-rows$"):
        load_tables(path, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("odd", ["3.7", "1e+05", "-4", "nan", "", "NULL"])
def test_what_is_no_id_is_refused_and_never_bent(tmp_path: Path, odd: str) -> None:
    path = ids(tmp_path, "12", "7", odd)
    with pytest.raises(DataError, match=r"r\.csv line 4: user_id: got .* expected a whole number") as error:
        load_tables(path)
    assert ("--string-ids" in str(error.value)) is bool(odd)
    assert load_tables(path, skip_bad_rows=True).ratings.user_id.tolist() == [12, 7]


def test_zeros_before_a_number_are_not_dropped_to_find_an_item(tmp_path: Path) -> None:
    rows = put(tmp_path, "r.csv", "user_id,item_id,rating\n1,007,3\n1,7,4\n")
    with pytest.raises(DataError, match=r"line 2: item_id: got '007', expected a whole number without zeros before it"):
        load_tables(rows, put(tmp_path, "i.csv", "item_id,title\n7,Lamp\n"))
    data = load_tables(rows, put(tmp_path, "i.csv", "item_id,title\n007,Lamp\n7,Mug\n"))
    assert data.catalog.item_key is not None
    assert data.catalog.item_key.tolist() == ["007", "7"]
    assert data.catalog.title[data.catalog.index_of(data.ratings.item_id)].tolist() == ["Lamp", "Mug"]


def test_keys_of_items_without_a_table_are_kept(tmp_path: Path) -> None:
    data = load_tables(put(tmp_path, "r.csv", CLICKS), feedback="implicit")
    assert data.catalog.item_key is not None
    assert data.catalog.item_key.tolist() == ["SKU-1", "SKU-2"]
    assert data.user_keys == {0: "ann", 1: "bob"}


def test_repeats_of_implicit_data_are_one_interaction_at_the_last_time(tmp_path: Path) -> None:
    data = load_tables(put(tmp_path, "r.csv", CLICKS), feedback="implicit")
    assert data.feedback == "implicit"
    assert data.ratings.timestamp.tolist() == [150, 300, 200]
    assert data.ratings.count is not None
    assert data.ratings.count.tolist() == [1, 3, 1]
    assert data.catalog.popularity.tolist() == [4, 1]
    assert data.skipped == {}
    assert reading_lines(reading_record(data)) == ["data: 2 rows were counted as repeats of a user and an item"]


def test_counts_of_the_first_part_in_time_hold_nothing_of_the_rest(tmp_path: Path) -> None:
    data = load_tables(put(tmp_path, "r.csv", CLICKS), feedback="implicit")
    first, later = data.training_part(0.5)
    assert later.count is not None
    assert later.count.tolist() == [3]
    assert first.catalog.popularity.tolist() == [1, 1]


def test_repeats_of_explicit_data_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = put(tmp_path, "r.csv", "user_id,item_id,rating\n1,1,4\n1,1,3\n2,1,5\n")
    with pytest.raises(DataError, match=r"line 3: item_id: got '1', expected one rating.*--feedback=implicit.*--skip-bad-rows"):
        load_tables(path)
    assert len(load_tables(path, feedback="implicit").ratings) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"feedback": "implicit", "rating_scale": (1, 10)},
            "rating_scale: got (1, 10), expected none where feedback is implicit",
        ),
        ({"feedback": "clicks"}, "feedback: got 'clicks', expected one of explicit, implicit"),
        ({"not_rated": "zero"}, "not_rated: got 'zero', expected"),
        ({"rating_scal": (1, 10)}, "got unknown key 'rating_scal', expected one of columns"),
        ({"genre_separator": ""}, "genre_separator: got '', expected"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_tables(put(tmp_path, "r.csv", CLICKS), **options)  # type: ignore[arg-type]
    assert str(error.value).startswith(said)


def test_a_bad_optional_field_costs_the_field_and_not_the_row(tmp_path: Path) -> None:
    rows = put(tmp_path, "r.csv", "user_id,item_id,rating,timestamp\n1,1,4,yesterday\n2,1,3,100\n")
    table = {
        "item_id": [1, 2],
        "title": pa.array([[1], [2]]),
        "genres": pa.array([1.5, 2.5]),
        "year": ["long ago", "2001-05-01"],
        "provider": pa.array([[b"x"], None]),
    }
    parquet.write_table(pa.table(table), tmp_path / "i.parquet")
    data = load_tables(rows, tmp_path / "i.parquet")
    assert len(data.ratings) == 2
    assert data.skipped == {}
    assert data.catalog.year.tolist() == [-1, 2001]
    assert data.unread["r.csv: bad timestamp"] == 1
    assert data.unread["i.parquet: bad year"] == 1
    assert data.unread["i.parquet: bad title"] == 2
    assert reading_lines(reading_record(data))[0].startswith("data: 6 rows were kept without a field")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"feedback": "implicit"}, r"r\.csv has no rating column .* with --column rating=THEIRS"),
        ({"constant_rating": 4}, "beside constant_rating, .* pass --feedback=implicit"),
    ],
    ids=str,
)
def test_returns_that_would_not_be_left_out_are_refused(tmp_path: Path, given: dict[str, object], expected: str) -> None:
    path = put(tmp_path, "r.csv", "user_id,item_id,quantity\nann,mug,1\nann,cup,-1\n")
    with pytest.raises(ConfigError, match="not_rated: got -1.*" + expected):
        load_tables(path, not_rated=-1, **given)  # type: ignore[arg-type]
    data = load_tables(path, not_rated=-1, feedback="implicit", columns={"rating": "quantity"})
    assert data.skipped == {"r.csv: not rated": 1}
