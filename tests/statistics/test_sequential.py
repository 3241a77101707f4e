"""Peeking: errors over all looks together, and stopping."""

import numpy as np
import pytest
from click_samples import binomial_bounds, mean_rate, paired_clicks
from scipy.optimize import minimize_scalar
from scipy.stats import t as student

from recsim_llm.errors import ConfigError
from recsim_llm.statistics import BURN_IN, confidence_sequence, first_decision

RUNS, USERS, BLOCK = 1000, 1000, 50


@pytest.fixture(scope="module")
def equal_arms():
    return np.subtract(*paired_clicks(np.random.default_rng(1), RUNS, USERS))


@pytest.fixture(scope="module")
def better_arm():
    return np.subtract(*paired_clicks(np.random.default_rng(2), RUNS, USERS, lift=1.3))


def test_peeking_at_equal_arms_stops_by_mistake_in_at_most_a_twentieth(equal_arms):
    stopped = sum(first_decision(row, planned_users=USERS, block=BLOCK) is not None for row in equal_arms)
    assert stopped <= binomial_bounds(0.05, RUNS)[1]
    after_each = sum(first_decision(row, planned_users=USERS) is not None for row in equal_arms)
    assert stopped <= after_each <= binomial_bounds(0.05, RUNS)[1]


def test_peeking_with_t_tests_stops_by_mistake_in_more_than_a_fifth(equal_arms):
    users = np.arange(BLOCK, USERS + 1, BLOCK)
    mean = np.cumsum(equal_arms, axis=1)[:, users - 1] / users
    variance = np.cumsum(equal_arms**2, axis=1)[:, users - 1] / users - mean**2
    rejected = np.abs(mean) > student.ppf(0.975, users - 1) * np.sqrt(variance / (users - 1))
    assert rejected.any(axis=1).sum() > RUNS / 5


def test_all_intervals_together_hold_the_true_mean(better_arm):
    truth, missed = 0.3 * mean_rate(), 0
    for row in better_arm:
        peeks = confidence_sequence(row, planned_users=USERS)
        missed += bool(((peeks.low > truth) | (peeks.high < truth)).any())
    assert missed <= binomial_bounds(0.05, RUNS)[1]


def test_a_difference_is_found_long_before_the_planned_end(better_arm):
    stops = [first_decision(row, planned_users=USERS, block=BLOCK) for row in better_arm]
    assert all(stop is not None and stop.reason == "difference" and stop.effect.low > 0.0 for stop in stops)
    assert np.mean([stop.effect.users for stop in stops]) < USERS / 2


def test_equal_arms_are_told_once_no_difference_that_matters_is_left(equal_arms):
    stop = first_decision(equal_arms[0], planned_users=USERS, block=BLOCK, smallest_effect=1.0)
    assert stop.reason == "no difference that matters"
    assert -1.0 < stop.effect.low < 0.0 < stop.effect.high < 1.0


def test_the_p_value_is_below_alpha_exactly_once_an_interval_left_out_0(better_arm):
    for row in better_arm[:100]:
        peeks = confidence_sequence(row, planned_users=USERS)
        left_out = np.logical_or.accumulate((peeks.low > 0.0) | (peeks.high < 0.0))
        assert ((peeks.p_value < 0.05) == left_out).all()
        assert (np.diff(peeks.p_value) <= 0.0).all()


def test_the_interval_is_the_papers_and_narrowest_at_the_planned_users():
    values = np.random.default_rng(3).normal(size=400)

    def width(rho, t=400):
        r = rho**2
        return np.sqrt(2.0 * (t * r + 1.0) / (t**2 * r) * np.log(np.sqrt(t * r + 1.0) / 0.05))

    best = minimize_scalar(width, bounds=(1e-4, 1.0), method="bounded", options={"xatol": 1e-10})
    peeks = confidence_sequence(values, planned_users=400, looks=[100, 400])
    assert (peeks.high - peeks.mean)[1] == pytest.approx(values.std(ddof=1) * best.fun, rel=1e-9)
    assert (peeks.high - peeks.mean)[0] == pytest.approx(values[:100].std(ddof=1) * width(best.x, 100), rel=1e-5)
    assert peeks.mean == pytest.approx([values[:100].mean(), values.mean()])


def test_the_decision_is_that_of_the_first_look_that_decides(better_arm):
    row = better_arm[0]
    stop = first_decision(row, planned_users=USERS, block=BLOCK)
    assert stop == first_decision(row[: stop.effect.users], planned_users=USERS, block=BLOCK)
    assert first_decision(row[: stop.effect.users - 1], planned_users=USERS, block=BLOCK) is None


def test_nothing_is_looked_at_before_the_burn_in():
    plain = 10.0 + np.random.default_rng(4).normal(size=200)
    assert first_decision(plain[: BURN_IN - 1], planned_users=200) is None
    assert first_decision(plain, planned_users=200).effect.users == BURN_IN
    assert first_decision(plain, planned_users=200, block=30).effect.users == 60


def test_users_who_are_all_alike_decide_nothing():
    assert first_decision(np.full(200, 0.1), planned_users=200) is None
    peeks = confidence_sequence(np.full(200, 0.1), planned_users=200)
    assert np.isneginf(peeks.low).all()
    assert (peeks.p_value == 1.0).all()


def test_a_large_common_shift_loses_no_digits():
    values = np.random.default_rng(5).normal(size=300)
    far, near = (confidence_sequence(values + shift, planned_users=300) for shift in (1e7, 0.0))
    assert far.high - far.low == pytest.approx(near.high - near.low, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"planned_users": 1}, "planned users"),
        ({"planned_users": 100, "block": 0}, "block: got 0, expected a whole number, 1 or more"),
        ({"planned_users": 100, "smallest_effect": 0.0}, "above 0"),
        ({"planned_users": 100, "confidence": 95.0}, "below 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        first_decision(np.arange(100.0), **settings)


def test_looks_outside_of_the_users_are_refused():
    with pytest.raises(ConfigError, match="from 2 to 100"):
        confidence_sequence(np.arange(100.0), planned_users=100, looks=[50, 101])
