"""Means over trainings and users at once."""

import numpy as np
import pytest

from recsim_llm.statistics import crossed_mean, crossed_ratio, mean_estimate, ratio_estimate


def test_of_one_training_it_is_the_mean_over_users():
    values = np.random.default_rng(4).normal(3.0, 1.0, 40)
    crossed, plain = crossed_mean(values[None]), mean_estimate(values)
    assert (crossed.low, crossed.high) == pytest.approx((plain.low, plain.high))


def test_intervals_hold_a_new_training_and_new_users_as_often_as_they_say():
    random = np.random.default_rng(5)
    held, repetitions = 0, 400
    for _ in range(repetitions):
        table = random.normal(0, 1, (4, 1)) + random.normal(0, 1, 30) + random.normal(0, 1, (4, 30))
        found = crossed_mean(table)
        held += found.low <= 0.0 <= found.high
    assert held / repetitions > 0.92


def test_users_and_trainings_that_agree_exactly_carry_no_interval():
    assert crossed_mean(np.full((3, 5), 2.0)).low is None


def test_without_users_there_is_no_mean():
    assert crossed_mean(np.zeros((2, 0))).value is None


def test_a_ratio_of_one_training_is_the_ratio_over_users():
    random = np.random.default_rng(6)
    below = random.uniform(1.0, 3.0, 40)
    above = below * 0.4 + random.normal(0.0, 0.1, 40)
    crossed, plain = crossed_ratio(above[None], below[None]), ratio_estimate(above, below)
    assert (crossed.value, crossed.low, crossed.high) == pytest.approx((plain.value, plain.low, plain.high))


def test_a_ratio_to_nothing_has_no_value():
    assert crossed_ratio(np.ones((2, 3)), np.zeros((2, 3))).value is None
