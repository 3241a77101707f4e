import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.core import keyed
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.recommenders import (
    ALS,
    BPR,
    EASE,
    SLIM,
    ContentBased,
    ItemKNN,
    LensKit,
    LinUCB,
    MatrixFactorization,
    Oracle,
    Popularity,
    RandomRecommender,
    Sklearn,
    Truth,
    UserKNN,
    check_slates,
)
from recsim_llm.recommenders.scoring import on_grid, products
from recsim_llm.testing import check_recommender, small_world


class PlantedOracle(Oracle):
    """An oracle that brings its own truth for whatever catalog it is fitted on."""

    def fit(self, catalog, ratings, seed):
        self.reveal(Truth(lambda users: appeal_of(users, catalog.item_id)))
        super().fit(catalog, ratings, seed)


def eight_factors():
    return MatrixFactorization(MatrixFactorization.Settings(factors=8))


def few_steps():
    return BPR(BPR.Settings(factors=8, iterations=10))


LEARNERS = [ItemKNN, MatrixFactorization, UserKNN, ALS, EASE, SLIM]
SETTLED = [Popularity, *LEARNERS, LinUCB, few_steps, ContentBased, LensKit, Sklearn]
"""Recommenders that choose for certain and need no truth."""
RECOMMENDERS = [RandomRecommender, *SETTLED, PlantedOracle]
every_recommender = pytest.mark.parametrize("factory", RECOMMENDERS)


def appeal_of(users, item_id):
    return keyed.uniform(keyed.words(0, "appeal", users[:, None], item_id)).astype(np.float32)


