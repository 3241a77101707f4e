"""Thompson sampling and epsilon-greedy: they share LinUCB's model, explore as they say, and tell what they can."""

from itertools import permutations

import numpy as np
import pytest
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.core.pages import Slates
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders import EpsilonGreedy, LinUCB, Thompson, open_recommender
from recsim_llm.recommenders.epsilon_greedy import _marginals
from recsim_llm.testing import check_recommender, small_world


def popular_world(items=6):
    """Item ``10 + i`` was consumed by ``items - i`` users."""
    user = np.concatenate([np.arange(items - place) + 100 for place in range(items)])
    return make_catalog(items), make_ratings(user, np.repeat(10 + np.arange(items), items - np.arange(items)))


def greedy(epsilon):
    return EpsilonGreedy(EpsilonGreedy.Settings(epsilon=epsilon))


@pytest.mark.parametrize("factory", [Thompson, EpsilonGreedy, lambda: greedy(1.0)])
def test_it_keeps_the_contract(factory):
    check_recommender(factory)


@pytest.mark.parametrize("make", [lambda: Thompson(Thompson.Settings(scale=0.0)), lambda: greedy(0.0)])
def test_without_exploration_it_is_the_greedy_linear_bandit(make):
    world = small_world()
    plain = fitted(LinUCB(LinUCB.Settings(alpha=0.0)), world)
    other = fitted(make(), world)
    users, none = world[1].users, np.full((len(world[1].users), 3), np.nan, np.float32)
    for page in range(3):
        requests = ask_for(users, page=page)
        slates = plain.recommend(requests, 3)
        assert np.array_equal(other.recommend(requests, 3).item_id, slates.item_id)
        for bandit in (plain, other):
            bandit.observe(requests, Slates(slates.item_id), (users[:, None] + np.arange(3)) % 2 == 0, none)


def test_thompson_draws_weights_with_the_covariance_of_what_it_believes():
    world = small_world()
    bandit = fitted(Thompson(Thompson.Settings(scale=0.7, user_ridge=2.0)), world)
    bandit.observe(ask_for([1]), Slates(world[0].item_id[[[0, 5]]]), np.array([[True, False]]), np.full((1, 2), np.nan))
    many = ask_for(np.ones(4000), page=np.arange(4000))
    scores = bandit._score(many).astype(float)
    weights, spread = bandit._estimate(bandit._users.find(np.array([1])))
    features = bandit._features
    deviation = 0.7 * np.sqrt(np.einsum("nd,de,ne->n", features, spread[0], features))
    assert np.allclose(scores.mean(axis=0), features @ weights[0], atol=5 * deviation.max() / np.sqrt(4000))
    assert np.allclose(scores.std(axis=0), deviation, rtol=0.06)
    assert bandit.recommend(ask_for([1]), 3).propensity is None


def test_thompson_draws_anew_for_each_page_and_visit():
    bandit = fitted(Thompson(Thompson.Settings(scale=5.0)), small_world())
    pages = {
        tuple(bandit.recommend(ask_for([1], page=page, visit=visit), 5).item_id[0]) for page in range(3) for visit in (0, 1)
    }
    assert len(pages) == 6


@pytest.mark.parametrize(("pool", "slots", "epsilon"), [(5, 3, 0.3), (4, 4, 0.6), (3, 3, 1.0), (6, 2, 0.0)])
def test_slot_marginals_are_those_of_enumeration(pool, slots, epsilon):
    expected = np.zeros((slots, pool))
    for page in permutations(range(pool), slots):
        chance = 1.0
        for position, item in enumerate(page):
            left = [other for other in range(pool) if other not in page[:position]]
            chance *= epsilon / len(left) + (1 - epsilon) * (item == left[0])
        for position, item in enumerate(page):
            expected[position, item] += chance
    told = _marginals(np.array([pool]), slots, epsilon)[0]
    assert np.allclose(told[:, np.minimum(np.arange(pool), slots)], expected)


def test_shares_of_pages_shown_are_the_propensities_told():
    bandit = fitted(greedy(0.4), popular_world())
    slates = bandit.recommend(ask_for(np.arange(20_000) + 1000), 2)
    pages, first, count = np.unique(slates.item_id, axis=0, return_index=True, return_counts=True)
    assert len(pages) == 30
    assert np.allclose(count / 20_000, slates.slate_propensity[first], atol=0.012)
    assert np.isclose(slates.slate_propensity[first].sum(), 1)
    second = np.array([(slates.item_id[:, 1] == item).mean() for item in slates.item_id[first, 1]])
    assert np.allclose(second, slates.propensity[first, 1], atol=0.012)


def test_seen_items_fill_the_page_by_the_same_law_once_the_others_are_used_up():
    bandit = fitted(greedy(0.5), popular_world())
    shown = np.tile([[10, 11, 12, 13]], (20_000, 1))
    slates = bandit.recommend(ask_for(np.arange(20_000) + 1000, shown), 4)
    assert set(slates.item_id[:, :2].reshape(-1).tolist()) == {14, 15}
    _, first, count = np.unique(slates.item_id, axis=0, return_index=True, return_counts=True)
    assert np.allclose(count / 20_000, slates.slate_propensity[first], atol=0.012)
    third = np.array([(slates.item_id[:, 2] == item).mean() for item in slates.item_id[first, 2]])
    assert np.allclose(third, slates.propensity[first, 2], atol=0.012)


def test_softmax_refuses_scores_that_are_drawn_since_its_propensities_would_be_wrong():
    with pytest.raises(ConfigError, match="got base 'thompson', expected one that ranks by scores, without drawing them"):
        open_recommender("softmax", {"base": "thompson"})
