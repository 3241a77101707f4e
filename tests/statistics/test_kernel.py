"""Validity on users of the real kernel: one recommender under two seeds, cut into 1,000 comparisons of equal arms."""

import numpy as np
import pytest
from click_samples import binomial_bounds

from recsim_llm.log import open_run
from recsim_llm.metrics.tallies import read_tally
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.statistics import bootstrap_means, clustered_ratio_difference, paired_effect

RUNS, USERS = 1000, 200
SETTINGS = {"recommenders": ["popularity"], "max_pages": 10, "visits": 10}


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Clicks and impressions, [2 seeds, 600 users] each."""
    sums = []
    for seed in (11, 12):
        folder = run(load_scenario("demo", SETTINGS | {"seed": seed}), tmp_path_factory.mktemp("pool") / str(seed))
        tally = read_tally(open_run(folder))
        assert len(tally.user_id) == 600
        sums.append((tally.sums["clicks"][0], tally.sums["impressions"][0]))
    return np.array(sums).swapaxes(0, 1)


@pytest.fixture(scope="module")
def equal_arms(pool):
    """Sums [runs, clicks and impressions, 2 arms, users] of arms that differ in nothing.

    Which of a user's two lives belongs to which arm is drawn anew in every run: the pool's own two totals differ by chance,
    and without the draw every run would inherit that difference.
    """
    random = np.random.default_rng(1)
    return np.array([pool[:, [life, 1 - life], users] for users, life in draws(random)])


def draws(random):
    for _ in range(RUNS):
        yield random.permutation(600)[:USERS], random.integers(0, 2, USERS)


def nominal(errors):
    low, high = binomial_bounds(0.05, RUNS)
    return low <= errors <= high


def test_paired_intervals_reject_equal_arms_at_the_nominal_rate(equal_arms):
    assert nominal(sum(paired_effect(*clicks).effect.excludes(0.0) for clicks, _ in equal_arms))


def test_bootstrap_intervals_reject_equal_arms_at_the_nominal_rate(equal_arms):
    found = bootstrap_means(equal_arms[:, 0, 0] - equal_arms[:, 0, 1], seed=3, resamples=2000)
    assert nominal(sum(effect.excludes(0.0) for effect in found))


def test_ratios_by_user_reject_equal_arms_at_the_nominal_rate(equal_arms):
    assert nominal(sum(clustered_ratio_difference(*sums).excludes(0.0) for sums in equal_arms))


def test_a_test_by_impression_rejects_equal_arms_far_too_often_where_intervals_by_user_hold(pool):
    random = np.random.default_rng(2)
    by_impression = by_user = 0
    for _ in range(RUNS):
        users, life = random.permutation(600)[: 2 * USERS], random.integers(0, 2, 2 * USERS)
        clicks, shown = pool[:, life, users].reshape(2, 2, USERS)
        rate = clicks.sum() / shown.sum()
        error = np.sqrt(rate * (1.0 - rate) * (1.0 / shown.sum(axis=1)).sum())
        by_impression += abs(np.subtract(*(clicks.sum(axis=1) / shown.sum(axis=1)))) > 1.96 * error
        apart = [np.kron(np.eye(2), np.ones(USERS)) * np.tile(column.ravel(), (2, 1)) for column in (clicks, shown)]
        by_user += clustered_ratio_difference(*apart).excludes(0.0)
    assert by_impression > binomial_bounds(0.15, RUNS)[0]
    assert nominal(by_user)
