"""Numbers at an end of the scale that stand for no rating: asked about, never made into stars; and other scales."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from recsim_llm.data import load_tables
from recsim_llm.errors import DataError

ONE_TO_TEN = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 8, 7, 8, 9]
ONE_TO_FIVE = [1, 2, 3, 4, 5, 3, 4, 5, 4, 3, 2.5]


def put(folder: Path, ratings: Sequence[object]) -> Path:
    path = folder / "r.csv"
    rows = [f"{number // 7},{number % 7},{rating}" for number, rating in enumerate(ratings)]
    path.write_text("\n".join(["user_id,item_id,rating", *rows]))
    return path


def said(path: Path, **options: object) -> str:
    with pytest.raises(DataError) as error:
        load_tables(path, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


def advised(text: str) -> dict[str, object]:
    """Return the options that the end of a message names, as Python reads them."""
    return eval(f"dict({text.rpartition('in Python ')[2]})")


CODES = [
    ([0] * 5 + ONE_TO_TEN, 0),
    ([0, *ONE_TO_TEN], 0),
    ([0] * 3 + ONE_TO_FIVE, 0),
    ([-1] * 4 + ONE_TO_TEN, -1),
    ([-1] * 9 + ONE_TO_FIVE, -1),
    ([-99] * 2 + ONE_TO_FIVE, -99),
    ([99] * 30 + ONE_TO_FIVE, 99),
    ([99, *ONE_TO_TEN], 99),
    ([999] * 3 + ONE_TO_TEN, 999),
    ([9] * 4 + ONE_TO_FIVE, 9),
    ([99] * 5 + [-9.9, -4.2, -0.5, 0.3, 2.2, 7.7, 9.1], 99),
    ([6] * 40 + ONE_TO_FIVE, 6),
]


@pytest.mark.parametrize(("ratings", "code"), CODES)
def test_a_number_that_is_no_rating_is_asked_about_and_the_advice_leaves_it_out(
    tmp_path: Path, ratings: list[float], code: float
) -> None:
    path = put(tmp_path, ratings)
    text = said(path)
    assert f"if {code} means not rated pass --not-rated={code}" in text
    data = load_tables(path, **advised(text))  # type: ignore[arg-type]
    assert data.skipped == {"r.csv: not rated": ratings.count(code)}
    assert len(data.ratings) == len(ratings) - ratings.count(code)
    assert len(data.ratings.levels) == len(set(ratings)) - 1


@pytest.mark.parametrize(("ratings", "code"), CODES)
def test_no_message_advises_a_scale_that_holds_such_a_number(tmp_path: Path, ratings: list[float], code: float) -> None:
    text = said(put(tmp_path, ratings))
    for low, high in re.findall(r"rating_scale=\(([-\d.]+), ([-\d.]+)\)", text):
        assert not float(low) <= code <= float(high)


@pytest.mark.parametrize("codes", [(-2, -1), (-9, -8, -7), (-1, 0), (-99, 999)])
def test_all_codes_are_asked_about(tmp_path: Path, codes: tuple[int, ...]) -> None:
    path = put(tmp_path, [*codes, *codes, *ONE_TO_TEN])
    assert advised(said(path))["not_rated"] == codes
    assert load_tables(path, **advised(said(path))).skipped == {"r.csv: not rated": 2 * len(codes)}  # type: ignore[arg-type]


def test_two_such_numbers_are_asked_about_together(tmp_path: Path) -> None:
    path = put(tmp_path, [-1] * 4 + [99] * 3 + ONE_TO_TEN)
    text = said(path)
    assert "not_rated=(-1, 99)" in text
    assert load_tables(path, **advised(text)).skipped == {"r.csv: not rated": 7}  # type: ignore[arg-type]


def test_zero_can_be_a_rating(tmp_path: Path) -> None:
    path = put(tmp_path, [0] * 30 + ONE_TO_TEN)
    assert "--not-rated=none" in said(path, rating_scale=(0, 10))
    data = load_tables(path, rating_scale=(0, 10), not_rated="none")
    assert data.ratings.rating.tolist().count(1) == 30
    assert advised(said(path, not_rated="none")) == {"rating_scale": (0, 10)}


@pytest.mark.parametrize(
    ("ratings", "scale"),
    [
        ([0, 1, 2, 3, 4, 5, 0, 2, 3], (0, 5)),
        ([-10, -3, 0, 2, 10], (-10, 10)),
        ([0, 20, 40, 55, 99, 100], (0, 100)),
        ([10] * 40 + ONE_TO_TEN, (1, 10)),
        ([1] * 40 + ONE_TO_TEN, (1, 10)),
    ],
)
def test_a_named_scale_is_taken_without_a_question(tmp_path: Path, ratings: list[float], scale: tuple[float, float]) -> None:
    assert len(load_tables(put(tmp_path, ratings), rating_scale=scale).ratings) == len(ratings)


@pytest.mark.parametrize("end", [1, 5, 0.5])
def test_stars_that_pile_up_at_an_end_are_stars(tmp_path: Path, end: float) -> None:
    assert len(load_tables(put(tmp_path, [end] * 90 + ONE_TO_FIVE)).ratings) == 90 + len(ONE_TO_FIVE)


def test_a_few_bad_numbers_may_be_skipped_without_a_question(tmp_path: Path) -> None:
    path = put(tmp_path, [0] + ONE_TO_FIVE * 2)
    assert load_tables(path, skip_bad_rows=True).skipped == {"r.csv: bad rating": 1}
    assert "0 means not rated" in said(put(tmp_path, [0] * 30 + ONE_TO_FIVE), skip_bad_rows=True)


@pytest.mark.parametrize("value", [0, -1, 99])
def test_nothing_but_a_code_is_never_advised_to_be_a_scale(tmp_path: Path, value: float) -> None:
    for rows in (2, 20):
        path = put(tmp_path, [value] * rows)
        text = said(path)
        assert text.startswith(f"r.csv: rating: got {value} in all {rows} rows, expected ratings that differ")
        assert "rating_scale" not in text
        assert len(load_tables(path, feedback="implicit", not_rated="none").ratings) == rows


@pytest.mark.parametrize("value", [1, 3, 5, 100])
def test_a_column_that_never_varies_is_no_rating_unless_its_scale_is_named(tmp_path: Path, value: float) -> None:
    path = put(tmp_path, [value] * 20)
    text = said(path)
    assert text.startswith(f"r.csv: rating: got {value} in all 20 rows, expected ratings that differ")
    assert load_tables(path, feedback="implicit").feedback == "implicit"
    assert len(load_tables(path, **advised(text)).ratings) == 20  # type: ignore[arg-type]


def test_flags_of_what_was_taken_are_asked_about(tmp_path: Path) -> None:
    path = put(tmp_path, [1, 0, 0, 1, 0, 0, 0, 1])
    options = advised(said(path))
    assert options == {"feedback": "implicit", "not_rated": 0}
    data = load_tables(path, **options)  # type: ignore[arg-type]
    assert len(data.ratings) == 3
    assert data.skipped == {"r.csv: not rated": 5}
    assert "to leave them out pass --not-rated=0" in said(path, feedback="implicit")
    assert len(load_tables(path, feedback="implicit", not_rated="none").ratings) == 8


def test_words_are_no_ratings(tmp_path: Path) -> None:
    text = said(put(tmp_path, ["like", "dislike", "like"]))
    assert "expected numbers, and no row of this column holds one" in text
    assert "--feedback=implicit" in text


def test_decimal_commas_are_read_where_the_comma_separates_no_fields(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user_id;item_id;rating\n1;1;4,5\n1;2;3\n2;1;2,5\n")
    assert load_tables(path).ratings.rating.tolist() == [4.5, 3, 2.5]
