"""Weights and propensities of self-selected ratings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from recsim_llm.agents.fitting import rating_propensity
from recsim_llm.agents.fitting.events import Events
from recsim_llm.agents.fitting.rating_model import RatingSettings, fit_rating_model, predict
from recsim_llm.agents.fitting.rating_propensity import Rated, fit_propensity_model, read_liking
from recsim_llm.agents.fitting.rating_weights import inverse_weights
from recsim_llm.errors import DataError


@pytest.fixture(scope="module")
def planted():
    """Two kinds of users, two kinds of items; who is known to be of which kind; a third of all choices are lapses."""
    rng = np.random.default_rng(4)
    kind, group = rng.integers(0, 2, 70), rng.integers(0, 2, 50)
    alike = kind[:, None] == group
    chance = 0.03 + 0.97 * expit(np.where(alike, -0.8, -5.0))
    user, item = np.nonzero(rng.random(chance.shape) < chance)
    return Rated(user, item, np.eye(2)[kind], np.eye(2)[group]), chance, alike


@pytest.fixture(scope="module")
def model(planted):
    return fit_propensity_model(planted[0], 1)


def test_planted_chances_are_found(planted, model):
    _, chance, alike = planted
    found = model.response.chance(model.left_out)
    assert found[alike].mean() == pytest.approx(chance[alike].mean(), rel=0.1)
    assert found[~alike].mean() < 0.3 * found[alike].mean()
    assert model.log_loss < model.chance_log_loss - 0.03


def test_inverse_chances_of_what_was_rated_count_all_pairs(planted, model):
    rated, chance, _ = planted
    inverse = 1.0 / model.response.chance(model.left_out[rated.user_index, rated.item_index])
    assert inverse.sum() == pytest.approx(chance.size, rel=0.1)


def test_the_vectors_give_the_log_odds_of_all_pairs(model):
    whole = model.user_vectors @ model.item_vectors.T
    assert np.corrcoef(whole.ravel(), model.left_out.ravel())[0, 1] > 0.9


def test_stars_that_say_nothing_of_the_choice_move_no_propensity(planted, model):
    rated = planted[0]
    same = read_liking(model, rated, np.full(len(rated.user_index), 3.0))
    mean = model.left_out[rated.user_index, rated.item_index]
    assert same.slope == pytest.approx(0.0, abs=1e-9)
    assert np.allclose(same.propensity, model.response.chance(mean))


def test_ratings_better_than_expected_were_the_likelier_ones(planted, model):
    rated = planted[0]
    mean = model.left_out[rated.user_index, rated.item_index]
    noise = np.random.default_rng(0).normal(0, 0.5, len(mean))
    liking = read_liking(model, rated, 3.0 + 0.3 * mean + noise)
    shift = liking.propensity - model.response.chance(mean)
    assert liking.slope > 0.1
    assert shift[noise > 0.8].mean() > 0 > shift[noise < -0.8].mean()


def test_everything_rated_or_too_many_pairs_are_refused(monkeypatch):
    user, item = np.nonzero(np.ones((3, 4)))
    rated = Rated(user, item, np.zeros((3, 0)), np.zeros((4, 0)))
    with pytest.raises(DataError, match="every item by every user"):
        fit_propensity_model(rated, 1)
    monkeypatch.setattr(rating_propensity, "_MOST_PAIRS", 11)
    with pytest.raises(DataError, match="got 3 users and 4 items"):
        fit_propensity_model(rated, 1)


def test_weights_are_inverse_propensities_worth_the_effective_number():
    found = inverse_weights(np.array([0.1, 0.2, 0.4]))
    assert found.weight / found.weight[2] == pytest.approx([4.0, 2.0, 1.0])
    assert found.effective == pytest.approx(49 / 21) == found.weight.sum()
    assert found.clipped == 0


def test_a_propensity_near_zero_is_cut_and_counted():
    found = inverse_weights(np.append(np.full(99, 0.5), np.finfo(np.float64).tiny))
    assert found.clipped == 1
    assert found.limit == 10.0
    assert found.weight[-1] == pytest.approx(10.0 * found.weight.mean())
    assert found.effective > 40


def test_equal_propensities_change_nothing():
    rng = np.random.default_rng(1)
    user, item = np.nonzero(rng.random((20, 30)) < 0.4)
    events = Events(user_index=user, item_index=item, rating=rng.integers(1, 6, len(user)) * 1.0, timestamp=np.zeros(len(user)))
    weight = inverse_weights(np.full(len(user), 0.3)).weight
    models = [
        fit_rating_model(Events(**(vars(events) | {"weight": given})), rng.random((30, 0)), RatingSettings(), 2)
        for given in (None, weight)
    ]
    left, right = (predict(one, user, item) for one in models)
    assert left == pytest.approx(right)


def test_a_weight_counts_as_so_many_ratings():
    user, item = np.repeat(np.arange(6), 4), np.tile(np.arange(4), 6)
    rating = np.where(item < 2, 4.0, 2.0)
    events = Events(
        user_index=user, item_index=item, rating=rating, timestamp=np.zeros(24), weight=np.where(item < 2, 3.0, 1.0)
    )
    model = fit_rating_model(events, np.zeros((4, 0)), RatingSettings(), 2)
    plain = fit_rating_model(Events(**(vars(events) | {"weight": None})), np.zeros((4, 0)), RatingSettings(), 2)
    assert predict(model, user, item).mean() > predict(plain, user, item).mean()
