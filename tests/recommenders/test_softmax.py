import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slate_worlds import Policy, all_slates
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import Popularity, RandomRecommender, Softmax
from recsim_llm.recommenders.plackett_luce import log_prefix, next_item, placements
from recsim_llm.testing import check_recommender


def softmax(**settings):
    return Softmax(Softmax.Settings(**{"base": "popularity"} | settings))


BASES = ["popularity", "item-knn", "mf", "linucb"]


def everyone(items):
    return np.ones((1, items), np.bool_)


def spread_world(items=6):
    """Item popularity from 1 to ``items`` users; user 1 has seen item 10."""
    user = np.concatenate([np.arange(1, place + 2) + 100 for place in range(items)])
    item = np.concatenate([np.full(place + 1, 10 + place) for place in range(items)])
    return make_catalog(items), make_ratings([1, *user], [10, *item])


@pytest.mark.parametrize("base", BASES)
def test_it_keeps_the_contract(base):
    check_recommender(lambda: softmax(base=base))


def test_it_keeps_the_contract_with_slot_marginals():
    check_recommender(lambda: softmax(temperature=0.5, slot_marginals=True))


@given(st.lists(st.floats(-4, 4), min_size=4, max_size=6), st.integers(1, 3))
@settings(max_examples=25)
def test_prefix_next_and_placement_probabilities_are_those_of_enumeration(utility, slots):
    policy = Policy(np.exp(utility), slots)
    many = np.repeat(np.array([utility]), len(policy.slates), axis=0)
    pool = np.ones(many.shape, np.bool_)
    assert np.allclose(np.exp(log_prefix(many, pool, policy.slates)), policy.prefix)
    assert np.allclose(next_item(many, pool, policy.slates), policy.next(policy.slates))
    assert np.allclose(placements(many, pool, policy.slates), policy.placement(policy.slates), atol=1e-7, rtol=1e-6)


