from itertools import pairwise

import numpy as np
import pytest
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.core import keyed
from recsim_llm.core.pages import Slates
from recsim_llm.recommenders import LinUCB, Popularity
from recsim_llm.recommenders.scoring import ScoringRecommender
from recsim_llm.testing import small_world


def linear_world(items=200):
    random = np.random.default_rng(5)
    features = random.normal(size=(items, 6)).astype(np.float32)
    return (make_catalog(items, features=features), make_ratings([10**6], [10])), random


def browse(recommender, world, weights, pages=12, k=5, parts=1):
    """Return the share of clicks by page, for users whose log-odds are linear in the features."""
    catalog, users = world[0], np.arange(len(weights))
    shown, clicked, share = np.full((len(users), pages * k), -1), np.zeros((len(users), pages * k), np.bool_), []
    for page in range(pages):
        requests = ask_for(users, shown, clicked, page=page)
        slates = recommender.recommend(requests, k)
        log_odds = np.einsum("ud,ukd->uk", weights, catalog.features[catalog.index_of(slates.item_id)]) - 1
        dice = keyed.uniform(keyed.words(0, "click", users[:, None], page, np.arange(k)))
        click = dice < 1 / (1 + np.exp(-log_odds))
        edges = np.linspace(0, len(users), parts + 1).astype(int)
        for rows in (slice(*edge) for edge in reversed(list(pairwise(edges)))):
            part = Slates(slates.item_id[rows])
            recommender.observe(
                ask_for(users[rows]), part, click[rows], np.full((rows.stop - rows.start, k), np.nan, np.float32)
            )
        shown[:, page * k : page * k + k], clicked[:, page * k : page * k + k] = slates.item_id, click
        share.append(click.mean())
    return np.array(share), shown


def test_the_bandit_learns_what_all_users_like():
    world, random = linear_world()
    weights = np.tile(random.normal(size=6), (40, 1))
    share, _ = browse(fitted(LinUCB(), world), world, weights, pages=6)
    assert share[2:].mean() > share[0] + 0.2


def test_the_bandit_learns_what_single_users_like():
    world, random = linear_world()
    weights = random.normal(size=(40, 6)) * 1.5
    share, _ = browse(fitted(LinUCB(), world), world, weights)
    pooled, _ = browse(fitted(LinUCB(LinUCB.Settings(user_ridge=1e6)), world), world, weights)
    assert share[6:].mean() > share[0] + 0.2
    assert share[6:].mean() > pooled[6:].mean() + 0.1


def test_the_bandit_does_not_notice_how_users_are_cut_into_batches():
    world, random = linear_world()
    weights = random.normal(size=(40, 6))
    _, whole = browse(fitted(LinUCB(), world), world, weights, pages=4)
    _, parts = browse(fitted(LinUCB(), world), world, weights, pages=4, parts=7)
    assert np.array_equal(whole, parts)


def test_the_bandit_starts_from_popularity():
    catalog, ratings = make_catalog(6), make_ratings([1, 2, 3, 1, 2, 1, 4], [14, 14, 14, 12, 12, 11, 14])
    world = (catalog, ratings)
    requests = ask_for([100_000])
    expected = fitted(Popularity(), world).recommend(requests, 5)
    assert np.array_equal(fitted(LinUCB(LinUCB.Settings(alpha=0)), world).recommend(requests, 5).item_id, expected.item_id)


def test_the_bandit_matches_the_formula():
    world = small_world()
    bandit = fitted(LinUCB(LinUCB.Settings(alpha=0.3, ridge=4.0, user_ridge=2.0)), world)
    x = bandit._features
    width = x.shape[1]
    users, clicked = np.array([1, 2]), np.array([[True, False], [False, False]])
    shown = world[0].item_id[[[0, 5], [7, 9]]]
    bandit.observe(ask_for(users), Slates(shown), clicked, np.full((2, 2), np.nan, np.float32))
    own, every = x[[0, 5]], x[[0, 5, 7, 9]]
    prior = np.eye(width)[1] * 0.1
    shared = np.linalg.solve(4 * np.eye(width) + every.T @ every, 4 * prior + x[0])
    spread = np.linalg.inv(2 * np.eye(width) + own.T @ own)
    expected = x @ spread @ (2 * shared + x[0]) + 0.3 * np.sqrt(np.einsum("nd,de,ne->n", x, spread, x))
    assert np.allclose(bandit._score(ask_for([1]))[0], expected, atol=1e-5)


def test_the_bandit_passes_over_unknown_items():
    world = small_world()
    bandit = fitted(LinUCB(), world)
    before = bandit.recommend(ask_for([1]), 5)
    bandit.observe(
        ask_for([1]), Slates(np.array([[-1, 999_999]])), np.zeros((1, 2), np.bool_), np.full((1, 2), np.nan, np.float32)
    )
    assert np.array_equal(bandit.recommend(ask_for([1]), 5).item_id, before.item_id)


@pytest.mark.parametrize("settings", [{}, {"alpha": 0.0}, {"alpha": 2.0, "user_ridge": 0.5}, {"dimensions": 1}], ids=str)
def test_pages_found_by_bounds_are_those_of_all_scores(settings):
    world, random = linear_world(items=3000)
    bandit = fitted(LinUCB(LinUCB.Settings(**settings)), world)
    _, shown = browse(bandit, world, random.normal(size=(24, 6)), pages=4)
    requests = ask_for(np.arange(30), np.concatenate([shown, np.full((6, shown.shape[1]), -1)]))
    expected = world[0].item_id[ScoringRecommender._best(bandit, requests, 7)]
    assert np.array_equal(bandit.recommend(requests, 7).item_id, expected)


def test_no_score_exceeds_its_bound():
    world, random = linear_world(items=500)
    bandit = fitted(LinUCB(LinUCB.Settings(alpha=0.5, user_ridge=3.0)), world)
    browse(bandit, world, random.normal(size=(24, 6)), pages=4)
    scores = bandit._score(ask_for(np.arange(24)))
    assert (bandit._at_most(*bandit._estimate(np.arange(1, 25))) >= scores).all()
