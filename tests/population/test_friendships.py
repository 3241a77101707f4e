"""Who knows whom: sparse columns, measures against networkx, drawn graphs, and lists from files."""

from __future__ import annotations

import networkx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsim_llm.data.friend_pairs import read_friend_pairs
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.population.friendship_draws import draw_friendships
from recsim_llm.population.friendships import Friendships, LeftOut, from_user_ids
from recsim_llm.population.personas import TRAITS, Population


def make_population(users, seed=0, **columns):
    """Users whose tastes in eight genres come from three hidden ones; ids are neither dense nor in order."""
    dice = np.random.default_rng(seed)
    taste = dice.normal(size=(users, 3)) @ dice.normal(size=(3, 8)) + 0.3 * dice.normal(size=(users, 8))
    return Population(
        user_id=dice.permutation(3 * users)[:users].astype(np.int64),
        traits=np.ones((users, len(TRAITS)), np.float32),
        genre_names=tuple("abcdefgh"),
        taste=taste.astype(np.float32),
        **columns,
    )


def make_graph(users, *pairs):
    return Friendships.from_pairs(users, [one for one, _ in pairs], [other for _, other in pairs])


def as_networkx(graph):
    drawn = networkx.Graph()
    drawn.add_nodes_from(range(len(graph)))
    drawn.add_edges_from(zip(*(side.tolist() for side in graph.pairs), strict=True))
    return drawn


def friend_ids(graph, population):
    one, other = (population.user_id[side] for side in graph.pairs)
    return set(zip(np.minimum(one, other).tolist(), np.maximum(one, other).tolist(), strict=True))


# The graph


def test_friendship_is_mutual_and_repeats_are_counted():
    graph = make_graph(4, (0, 2), (2, 0), (1, 1), (3, 2))
    assert graph.left_out == LeftOut(oneself=1, repeated=1)
    assert graph.degree.tolist() == [1, 0, 2, 1]
    assert graph.friends.tolist() == [2, 0, 3, 2]
    assert graph.are_friends(np.array([0, 2, 0]), np.array([2, 3, 1])).tolist() == [True, True, False]


def test_friends_of_some_users_are_listed_in_their_order():
    place, friends = make_graph(4, (0, 2), (3, 2)).of(np.array([2, 1, 0, 2]))
    assert place.tolist() == [0, 0, 2, 3, 3]
    assert friends.tolist() == [0, 3, 2, 0, 3]


def test_nobody_knows_anybody_in_a_graph_without_pairs():
    graph = make_graph(3)
    assert graph.degree.tolist() == [0, 0, 0]
    assert not graph.are_friends(np.array([0]), np.array([1])).any()
    assert np.isnan([graph.clustering(), graph.assortativity(np.arange(3)), graph.assortativity_of_kinds(np.arange(3))]).all()


def test_an_index_of_no_user_is_refused():
    with pytest.raises(DataError, match="expected positions below 3"):
        make_graph(3, (0, 3))


# Measures


@pytest.fixture(scope="module")
def random_graph():
    dice = np.random.default_rng(5)
    return Friendships.from_pairs(60, dice.integers(60, size=240), dice.integers(60, size=240))


def test_clustering_is_that_of_networkx(random_graph):
    assert random_graph.clustering() == pytest.approx(networkx.transitivity(as_networkx(random_graph)))


def test_degree_counts_are_those_of_networkx(random_graph):
    assert random_graph.degree_counts().tolist() == networkx.degree_histogram(as_networkx(random_graph))


def test_assortativity_of_numbers_is_that_of_networkx(random_graph):
    values = np.random.default_rng(6).integers(0, 9, size=60)
    drawn = as_networkx(random_graph)
    networkx.set_node_attributes(drawn, dict(enumerate(values.tolist())), "value")
    expected = networkx.numeric_assortativity_coefficient(drawn, "value")
    assert random_graph.assortativity(values) == pytest.approx(expected)


def test_assortativity_of_kinds_is_that_of_networkx(random_graph):
    kinds = np.random.default_rng(7).choice(list("abc"), size=60)
    drawn = as_networkx(random_graph)
    networkx.set_node_attributes(drawn, dict(enumerate(kinds.tolist())), "kind")
    expected = networkx.attribute_assortativity_coefficient(drawn, "kind")
    assert random_graph.assortativity_of_kinds(kinds) == pytest.approx(expected)


def test_assortativity_of_several_columns_weighs_each_by_its_variance_over_the_ends(random_graph):
    table = np.random.default_rng(8).normal(size=(60, 2)) * [1.0, 3.0]
    weight = np.array([table[random_graph.owner, column].var() for column in (0, 1)])
    single = np.array([random_graph.assortativity(table[:, column]) for column in (0, 1)])
    assert random_graph.assortativity(table) == pytest.approx((weight * single).sum() / weight.sum())


def test_friendships_of_users_without_a_number_do_not_count_for_assortativity():
    graph = make_graph(4, (0, 1), (1, 2), (2, 3))
    values = np.array([1.0, 5.0, np.nan, 3.0])
    assert graph.assortativity(values) == pytest.approx(-1.0)


# Drawn graphs


