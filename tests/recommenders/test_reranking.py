"""Recommenders that work on the candidates of others: two stages, diversity, calibration, less of what is popular."""

import numpy as np
import pytest
from small_data import ask_for, fitted, make_ratings

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import ACTIONS
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import (
    AsksModel,
    Calibrated,
    Heeding,
    ItemKNN,
    MatrixFactorization,
    MaximalMarginalRelevance,
    Popularity,
    PopularityDiscounted,
    TakesUserKeys,
    TwoStage,
    open_recommender,
)
from recsim_llm.testing import check_recommender, small_world

RERANKERS = [MaximalMarginalRelevance, Calibrated, PopularityDiscounted, Heeding]
every_reranker = pytest.mark.parametrize("kind", RERANKERS)


def over(kind, **settings):
    return kind(kind.Settings(**{"base": "popularity"} | settings))


def genre_world():
    """Items 10 to 13 are dramas, 14 and 15 comedies, each less popular than the one before; user 1 took two of each genre."""
    genres = [["Drama"]] * 4 + [["Comedy"]] * 2 + [["Drama"]] * 2 + [["Comedy"]] * 2
    catalog = Catalog.from_columns(item_id=10 + np.arange(10), title=[str(item) for item in range(10)], genres=genres)
    user = np.concatenate([100 + np.arange(9 - place) for place in range(6)])
    item = np.repeat(10 + np.arange(6), 9 - np.arange(6))
    return catalog, make_ratings([1, 1, 1, 1, *user], [16, 17, 18, 19, *item])


@pytest.mark.parametrize("base", ["popularity", "thompson", "random"])
@every_reranker
def test_it_keeps_the_contract(kind, base):
    check_recommender(lambda: over(kind, base=base, candidates=20))


@pytest.mark.parametrize("ranker", ["mf", "thompson"])
def test_two_stages_keep_the_contract(ranker):
    check_recommender(lambda: TwoStage(TwoStage.Settings(retriever="random", ranker=ranker, candidates=20)))


@every_reranker
def test_without_strength_the_order_of_the_base_stays(kind):
    world = small_world()
    requests = ask_for(world[1].users)
    expected = fitted(Popularity(), world).recommend(requests, 6)
    slates = fitted(over(kind, strength=0.0), world).recommend(requests, 6)
    assert np.array_equal(slates.item_id, expected.item_id)
    assert (slates.slate_propensity == 1).all()


def test_pages_of_a_base_that_draws_have_unknown_propensities():
    slates = fitted(over(Calibrated, base="random"), small_world()).recommend(ask_for([1]), 4)
    assert np.isnan(slates.slate_propensity).all()
    assert np.isnan(slates.propensity).all()


def test_marginal_relevance_alternates_genres_while_there_are_others():
    page = fitted(over(MaximalMarginalRelevance, strength=0.6), genre_world()).recommend(ask_for([500]), 4)
    assert page.item_id.tolist() == [[10, 14, 11, 12]]


def test_calibrated_pages_have_the_genres_of_the_history():
    recommender = fitted(over(Calibrated, strength=0.9), genre_world())
    page = recommender.recommend(ask_for([1, 500]), 4).item_id
    assert sorted(page[0].tolist()) == [10, 11, 14, 15]
    assert page[1].tolist() == [10, 11, 12, 13]


def test_the_gain_of_calibration_is_the_divergence_of_the_paper():
    catalog, ratings = genre_world()
    recommender = fitted(over(Calibrated), (catalog, ratings))
    gains = recommender._gains(ask_for([1]), np.arange(10)[None])(np.array([[0, 1]]))
    wanted = np.array([0.5, 0.5])
    for item, comedy in ((2, 0.0), (4, 1 / 3)):
        mixed = 0.99 * np.array([comedy, 1 - comedy]) + 0.01 * wanted
        assert np.isclose(gains[0, item], -(wanted * np.log(wanted / mixed)).sum())


def test_discounted_popularity_prefers_what_few_know():
    page = fitted(over(PopularityDiscounted, strength=0.9, candidates=6), genre_world()).recommend(ask_for([500]), 2)
    assert page.item_id.tolist() == [[15, 14]]


def test_what_was_seen_comes_after_the_other_candidates():
    recommender = fitted(over(PopularityDiscounted, strength=1.0), genre_world())
    page = recommender.recommend(ask_for([500], [[12, 13, 14, 15, 16, 17, 18, 19]]), 4).item_id[0].tolist()
    assert set(page[:2]) == {10, 11}


def test_the_ranker_orders_what_the_retriever_names():
    world = small_world()
    requests = ask_for(world[1].users)
    two = fitted(TwoStage(TwoStage.Settings(retriever="item-knn", ranker="mf", candidates=8)), world)
    named = fitted(ItemKNN(), world).recommend(requests, 8).item_id
    scores = fitted(MatrixFactorization(), world)._score(requests)
    index = world[0].index_of(named)
    expected = np.take_along_axis(named, np.argsort(-np.take_along_axis(scores, index, axis=1), axis=1, kind="stable"), axis=1)
    assert np.array_equal(two.recommend(requests, 3).item_id, expected[:, :3])


def test_what_the_inner_ones_need_is_what_the_outer_one_takes():
    assert not isinstance(over(Calibrated), AsksModel | TakesUserKeys)
    asked = over(Calibrated, base="language")
    assert isinstance(asked, AsksModel)
    told = []
    asked._base.consult = told.append
    asked.consult("model")
    assert told == ["model"]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("mmr", {"base": "oracle"}, "base 'oracle': got one that knows the truth, expected one that does not; take mf"),
        ("mmr", {"base_settings": {"factor": 8}}, "base 'mf': got unknown key 'factor'"),
        ("two-stage", {"ranker": "random"}, "two-stage: got ranker 'random', expected one that ranks by scores; take mf"),
        ("two-stage", {"retriever": "oracle"}, "two-stage, retriever 'oracle': got one that knows the truth"),
    ],
)
def test_inner_ones_that_will_not_do_are_refused(name, settings, said):
    with pytest.raises(ConfigError, match=said):
        open_recommender(name, settings)


def test_what_resembles_something_refused_comes_last():
    world = genre_world()
    asked = ask_for([7, 8, 9], shown=[[15], [15], [15]])
    done = np.array([[1 << ACTIONS.index("less_like_this")], [1 << ACTIONS.index("dislike")], [0]], np.uint8)
    slates = fitted(over(Heeding), world).recommend(asked._replace(history_actions=done), 6)
    plain = fitted(Popularity(), world).recommend(asked, 6)
    assert np.array_equal(slates.item_id[1:], plain.item_id[1:])
    dramas = [item for item in plain.item_id[0].tolist() if item in (10, 11, 12, 13, 16, 17)]
    assert slates.item_id[0].tolist()[: len(dramas)] == dramas
    assert 14 not in slates.item_id[0].tolist()[: len(dramas)]
