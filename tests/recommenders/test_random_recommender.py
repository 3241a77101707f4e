import numpy as np
import pytest
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.recommenders import RandomRecommender


def test_random_propensities_match_frequencies():
    catalog, ratings = make_catalog(6), make_ratings([1], [10])
    pages = 20_000
    slates = fitted(RandomRecommender(), (catalog, ratings)).recommend(ask_for(np.ones(pages), page=np.arange(pages)), 3)
    place = slates.item_id - 10
    assert np.allclose(slates.propensity, 1 / 5)
    assert np.allclose(slates.prefix_propensity, [1 / 5, 1 / 4, 1 / 3])
    assert np.allclose(slates.slate_propensity, 1 / 60)
    for slot in range(3):
        assert np.abs(np.bincount(place[:, slot], minlength=6)[1:] / pages - 1 / 5).max() < 0.012
    whole = np.unique(place @ [36, 6, 1], return_counts=True)[1]
    assert len(whole) == 60
    assert np.abs(whole / pages - 1 / 60).max() < 0.005


def test_random_pages_are_uniform_where_few_items_are_left():
    catalog, ratings = make_catalog(60), make_ratings(np.ones(56), np.arange(10, 66))
    slates = fitted(RandomRecommender(), (catalog, ratings)).recommend(ask_for(np.ones(4000), page=np.arange(4000)), 3)
    assert np.allclose(slates.prefix_propensity, [1 / 4, 1 / 3, 1 / 2])
    whole = np.unique((slates.item_id - 66) @ [16, 4, 1], return_counts=True)[1]
    assert len(whole) == 24
    assert np.abs(whole / 4000 - 1 / 24).max() < 0.015


def test_random_propensities_of_filled_slots_count_the_seen_items():
    catalog, ratings = make_catalog(5), make_ratings([1, 1, 1, 1], [10, 11, 12, 13])
    slates = fitted(RandomRecommender(), (catalog, ratings)).recommend(ask_for([1]), 3)
    assert slates.item_id[0, 0] == 14
    assert np.allclose(slates.propensity, [[1, 1 / 4, 1 / 4]])
    assert np.allclose(slates.prefix_propensity, [[1, 1 / 4, 1 / 3]])


def test_a_slate_propensity_too_small_for_float32_is_kept():
    slates = fitted(RandomRecommender(), (make_catalog(3000), make_ratings([1], [10]))).recommend(ask_for([1]), 20)
    assert slates.slate_propensity[0] == pytest.approx(np.prod(1 / np.arange(2999, 2979, -1.0)))


def test_random_pages_change_with_seed_user_visit_and_page():
    world = (make_catalog(1000), make_ratings([1], [10]))
    requests = (ask_for([1]), ask_for([2]), ask_for([1], visit=1), ask_for([1], page=1))
    pages = [fitted(RandomRecommender(), world).recommend(request, 5).item_id.tolist() for request in requests]
    other = RandomRecommender()
    other.fit(*world, 4)
    pages.append(other.recommend(requests[0], 5).item_id.tolist())
    assert all(pages[first] != pages[second] for first in range(5) for second in range(first))
