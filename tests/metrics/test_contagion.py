"""Contagion: traced clicks, trees of who told whom, and friends who consume alike; by hand, and against networkx."""

from __future__ import annotations

import networkx
import numpy as np
import pytest

from recsim_llm.errors import DataError
from recsim_llm.metrics.contagion import consumption_assortativity, measure_cascades, traceable_share
from recsim_llm.population.friendships import Friendships

# Traced clicks


def test_the_traceable_share_is_one_of_all_clicks_with_an_interval_by_user():
    share = traceable_share([7, 7, 9], [7, 7, 7, 8, 9, 9, 9, 9])
    assert (share.value, share.users) == (3 / 8, 3)
    assert 0 <= share.low < 3 / 8 < share.high <= 1


def test_the_traceable_share_of_no_clicks_is_undefined():
    assert traceable_share([], []).value is None


def test_a_traced_click_that_is_no_click_is_refused():
    with pytest.raises(DataError, match="yes: got 1 of 0 trials"):
        traceable_share([5], [7])


# Cascades


def cascades(*clicks):
    """Clicks are (user, item, friend, step); trees come back as {(item, root): (size, depth)}."""
    found = measure_cascades(*(np.array(column, np.int64) for column in zip(*clicks, strict=True)))
    keys = zip(found.item_id.tolist(), found.root_id.tolist(), strict=True)
    return dict(zip(keys, zip(found.size.tolist(), found.depth.tolist(), strict=True), strict=True))


def test_a_chain_is_as_deep_as_it_is_long():
    assert cascades((2, 50, 1, 1), (3, 50, 2, 2), (4, 50, 3, 3)) == {(50, 1): (4, 3)}


def test_a_star_is_shallow():
    assert cascades((2, 50, 1, 1), (3, 50, 1, 1), (4, 50, 1, 9)) == {(50, 1): (4, 1)}


def test_items_and_roots_travel_apart():
    found = cascades((2, 50, 1, 1), (2, 60, 1, 1), (4, 50, 3, 1), (5, 50, 4, 2))
    assert found == {(50, 1): (2, 1), (60, 1): (2, 1), (50, 3): (3, 2)}


def test_only_the_first_click_on_an_item_counts():
    assert cascades((2, 50, 1, 4), (2, 50, 3, 2), (2, 50, 1, 6)) == {(50, 3): (2, 1)}


def test_who_told_of_an_item_is_not_brought_to_it_by_those_who_were_told():
    assert cascades((2, 50, 1, 1), (1, 50, 2, 2)) == {(50, 1): (2, 1)}
    assert cascades((2, 50, 1, 3), (1, 50, 2, 3)) == {}


def test_nothing_travels_without_clicks():
    found = measure_cascades([], [], [], [])
    assert (len(found.size), found.size_counts().tolist()) == (0, [0])


def test_trees_are_those_of_networkx():
    dice = np.random.default_rng(4)
    told = {item: {int(dice.integers(30)): 0} for item in range(5)}
    rows, drawn = [], networkx.DiGraph()
    for step in range(1, 6):
        before = {item: dict(known) for item, known in told.items()}
        for _ in range(20):
            item, user = int(dice.integers(5)), int(dice.integers(30))
            friend = int(dice.choice(list(before[item])))
            if user not in told[item]:
                told[item][user] = step
                rows.append((user, 100 + item, friend, step))
                drawn.add_edge((100 + item, friend), (100 + item, user))
    expected = {}
    for part in networkx.weakly_connected_components(drawn):
        (root,) = [node for node in part if not drawn.in_degree(node)]
        expected[root] = (len(part), max(networkx.shortest_path_length(drawn, root).values()))
    assert cascades(*rows) == expected
    counts = measure_cascades(*(np.array(column) for column in zip(*rows, strict=True))).size_counts()
    assert counts.tolist() == np.bincount([size for size, _ in expected.values()]).tolist()


# Friends who consume alike


def test_friends_who_take_the_same_genres_are_assortative_on_that_day_alone():
    friendships = Friendships.from_pairs(4, [0, 2], [1, 3])
    first, second = [1.0, 0.0], [0.0, 1.0]
    clicks = [(0, 0, first), (1, 0, first), (2, 0, second), (3, 0, second), (0, 1, first), (1, 1, second)]
    clicks += [(2, 1, first), (3, 1, second), (3, 2, first)]
    user, day, features = zip(*clicks, strict=True)
    found = consumption_assortativity(friendships, user, np.array(features), day)
    assert found == pytest.approx([1.0, -1.0, np.nan], nan_ok=True)


def test_a_day_on_which_few_friends_click_says_nothing():
    friendships = Friendships.from_pairs(4, [0, 1, 2], [1, 2, 3])
    user, day, features = [0, 1, 2, 0, 1], [0, 0, 0, 1, 1], np.arange(5.0)[:, None]
    found = consumption_assortativity(friendships, user, features, day, least_pairs=2)
    assert np.isnan(found).tolist() == [False, True]


def test_a_day_is_the_mean_of_what_was_clicked():
    friendships = Friendships.from_pairs(4, [0, 1, 2], [1, 2, 3])
    user = [0, 0, 1, 2, 3]
    features = np.array([[0.0], [1.0], [0.7], [0.2], [0.1]])
    found = consumption_assortativity(friendships, user, features, [0] * 5)
    assert found == pytest.approx([friendships.assortativity([0.5, 0.7, 0.2, 0.1])])
