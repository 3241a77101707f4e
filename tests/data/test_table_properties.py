"""Small tables of any encoding, separator, type and scale: loaded with the values that were written, or refused in one line."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsim_llm.core.ratings import Dataset
from recsim_llm.data import load_tables
from recsim_llm.errors import ConfigError, DataError

QUIET = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252")
LETTERS = "abcxyzABC0123456789é_-. ß"
LABELS = st.text(LETTERS, min_size=1, max_size=6).filter(lambda text: text == text.strip())
IDS = st.one_of(
    st.integers(0, 10**20).map(str),
    st.integers(0, 999).map("{:05d}".format),
    st.floats(0, 99, allow_nan=False).map("{:.1f}".format),
    LABELS,
    st.sampled_from(["", "nan", "1e5", "-3", "SKU-1"]),
)
RATINGS = st.one_of(
    st.integers(1, 5).map(str),
    st.integers(0, 10).map(str),
    st.sampled_from(["0", "-1", "99", "4.5", "999", "", "nan", "good", "1e1", "True", "4,5", " 3 "]),
)
TIMES = st.sampled_from(["100", "2024-01-02", "soon", "", "1700000000000", "-5", "1e400", "9" * 25])


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    users = draw(st.lists(IDS, min_size=1, max_size=4))
    goods = draw(st.lists(IDS, min_size=1, max_size=4))
    rows = draw(st.integers(1, 12))
    return [[draw(st.sampled_from(users)), draw(st.sampled_from(goods)), draw(RATINGS), draw(TIMES)] for _ in range(rows)]


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "skip_bad_rows": st.booleans(),
        "feedback": st.sampled_from(["explicit", "implicit"]),
        "rating_scale": st.sampled_from([(0, 10), (1, 10), (-1, 99), (3, 3)]),
        "not_rated": st.sampled_from([0, -1, (0, 99), "none"]),
        "string_ids": st.just(True),
    },
)


def written(path: Path, rows: list[list[str]], separator: str, encoding: str) -> Path:
    lines = [separator.join(row) for row in [["user_id", "item_id", "rating", "timestamp"], *rows]]
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def loaded(*paths: Path, **options: Any) -> Dataset | str:
    """Return the data set, or the one line that says why there is none."""
    try:
        return load_tables(*paths, **options)
    except (DataError, ConfigError) as error:
        refused = str(error)
    assert "\n" not in refused
    assert re.search("got|could not be read", refused)
    assert "expected" in refused
    return refused


def plain(text: str) -> str:
    """Return an id as one writes it: ``12`` for ``12.0``."""
    return text.strip().removesuffix(".0") if text.strip().removesuffix(".0").isdigit() else text.strip()


@QUIET
@given(rows=tables(), separator=st.sampled_from(";\t|,"), encoding=st.sampled_from(ENCODINGS), options=OPTIONS)
def test_a_table_is_loaded_as_it_stands_or_refused_in_one_line(
    tmp_path: Path, rows: list[list[str]], separator: str, encoding: str, options: dict[str, Any]
) -> None:
    path = written(tmp_path / "r.csv", rows, separator, encoding)
    data = loaded(path, **options)
    if isinstance(data, str):
        return
    keys = data.catalog.item_key
    users = [data.user_keys.get(user, str(user)) for user in data.ratings.user_id.tolist()]
    places = data.catalog.index_of(data.ratings.item_id)
    goods = [str(data.catalog.item_id[place]) if keys is None else keys[place] for place in places]
    written_pairs = {(plain(row[0]) if not data.user_keys else row[0].strip(), row[1].strip()) for row in rows}
    written_pairs |= {(user, plain(item)) for user, item in written_pairs}
    assert set(zip(users, goods, strict=True)) <= written_pairs
    counted = len(data.ratings) if data.ratings.count is None else int(data.ratings.count.sum())
    assert counted + sum(data.skipped.values()) == len(rows)


@QUIET
@given(
    ratings=st.lists(st.sampled_from([1, 2, 3, 4, 5, 2.5]), min_size=3, max_size=30),
    code=st.sampled_from([0, -1, -9, 99, 999, 77]),
    copies=st.integers(1, 40),
)
def test_a_number_that_stands_for_no_rating_is_never_taken_for_one(
    tmp_path: Path, ratings: list[float], code: int, copies: int
) -> None:
    values = [*ratings, *[code] * copies]
    rows = [[str(number // 9), str(number % 9), f"{value:g}", "1"] for number, value in enumerate(values)]
    path = written(tmp_path / "r.csv", rows, ",", "utf-8")
    with pytest.raises(DataError) as error:
        load_tables(path)
    assert f"if {code} means not rated pass --not-rated={code}" in str(error.value) or len(set(ratings)) == 1
    data = loaded(path, not_rated=code)
    if isinstance(data, str):
        assert len(set(ratings)) == 1, data
        return
    assert sorted(data.ratings.rating.tolist()) == sorted(ratings)


@QUIET
@given(
    texts=st.lists(st.text("éèüñßøåaeiou xyz-", min_size=1, max_size=12), min_size=1, max_size=6),
    encoding=st.sampled_from(ENCODINGS),
)
def test_western_letters_survive_every_encoding(tmp_path: Path, texts: list[str], encoding: str) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,rating\n1,0,4\n2,0,3\n")
    rows = "\n".join(f'{number},"Word {text} word"' for number, text in enumerate(texts))
    (tmp_path / "i.csv").write_bytes(f"item_id,title\n{rows}\n".encode(encoding))
    data = loaded(tmp_path / "r.csv", tmp_path / "i.csv")
    if isinstance(data, str):
        assert "save the file as UTF-8" in data
        return
    assert data.catalog.title.tolist() == [f"Word {text} word" for text in texts]
