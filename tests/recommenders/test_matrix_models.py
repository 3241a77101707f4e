"""EASE, SLIM and content: each solves the problem that its paper states, and knows what it does not know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet
from small_data import ask_for, fitted, make_catalog, make_ratings

from recsim_llm.core.catalog import Catalog
from recsim_llm.recommenders import EASE, SLIM, ContentBased, ItemKNN, Popularity, UserKNN
from recsim_llm.recommenders.content_based import item_content
from recsim_llm.recommenders.scoring import unknown_last
from recsim_llm.testing import small_world


def dense(recommender):
    return recommender._known.matrix.toarray().astype(np.float64)


def test_ease_has_the_weights_of_the_closed_form():
    recommender = fitted(EASE(EASE.Settings(regularization=3.0)), small_world())
    matrix = dense(recommender)
    inverse = np.linalg.inv(matrix.T @ matrix + 3.0 * np.eye(matrix.shape[1]))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    assert np.allclose(recommender._weights, expected[np.ix_(recommender._part, recommender._part)], atol=1e-6)


def test_ease_learns_of_the_most_consumed_items_and_ranks_the_others_after_them_by_popularity():
    catalog, ratings = small_world()
    recommender = fitted(EASE(EASE.Settings(items=12)), (catalog, ratings))
    user = ratings.users[:1]
    page = catalog.index_of(recommender.recommend(ask_for(user), 60).item_id)[0]
    seen = catalog.index_of(ratings.item_id[ratings.user_id == user[0]])
    fresh = page[: 60 - len(seen)]
    known = np.isin(fresh, recommender._part)
    assert 0 < np.count_nonzero(known) < 12
    assert not known[np.count_nonzero(known) :].any()
    popular = fitted(Popularity(), (catalog, ratings)).recommend(ask_for(user), 60).item_id[0]
    rest = catalog.item_id[fresh[~known]]
    assert rest.tolist() == [item for item in popular.tolist() if item in rest]


def test_slim_has_the_weights_of_a_positive_elastic_net():
    recommender = fitted(SLIM(SLIM.Settings(neighbours=60, sparsity=0.5, regularization=2.0)), small_world())
    matrix = dense(recommender)
    count = len(matrix)
    model = ElasticNet(alpha=2.5 / count, l1_ratio=0.5 / 2.5, positive=True, fit_intercept=False, tol=1e-8, max_iter=10_000)
    for item in (0, 7, 33):
        others = matrix.copy()
        others[:, item] = 0
        expected = model.fit(others, matrix[:, item]).coef_
        assert np.count_nonzero(expected) > 2
        assert np.allclose(recommender._weights.toarray()[:, item], expected, atol=0.01)


def test_slim_learns_the_same_in_blocks(monkeypatch):
    whole = fitted(SLIM(), small_world())._weights
    monkeypatch.setattr("recsim_llm.recommenders.slim._BLOCK", 7)
    monkeypatch.setattr("recsim_llm.recommenders.slim._GRAM_BLOCK", 3)
    assert np.allclose(fitted(SLIM(), small_world())._weights.toarray(), whole.toarray(), atol=2e-3)


def test_similar_users_do_not_depend_on_how_many_are_asked_for(monkeypatch):
    world = small_world()
    requests = ask_for(world[1].users)
    whole = fitted(UserKNN(), world).recommend(requests, 5)
    monkeypatch.setattr("recsim_llm.recommenders.scoring.chunks.__defaults__", (60,))
    assert np.array_equal(fitted(UserKNN(), world).recommend(requests, 5).item_id, whole.item_id)


def cold_world():
    """Twelve items of two genres, of which the last two are new; users 1 and 2 like one genre, 3 and 4 the other."""
    genres = [["Noir"], ["Farce"]] * 6
    words = ["a rainy harbour", "a runaway wedding"] * 6
    catalog = Catalog.from_columns(
        item_id=10 + np.arange(12), title=[f"Film {place}" for place in range(12)], genres=genres, description=words
    )
    likes = [(user, item) for user in (1, 2, 3, 4) for item in range(10) if item % 2 == (user > 2)][:-2]
    return catalog, make_ratings([user for user, _ in likes], [10 + item for _, item in likes])


def test_content_recommends_new_items_of_the_users_taste_which_neighbours_never_do():
    world = cold_world()
    shown = fitted(ContentBased(), world).recommend(ask_for([1, 4]), 1).item_id
    assert shown[0, 0] == 20  # the new noir; the others were all consumed
    assert shown[1, 0] % 2 == 1
    new = fitted(ContentBased(), world)._score(ask_for([1]))[0, [10, 11]]
    assert new[0] > new[1]
    near = fitted(ItemKNN(ItemKNN.Settings(shrinkage=0.0)), world)._score(ask_for([1]))[0]
    assert near[10] == near[10:].max() < near[:10].min()


def test_what_everybody_consumes_says_less_of_a_user_than_what_few_others_do():
    catalog, _ = cold_world()
    ratings = make_ratings([1, 1, 2, 2, 3, 3], [10, 11, 12, 14, 12, 16])  # of user 1 only the farce is unusual
    score = fitted(ContentBased(), (catalog, ratings))._score(ask_for([1]))[0]
    assert score[11] > score[10] + 0.1


def test_popularity_counts_against_new_items_only_where_settings_say_so():
    world = cold_world()
    score = {
        popular: fitted(ContentBased(ContentBased.Settings(popular=popular)), world)._score(ask_for([1]))[0]
        for popular in (0.0, 1.0)
    }
    assert score[0.0][10] == pytest.approx(score[0.0][0], abs=0.05)
    assert score[1.0][0] > score[1.0][10] + 0.5


def test_an_item_without_genres_words_or_year_has_no_content():
    catalog = Catalog.from_columns(item_id=[1, 2, 3], title=["A Dog", "The dog", "?"], genres=[["Noir"], [], []])
    content = item_content(catalog, words=10).matrix.toarray()
    assert np.allclose(np.linalg.norm(content, axis=1) ** 2, [2 / 3, 1 / 3, 0])
    assert item_content(catalog, words=0).matrix.shape == (3, 1)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([1e-30, 1.0, 1e30]), st.sampled_from([0.0, 1e5]))
def test_what_has_no_score_comes_last_and_no_order_changes(seed, scale, offset):
    random = np.random.default_rng(seed)
    scores = (scale * random.normal(size=(4, 30)) + offset * scale).astype(np.float32)
    scores[random.random(scores.shape) < 0.3] = np.nan
    scores[0] = np.nan
    order = -(random.permutation(30) / 30).astype(np.float32)
    ranked = np.argsort(-unknown_last(scores, order), axis=1, kind="stable")
    for row, own in zip(scores, ranked, strict=True):
        known = np.flatnonzero(~np.isnan(row))
        expected = known[np.argsort(-row[known], kind="stable")].tolist()
        unknown = np.flatnonzero(np.isnan(row))
        assert own.tolist() == expected + unknown[np.argsort(-order[unknown], kind="stable")].tolist()


def test_without_any_known_consumption_popularity_decides():
    ratings = make_ratings([1, 2], [999, 998])
    for kind in (EASE, SLIM, ContentBased):
        slates = fitted(kind(), (make_catalog(5), ratings)).recommend(ask_for([1, 9]), 5)
        assert slates.item_id.tolist() == [[10, 11, 12, 13, 14]] * 2