def blocks(seed=0, users=150, items=300, kinds=5):
    """Users who keep to one fifth of the items, with popular items in each; returns the world and the held-out pairs."""
    random = np.random.default_rng(seed)
    catalog = make_catalog(items)
    chance = 0.5 * (1 + np.arange(items) // kinds) ** -0.4
    chance = np.where(np.arange(users)[:, None] % kinds == np.arange(items) % kinds, chance, 0.05 * chance)
    user, item = np.nonzero(random.random((users, items)) < chance)
    held = random.random(len(user)) < 0.3
    ids = catalog.item_id[item]
    return (catalog, make_ratings(user[~held], ids[~held])), set(zip(user[held].tolist(), ids[held].tolist(), strict=True))


def hits(recommender, world, held):
    users = world[1].users
    slates = fitted(recommender, world).recommend(ask_for(users), 10)
    pairs = zip(np.repeat(users, 10).tolist(), slates.item_id.reshape(-1).tolist(), strict=True)
    return sum(pair in held for pair in pairs)


@every_recommender
def test_it_keeps_the_contract(factory):
    check_recommender(factory)


@every_recommender
def test_what_was_rated_or_shown_or_retired_is_not_recommended(factory):
    catalog, ratings = small_world()
    object.__setattr__(catalog, "retired", np.arange(len(catalog)) % 7 == 0)
    shown = np.tile(catalog.item_id[1:9], (len(ratings.users), 1))
    slates = fitted(factory(), (catalog, ratings)).recommend(ask_for(ratings.users, shown, shown % 2 == 0), 5)
    barred = set(zip(ratings.user_id.tolist(), ratings.item_id.tolist(), strict=True))
    check_slates(slates, catalog, len(ratings.users), 5, name="any", blank_invalid=False)
    for user, page in zip(ratings.users.tolist(), slates.item_id.tolist(), strict=True):
        assert not barred & {(user, item) for item in page}
        assert not set(page) & set(shown[0].tolist())


@every_recommender
def test_a_page_is_filled_with_seen_items_once_too_few_are_left(factory):
    catalog, ratings = make_catalog(6), make_ratings([1, 1, 2], [10, 11, 10])
    slates = fitted(factory(), (catalog, ratings)).recommend(ask_for([1, 1], [[12, 13], [-1, -1]]), 5)
    assert set(slates.item_id[0, :2].tolist()) == {14, 15}
    assert len(set(slates.item_id[0].tolist())) == 5
    assert set(slates.item_id[1, :4].tolist()) == {12, 13, 14, 15}


@every_recommender
def test_pages_longer_than_the_items_on_sale_are_refused(factory):
    with pytest.raises(ConfigError, match="expected 1 to 6"):
        fitted(factory(), (make_catalog(6), make_ratings([1], [10]))).recommend(ask_for([1]), 7)


@every_recommender
def test_a_request_before_fit_is_refused(factory):
    with pytest.raises(ConfigError, match="call fit first"):
        factory().recommend(ask_for([1]), 1)


@every_recommender
def test_many_users_are_served_in_chunks_as_they_are_alone(factory, monkeypatch):
    world = small_world()
    whole = fitted(factory(), world).recommend(ask_for(np.arange(40)), 4)
    monkeypatch.setattr("recsim_llm.recommenders.uniform._CELLS", 200)
    monkeypatch.setattr("recsim_llm.recommenders.scoring.chunks.__defaults__", (200,))
    parts = fitted(factory(), world).recommend(ask_for(np.arange(40)), 4)
    assert np.array_equal(whole.item_id, parts.item_id)


@pytest.mark.parametrize("factory", [RandomRecommender, *SETTLED])
def test_a_pickled_recommender_goes_on_as_the_original(factory):
    world = small_world()
    original = fitted(factory(), world)
    requests = ask_for(world[1].users)
    slates = original.recommend(requests, 5)
    clicked = slates.item_id % 2 == 0
    original.observe(requests, slates, clicked, np.where(clicked, np.float32(4), np.float32(np.nan)))
    copy = pickle.loads(pickle.dumps(original))
    later = ask_for(world[1].users, slates.item_id, clicked, page=1)
    assert np.array_equal(copy.recommend(later, 5).item_id, original.recommend(later, 5).item_id)


@pytest.mark.parametrize("factory", [*SETTLED, PlantedOracle])
def test_certain_choices_have_propensity_one(factory):
    slates = fitted(factory(), small_world()).recommend(ask_for([10, 12]), 5)
    assert all((column == 1).all() for column in slates[1:4])


def test_personal_recommenders_beat_popularity_which_beats_random_on_blocks():
    world, held = blocks()
    by_chance, popular, near, factors = (
        hits(recommender, world, held)
        for recommender in (
            RandomRecommender(),
            Popularity(),
            ItemKNN(),
            eight_factors(),
        )
    )
    assert 1.5 * by_chance < popular
    assert 1.5 * popular < min(near, factors)


def test_popularity_counts_users_and_breaks_ties_by_catalog_order():
    ratings = make_ratings([1, 2, 3, 1, 2, 1, 1], [14, 14, 14, 12, 12, 11, 11])
    slates = fitted(Popularity(), (make_catalog(6), ratings)).recommend(ask_for([9]), 6)
    assert slates.item_id.tolist() == [[14, 12, 11, 10, 13, 15]]


@pytest.mark.parametrize("factory", [Popularity, *LEARNERS, few_steps, ContentBased, LensKit])
def test_a_new_user_without_clicks_gets_the_most_popular_items(factory):
    world, _ = blocks()
    requests = ask_for([100_000])
    expected = fitted(Popularity(), world).recommend(requests, 10)
    assert np.array_equal(fitted(factory(), world).recommend(requests, 10).item_id, expected.item_id)


@pytest.mark.parametrize("factory", LEARNERS)
def test_a_new_user_is_served_from_the_clicks_of_the_run(factory):
    world, _ = blocks()
    shown = np.array([[13, 18, 23, 14, 11], [14, 19, 24, 13, 11]])  # the first three of each row are of one block
    clicked = np.array([[True, True, True, False, False]] * 2)
    slates = fitted(factory(), world).recommend(ask_for([100_000, 100_001], shown, clicked), 10)
    share = ((slates.item_id - 10) % 5 == np.array([[3], [4]])).mean(axis=1)
    assert (share > 0.8).all()


def test_factors_follow_the_history_of_the_request_not_of_an_earlier_one():
    world, _ = blocks()
    recommender = fitted(eight_factors(), world)
    before = recommender.recommend(ask_for([3, 100_000]), 5)
    recommender.recommend(ask_for([3, 100_000], [[12, 17], [12, 17]], [[True, True]] * 2), 5)
    assert np.array_equal(recommender.recommend(ask_for([3, 100_000]), 5).item_id, before.item_id)


def test_one_user_may_ask_twice_in_a_batch_with_different_histories():
    world, _ = blocks()
    shown, clicked = [[12, 17], [14, 19]], [[True, True]] * 2
    together = fitted(eight_factors(), world).recommend(ask_for([9999, 9999], shown, clicked), 5)
    for row in (0, 1):
        alone = fitted(eight_factors(), world).recommend(ask_for([9999], shown[row:][:1], clicked[:1]), 5)
        assert np.array_equal(together.item_id[row], alone.item_id[0])


def test_neighbours_have_the_shrunk_cosine():
    ratings = make_ratings([1, 1, 2, 2, 3], [10, 11, 10, 12, 10])
    recommender = fitted(ItemKNN(ItemKNN.Settings(neighbours=1, shrinkage=2.0)), (make_catalog(4), ratings))
    # Item 10 has two neighbours at 1 / (sqrt(3 * 1) + 2) and keeps the first.
    expected = np.zeros((4, 4))
    expected[1, 0] = expected[0, 1] = expected[0, 2] = 1 / (np.sqrt(3) + 2)
    assert np.allclose(recommender._near.toarray(), expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ItemKNN(ItemKNN.Settings(neighbours=0)),
        lambda: ItemKNN(ItemKNN.Settings(shrinkage=-1)),
        lambda: MatrixFactorization(MatrixFactorization.Settings(factors=0)),
        lambda: LinUCB(LinUCB.Settings(alpha=-1)),
        lambda: LinUCB(LinUCB.Settings(ridge=0)),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(ConfigError, match="expected"):
        make()


# The oracle.


def test_the_oracle_ranks_by_true_appeal_among_what_was_not_seen():
    catalog, ratings = small_world()
    users = ratings.users
    slates = fitted(PlantedOracle(), (catalog, ratings)).recommend(ask_for(users, np.full((len(users), 1), 103)), 4)
    appeal = appeal_of(users, catalog.item_id)
    appeal[np.searchsorted(users, ratings.user_id), catalog.index_of(ratings.item_id)] = -1
    appeal[:, 1] = -1
    assert np.array_equal(slates.item_id, catalog.item_id[np.argsort(-appeal, axis=1)[:, :4]])


def test_the_oracle_leaves_the_truth_as_it_was():
    catalog, ratings = small_world()
    appeal = appeal_of(ratings.users, catalog.item_id)
    oracle = Oracle()
    oracle.reveal(Truth(lambda users: appeal))
    fitted(oracle, (catalog, ratings)).recommend(ask_for(ratings.users), 4)
    assert np.isfinite(appeal).all()


def test_an_oracle_without_truth_is_refused():
    with pytest.raises(ConfigError, match="reveal"):
        Oracle().fit(*small_world(), 0)


@pytest.mark.parametrize("appeal", [np.zeros((1, 3), np.float32), np.full((1, 60), np.nan, np.float32)])
def test_the_oracle_refuses_appeal_that_it_cannot_rank(appeal):
    oracle = Oracle()
    oracle.reveal(Truth(lambda users: appeal))
    with pytest.raises(ContractError, match="appeal"):
        fitted(oracle, small_world()).recommend(ask_for([1]), 4)


# Products that do not depend on the batch.


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1e-6, 1.0, 1e5]))
def test_products_do_not_depend_on_the_batch_nor_on_the_order_of_summation(seed, users, width, scale):
    random = np.random.default_rng(seed)
    left, right = scale * random.normal(size=(users, width)), random.normal(size=(width, 70)) / scale
    items = on_grid(right, width)
    whole, order = products(left, items), random.permutation(users)
    turn = random.permutation(width)
    assert np.array_equal(products(left[order], items), whole[order])
    assert np.array_equal(products(left[:1], items), whole[:1])
    assert np.array_equal(products(left[:, turn], items[turn]), whole)
    assert np.allclose(whole, left @ right, rtol=1e-5, atol=1e-5 * width)


class ByScores(Popularity):
    """Popularity, with a row of scores for every user."""

    def _score(self, requests):
        return super()._score(requests).copy()


@given(seed=st.integers(0, 2**32), shown=st.integers(0, 39), repeats=st.sampled_from(["forbid", "allow"]), whole=st.booleans())
@settings(max_examples=40)
def test_scores_that_are_alike_rank_as_scores_that_each_user_has(seed, shown, repeats, whole):
    random = np.random.default_rng(seed)
    catalog = make_catalog(40)
    retired = random.random(40) < 0.2
    retired[:5] = False
    rated = make_ratings(random.integers(0, 9, 60), catalog.item_id[random.integers(0, 40, 60)])
    world = (replace(catalog, retired=retired), rated)
    # Some have seen nearly everything, so that their pages are filled up; 99 is no item.
    history = np.stack([np.append(catalog.item_id[random.permutation(40)], 99)[: shown + 1] for _ in range(12)])
    asked, pages = ask_for(np.arange(12), history), []
    for kind in (Popularity, ByScores):
        recommender = kind()
        recommender.play_by(repeats)
        pages.append(fitted(recommender, world).recommend(asked, int((~retired).sum()) if whole else 5).item_id)
    assert pages[0].tolist() == pages[1].tolist()
