"""Genres in one field: every usual spelling of a list, separators that the column tells, and questions where it does not."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from recsim_llm.core.ratings import Dataset
from recsim_llm.data import load_tables
from recsim_llm.errors import DataError


def load(folder: Path, genres: Any, **options: Any) -> Dataset:
    (folder / "r.csv").write_text("user_id,item_id,rating\n1,0,4\n2,0,3\n")
    parquet.write_table(pa.table({"item_id": range(len(genres)), "genres": genres}), folder / "i.parquet")
    return load_tables(folder / "r.csv", folder / "i.parquet", **options)


def names(data: Dataset) -> list[list[str]]:
    return [data.catalog.genres_of(item) for item in range(len(data.catalog))]


@pytest.mark.parametrize("mark", ["|", ";", ",", "/", ", ", " | ", " > "])
def test_a_separator_is_told_by_the_whole_column(tmp_path: Path, mark: str) -> None:
    data = load(tmp_path, [mark.join(("Drama", "War")), "Drama", mark.join(("War", "Sci-Fi")), "", "(no genres listed)"])
    assert names(data) == [["Drama", "War"], ["Drama"], ["Sci-Fi", "War"], [], []]


def test_a_bar_leaves_commas_and_slashes_in_names(tmp_path: Path) -> None:
    data = load(tmp_path, ["Sci-Fi/Fantasy|Food, drink", "Food, drink", "Sci-Fi/Fantasy"])
    assert data.catalog.genre_names == ("Food, drink", "Sci-Fi/Fantasy")


@pytest.mark.parametrize("text", ["Home, garden", "Sci-Fi/Fantasy", "Home > Kitchen"])
def test_a_mark_that_may_belong_to_a_name_is_asked_about(tmp_path: Path, text: str) -> None:
    mark = next(mark for mark in ",/>" if mark in text)
    with pytest.raises(DataError) as error:
        load(tmp_path, [text, "Toys", text])
    assert f"--genre-separator={mark}" in str(error.value)
    assert names(load(tmp_path, [text, "Toys", text], genre_separator="|"))[0] == [text]
    split = names(load(tmp_path, [text, "Toys", text], genre_separator=mark))[0]
    assert split == sorted(part.strip() for part in text.split(mark))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("['Drama', 'War']", ["Drama", "War"]),
        ('["Drama", "War"]', ["Drama", "War"]),
        ("('Drama', 'War')", ["Drama", "War"]),
        ("{'Drama', 'War'}", ["Drama", "War"]),
        ("{Drama,War}", ["Drama", "War"]),
        ("[Drama, War]", ["Drama", "War"]),
        ("['Drama' 'War']", ["Drama", "War"]),
        ("['Drama'\n 'War']", ["Drama", "War"]),
        ("[{'id': 18, 'name': 'Drama'}, {'id': 2, 'name': 'War'}]", ["Drama", "War"]),
        (json.dumps([{"id": 18, "name": "Drama"}]), ["Drama"]),
        ("{'id': 18, 'name': 'Drama'}", ["Drama"]),
        ("[\"Children's\", 'Film, noir']", ["Children's", "Film, noir"]),
        ("[]", []),
        ("nan", []),
    ],
)
def test_lists_in_any_spelling_are_lists(tmp_path: Path, text: str, expected: Sequence[str]) -> None:
    data = load(tmp_path, [text, "Drama"])
    assert names(data) == [sorted(expected), ["Drama"]]
    assert data.unread == {}


@pytest.mark.parametrize("text", ["[{'name': 'Dra", "['Drama', 3.5]", "{'genre_id': 18}", "[[['Drama']]]"])
def test_a_broken_list_costs_the_genres_of_its_row(tmp_path: Path, text: str) -> None:
    data = load(tmp_path, [text, "Drama"])
    assert names(data) == [[], ["Drama"]]
    assert data.unread == {"i.parquet: bad genres": 1}


@pytest.mark.parametrize(
    "genres",
    [
        [["Drama", "War"], None, []],
        [[{"id": 1, "name": "War"}, {"id": 2, "name": "Drama"}], None, []],
        pa.array([["Drama", "War"], ["War", "Drama"], ["War", "Drama"]], pa.list_(pa.string(), 2)).take([0, None, None]),
        pa.array([["Drama", "War"], None, []], pa.large_list(pa.string())),
    ],
)
def test_typed_lists_are_lists(tmp_path: Path, genres: Any) -> None:
    assert names(load(tmp_path, genres)) == [["Drama", "War"], [], []]
