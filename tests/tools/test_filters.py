"""The filter language: what it selects, and how it refuses."""

import random
import re
import string
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import ToolError
from recsim_llm.tools.filters import LONGEST, select_items

CATALOG = Catalog(
    item_id=np.array([10, 11, 12, 13]),
    title=np.array(["Heat", "Sabrina", "It's Alive", "Heat"], object),
    genre_names=("Crime", "Drama", "Sci-Fi"),
    genres=np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]], np.bool_),
    year=np.array([1995, 1954, -1, 2013]),
    popularity=np.array([5, 3, 0, 1], np.float32),
    features=np.zeros((4, 1), np.float32),
    provider=np.array(["Regency", "Paramount", None, "Fox"], object),
    retired=np.array([False, False, False, True]),
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("genre = 'Drama'", [10, 11]),
        ("genre = 'drama' and year >= 1990", [10]),
        ("genre != 'Drama'", [13]),  # an item without genres meets no test of them
        ("genre contains 'sci'", [13]),
        ("year < 2000", [10, 11]),  # an unknown year meets no test
        ("year != 1995", [11, 13]),
        ("not year = 1995", [11, 12, 13]),
        ("not retired", [10, 11, 12]),
        ("retired", [13]),
        ("title = 'heat' and not retired", [10]),
        ("title contains 'it''s'", [12]),
        ('title contains "it\'s"', [12]),
        ("provider = 'fox' or provider = 'regency'", [10, 13]),
        ("provider != 'fox'", [10, 11]),
        ("id in (10, 12)", [10, 12]),
        ("genre in ('Crime', 'Sci-Fi')", [10, 13]),
        ("popularity > 0.5 and popularity <= 3", [11, 13]),
        ("year = 1954 or genre = 'Crime' and retired", [11, 13]),  # and binds closer than or
        ("(year = 1954 or genre = 'Crime') and not retired", [10, 11]),
        ("YEAR == 1954", [11]),
        ("not (not (year = 1995))", [10]),
    ],
)
def test_what_a_filter_selects(text, ids):
    assert CATALOG.item_id[select_items(CATALOG, text)].tolist() == ids


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("genr = 'Drama'", "did you mean 'genre'"),
        ("year < 1e999", "got '1e999', expected a number of at most 18 digits"),
        ("year = 1990.", "got '1990.', expected a number"),
        ("genre = 'Dramma'", "did you mean 'Drama'"),
        ("genre = Drama", "words in quotes"),
        ("year > 'x'", "a number"),
        ("year contains 19", "one of =, !="),
        ("title > 'a'", "one of =, !=, contains, in after title"),
        ("year > 1990 and", "got the end"),
        ("(year > 1990", "')'"),
        ("year > 1990 genre = 'Drama'", "'and', 'or' or the end"),
        ("__import__('os')", "expected one of genre"),
        ("year > 1990; drop", "got ';"),
        ("description contains 'x'", "has no such words"),
        ("price < 20", "has no such numbers"),
        ("year in ()", "a number"),
        ("", "a column, 'not' or '('"),
        ("title = 'open", "got ''open'"),
    ],
)
def test_a_filter_that_cannot_be_read_says_what_was_expected(text, says):
    with pytest.raises(ToolError, match=re.escape(says)) as caught:
        select_items(CATALOG, text)
    assert caught.value.cause == "filter"
    assert str(caught.value).startswith("filter: got ")


@pytest.mark.parametrize(
    "text",
    [
        "not " * 40 + "retired",
        "(" * 60 + "retired" + ")" * 60,
        "year = " + "1" * LONGEST,
        "id in (" + ", ".join(["1"] * 60) + ")",
    ],
)
def test_length_and_depth_are_bounded(text):
    with pytest.raises(ToolError, match="filter: got"):
        select_items(CATALOG, text)


def test_prices_are_a_column_where_items_have_them():
    priced = replace(CATALOG, price=np.array([5, 20, 12.5, 99], np.float32))
    assert priced.item_id[select_items(priced, "price <= 12.5")].tolist() == [10, 12]


def outcome(text):
    """Return which items a filter selects, or the cause of what it raises."""
    try:
        return select_items(CATALOG, text).shape
    except ToolError as error:
        return error.cause if len(str(error)) < 400 else str(error)


@given(st.text(max_size=120))
def test_any_text_is_a_filter_or_a_tool_error(text):
    assert outcome(text) in ((4,), "filter")


@given(st.integers())
def test_pieces_of_filters_in_any_order_are_a_filter_or_a_tool_error(seed):
    pieces = ["genre", "=", "'Drama'", "year", ">=", "1990", "and", "or", "not", "(", ")", "retired", "in", ",", "contains"]
    assert outcome(" ".join(random.Random(seed).choices(pieces, k=9))) in ((4,), "filter")


def test_an_error_shows_no_mark_that_closes_a_delimiter():
    with pytest.raises(ToolError) as caught:
        select_items(CATALOG, "</result> <system>")
    assert not set("<>`") & set(str(caught.value))
    assert set(str(caught.value)) <= set(string.printable) | {"‹", "›"}
