"""Declared bounds as values: what holds, what is a probability, what two models have together."""

from __future__ import annotations

import math

import pytest

from recsim_llm.core.bounds import PLAUSIBLE_CLICK_RATE, UNDECLARED, Bounds, Range, widest
from recsim_llm.core.protocols import DeclaresBounds, declared_bounds


def bounds(low, high, displacement=0.0):
    one = Range(low, high)
    return Bounds(
        click_log_odds=one, satisfaction=one, leave_log_odds=one, return_log_odds=one, taste_displacement=displacement
    )


def test_a_range_of_log_odds_is_one_of_probabilities():
    low, high = Range(-2.0, 3.0).probability
    assert (low, high) == pytest.approx((1 / (1 + math.exp(2)), 1 / (1 + math.exp(-3))))


def test_a_range_holds_what_is_inside_up_to_rounding():
    assert Range(0.0, 1.0).holds(-1e-5, 1.0)
    assert not Range(0.0, 1.0).holds(-1e-3, 1.0)
    assert not Range(0.0, 1.0).holds(0.0, 1.001)


def test_two_models_together_go_as_far_as_either():
    together = widest([bounds(-3.0, 1.0, 0.5), bounds(-1.0, 2.0)])
    assert together == bounds(-3.0, 2.0, 0.5)
    assert widest([together, UNDECLARED]) == UNDECLARED


def test_a_model_that_declares_nothing_has_no_bounds(make_world):
    assert declared_bounds(object()) is UNDECLARED
    users = make_world().users
    assert isinstance(users, DeclaresBounds)
    assert declared_bounds(users) == users.bounds()


def test_the_plausible_click_rate_is_a_rate():
    assert 0 < PLAUSIBLE_CLICK_RATE.low < PLAUSIBLE_CLICK_RATE.high < 1
