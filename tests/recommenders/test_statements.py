"""What users said, and what policies make of it that know words alone."""

import numpy as np
import pytest
from small_data import ask_for, fitted, make_ratings

from recsim_llm.core.catalog import Catalog
from recsim_llm.recommenders import ContentBased
from recsim_llm.recommenders.statements import Statements, wanted_words
from recsim_llm.testing import check_recommender


def saying(users, *words, **more):
    return ask_for(users, **more)._replace(text=np.array(words, object))


def test_the_latest_statements_are_kept_and_those_of_now_come_last():
    kept = Statements(3)
    for page in range(4):
        kept.take_in(saying([1, 2], f"word {page}", ""))
    assert kept.of(saying([1, 2, 3], "now", "", "hello")) == [("word 2", "word 3", "now"), (), ("hello",)]
    assert kept.of(ask_for([1, 2])) == [("word 1", "word 2", "word 3"), ()]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("I love War and Drama. I seldom choose Horror.", "I love War and Drama."),
        ("I don't like this one. More of that, please!", "More of that, please!"),
        ("No horror", ""),
        ("Nothing", "Nothing"),
    ],
)
def test_sentences_with_a_refusal_want_nothing(said, wanted):
    assert wanted_words(said) == wanted


def world():
    catalog = Catalog.from_columns(
        item_id=10 + np.arange(12),
        title=[f"Film {number}" for number in range(12)],
        genres=[[("Comedy", "Drama", "War")[number % 3]] for number in range(12)],
        caption=["a red kite"] * 2 + [""] * 9 + ["a red kite"],
    )
    return catalog, make_ratings([1, 1, 2], catalog.item_id[[0, 3, 0]])


def test_content_serves_a_stranger_by_the_genres_that_are_named():
    items, _ = world()
    made = fitted(ContentBased(), world())
    pages = made.recommend(saying([900, 901], "I love War. I seldom choose Drama.", ""), 4).item_id
    assert items.genres[items.index_of(pages[0]), 2].all()
    assert pages[1].tolist() == fitted(ContentBased(), world()).recommend(ask_for([901]), 4).item_id[0].tolist()


def test_content_knows_the_words_of_captions():
    page = fitted(ContentBased(), world()).recommend(saying([900], "Something with a red kite."), 2).item_id[0]
    assert set(page.tolist()) == {11, 21}


def test_content_remembers_what_was_said_once_it_was_observed():
    made = fitted(ContentBased(), world())
    asked = saying([900], "I love War.")
    slates = made.recommend(asked, 4)
    made.observe(asked, slates, np.zeros((1, 4), bool), np.full((1, 4), np.nan, np.float32))
    assert made.recommend(ask_for([900], page=1), 4).item_id.tolist() == slates.item_id.tolist()


def test_words_that_name_nothing_change_nothing():
    made = fitted(ContentBased(), world())
    assert (
        made.recommend(saying([900, 1], "Hm?", "Hm?"), 4).item_id.tolist()
        == made.recommend(ask_for([900, 1]), 4).item_id.tolist()
    )


def test_content_keeps_the_contract():
    check_recommender(ContentBased)
