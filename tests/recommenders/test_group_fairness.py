"""The re-ranker that serves groups of users who get less."""

import numpy as np
import pytest
from small_data import ask_for, fitted

from recsim_llm.core.pages import Slates
from recsim_llm.core.profiles import make_profile
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.recommenders import GroupFair, ItemKNN, Popularity
from recsim_llm.testing import check_recommender, small_world

USERS = small_world()[1].users[:6]
NORTH = np.array(["north", "south"] * 3) == "north"


def fair(**settings):
    given = {"base": "popularity", "second": "item-knn", "field": "region", "candidates": 20, "least_pages": 3}
    return GroupFair(GroupFair.Settings(**given | settings))


def requests(regions=("north", "south", "north", "south", "north", "south")):
    return ask_for(USERS)._replace(profile=make_profile({"region": np.array(regions, object)}, 6))


def lists(recommender, asked=None):
    return recommender.recommend(requests() if asked is None else asked, 4).item_id


def alone(kind):
    # The whole order of the base's first twenty, as the re-ranker sees it.
    return fitted(kind, small_world()).recommend(requests(), 20).item_id


def show(recommender, north, south, asked=None):
    """Let users of each region click so many of four items."""
    clicked = np.arange(4) < np.where(NORTH, north, south)[:, None]
    item = np.tile(small_world()[0].item_id[:4], (6, 1))
    recommender.observe(requests() if asked is None else asked, Slates(item), clicked, np.full((6, 4), np.nan, np.float32))


def test_it_keeps_the_contract():
    check_recommender(lambda: fair(field="group"))


def test_until_a_group_is_behind_the_order_is_the_bases():
    expected = alone(Popularity())[:, :4]
    recommender = fitted(fair(), small_world())
    assert np.array_equal(lists(recommender), expected)
    show(recommender, 2, 2)
    assert np.array_equal(lists(recommender), expected)
    late = fitted(fair(least_pages=4), small_world())
    show(late, 4, 0)
    assert np.array_equal(lists(late), expected)


def test_who_is_far_behind_gets_the_second_order_of_the_candidates_and_the_others_keep_theirs():
    recommender = fitted(fair(), small_world())
    show(recommender, 4, 2)
    base, second, now = alone(Popularity()), alone(ItemKNN()), lists(recommender)
    assert np.array_equal(now[NORTH], base[NORTH, :4])
    for mine, first, other in zip(now[~NORTH], base[~NORTH], second[~NORTH], strict=True):
        ranked = [item for item in other if item in set(first.tolist())]
        assert mine.tolist()[: len(ranked)] == ranked[:4]
    assert not np.array_equal(now[~NORTH], base[~NORTH, :4])


def test_a_group_that_has_caught_up_gets_the_bases_order_again_and_a_fit_forgets():
    recommender = fitted(fair(), small_world())
    show(recommender, 4, 0)
    show(recommender, 0, 4)
    assert np.array_equal(lists(recommender), alone(Popularity())[:, :4])
    show(recommender, 4, 0)
    assert np.array_equal(lists(fitted(recommender, small_world())), alone(Popularity())[:, :4])


def test_users_of_no_known_group_are_never_behind():
    asked = requests(["north", "", "north", "", "north", ""])
    recommender = fitted(fair(), small_world())
    show(recommender, 4, 0, asked)
    assert np.array_equal(lists(recommender, asked), alone(Popularity())[:, :4])


def test_without_the_field_or_a_profile_it_says_so():
    recommender = fitted(fair(field="age"), small_world())
    with pytest.raises(ConfigError, match="profile: got 'age'"):
        lists(recommender)
    with pytest.raises(DataError, match="rebuilt from a log"):
        lists(recommender, ask_for(USERS))
