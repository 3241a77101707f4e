"""The values that travel through a page."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import probability


@given(st.floats(-(2.0**90), 2.0**90, width=32))
def test_probability_is_the_logistic_function(log_odds):
    given = np.array([log_odds], np.float32)
    assert probability(given) == pytest.approx(expit(np.float64(log_odds)), abs=1e-7)
    assert probability(given).dtype == np.float32


def test_probability_of_extremes_is_zero_or_one():
    assert probability(np.array([-np.inf, np.inf], np.float32)).tolist() == [0, 1]


def test_probability_leaves_its_input_alone():
    log_odds = np.ones((2, 3), np.float32)
    assert probability(log_odds).shape == (2, 3)
    assert (log_odds == 1).all()


@pytest.fixture
def feedback(make_world):
    world = make_world(click_bias=1.0)
    kernel = Kernel(users=world.users, user_id=world.population.user_id, rows=40, slate_size=4, max_pages=5)
    users, visit = np.arange(40), np.zeros(40, np.int64)
    kernel.begin(ALL_ROWS, users, visit, kernel.dice(users, visit, seed_words(1)))
    return kernel.step(np.arange(160).reshape(40, 4) % 60)


def test_clicked_slots_are_listed_in_order_with_their_rows(feedback):
    np.testing.assert_array_equal(feedback.slot, np.flatnonzero(feedback.clicked))
    np.testing.assert_array_equal(feedback.row, np.nonzero(feedback.clicked)[0])
    assert feedback.clicked.any()
    assert not feedback.clicked.all()


def test_ratings_by_slot_are_missing_where_nothing_was_clicked(feedback):
    ratings = feedback.ratings()
    np.testing.assert_array_equal(np.isnan(ratings), ~feedback.clicked)
    np.testing.assert_array_equal(ratings[feedback.clicked], feedback.rating)


def test_examined_slots_hold_all_clicked_ones(feedback):
    assert feedback.examined.shape == feedback.clicked.shape
    assert not (feedback.clicked & ~feedback.examined).any()
    assert not feedback.examined.all()


def test_better_rated_items_of_a_page_are_watched_longer(feedback):
    for row in range(40):
        mine = feedback.row == row
        order = np.argsort(feedback.rating[mine], kind="stable")
        assert (np.diff(feedback.watched[mine][order]) >= 0).all()
