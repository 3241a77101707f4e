"""Power: against printed tables, simulation, and itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import nctdtr, stdtrit
from scipy.stats import binom

from recsim_llm.errors import ConfigError
from recsim_llm.statistics import detectable_effect, deviation_estimate, paired_effect, power_for, users_needed


def test_users_needed_are_those_of_the_printed_tables():
    # Cohen 1988, table 2.4.1, two-sided 5%, power 0.80: 393, 64 and 26 an arm for small, medium and large effects.
    assert [users_needed(d, 1.0, design="independent") for d in (0.2, 0.5, 0.8)] == [394, 64, 26]
    # G*Power 3.1, matched pairs.
    assert [users_needed(d, 1.0) for d in (0.2, 0.5, 0.8)] == [199, 34, 15]


def test_power_is_what_simulated_runs_reach():
    random = np.random.default_rng(1)
    differences = random.normal(0.5, 2.0, (1000, 100))
    found = sum(paired_effect(row, 0.0 * row).effect.excludes(0.0) for row in differences)
    low, high = binom.ppf([0.0005, 0.9995], 1000, power_for(0.5, 2.0, 100))
    assert low <= found <= high


def test_power_without_an_effect_is_the_level():
    assert power_for(0.0, 1.0, 20, alpha=0.01) == pytest.approx(0.01, rel=1e-6)


@given(st.floats(0.01, 100.0), st.integers(2, 5000), st.sampled_from(["paired", "independent"]))
def test_the_detectable_effect_is_found_with_the_wanted_power(deviation, users, design):
    effect = detectable_effect(deviation, users, design=design, power=0.9)
    assert power_for(effect, deviation, users, design=design) == pytest.approx(0.9, abs=1e-6)
    assert power_for(-effect, deviation, users, design=design) == pytest.approx(0.9, abs=1e-6)
    assert users_needed(effect, deviation, design=design, power=0.9) in (users, users + 1)


@pytest.mark.parametrize("users", [2, 3, 10, 200, 100_000])
@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0, 5.0])
def test_power_is_scipys_noncentral_t(users, shift):
    edge = stdtrit(users - 1, 0.975)
    expected = 1.0 - nctdtr(users - 1, shift, edge) + nctdtr(users - 1, shift, -edge)
    assert power_for(shift / np.sqrt(users), 1.0, users) == pytest.approx(expected, abs=1e-9)


def test_an_overwhelming_effect_is_found_for_sure():
    assert power_for(1e6, 1.0, 50) == 1.0
    assert power_for(60.0, 1.0, 10_000) == 1.0


def test_the_pilots_deviation_has_an_interval_that_holds_it():
    random = np.random.default_rng(2)
    found = [deviation_estimate(row) for row in random.laplace(0.0, 1.0, (500, 200))]
    assert found[0].value == pytest.approx(np.sqrt(2.0), abs=0.3)
    missed = sum(estimate.excludes(np.sqrt(2.0)) for estimate in found)
    assert missed <= binom.ppf(0.9995, 500, 0.07)


def test_the_deviation_is_the_samples():
    values = np.array([1.0, 4.0, 2.0, 9.0])
    assert deviation_estimate(values).value == pytest.approx(values.std(ddof=1))
    assert deviation_estimate([1.0]).value is None
    assert deviation_estimate([3.0, 3.0]).low is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: power_for(1.0, 0.0, 10), "users all alike"),
        (lambda: power_for(1.0, 1.0, 1), "2 or more"),
        (lambda: power_for(1.0, 1.0, 10, design="crossed"), "'independent'"),
        (lambda: detectable_effect(1.0, 10, power=0.05), "which no effect reaches"),
        (lambda: users_needed(0.0, 1.0), "expected one that users can show"),
    ],
)
def test_settings_that_cannot_work_are_refused(call, words):
    with pytest.raises(ConfigError, match=words):
        call()
