"""Tests of the fits on small generated data."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.agents.fitting.consumption_model import fit_consumption_model, fold_in_consumption, utility
from recsim_llm.agents.fitting.consumption_settings import ConsumptionSettings, History
from recsim_llm.agents.fitting.content import item_content, log_popularity, reduce_width
from recsim_llm.agents.fitting.events import Events
from recsim_llm.agents.fitting.out_of_sample import calibrate_levels, cross_predict
from recsim_llm.agents.fitting.rating_levels import LevelSettings, draw_levels, habit_cuts, level_probabilities
from recsim_llm.agents.fitting.rating_model import RatingSettings, fit_rating_model, fold_in, predict
from recsim_llm.numerics.time_order import last_share

USERS, ITEMS = 60, 80


@pytest.fixture(scope="module")
def world():
    """Ratings with user biases, item biases and one taste for one content column."""
    rng = np.random.default_rng(11)
    content = item_content(rng.random((ITEMS, 4)) < 0.4, 1950.0 + rng.integers(0, 70, ITEMS))
    taste, user_bias, item_bias = rng.normal(size=USERS), rng.normal(0, 0.4, USERS), rng.normal(0, 0.4, ITEMS)
    keep = rng.random((USERS, ITEMS)) < np.linspace(0.15, 0.8, ITEMS)
    keep[-1] = False
    keep[:, -1] = False
    user, item = np.nonzero(keep)
    mean = 3.4 + user_bias[user] + item_bias[item] + taste[user] * (content[item, 0] - 0.3)
    rating = np.clip(np.round(2 * (mean + rng.normal(0, 0.5, user.size))) / 2, 0.5, 5.0)
    whole = user % 2 == 0
    rating[whole] = np.clip(np.round(rating[whole]), 1.0, 5.0)
    events = Events(user_index=user, item_index=item, rating=rating, timestamp=rng.random(user.size))
    return events, content


@pytest.fixture(scope="module")
def split(world):
    events, content = world
    held = last_share(events.user_index, events.timestamp)
    return events.take(~held), events.take(held), content


@pytest.fixture(scope="module")
def model(split):
    train, _, content = split
    return fit_rating_model(train, content, RatingSettings(), 3, n_users=USERS)


@pytest.fixture(scope="module")
def levels(split):
    train, _, content = split
    return calibrate_levels(
        events=train,
        content=content,
        settings=RatingSettings(),
        level_settings=LevelSettings(),
        seed=3,
        n_users=USERS,
    )


def history_of(events, users):
    return History(user_index=events.user_index, item_index=events.item_index, timestamp=events.timestamp, n_users=users)


def click(events, content, seed=5, **settings):
    return fit_consumption_model(history_of(events, USERS), content, ConsumptionSettings(**settings), seed)


def tiny(width):
    user, item = np.nonzero(np.random.default_rng(2).random((5, 8)) < 0.6)
    rating = np.random.default_rng(3).integers(1, 6, user.size).astype(float)
    events = Events(user_index=user, item_index=item, rating=rating, timestamp=np.zeros(user.size))
    return events, np.ones((8, width))


def test_ratings_beat_the_global_mean(split, model):
    train, test, _ = split
    error = np.sqrt(np.mean((predict(model, test.user_index, test.item_index) - test.rating) ** 2))
    assert error < 0.8 * np.std(test.rating - train.rating.mean())


def test_rating_fit_is_deterministic_in_the_seed(split, model):
    train, _, content = split
    again = fit_rating_model(train, content, RatingSettings(), 3, n_users=USERS)
    np.testing.assert_array_equal(again.item_vectors, model.item_vectors)
    np.testing.assert_array_equal(again.user_vectors, model.user_vectors)


def test_row_order_does_not_matter_when_times_differ(split, model):
    train, _, content = split
    rows = np.random.default_rng(0).permutation(train.rating.size)
    mixed = Events(
        user_index=train.user_index[rows],
        item_index=train.item_index[rows],
        rating=train.rating[rows],
        timestamp=train.timestamp[rows],
    )
    other = fit_rating_model(mixed, content, RatingSettings(), 3, n_users=USERS)
    np.testing.assert_allclose(other.user_vectors, model.user_vectors, atol=1e-8)


def test_user_without_ratings_gets_an_unshifted_prior(model):
    assert model.shift[-1] == 0.0
    assert np.isfinite(model.user_vectors[-1]).all()


def test_cold_item_is_predicted_from_content(model):
    assert np.isfinite(model.item_vectors[-1]).all()
    assert abs(model.item_vectors[-1, 0] - 3.4) < 2.0


def test_fold_in_without_ratings_is_the_prior_mean(model):
    vector = fold_in(model, np.array([], dtype=np.int64), np.array([]))
    np.testing.assert_allclose(vector[1:], model.prior_mean)


def test_fold_in_agrees_with_the_fitted_user(split, model):
    train, test, _ = split
    rows = train.take(train.user_index == 4)
    vector = fold_in(model, rows.item_index, rows.rating)
    ours = model.item_vectors[test.item_index] @ vector
    theirs = model.item_vectors[test.item_index] @ model.user_vectors[4]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9


def test_cross_predictions_are_worse_than_fitted_ones(split, model):
    train, _, content = split
    outside = cross_predict(train, content, RatingSettings(), 3)
    inside = predict(model, train.user_index, train.item_index)
    assert np.mean((outside - train.rating) ** 2) > np.mean((inside - train.rating) ** 2)


def test_level_probabilities_sum_to_one_and_cuts_ascend(split, model, levels):
    _, test, _ = split
    mean = predict(model, test.user_index, test.item_index)
    chance = level_probabilities(levels.cuts[test.user_index], levels.scale[test.user_index], mean)
    np.testing.assert_allclose(chance.sum(axis=1), 1.0)
    assert chance.min() >= 0.0
    assert np.diff(levels.cuts, axis=1).min() >= 0.0


def test_draws_follow_the_probabilities(levels):
    uniform = (np.arange(20_000) + 0.5) / 20_000
    cuts, scale = np.repeat(levels.cuts[:1], uniform.size, axis=0), np.full(uniform.size, levels.scale[0])
    drawn = draw_levels(cuts, scale, np.full(uniform.size, 3.2), uniform)
    chance = level_probabilities(cuts[:1], scale[:1], np.array([3.2]))[0]
    np.testing.assert_allclose(np.bincount(drawn, minlength=chance.size) / uniform.size, chance, atol=1e-3)


def test_whole_star_users_draw_fewer_halves(levels):
    assert levels.habit[:-1][::2].mean() < 0.2 < levels.habit[1:-1:2].mean()
    halves = levels.levels % 1 > 0
    both = level_probabilities(habit_cuts(levels, np.array([0.0, 0.6])), np.full(2, levels.common_scale), np.full(2, 3.3))
    assert both[0, halves].sum() < 0.02
    assert both[1, halves].sum() > 0.3


def test_clicks_separate_popular_from_rare(split):
    train, test, content = split
    fitted = click(train, content)
    user = np.repeat(test.user_index, 5)
    random_items = np.random.default_rng(0).integers(0, ITEMS, user.size)
    gap = utility(fitted, test.user_index, test.item_index).mean() - utility(fitted, user, random_items).mean()
    assert gap > 0.2


def test_click_vectors_stay_within_the_asked_dimensions(split):
    train, _, content = split
    fitted = click(train, content, dimensions=9)
    assert fitted.item_vectors.shape == (ITEMS, 9)
    assert fitted.user_vectors.shape == (USERS, 9)


def test_clicks_are_deterministic_in_the_seed(split):
    train, _, content = split
    np.testing.assert_array_equal(click(train, content).user_vectors, click(train, content).user_vectors)


def test_click_fold_in_agrees_with_the_fitted_user(split):
    train, _, content = split
    fitted = click(train, content)
    rows = train.take(train.user_index == 4)
    vector = fold_in_consumption(fitted, rows.item_index, rows.timestamp)
    np.testing.assert_allclose(fitted.item_vectors @ vector, fitted.item_vectors @ fitted.user_vectors[4], atol=1e-6)


@pytest.mark.parametrize("width", [0, 1])
def test_tiny_data_fit_without_warnings(width):
    events, content = tiny(width)
    model = fit_rating_model(events, content, RatingSettings(), 0)
    levels = calibrate_levels(events=events, content=content, settings=RatingSettings(), level_settings=LevelSettings(), seed=0)
    fitted = fit_consumption_model(history_of(events, 5), content, ConsumptionSettings(), 0)
    for values in (model.user_vectors, model.item_vectors, levels.cuts, fitted.user_vectors, fitted.item_vectors):
        assert np.isfinite(values).all()


def test_one_level_only_is_drawn_always():
    events, content = tiny(0)
    same = Events(
        user_index=events.user_index,
        item_index=events.item_index,
        rating=np.full(events.rating.size, 4.0),
        timestamp=events.timestamp,
    )
    levels = calibrate_levels(events=same, content=content, settings=RatingSettings(), level_settings=LevelSettings(), seed=0)
    assert levels.cuts.shape == (5, 0)
    assert draw_levels(levels.cuts[:1], levels.scale[:1], np.array([4.0]), np.array([0.3])).tolist() == [0]


def test_content_is_reduced_to_the_asked_width():
    wide = np.random.default_rng(0).normal(size=(30, 12))
    assert reduce_width(wide, 5).shape == (30, 5)
    assert reduce_width(wide, 20) is wide


def test_popularity_of_equal_counts_is_flat():
    np.testing.assert_allclose(log_popularity(np.arange(4), 4), 0.0)
