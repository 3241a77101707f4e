"""Validity: over 1,000 simulated runs on sparse, heavy-tailed clicks of 200 users, methods err as often as they say."""

import numpy as np
import pytest
from click_samples import binomial_bounds, browsing, clustered_clicks, mean_rate, paired_clicks

from recsim_llm.statistics import (
    bootstrap_means,
    bootstrap_ratio_difference,
    clustered_mean,
    clustered_ratio_difference,
    paired_effect,
    relative_lift,
)

RUNS, USERS = 1000, 200
LIFT = 1.3
CLUSTERS = [5] * 20 + [10] * 10


def nominal(errors, runs=RUNS):
    low, high = binomial_bounds(0.05, runs)
    return low <= errors <= high


@pytest.fixture(scope="module")
def equal_arms():
    return paired_clicks(np.random.default_rng(1), RUNS, USERS)


@pytest.fixture(scope="module")
def better_arm():
    return paired_clicks(np.random.default_rng(2), RUNS, USERS, lift=LIFT)


@pytest.fixture(scope="module")
def friends():
    return clustered_clicks(np.random.default_rng(3), RUNS, CLUSTERS)


@pytest.fixture(scope="module")
def pages():
    return browsing(np.random.default_rng(4), RUNS, USERS)


def test_the_sample_is_sparse_and_heavy_tailed(equal_arms):
    clicks = equal_arms[0]
    assert (clicks == 0.0).mean() > 0.35
    assert clicks.std() > 1.5 * clicks.mean()


def test_equal_arms_are_rejected_by_t_at_the_nominal_rate(equal_arms):
    found = [paired_effect(one, other).effect for one, other in zip(*equal_arms, strict=True)]
    assert nominal(sum(effect.excludes(0.0) for effect in found))
    assert nominal(sum(effect.p_value < 0.05 for effect in found))


def test_equal_arms_are_rejected_by_the_bootstrap_at_the_nominal_rate(equal_arms):
    found = bootstrap_means(np.subtract(*equal_arms), seed=5, resamples=2000)
    assert nominal(sum(effect.excludes(0.0) for effect in found))


@pytest.mark.parametrize("correction", ["CR1", "CR2"])
def test_equal_arms_are_rejected_by_cluster_robust_intervals_at_the_nominal_rate(friends, correction):
    (one, other), labels = friends
    found = [clustered_mean(row, labels, correction=correction) for row in one - other]
    assert nominal(sum(effect.excludes(0.0) for effect in found))


def test_ignoring_the_clusters_rejects_equal_arms_too_often(friends):
    one, other = friends[0]
    errors = sum(paired_effect(a, b).effect.excludes(0.0) for a, b in zip(one, other, strict=True))
    assert errors > 2 * 0.05 * RUNS


@pytest.mark.parametrize("correction", ["CR1", "CR2"])
def test_equal_ratios_are_rejected_at_the_nominal_rate(pages, correction):
    clicks, shown = pages
    runs = zip(clicks.swapaxes(0, 1), shown.swapaxes(0, 1), strict=True)
    assert nominal(sum(clustered_ratio_difference(*run, correction=correction).excludes(0.0) for run in runs))


def test_equal_ratios_are_rejected_by_the_bootstrap_at_the_nominal_rate(pages):
    clicks, shown = (column[:, :400] for column in pages)
    runs = enumerate(zip(clicks.swapaxes(0, 1), shown.swapaxes(0, 1), strict=True))
    found = [bootstrap_ratio_difference(*run, seed=seed, resamples=500) for seed, run in runs]
    assert nominal(sum(effect.excludes(0.0) for effect in found), runs=400)


def test_a_test_by_impression_rejects_equal_ratios_far_too_often(pages):
    clicks, shown = (column.sum(axis=2) for column in pages)
    rate = clicks.sum(axis=0) / shown.sum(axis=0)
    score = np.subtract(*(clicks / shown)) / np.sqrt(rate * (1.0 - rate) * (1.0 / shown).sum(axis=0))
    assert (np.abs(score) > 1.96).sum() > 0.2 * RUNS


def test_a_planted_effect_is_missed_at_the_nominal_rate(better_arm):
    truth = (LIFT - 1.0) * mean_rate()
    found = [paired_effect(one, other).effect for one, other in zip(*better_arm, strict=True)]
    assert nominal(sum(effect.excludes(truth) for effect in found))
    values = np.array([effect.value for effect in found])
    assert abs(values.mean() - truth) < 4.0 * values.std() / np.sqrt(RUNS)


def test_a_planted_effect_is_missed_by_the_bootstrap_at_the_nominal_rate(better_arm):
    found = bootstrap_means(np.subtract(*better_arm), seed=5, resamples=2000)
    assert nominal(sum(effect.excludes((LIFT - 1.0) * mean_rate()) for effect in found))


@pytest.mark.parametrize("method", ["fieller", "delta"])
def test_a_planted_lift_is_missed_at_the_nominal_rate(better_arm, method):
    found = [relative_lift(one, other, method=method) for one, other in zip(*better_arm, strict=True)]
    assert nominal(sum(estimate.excludes(LIFT - 1.0) for estimate in found))


def test_pairing_needs_as_many_fewer_users_as_it_says(better_arm):
    one, other = better_arm
    unpaired = np.var(one.mean(axis=1) - np.roll(other, 1, axis=0).mean(axis=1))
    paired = np.var(one.mean(axis=1) - other.mean(axis=1))
    said = np.median([paired_effect(a, b).variance_ratio.value for a, b in zip(one, other, strict=True)])
    assert unpaired / paired == pytest.approx(said, rel=0.25)
    assert said > 2.0
