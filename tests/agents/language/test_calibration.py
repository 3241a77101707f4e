"""Calibration: what a planted distortion took away comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.calibration_fit import (
    VISIT_LIMIT,
    expected_pages,
    fit_calibration,
    fit_leaving,
    match_clicks,
    match_stars,
    share_levels,
)
from recsim_llm.errors import ConfigError, DataError

NO_STARS = (np.empty((0, 5)), np.empty(0))
NO_CLICKS = (np.empty(0), np.empty(0, np.bool_))


def sigmoid(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def clicks(slope, bias, count=20000, seed=1):
    """Return what a model says and what happens, when the truth is ``slope * log-odds + bias``."""
    random = np.random.default_rng(seed)
    said = random.normal(0, 1.5, count)
    return sigmoid(said), random.random(count) < sigmoid(slope * said + bias)


def stars(slope, offsets, count=20000, seed=2):
    random = np.random.default_rng(seed)
    said = random.dirichlet(np.full(5, 2.0), count)
    truth = Calibration(stars_slope=slope, stars_offsets=offsets).stars(said)
    return said, 1 + (random.random(count)[:, None] > np.cumsum(truth, axis=1)[:, :-1]).sum(axis=1)


@pytest.mark.parametrize(("slope", "bias"), [(0.5, -2.0), (1.7, 0.4), (0.2, 0.0)])
def test_a_planted_distortion_of_clicks_is_found(slope, bias):
    found = fit_calibration(*clicks(slope, bias), *NO_STARS)
    np.testing.assert_allclose([found.click_slope, found.click_bias], [slope, bias], atol=0.08)


@pytest.mark.parametrize(("slope", "offsets"), [(0.5, (1.6, 0.8, 0.0, -0.8, -1.6)), (1.7, (-1.0, 0.5, 1.0, 0.5, -1.0))])
def test_a_planted_distortion_of_stars_is_found(slope, offsets):
    found = fit_calibration(*NO_CLICKS, *stars(slope, offsets))
    np.testing.assert_allclose(found.stars_slope, slope, atol=0.05)
    np.testing.assert_allclose(found.stars_offsets, offsets, atol=0.1)


def test_offsets_meet_a_target_of_any_shape_exactly():
    said = np.random.default_rng(1).dirichlet(np.full(5, 2.0), 300)
    target = np.array([0.3, 0.02, 0.08, 0.1, 0.5])
    found = Calibration(stars_slope=0.4, stars_offsets=match_stars(0.4, said, target))
    np.testing.assert_allclose(found.stars(said).mean(axis=0), target, atol=1e-6)


def test_a_level_that_nobody_gives_becomes_rare_and_no_number_runs_away():
    said = np.random.default_rng(1).dirichlet(np.full(5, 2.0), 300)
    offsets = match_stars(1.0, said, np.array([0.0, 0.0, 0.5, 0.5, 0.0]))
    assert np.isfinite(offsets).all()
    np.testing.assert_allclose(Calibration(stars_offsets=offsets).stars(said).mean(axis=0)[[0, 1, 4]], 1e-4, rtol=0.01)


def test_the_click_bias_meets_the_rate_exactly():
    log_odds = np.random.default_rng(3).normal(1, 2, 500)
    bias = match_clicks(0.7, log_odds, 0.02)
    assert sigmoid(0.7 * log_odds + bias).mean() == pytest.approx(0.02, abs=1e-9)


def test_planted_leaving_is_found_and_visits_get_the_length_wanted():
    random = np.random.default_rng(4)
    log_odds = random.normal(-1, 1.5, 3000)
    hazard = sigmoid(0.6 * log_odds - 1.5)
    pages = expected_pages(hazard)
    found = fit_leaving(log_odds, pages, 1 - (1 - hazard) ** VISIT_LIMIT)
    np.testing.assert_allclose([found.slope, found.bias], [0.6, -1.5], atol=0.05)
    assert expected_pages(sigmoid(found.slope * log_odds + found.bias)).mean() == pytest.approx(pages.mean())


def test_a_declared_length_moves_the_level_of_leaving_alone():
    log_odds = np.random.default_rng(4).normal(2, 1, 50)
    found = fit_leaving(log_odds, np.full(50, 6.0), np.ones(50))
    assert found.slope == 1
    assert expected_pages(sigmoid(log_odds + found.bias)).mean() == pytest.approx(6)


def test_expected_pages_are_those_of_draws():
    drawn = np.minimum(np.random.default_rng(5).geometric(0.1, 200_000), VISIT_LIMIT)
    assert float(expected_pages(np.array(0.1))) == pytest.approx(drawn.mean(), abs=0.05)


def test_what_is_calibrated_stays_as_it_is():
    found = fit_calibration(*clicks(1, 0), *stars(1, (0.0,) * 5))
    got = [found.click_slope, found.click_bias, found.stars_slope, *found.stars_offsets]
    np.testing.assert_allclose(got, [1, 0, 1, 0, 0, 0, 0, 0], atol=0.07)


def test_log_loss_on_unseen_clicks_and_stars_falls():
    lower = (1.0, 0.5, 0.0, -0.5, -1.0)
    found = fit_calibration(*clicks(0.5, -2), *stars(0.6, lower))
    said, happened = clicks(0.5, -2, seed=3)
    log_odds = np.log(said / (1 - said))
    before, after = (-np.log(np.where(happened, p, 1 - p)).mean() for p in (said, sigmoid(found.click(log_odds))))
    assert after < before - 0.1
    said, level = stars(0.6, lower, seed=4)
    before, after = (-np.log(p[np.arange(len(level)), level - 1]).mean() for p in (said, found.stars(said)))
    assert after < before - 0.05


def test_without_observations_nothing_changes():
    assert fit_calibration(*NO_CLICKS, *NO_STARS) == Calibration()


def test_a_model_that_is_wrong_way_round_gets_slope_zero():
    said, happened = clicks(-1.0, 0.0)
    assert fit_calibration(said, happened, *NO_STARS).click_slope == 0


def test_a_stronger_ridge_stays_nearer_to_the_identity():
    data = clicks(0.3, -2, count=100)
    free, held = (fit_calibration(*data, *NO_STARS, ridge=ridge) for ridge in (0.0, 100.0))
    assert abs(held.click_slope - 1) < abs(free.click_slope - 1)
    assert abs(held.click_bias) < abs(free.click_bias)


def test_certain_answers_are_taken_without_overflow():
    certain = np.array([0.0, 1.0, 1.0, 0.0])
    found = fit_calibration(certain, certain > 0, np.eye(5), np.arange(1, 6))
    assert np.isfinite([found.click_slope, found.stars_slope]).all()


@given(st.floats(1, 5))
def test_a_rating_between_two_stars_belongs_to_both_and_the_mean_stays(rating):
    (shares,) = share_levels(np.array([rating]))
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).sum() <= 2
    assert shares @ np.arange(1, 6) == pytest.approx(rating)


def test_what_is_below_one_star_counts_as_one():
    np.testing.assert_array_equal(share_levels([0.5]), [[1, 0, 0, 0, 0]])


@given(st.lists(st.floats(0.001, 1), min_size=5, max_size=5), st.floats(0, 3), st.floats(-3, 3))
def test_calibrated_stars_are_a_distribution(weights, slope, offset):
    chances = Calibration(stars_slope=slope, stars_offsets=(offset, 0.0, 0.0, 0.0, -offset)).stars(
        np.array(weights) / np.sum(weights)
    )
    assert (chances >= 0).all()
    assert chances.sum() == pytest.approx(1)


def test_the_default_changes_nothing():
    said = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    np.testing.assert_allclose(Calibration().stars(said), said, atol=1e-4)
    assert Calibration().click(np.array([0.3])) == 0.3
    assert Calibration().leave(np.array([0.3])) == 0.3


def test_a_file_gives_back_the_same_numbers(tmp_path):
    record = {"model": "m", "realisation": "json", "templates": "t", "data": "d", "fingerprint": "f", "users_fitted": [3, 4]}
    offsets = (-1e-9, 0.0, 1 / 3, 0.0, 2.0)
    calibration = Calibration(click_slope=1 / 3, click_bias=0.1 + 0.2, stars_offsets=offsets, leave_slope=2, record=record)
    calibration.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json") == calibration


@pytest.mark.parametrize("content", ["{", "[1]", "7"])
def test_a_file_that_is_no_calibration_is_refused(tmp_path, content):
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(DataError, match=r"calibration.*got .*expected a JSON") as error:
        Calibration.load(tmp_path / "calibration.json")
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected a JSON file"):
        Calibration.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    "settings",
    [
        {"click_slop": 1},
        {"click_slope": -0.1},
        {"stars_offsets": "much"},
        {"stars_offsets": [0, 0, 0, 0]},
        {"stars_offsets": [0, 0, 0, 0, float("inf")]},
        {"leave_bias": float("nan")},
        {"click_bias": True},
        {"record": 7},
        {"record": {"model": "m"}},
        {"record": {"model": "m", "realisation": "json", "templates": "t", "data": "d", "fingerprint": "f"}},
    ],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(ConfigError, match=r"calibration.*got .*expected"):
        Calibration.from_settings(settings)


@pytest.mark.parametrize(
    "data",
    [
        (np.ones(3) / 2, np.ones(2, np.bool_), *NO_STARS),
        (np.array([1.2]), np.ones(1, np.bool_), *NO_STARS),
        (np.array([np.nan]), np.ones(1, np.bool_), *NO_STARS),
        (*NO_CLICKS, np.ones((2, 4)) / 4, np.ones(2)),
    ],
)
def test_bad_observations_are_refused(data):
    with pytest.raises(DataError, match=r"calibration.*got .*expected"):
        fit_calibration(*data)
