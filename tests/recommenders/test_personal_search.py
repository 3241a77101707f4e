"""Searching a recommender that ranks by scores: what matches comes first, ordered by the user's own scores."""

import numpy as np
import pytest

from recsim_llm.core.catalog import Catalog
from recsim_llm.recommenders.hooks import AnswersQueries
from recsim_llm.recommenders.item_knn import ItemKNN
from recsim_llm.recommenders.popularity import Popularity
from recsim_llm.recommenders.uniform import RandomRecommender
from tests.support.small_data import ask_for, fitted, make_ratings

TITLES = ["red hat", "blue hat", "red shoe", "blue shoe", "green shoe", "old boat", "new boat", "boat"]
CATALOG = Catalog.from_columns(item_id=np.arange(8), title=TITLES, genres=[[]] * 8)
# Item i is taken by i users of whom nobody is asked for: the last items are the most popular.
RATINGS = make_ratings(
    [100 + user for item in range(8) for user in range(item)], [item for item in range(8) for _ in range(item)]
)


def found(queries, k=3, **asked):
    recommender = fitted(Popularity(), (CATALOG, RATINGS))
    return recommender.search(ask_for(np.arange(len(queries)), **asked), queries, k).item_id.tolist()


def test_matches_come_first_in_the_order_of_the_scores():
    assert found(["shoe", "red"]) == [[4, 3, 2], [2, 0, 7]]


def test_what_matches_nothing_is_answered_by_the_scores_alone():
    assert found(["bicycle"]) == [[7, 6, 5]]


def test_what_was_shown_is_not_found_again():
    assert found(["shoe"], shown=[[4, 7]]) == [[3, 2, 6]]


def test_only_the_best_of_many_matches_count():
    titles = ["plain", *[f"much {'said ' * count}of a word" for count in range(1, 9)], "word"]
    catalog = Catalog.from_columns(item_id=np.arange(10), title=titles, genres=[[]] * 10)
    ratings = make_ratings([100, 101, 102, 103], [8, 8, 8, 0])
    searched = fitted(Popularity(), (catalog, ratings)).search(ask_for([1]), ["word"], 1).item_id
    # Item 8, the most popular, matches too, but five others match better.
    assert searched.tolist() == [[1]]


def test_an_answer_is_the_same_in_any_batch():
    recommender, queries = fitted(ItemKNN(), (CATALOG, RATINGS)), ["shoe", "boat", "red boat"]
    together = recommender.search(ask_for([1, 100, 104]), queries, 3).item_id
    alone = [
        recommender.search(ask_for([user]), [query], 3).item_id[0] for user, query in zip((1, 100, 104), queries, strict=True)
    ]
    assert np.array_equal(together, alone)


@pytest.mark.parametrize(("kind", "can"), [(Popularity, True), (RandomRecommender, False)])
def test_who_has_scores_can_be_searched(kind, can):
    assert isinstance(kind(), AnswersQueries) == can