def test_placements_of_ten_slots_add_up():
    """Over all items a position holds one item; over all positions of a full page an item stands somewhere."""
    utility = np.random.default_rng(0).normal(size=(1, 10)) * 3
    placed = placements(utility, everyone(10), np.arange(10)[None])
    assert np.allclose(placed.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(placed.sum(axis=2), 1, atol=1e-6)


def test_placements_beyond_the_reach_of_the_integral_are_unknown():
    placed = placements(np.array([[0.0, -80.0, -90.0, -95.0]]), everyone(4), np.array([[0, 1]]))
    assert placed[0, 0, 0] == pytest.approx(1)
    assert np.isnan(placed[0, :, 1]).all()


def test_prefix_probabilities_survive_a_very_likely_item():
    chance = np.exp(log_prefix(np.array([[900.0, 0.0, 0.0]]), everyone(3), np.array([[0, 1, 2]])))
    assert chance.tolist() == [[1.0, 0.5, 1.0]]


def test_pages_come_as_often_as_their_propensities_say():
    recommender = fitted(softmax(temperature=0.4, slot_marginals=True), spread_world())
    pages = 40_000
    slates = recommender.recommend(ask_for(np.ones(pages), page=np.arange(pages)), 2)
    shown, first, count = np.unique(slates.item_id, axis=0, return_index=True, return_counts=True)
    assert len(shown) == 20
    assert 10 not in shown
    chance = slates.slate_propensity[first]
    assert chance.sum() == pytest.approx(1)
    assert np.abs(count / pages - chance).max() < 0.01
    assert np.allclose(slates.prefix_propensity.prod(axis=1), slates.slate_propensity, rtol=1e-5)
    for item in range(11, 16):
        told = slates.propensity[slates.item_id[:, 1] == item, 1]
        assert np.ptp(told) == 0
        assert (slates.item_id[:, 1] == item).mean() == pytest.approx(told[0], abs=0.01)


def test_slot_marginals_are_unknown_below_the_first_position_unless_asked_for():
    slates = fitted(softmax(), spread_world()).recommend(ask_for([1, 2]), 3)
    assert np.array_equal(slates.propensity[:, 0], slates.prefix_propensity[:, 0])
    assert np.isnan(slates.propensity[:, 1:]).all()


def test_a_low_temperature_gives_the_base_and_a_high_one_is_random():
    world = spread_world(30)
    requests = ask_for(np.arange(200))
    cold = fitted(softmax(temperature=1e-4), world).recommend(requests, 4)
    assert np.array_equal(cold.item_id, fitted(Popularity(), world).recommend(requests, 4).item_id)
    warm = fitted(softmax(temperature=1e6), world).recommend(requests, 4)
    even = fitted(RandomRecommender(), world).recommend(requests, 4)
    assert np.allclose(warm.slate_propensity, even.slate_propensity, rtol=1e-4)


@pytest.mark.parametrize("policy", [RandomRecommender(), softmax(temperature=0.3, slot_marginals=True)])
@pytest.mark.parametrize("seen", [[10], [10, 11, 12, 13], [10, 11, 12, 13, 14, 15]])
def test_what_a_policy_says_of_its_own_slates_is_what_it_logs(policy, seen):
    catalog, _ = spread_world()
    recommender = fitted(policy, (catalog, make_ratings([1] * len(seen), seen)))
    requests = ask_for(np.ones(50), page=np.arange(50))
    slates = recommender.recommend(requests, 3)
    said = recommender.propensities(requests, slates.item_id)
    assert np.allclose(said.prefix, slates.prefix_propensity)
    assert np.allclose(said.slate, slates.slate_propensity)
    placed = recommender.placements(requests, slates.item_id)
    assert np.allclose(np.einsum("njj->nj", placed), slates.propensity, rtol=1e-5)
    following = recommender.next_items(requests, slates.item_id)
    assert np.allclose(following.probability.sum(axis=2), 1)
    index = catalog.index_of(slates.item_id)
    assert np.allclose(np.take_along_axis(following.probability, index[:, :, None], axis=2)[:, :, 0], said.prefix)


@pytest.mark.parametrize("policy", [RandomRecommender(), softmax(temperature=0.3)])
@pytest.mark.parametrize("seen", [[10], [10, 11, 12, 13]])
def test_probabilities_of_all_slates_add_up_to_one(policy, seen):
    recommender = fitted(policy, (spread_world()[0], make_ratings([1] * len(seen), seen)))
    slates = 10 + all_slates(6, 3)
    requests = ask_for(np.ones(len(slates)))
    said = recommender.propensities(requests, slates)
    assert said.slate.sum() == pytest.approx(1)
    placed = recommender.placements(requests, slates)
    for position in range(3):
        marginal = [said.slate[slates[:, position] == item].sum() for item in slates[:, position]]
        assert np.allclose(placed[:, position, position], marginal, atol=1e-6)


@pytest.mark.parametrize("policy", [RandomRecommender(), softmax()])
def test_slates_that_cannot_be_shown_have_probability_zero(policy):
    recommender = fitted(policy, spread_world())
    slates = np.array([[10, 11], [11, 11], [99, 11], [-1, 11]])
    said = recommender.propensities(ask_for(np.ones(4)), slates)
    assert said.slate.tolist() == [0, 0, 0, 0]
    assert recommender.placements(ask_for(np.ones(4)), slates)[[0, 2, 3], 0].tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("policy", [RandomRecommender(), softmax(temperature=0.4)])
def test_samples_follow_the_law_and_have_nothing_to_do_with_the_pages_shown(policy):
    recommender = fitted(policy, spread_world())
    requests = ask_for(np.ones(3000), page=np.arange(3000))
    drawn = recommender.sample(requests, 2, 4, 5)
    assert np.array_equal(drawn[:, :10], recommender.sample(ask_for(np.ones(10), page=np.arange(10)), 2, 4, 5))
    shown, count = np.unique(drawn.reshape(-1, 2), axis=0, return_counts=True)
    chance = recommender.propensities(ask_for(np.ones(len(shown))), shown).slate
    assert np.abs(count / 12_000 - chance).max() < 0.02
    same = (drawn[0] == recommender.recommend(requests, 2).item_id).all(axis=1).mean()
    assert same == pytest.approx(np.square(chance).sum(), abs=0.03)


@pytest.mark.parametrize(
    "arguments",
    [
        {"temperature": 0},
        {"temperature": float("nan")},
        {"base": "random"},
        {"base": "oracle"},
        {"base": "mf", "base_settings": {"no": 1}},
    ],
)
def test_wrong_settings_are_refused(arguments):
    with pytest.raises(ConfigError):
        softmax(**arguments)