@pytest.mark.parametrize("settings", [{"homophily": 0.0}, {"homophily": 0.7}, {"homophily": 0.4, "clustering": 0.5}])
def test_the_same_users_in_another_order_have_the_same_friends(settings):
    population = make_population(300)
    turned = population.take(np.random.default_rng(1).permutation(300))
    drawn = [friend_ids(draw_friendships(users, degree=7, seed=4, **settings), users) for users in (population, turned)]
    assert drawn[0] == drawn[1]


def test_another_seed_draws_other_friends():
    population = make_population(200)
    drawn = [friend_ids(draw_friendships(population, degree=6, homophily=0.5, seed=seed), population) for seed in (1, 2)]
    assert len(drawn[0] & drawn[1]) < 0.3 * len(drawn[0])


@pytest.mark.parametrize("degree", [0.5, 3.0, 10.0, 40.0])
@pytest.mark.parametrize("settings", [{"homophily": 0.0}, {"homophily": 1.0}, {"homophily": 0.5, "clustering": 0.4}])
def test_the_mean_number_of_friends_is_the_one_asked_for(degree, settings):
    graph = draw_friendships(make_population(400), degree=degree, seed=9, **settings)
    assert graph.degree.mean() == pytest.approx(degree, abs=0.005)


def test_everyone_knows_everyone_where_that_is_asked_for():
    graph = draw_friendships(make_population(6), degree=5, homophily=1.0, seed=0)
    assert graph.degree.tolist() == [5] * 6


def test_homophily_makes_friends_alike_and_without_it_they_are_not():
    population = make_population(3000)
    found = [
        draw_friendships(population, degree=8, homophily=share, seed=2).assortativity(population.taste)
        for share in (0.0, 0.5, 1.0)
    ]
    assert abs(found[0]) < 0.03
    assert 0.25 < found[1] < 0.6
    assert found[2] > 0.8


def test_clustering_closes_triangles():
    population = make_population(2000)
    found = [
        draw_friendships(population, degree=8, homophily=0.0, clustering=share, seed=2).clustering()
        for share in (0.0, 0.3, 0.6)
    ]
    assert found[0] < 0.01
    assert 0.05 < found[1] < found[2] - 0.05


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"degree": 0, "homophily": 0.5}, "friends, degree: got 0, expected"),
        ({"degree": 50, "homophily": 0.5}, "friends, degree: got 50 among 50 users, expected at most 49; lower it"),
        ({"degree": 5, "homophily": 1.5}, "friends, homophily: got 1.5, expected"),
        ({"degree": 5, "homophily": 0.5, "clustering": 1.0}, "friends, clustering: got 1.0, expected"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        draw_friendships(make_population(50), seed=1, **settings)


def test_homophily_needs_tastes():
    population = make_population(20)
    bare = Population(user_id=population.user_id, traits=population.traits, genre_names=(), taste=np.zeros((20, 0), np.float32))
    with pytest.raises(ConfigError, match="for users without tastes, expected 0"):
        draw_friendships(bare, degree=4, homophily=0.5, seed=1)
    assert draw_friendships(bare, degree=4, homophily=0.0, seed=1).degree.mean() == 4


# Lists from files


def test_a_list_of_friends_is_matched_by_user_id_and_what_is_left_out_is_counted(tmp_path):
    population = make_population(5)
    ids = population.user_id
    file = tmp_path / "friends.csv"
    rows = [(ids[0], ids[3]), (ids[3], ids[0]), (ids[1], 999), (ids[2], ids[2]), ("x", ids[1])]
    file.write_text("friend_id,user_id\n" + "\n".join(f"{one},{other}" for one, other in rows))
    pairs = read_friend_pairs(file, texts=False)
    graph = from_user_ids(population, pairs.one, pairs.other)
    assert [side.tolist() for side in graph.pairs] == [[0], [3]]
    assert graph.left_out == LeftOut(unknown=2, oneself=1, repeated=1)
    assert graph.left_out.text() == "4 rows left out (unknown user 2, oneself 1, repeated 1)"


def test_a_list_of_friends_may_use_the_own_ids_of_the_data(tmp_path):
    population = make_population(3, user_key=np.array(["0007", "7", ""], object))
    file = tmp_path / "friends.parquet"
    names = ["0007", str(population.user_id[2]), "7 "]
    pq.write_table(pa.table({"user_id": names, "friend_id": ["7", "0007", "8"]}), file)
    pairs = read_friend_pairs(file, texts=True)
    graph = from_user_ids(population, pairs.one, pairs.other)
    assert [side.tolist() for side in graph.pairs] == [[0, 0], [1, 2]]
    assert graph.left_out == LeftOut(unknown=1)


def test_a_list_of_strangers_is_refused():
    with pytest.raises(DataError, match="friends: got 1 row left out \\(unknown user 1\\), expected two users of the 5"):
        from_user_ids(make_population(5), np.array([1000]), np.array([1001]))
    with pytest.raises(DataError, match=r"^who\.csv: got 1 row left out"):
        from_user_ids(make_population(5), np.array([1000]), np.array([1001]), source="who.csv")


def test_a_list_without_the_column_of_friends_is_refused(tmp_path):
    file = tmp_path / "friends.csv"
    file.write_text("user_id,friend\n1,2\n")
    with pytest.raises(DataError, match=r"friends\.csv line 1: friend_id: got columns .* name the two columns"):
        read_friend_pairs(file, texts=False)
