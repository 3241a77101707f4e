"""User and item biases, on ratings that were made of them."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.numerics.rating_biases import fit_rating_biases

USERS, ITEMS = 40, 30


@pytest.fixture(scope="module")
def made():
    """Every user's rating of every item, but for noise: mean 3, biases of users and items; and the biases."""
    generator = np.random.default_rng(1)
    by_user, by_item = generator.normal(0, 0.4, USERS), generator.normal(0, 0.5, ITEMS)
    user, item = np.divmod(np.arange(USERS * ITEMS), ITEMS)
    stars = 3 + by_user[user] + by_item[item] + generator.normal(0, 0.05, len(user))
    return user, item, stars, by_user, by_item


def fit(user, item, stars, *, penalties=(0.0,), held_back=None):
    every_fifth = (user + item) % 5 == 4
    return fit_rating_biases(
        user,
        item,
        stars,
        shape=(USERS + 1, ITEMS + 1),
        held_back=every_fifth if held_back is None else held_back,
        penalties=penalties,
        rounds=20,
    )


def test_biases_are_found_again(made):
    user, item, stars, by_user, by_item = made
    found = fit(user, item, stars)
    np.testing.assert_allclose(found.user[:-1] - found.user[:-1].mean(), by_user - by_user.mean(), atol=0.05)
    np.testing.assert_allclose(found.item[:-1] - found.item[:-1].mean(), by_item - by_item.mean(), atol=0.05)


def test_who_has_no_rating_has_no_bias(made):
    found = fit(*made[:3])
    assert found.user[USERS] == found.item[ITEMS] == 0.0


def test_the_penalty_that_predicts_the_held_back_part_best_is_taken(made):
    user, item, stars, *_ = made
    free, tight, either = (fit(user, item, stars, penalties=penalties) for penalties in ((0.0,), (50.0,), (50.0, 0.0)))
    np.testing.assert_allclose(either.user, free.user)
    assert either.spread == pytest.approx(free.spread)
    assert either.spread < tight.spread / 1.5


def test_predictions_stay_within_the_ratings(made):
    user, item, stars, *_ = made
    found = fit(user, item, np.clip(stars, 2.9, 3.1))
    predicted = found.predict(user, item)
    assert predicted.min() == 2.9
    assert predicted.max() == 3.1


def test_where_everything_is_held_back_penalties_are_chosen_on_all_of_it(made):
    user, item, stars, *_ = made
    found = fit(user, item, stars, held_back=np.ones(len(user), np.bool_))
    np.testing.assert_array_equal(found.user, fit(user, item, stars).user)
    assert np.isfinite(found.spread)
