"""Folders are told by the columns of their files: own tables under any name, MovieLens of any size, and what is beside them."""

from pathlib import Path

import pytest

from recsim_llm.core.ratings import Dataset
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, DataError, RecSimError

MOVIES = "movieId,title,genres\n1,Toy Story (1995),Comedy\n2,Heat (1995),Crime\n"
RATINGS = "userId,movieId,rating,timestamp\n1,1,4,100\n1,2,3,200\n"
ROWS = "user_id,item_id,rating\n7,10,4\n8,20,3\n8,10,2\n"
ITEMS = "item_id,title\n10,Lamp\n20,Mug\n"
SALES = "buyer,sku,day\nann,MUG,2024-01-02\nbob,0007,2024-01-03\nann,0007,2024-02-02\n"
PRODUCTS = "sku,label,tags\nMUG,Mug,kitchen;red\n0007,Spoon,kitchen\n"
SALES_COLUMNS = {"user_id": "buyer", "item_id": "sku", "timestamp": "day", "title": "label", "genres": "tags"}


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def refusal(folder: Path, **options: object) -> str:
    with pytest.raises(RecSimError) as error:
        open_dataset(folder, **options)  # type: ignore[arg-type]
    assert isinstance(error.value, ConfigError | DataError)
    assert "\n" not in str(error.value)
    return str(error.value)


def titles(data: Dataset) -> list[str]:
    return data.catalog.title.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "files",
    [
        {"ratings__csv": ROWS, "books__csv": ITEMS},
        {"ratings__csv": ROWS, "movies__csv": ITEMS},
        {"events__tsv": ROWS.replace(",", "\t"), "goods__csv": ITEMS.replace(",", ";")},
        {"log__txt": ROWS.replace(",", "|"), "things__txt": ITEMS.replace(",", "\t")},
        {"ratings__csv": ROWS.replace(",", ";"), "movies__csv": ITEMS.replace(",", ";"), "README__md": "# mine"},
        {"log__csv": "user_id, item_id, rating\n7, 10, 4\n8, 20, 3\n8, 10, 2\n", "things__csv": ITEMS},
    ],
    ids=lambda files: " ".join(files),
)
def test_the_one_table_with_the_columns_is_taken_and_said(tmp_path: Path, files: dict[str, str]) -> None:
    data = open_dataset(write(tmp_path, **files))
    assert titles(data) == ["Lamp", "Mug"]
    assert data.ratings.user_id.tolist() == [7, 8, 8]
    assert data.ratings.rating.tolist() == [4, 3, 2]
    (note,) = data.notes
    assert note.startswith("read ")
    assert note.endswith("as items, by their columns")


def test_a_broken_file_beside_the_tables_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "photo.txt").write_bytes(b"\x89PNG\x00\x00")
    (tmp_path / "old.parquet").write_bytes(b"cut off")
    assert "photo.txt with nothing that can be read" in refusal(write(tmp_path, things__csv=ITEMS))
    assert titles(open_dataset(write(tmp_path, events__csv=ROWS))) == ["Lamp", "Mug"]


def test_a_table_of_items_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    write(tmp_path, sales__csv=SALES)
    (tmp_path / "products.csv").write_bytes("sku;label;tags\nMUG;Ночной дозор;red\n".encode("cp866"))
    with pytest.raises(DataError, match=r"products\.csv: got an encoding that is not known here"):
        open_dataset(tmp_path, columns=SALES_COLUMNS, feedback="implicit")


def test_a_folder_that_is_not_there_is_named_before_any_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data: got '.*gone', expected .*; check the spelling or the path"):
        open_dataset(tmp_path / "gone", columns=SALES_COLUMNS, feedback="implicit")


def test_the_folder_of_a_run_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "held_out.csv").write_text("user_id,item_id,rating\n1,2,3\n")
    for name in ("manifest.json", "held_out.parquet"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match=r"the folder of a run, expected data; .*recsim-llm export"):
        open_dataset(tmp_path)


def test_columns_find_tables_under_other_names(tmp_path: Path) -> None:
    data = open_dataset(write(tmp_path, sales__csv=SALES, products__csv=PRODUCTS), columns=SALES_COLUMNS, feedback="implicit")
    assert titles(data) == ["Mug", "Spoon"]
    assert data.catalog.genre_names == ("kitchen", "red")
    assert data.notes == ("read sales.csv as interactions and products.csv as items, by their columns",)


