"""The re-ranker that shows providers as much as their items deserve."""

from dataclasses import replace

import numpy as np
import pytest
from small_data import ask_for, fitted, make_ratings

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Slates
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import ExposureFair, Popularity
from recsim_llm.testing import check_recommender, small_world


def fair(**settings):
    return ExposureFair(ExposureFair.Settings(**{"base": "popularity"} | settings))


def with_providers():
    catalog, ratings = small_world()
    return replace(catalog, provider=np.array(["big", "big", "small"] * 20, object)), ratings


def two_sellers():
    """Items 0 to 5 of one seller are the popular ones, 6 and 7 of another are not."""
    catalog = Catalog.from_columns(
        item_id=np.arange(8), title=list("abcdefgh"), genres=[("A",)] * 8, provider=["big"] * 6 + ["small"] * 2
    )
    user = np.concatenate([100 + np.arange(9 - place) for place in range(8)])
    return catalog, make_ratings(user, np.repeat(np.arange(8), 9 - np.arange(8)))


def show(recommender, pages):
    item = np.array(pages)
    requests = ask_for(500 + np.arange(len(item)))
    recommender.observe(requests, Slates(item), np.zeros(item.shape, np.bool_), np.full(item.shape, np.nan, np.float32))


@pytest.mark.parametrize("base", ["popularity", "thompson"])
def test_it_keeps_the_contract(base, monkeypatch):
    monkeypatch.setattr("recsim_llm.testing.recommender.small_world", with_providers)
    check_recommender(lambda: fair(base=base, candidates=20))


def test_before_anything_is_shown_and_without_strength_the_order_of_the_base_stays():
    expected = fitted(Popularity(), two_sellers()).recommend(ask_for([500]), 4).item_id
    for strength in (0.0, 0.9):
        recommender = fitted(fair(strength=strength), two_sellers())
        assert np.array_equal(recommender.recommend(ask_for([500]), 4).item_id, expected)
        if not strength:
            show(recommender, [[0, 1, 2, 3]])
            assert np.array_equal(recommender.recommend(ask_for([500]), 4).item_id, expected)


def test_who_was_shown_too_little_moves_up_until_it_is_fair():
    recommender = fitted(fair(strength=0.7), two_sellers())
    show(recommender, [[0, 1, 2, 3]])
    assert recommender.recommend(ask_for([500]), 3).item_id.tolist() == [[6, 7, 0]]
    show(recommender, [[6, 7, 6, 7]])
    assert recommender.recommend(ask_for([500]), 3).item_id.tolist() == [[0, 1, 2]]


def test_what_is_not_on_sale_deserves_nothing():
    catalog, ratings = two_sellers()
    recommender = fitted(fair(strength=0.7), (catalog, ratings))
    recommender.restock(replace(catalog, retired=np.arange(8) == 7))
    show(recommender, [[0, 1, 2, 3, 4, 5, 6]])
    assert recommender.recommend(ask_for([500]), 3).item_id.tolist() == [[0, 1, 2]]


def test_items_without_providers_are_refused():
    with pytest.raises(ConfigError, match="items without providers"):
        fitted(fair(), small_world())
