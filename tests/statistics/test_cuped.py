"""CUPED: unbiased, as much narrower as theory says, and honest about what it cannot do."""

import numpy as np
import pytest
from click_samples import binomial_bounds

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.statistics import cuped_independent, cuped_paired, paired_effect

RUNS = 1000


def skew_population(random, shape):
    """Return outcomes and two covariates that explain half and a fifth of their variance (0.5 + 0.2 of 1)."""
    parts = random.exponential(1.0, (3, *shape))
    outcome = np.sqrt(0.5) * parts[0] + np.sqrt(0.2) * parts[1] + np.sqrt(0.3) * parts[2]
    return outcome, np.stack([parts[0], parts[1]], axis=-1)


@pytest.fixture(scope="module")
def independent_runs():
    random = np.random.default_rng(1)
    one, one_before = skew_population(random, (RUNS, 150))
    other, other_before = skew_population(random, (RUNS, 150))
    one += 0.2
    arms = zip(one, one_before, other, other_before, strict=True)
    return [cuped_independent((a, x), (b, y)) for a, x, b, y in arms]


def test_variance_falls_by_what_the_covariates_explain(independent_runs):
    adjusted = np.var([run.effect.value for run in independent_runs])
    raw = np.var([run.raw.value for run in independent_runs])
    # A ratio of two variances over 1,000 runs has a standard error of about 5%.
    assert adjusted / raw == pytest.approx(1.0 - 0.7, rel=0.15)
    assert np.mean([run.reduction.value for run in independent_runs]) == pytest.approx(0.7, abs=0.02)
    assert independent_runs[0].coefficients == pytest.approx((np.sqrt(0.5), np.sqrt(0.2)), abs=0.2)


def test_the_adjusted_difference_is_unbiased(independent_runs):
    values = np.array([run.effect.value for run in independent_runs])
    assert abs(values.mean() - 0.2) < 4.0 * values.std() / np.sqrt(RUNS)


def test_adjusted_intervals_hold_the_true_difference_at_the_nominal_rate(independent_runs):
    low, high = binomial_bounds(0.05, RUNS)
    assert low <= sum(run.effect.excludes(0.2) for run in independent_runs) <= high
    assert low <= sum(run.raw.excludes(0.2) for run in independent_runs) <= high


def test_the_interval_of_the_reduction_holds_the_true_one(independent_runs):
    assert sum(run.reduction.excludes(0.7) for run in independent_runs) <= binomial_bounds(0.07, RUNS)[1]


def test_the_reduction_is_that_of_the_estimates_variance_for_arms_of_any_size():
    random = np.random.default_rng(9)
    one, other = skew_population(random, (40,)), skew_population(random, (400,))
    found = cuped_independent((3.0 * one[0], one[1]), other)
    ratio = (found.effect.standard_error / found.raw.standard_error) ** 2
    assert found.reduction.value == pytest.approx(1.0 - ratio, rel=1e-9)


def paired_runs(folds, users=20, runs=4000):
    """Return adjusted means of outcomes of mean 1 that bend with a skew covariate of known mean 0."""
    covariate = np.random.default_rng(2).exponential(1.0, (runs, users)) - 1.0
    return np.array([cuped_paired(x**2, x[:, None], [0.0], folds=folds).effect.value for x in covariate])


def test_cross_fitting_takes_out_the_bias_of_few_users():
    crossed, inside = paired_runs(5), paired_runs(1)
    assert abs(crossed.mean() - 1.0) < 4.0 * crossed.std() / np.sqrt(len(crossed))
    assert abs(inside.mean() - 1.0) > 8.0 * inside.std() / np.sqrt(len(inside))


def test_paired_differences_lose_what_the_arms_own_pre_periods_explain():
    random = np.random.default_rng(3)
    luck = random.normal(size=(2000, 2))
    difference = 0.3 + 0.8 * (luck[:, 0] - luck[:, 1]) + 0.6 * np.sqrt(2.0) * random.normal(size=2000)
    found = cuped_paired(difference, (luck[:, 0] - luck[:, 1])[:, None], [0.0])
    # 0.64 of variance 1.28 + 0.72.
    assert found.reduction.value == pytest.approx(0.64, abs=0.05)
    assert not found.reduction.excludes(0.64)
    assert found.effect.excludes(0.0)
    assert found.coefficients == pytest.approx((0.8,), abs=0.05)


def test_a_sample_is_corrected_towards_its_population():
    random = np.random.default_rng(4)
    activity = random.exponential(1.0, 3000)
    chosen = np.argsort(activity)[-2000:]
    difference = 2.0 * activity + random.normal(0.0, 0.1, 3000)
    found = cuped_paired(difference[chosen], activity[chosen, None], [activity.mean()])
    assert found.raw.excludes(difference.mean())
    assert not found.effect.excludes(difference.mean())


def test_useless_covariates_cost_next_to_nothing():
    random = np.random.default_rng(5)
    found = cuped_paired(random.normal(1.0, 1.0, 500), random.normal(size=(500, 3)), np.zeros(3))
    assert not found.reduction.excludes(0.0)
    assert abs(found.reduction.value) < 0.03


def test_a_covariate_given_twice_does_no_harm():
    random = np.random.default_rng(6)
    covariate = random.normal(size=(300, 1))
    difference = covariate[:, 0] + random.normal(size=300)
    once, twice = (
        cuped_paired(difference, columns, np.zeros(columns.shape[1])) for columns in (covariate, covariate[:, [0, 0]])
    )
    assert twice.effect.value == pytest.approx(once.effect.value)
    assert sum(twice.coefficients) == pytest.approx(once.coefficients[0])


def test_without_adjustment_it_is_the_paired_t_test():
    one, other = np.random.default_rng(7).poisson(3.0, (2, 50)).astype(float)
    found = cuped_paired(one - other, np.random.default_rng(8).normal(size=(50, 1)), [0.0])
    assert found.raw == paired_effect(one, other).effect


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cuped_paired(np.arange(20.0), np.zeros((20, 1)), [0.0]), ConfigError, "cancels in a paired difference"),
        (lambda: cuped_paired(np.arange(20.0), np.arange(20.0), [0.0]), DataError, "wrap a single row or column"),
        (lambda: cuped_paired(np.arange(20.0), np.ones((20, 2)), [0.0]), DataError, r"expected \[2\]"),
        (lambda: cuped_paired(np.arange(5.0), np.ones((5, 1)), [0.0]), DataError, "at least 8"),
        (lambda: cuped_paired(np.arange(20.0), np.full((20, 1), np.inf), [0.0]), DataError, r"inf at \[0, 0\]"),
        (lambda: cuped_paired(np.arange(20.0), np.ones((20, 1)), [0.0], folds=0), ConfigError, "1 or more"),
        (
            lambda: cuped_independent((np.arange(20.0), np.ones((20, 1))), (np.arange(20.0), np.ones((20, 2)))),
            DataError,
            "the same ones in both arms",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
