"""Reasons of explanations: made into words and read out of them, held against the catalog."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.core.catalog import Catalog
from recsim_llm.data import open_dataset
from recsim_llm.dynamics.reasons import KINDS, MOST_REASONS, Reason, ReasonReader, reason_words
from tests.support.real_data import movielens_folder

CATALOG = Catalog.from_columns(
    item_id=[10, 11, 12, 13, 14],
    title=["The Quiet Hill (1994)", "Her (2013)", "Red Sea Nights (1994)", "Old Songs (1950)", "The Quiet Hill, Again (2001)"],
    genres=[["Drama"], ["Drama", "Romance"], ["Action", "Horror"], ["Sci-Fi"], ["Drama"]],
    year=[1994, 2013, 1994, 1950, 2001],
    popularity=[100, 5, 3, 2, 1],
    provider=["Copper Coyote", "Blue", None, "Blue", "Copper Coyote"],
)


@pytest.fixture
def reader():
    return ReasonReader.of_catalog(CATALOG)


def holds(reader, text, item, friend=None):
    about, true = reader.hold(reader.numbers(np.array([text], object)), np.array([item]), friend)
    return about[0].sum(), true[0].sum()


@given(st.sampled_from(["genre", "similar", "provider", "year", "popular", "friends"]), st.integers(0, 4))
def test_the_sentence_of_a_reason_is_read_back_to_the_letter(kind, item):
    reader = ReasonReader.of_catalog(CATALOG)
    subjects = {
        "genre": CATALOG.genres_of(item)[0].casefold(),
        "similar": str(CATALOG.title[item]).rsplit(" (", 1)[0].casefold(),
        "provider": (CATALOG.provider[item] or "Blue").casefold(),
        "year": str(CATALOG.year[item]),
    }
    reason = Reason(kind, subjects.get(kind, ""))
    assert reader.read(reason_words(reason)) == (reason,)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("A drama from Copper Coyote that you may like", ["genre", "provider"]),
        ("If you enjoyed Red Sea Nights, try this", ["similar"]),
        ("See her at her best", []),
        ('People who liked "Her" chose it', ["similar"]),
        ("From the year 1950, and very popular", ["year", "popular"]),
        ("Your friends liked it", ["friends"]),
        ("You will adore this one", []),
        ("The Quiet Hill, Again is alike", ["similar"]),
        ("", []),
        ("melodramatic sci-fi", ["genre"]),
    ],
)
def test_free_text_names_what_the_catalog_knows_as_whole_words_and_nothing_else(reader, text, kinds):
    assert [reason.kind for reason in reader.read(text)] == kinds


def test_a_list_of_everything_names_nothing(reader):
    every = [*CATALOG.genre_names, "1994", "1950", "2001", "2013"]
    assert len(reader.read(" ".join(every[:MOST_REASONS]))) == MOST_REASONS
    assert reader.read(" ".join(every)) == ()


def test_of_two_titles_the_longer_one_is_meant(reader):
    assert reader.read("The Quiet Hill, Again is alike")[0].subject == "the quiet hill, again"


@pytest.mark.parametrize(
    ("text", "item", "expected"),
    [
        ("Because you like Drama.", 0, (1, 1)),
        ("Because you like Horror.", 0, (1, 0)),
        ("Released in 1994.", 0, (1, 1)),
        ("Released in 1995.", 0, (1, 0)),
        ("From Copper Coyote.", 0, (1, 1)),
        ("From Blue.", 0, (1, 0)),
        ("From Nobody.", 0, (0, 0)),
        ('Because you liked "Her".', 0, (1, 1)),
        ('Because you liked "Old Songs".', 0, (1, 0)),
        ('Because you liked "The Quiet Hill".', 0, (0, 0)),
        ("Many people like this.", 0, (1, 1)),
        ("Many people like this.", 4, (1, 0)),
        ("A drama with horror", 0, (2, 1)),
    ],
)
def test_a_reason_holds_of_an_item_or_not(reader, text, item, expected):
    assert holds(reader, text, item) == expected


def test_that_friends_liked_it_holds_where_one_did_and_where_nobody_has_friends_does_not(reader):
    words = reason_words(Reason("friends"))
    assert [holds(reader, words, 0, friend) for friend in (np.array([True]), np.array([False]), None)] == [
        (1, 1),
        (1, 0),
        (1, 0),
    ]


def test_texts_keep_their_numbers_whatever_is_read_later(reader):
    first = reader.numbers(np.array(["Because you like Drama.", ""], object))
    reader.numbers(np.array(["Many people like this.", "From Blue."], object))
    again = reader.numbers(np.array(["Because you like Drama.", ""], object))
    assert first.tolist() == again.tolist() == [0, -1]


def test_every_kind_has_a_sentence():
    assert all(reason_words(Reason(kind, "x")) for kind in KINDS)


def test_a_catalog_without_genres_or_providers_is_read_as_well():
    bare = Catalog.from_columns(item_id=[1, 2], title=["One Thing", "Other Thing"], genres=[[], []])
    reader = ReasonReader.of_catalog(bare)
    assert holds(reader, "Because you like Drama.", 0) == (0, 0)
    assert holds(reader, 'Because you liked "Other Thing".', 0) == (1, 0)


# Free text with planted reasons, whose truth is known


FORMS = {
    "genre": (
        "If you are in the mood for {}, this is it.",
        "A {} film with everything you love",
        "Your taste for {} says you will enjoy this",
        "{}, as you like it",
    ),
    "title": (
        "Fans of {} went on to watch this",
        "You gave {} five stars, and this is alike",
        "Much like {}, but slower",
        'Picked since you enjoyed "{}"',
    ),
}
COUNT = 1500


def planted(catalog, reader, kind, seed=4):
    """Yield texts beside items, and whether what they say of the item is true."""
    rng, everything = np.random.default_rng(seed), np.arange(len(catalog))
    for number in range(COUNT):
        item, true = int(rng.integers(len(catalog))), bool(rng.random() < 0.5)
        if kind == "genre":
            pool = np.flatnonzero(catalog.genres[item] == true)
            words = list(catalog.genre_names)
        else:
            alike = reader.similar(np.full(len(catalog), item), everything)
            pool = np.flatnonzero(alike & (everything != item) if true else ~alike)
            words = [str(title).rsplit(" (", 1)[0] for title in catalog.title]
        if len(pool):
            yield FORMS[kind][number % 4].format(words[rng.choice(pool)]), item, true


def error_rates(catalog, kind):
    """Return the shares of planted texts that are read wrongly, and that cannot be read."""
    reader = ReasonReader.of_catalog(catalog)
    text, item, true = (np.array(column) for column in zip(*planted(catalog, reader, kind), strict=True))
    about, found = reader.hold(reader.numbers(text.astype(object)), item)
    readable = about.any(axis=1)
    return (((found | ~about).all(axis=1) != true) & readable).mean(), (~readable).mean()


@pytest.mark.parametrize("kind", FORMS)
def test_planted_true_and_false_reasons_in_free_text_are_told_apart(kind):
    wrong, unreadable = error_rates(open_dataset("fictional").catalog, kind)
    assert wrong < 0.01
    assert unreadable < 0.01


@pytest.mark.parametrize(("kind", "most_unreadable"), [("genre", 0.01), ("title", 0.25)])
def test_so_they_are_among_the_titles_of_movielens(kind, most_unreadable):
    wrong, unreadable = error_rates(open_dataset(movielens_folder()).catalog, kind)
    assert wrong < 0.02
    assert unreadable < most_unreadable
