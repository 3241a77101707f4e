"""Coat as ratings: what people chose, with what is known of people and coats; what was drawn at random stays out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from real_data import shared_folder

from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, DataError


def rows(*numbers: tuple[int, ...]) -> str:
    """Return one-hot lines: which column of each group of 2, 6, 3 and 3, or of 2, 16, 13 and 2, says yes."""
    sizes = (2, 6, 3, 3) if max(number[1] for number in numbers) < 6 else (2, 16, 13, 2)
    lines = [
        " ".join(str(int(at == one)) for size, one in zip(sizes, number, strict=True) for at in range(size))
        for number in numbers
    ]
    return "\n".join(lines) + "\n"


def coat(folder: Path, *, features: bool = True, people: str = rows((1, 0, 2, 1), (0, 5, 0, 0))) -> Path:
    (folder / "train.ascii").write_text("0 3 0 \n5 0 1 \n")
    (folder / "test.ascii").write_text("1 0 0\n0 2 0\n")
    if features:
        (folder / "user_item_features").mkdir()
        (folder / "user_item_features" / "user_features.ascii").write_text(people)
        coats = rows((0, 6, 12, 1), (1, 15, 0, 0), (0, 7, 3, 1))
        (folder / "user_item_features" / "item_features.ascii").write_text(coats)
    return folder


def test_ratings_are_what_people_chose_to_give(tmp_path: Path) -> None:
    data = open_dataset(coat(tmp_path))
    assert data.ratings.user_id.tolist() == [0, 1, 1]
    assert data.ratings.item_id.tolist() == [1, 0, 2]
    assert data.ratings.rating.tolist() == [3.0, 5.0, 1.0]
    assert data.demographics["age"] == {0: "1", 1: "6"}
    assert list(data.demographics) == ["gender", "age", "location", "fashion interest"]
    assert {"type 16", "wearer 2"} <= set(data.catalog.genre_names)
    assert "Coat" in data.licence
    assert "--random-exposures" in data.notes[0]


def test_without_features_nothing_is_known_of_coats(tmp_path: Path) -> None:
    data = open_dataset(coat(tmp_path, features=False))
    assert data.demographics == {}
    assert data.catalog.genre_names == ("coat",)


@pytest.mark.parametrize(
    ("people", "fault"),
    [
        ("1 0\n0 1\n", r"user_features.ascii: got shape \(2, 2\), expected \(2, 14\)"),
        ("0 " * 14 + "\n" + "0 " * 14 + "\n", "user_features.ascii line 1: got 0 columns of gender that are 1, expected one"),
        ("a b\n", "user_features.ascii: got"),
    ],
)
def test_features_that_are_none_are_refused_in_one_line(tmp_path: Path, people: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        open_dataset(coat(tmp_path, people=people))


def test_its_layout_is_fixed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rating_scale"):
        open_dataset(coat(tmp_path), rating_scale=(1, 10))


def test_the_published_coats_have_24_ratings_a_person_and_four_features_each() -> None:
    data = open_dataset(shared_folder("coat"))
    assert np.bincount(data.ratings.user_id).tolist() == [24] * 290
    assert len(data.catalog) == 300
    assert len(data.catalog.genre_names) == 33
    assert {len(values) for values in data.demographics.values()} == {290}
