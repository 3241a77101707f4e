"""Seven classics in a few lines each: all keep the contract, and each does what its name says."""

from dataclasses import replace

import numpy as np
import pytest
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import Markov, classics
from recsim_llm.recommenders.classics import (
    BestRated,
    GenreProfile,
    Newest,
    PairwiseFactors,
    PopularLately,
    RandomWalk,
    UserKNN,
)
from recsim_llm.testing import check_recommender

every_classic = pytest.mark.parametrize("kind", [getattr(classics, name) for name in classics.__all__])


@every_classic
def test_it_keeps_the_contract(kind):
    check_recommender(kind)


@every_classic
def test_ratings_of_items_that_the_catalog_does_not_have_change_nothing(kind):
    user, item = np.array([1, 1, 2, 2, 3, 3, 4]), np.array([10, 11, 10, 12, 11, 13, 14])
    catalog = make_catalog(8)
    known = fitted(kind(), (catalog, make_ratings(user, item)))
    more = fitted(kind(), (catalog, make_ratings([*user, 4], [*item, 999])))
    requests = ask_for([1, 2, 3, 4])
    assert np.array_equal(known.recommend(requests, 4).item_id, more.recommend(requests, 4).item_id)


def test_neighbours_walkers_and_chains_follow_what_others_consumed():
    # Users 1 and 2 consumed items 10 and 11 in this order, user 3 only item 10; 12 and 13 belong to user 4 alone.
    ratings = make_ratings([1, 1, 2, 2, 3, 4, 4], [10, 11, 10, 11, 10, 12, 13])
    for kind in (UserKNN, RandomWalk, Markov):
        recommender = kind()
        recommender.fit(make_catalog(6), ratings, 1)
        assert recommender.recommend(ask_for([3]), 1).item_id.tolist() == [[11]]


def test_factors_learned_from_pairs_tell_two_groups_apart():
    user = np.repeat(np.arange(1, 41), 6)
    random = np.random.default_rng(0)
    item = np.concatenate([random.choice(10, 6, replace=False) + 10 * (one % 2) for one in range(1, 41)])
    recommender = PairwiseFactors(PairwiseFactors.Settings(factors=4, epochs=400))
    recommender.fit(make_catalog(20), make_ratings(user, 10 + item), 1)
    page = recommender.recommend(ask_for(np.arange(1, 41)), 2).item_id - 10
    own = (page >= 10) == (np.arange(1, 41) % 2 == 1)[:, None]
    assert own.mean() > 0.9


def test_newest_best_rated_and_popular_lately_are_what_they_say():
    ratings = make_ratings([1, 1, 2, 3, 4, 5, 6, 7], [10, 10, 10, 10, 11, 12, 13, 13])
    ratings = replace(ratings, rating=np.array([3, 3, 3, 3, 5, 1, 3, 3], np.float32))
    catalog = make_catalog(4, year=[1999, -1, 2010, 2001])
    first = {}
    for name, recommender in (
        ("new", Newest()),
        ("best", BestRated(BestRated.Settings(damping=1.0))),
        ("late", PopularLately(PopularLately.Settings(share=0.25))),
    ):
        recommender.fit(catalog, ratings, 1)
        first[name] = recommender.recommend(ask_for([99]), 4).item_id[0].tolist()
    assert first["new"] == [12, 13, 10, 11]
    assert first["best"][0] == 11
    assert first["best"][-1] == 12
    assert first["late"][0] == 13


def test_a_genre_profile_follows_genres():
    dataset = fictional.load(n_users=60)
    catalog, (ratings, _) = dataset.catalog, dataset.ratings.split_by_time(0.8)
    recommender = GenreProfile()
    recommender.fit(catalog, ratings, 1)
    shares = catalog.genres / catalog.genres.sum(axis=1, keepdims=True)
    users = ratings.users
    page = catalog.index_of(recommender.recommend(ask_for(users), 10).item_id)
    known = catalog.index_of(ratings.item_id)
    own = np.array([shares[known[ratings.user_index == user]].mean(axis=0) for user in range(len(users))])
    lift = own / shares[known].mean(axis=0)
    mine = np.mean([shares[row].mean(axis=0) @ lift[user] for user, row in enumerate(page)])
    other = np.mean([shares[row].mean(axis=0) @ lift[user - 1] for user, row in enumerate(page)])
    assert mine > 1.2 * other


@pytest.mark.parametrize(
    "build",
    [
        lambda: PopularLately(PopularLately.Settings(share=0)),
        lambda: BestRated(BestRated.Settings(damping=0)),
        lambda: UserKNN(UserKNN.Settings(neighbours=0)),
        lambda: Markov(Markov.Settings(ahead=0)),
        lambda: PairwiseFactors(PairwiseFactors.Settings(factors=0)),
    ],
)
def test_settings_that_cannot_work_are_refused(build):
    with pytest.raises(ConfigError, match="got 0"):
        build()