def test_interactions_come_before_raw_files_of_any_name(tmp_path: Path) -> None:
    write(tmp_path, interactions__csv=ROWS, items__csv=ITEMS, ratings__csv=RATINGS, movies__csv=MOVIES, log__csv="a,b\n1,2\n")
    data = open_dataset(tmp_path)
    assert titles(data) == ["Lamp", "Mug"]
    assert data.notes == ()


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt"])
def test_any_separator_under_any_suffix(tmp_path: Path, separator: str, suffix: str) -> None:
    write(
        tmp_path, **{f"interactions__{suffix}": ROWS.replace(",", separator), f"items__{suffix}": ITEMS.replace(",", separator)}
    )
    assert titles(open_dataset(tmp_path)) == ["Lamp", "Mug"]


def test_movielens_by_its_columns_whatever_is_beside_it(tmp_path: Path) -> None:
    write(tmp_path, ratings__csv=RATINGS, movies__csv=MOVIES, tags__csv="userId,movieId,tag\n", links__csv="movieId,imdbId\n")
    assert open_dataset(tmp_path).name == "ml-latest"
    renamed = {"user_id": "userId", "item_id": "movieId"}
    assert titles(open_dataset(tmp_path, columns=renamed)) == ["Toy Story (1995)", "Heat (1995)"]


@pytest.mark.parametrize(
    "rows", [RATINGS.replace(",", ";"), "userId,movieId,rating\n1,1,8\n1,2,6\n", "userId,movieId\n1,1\n1,2\n"]
)
def test_what_only_looks_like_movielens_is_read_as_own_tables(tmp_path: Path, rows: str) -> None:
    write(tmp_path, ratings__csv=rows, movies__csv=MOVIES)
    assert "did you mean 'userId' for user_id" in refusal(tmp_path)
    names = {"user_id": "userId", "item_id": "movieId"}
    data = open_dataset(tmp_path, columns=names, feedback="implicit")
    assert titles(data) == ["Toy Story (1995)", "Heat (1995)"]


def test_movielens_columns_on_another_scale_are_not_cut_down(tmp_path: Path) -> None:
    rows = "".join(f"{user},{item},{user + item},1\n" for user in range(1, 9) for item in (1, 2))
    write(tmp_path, ratings__csv="userId,movieId,rating,timestamp\n" + rows, movies__csv=MOVIES)
    for skip in (False, True):
        text = refusal(tmp_path, skip_bad_rows=skip)
        assert "ratings.csv line 9: rating: got '6', expected a number from 0.5 to 5 in most rows" in text
    names = {"user_id": "userId", "item_id": "movieId"}
    assert len(open_dataset(tmp_path, columns=names, rating_scale=(1, 10)).ratings) == 16


def test_movielens_10m_has_ratings_and_films_alone(tmp_path: Path) -> None:
    write(
        tmp_path, ratings__dat="1::1::4.5::838985046\n1::2::5::838983525\n", movies__dat="1::A (1995)::War\n2::B (1995)::War\n"
    )
    data = open_dataset(write(tmp_path, tags__dat=""))
    assert (data.name, data.ratings.rating.tolist()) == ("ml-10m", [4.5, 5])


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        (
            {"sales__csv": SALES},
            {},
            "got sales.csv with buyer, sku, day, expected one table with columns 'user_id' and 'item_id'",
        ),
        ({"a__csv": "UserID,Item,rating\n1,1,1\n"}, {}, "did you mean 'UserID' for user_id"),
        (
            {"train__csv": ROWS, "test__csv": ROWS},
            {},
            "got 2 tables with columns 'user_id' and 'item_id' (test.csv, train.csv)",
        ),
        ({"a__csv": ROWS, "b__csv": ITEMS, "c__csv": ITEMS}, {}, "got 2 tables of items (b.csv, c.csv), expected one"),
        ({"ratings__csv": RATINGS}, {}, "movies.csv: no such file in"),
        ({"ratings__csv": RATINGS}, {}, "--column user_id=userId --column item_id=movieId"),
        ({"ratings__csv": RATINGS, "movies__csv": MOVIES}, {"rating_scale": (1, 10)}, "got rating_scale for"),
        ({"notes__md": "nothing"}, {}, "without files of a known kind"),
        ({"ratings__dat": "1\t1\t5\n"}, {}, "without files of a known kind"),
        (
            {"sales__csv": SALES},
            {"columns": {"user_id": "customer", "item_id": "sku"}},
            "expected one table with columns 'customer'",
        ),
        ({"sales__csv": SALES}, {"columns": {"user": "buyer"}}, "columns: got name 'user', expected one of user_id"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_folders_that_cannot_be_told_list_what_was_found(
    tmp_path: Path, files: dict[str, str], options: dict[str, object], said: str
) -> None:
    assert said in refusal(write(tmp_path, **files), **options)


def test_a_file_in_place_of_its_folder_is_explained(tmp_path: Path) -> None:
    write(tmp_path, sales__csv=SALES)
    assert f"give the folder that holds the file, {str(tmp_path)!r}" in refusal(tmp_path / "sales.csv")
