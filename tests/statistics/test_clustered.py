"""Cluster-robust intervals against the same regression written out in matrices."""

import numpy as np
import pytest
from scipy import stats

from recsim_llm.errors import ConfigError, DataError
from recsim_llm.statistics import clustered_mean, clustered_ratio, clustered_ratio_difference, mean_effect, ratio_estimate

CLUSTERS = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 4, 4])


def sums(seed=1):
    random = np.random.default_rng(seed)
    pages = random.integers(1, 15, (2, len(CLUSTERS))).astype(float)
    return random.poisson(pages * random.gamma(4.0, 0.1, (2, len(CLUSTERS)))).astype(float), pages


def dense_cr2(clicks, pages, clusters, contrast):
    """Return standard error and degrees of freedom of weighted least squares with one constant an arm (Bell & McCaffrey)."""
    arms = len(clicks)
    weight = np.sqrt(pages.ravel())
    design = np.kron(np.eye(arms), np.ones((pages.shape[1], 1))) * weight[:, None]
    outcome = clicks.ravel() / pages.ravel() * weight
    bread = np.linalg.inv(design.T @ design)
    hat = design @ bread @ design.T
    residual = outcome - hat @ outcome
    label = np.tile(clusters, arms)
    variance, columns = 0.0, []
    for name in np.unique(label):
        mine = label == name
        values, vectors = np.linalg.eigh(np.eye(mine.sum()) - hat[np.ix_(mine, mine)])
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        row = np.zeros(len(label))
        row[mine] = root @ design[mine] @ bread @ contrast
        variance += (row @ residual) ** 2
        columns.append((np.eye(len(label)) - hat).T @ row)
    gram = np.array(columns) @ np.array(columns).T
    return np.sqrt(variance), np.trace(gram) ** 2 / np.sum(gram**2)


def test_cr2_of_a_ratio_is_the_matrix_formula():
    clicks, pages = sums()
    effect = clustered_ratio(clicks[0], pages[0], CLUSTERS)
    error, degrees = dense_cr2(clicks[:1], pages[:1], CLUSTERS, np.array([1.0]))
    assert effect.value == pytest.approx(clicks[0].sum() / pages[0].sum())
    assert (effect.standard_error, effect.degrees) == pytest.approx((error, degrees), rel=1e-9)


def test_cr2_of_a_difference_of_ratios_is_the_matrix_formula():
    clicks, pages = sums()
    effect = clustered_ratio_difference(clicks, pages, CLUSTERS)
    error, degrees = dense_cr2(clicks, pages, CLUSTERS, np.array([1.0, -1.0]))
    assert effect.value == pytest.approx(np.subtract(*(clicks.sum(axis=1) / pages.sum(axis=1))))
    assert (effect.standard_error, effect.degrees) == pytest.approx((error, degrees), rel=1e-9)


def test_cr1_of_users_is_the_delta_method_of_the_intervals_room():
    clicks, pages = sums()
    effect, estimate = clustered_ratio(clicks[0], pages[0], correction="CR1"), ratio_estimate(clicks[0], pages[0])
    assert (effect.low, effect.high) == pytest.approx((estimate.low, estimate.high), rel=1e-12)


@pytest.mark.parametrize("correction", ["CR1", "CR2"])
def test_a_mean_with_every_user_a_cluster_is_the_t_test(correction):
    values = sums()[0][0]
    effect, expected = clustered_mean(values, np.arange(len(values)), correction=correction), mean_effect(values)
    assert effect.p_value == pytest.approx(expected.p_value, rel=1e-9)
    assert effect.degrees == pytest.approx(len(values) - 1)


def test_clusters_of_equal_size_give_the_t_test_of_their_means():
    values = np.random.default_rng(2).normal(size=(6, 5)) + np.arange(6)[:, None] % 2
    effect = clustered_mean(values.ravel(), np.repeat(["a", "b", "c", "d", "e", "f"], 5))
    assert effect.p_value == pytest.approx(stats.ttest_1samp(values.mean(axis=1), 0.0).pvalue, rel=1e-9)


def test_arms_with_different_users_give_the_two_sample_error():
    one, other = np.random.default_rng(3).poisson(3.0, (2, 40)).astype(float)
    zeros, ones = np.zeros(40), np.ones(40)
    clicks = [np.concatenate([one, zeros]), np.concatenate([zeros, other])]
    served = [np.concatenate([ones, zeros]), np.concatenate([zeros, ones])]
    effect = clustered_ratio_difference(clicks, served)
    assert effect.standard_error == pytest.approx(np.sqrt(one.var(ddof=1) / 40 + other.var(ddof=1) / 40), rel=1e-9)
    assert effect.degrees == pytest.approx(78.0)


def test_users_without_any_page_do_not_count():
    clicks, pages = sums()
    wider = [np.concatenate([rows, np.zeros((2, 3))], axis=1) for rows in (clicks, pages)]
    assert clustered_ratio_difference(*wider) == clustered_ratio_difference(clicks, pages)


def test_undefined_and_unknown_are_none():
    assert clustered_ratio([0.0, 0.0], [0.0, 0.0]).value is None
    assert clustered_ratio_difference([[1.0, 2.0], [0.0, 0.0]], [[2.0, 2.0], [0.0, 0.0]]).value is None
    assert clustered_mean([1.0, 2.0, 4.0], [0, 0, 0]).low is None
    assert clustered_ratio([0.1, 0.2, 0.7], [0.3, 0.6, 2.1]).low is None
    assert clustered_ratio([1.0], [2.0]).low is None


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: clustered_ratio([1.0], [0.0]), DataError, "1 over 0 at user 0"),
        (lambda: clustered_ratio([1.0], [-2.0]), DataError, "above 0"),
        (lambda: clustered_mean([1.0, 2.0], [0]), DataError, r"got shape \(1,\), expected \[2\]"),
        (lambda: clustered_ratio_difference([[1.0]], [[1.0]]), DataError, r"expected \[2, users\]"),
        (lambda: clustered_mean([1.0, 2.0], [0, 1], correction="CR3"), ConfigError, "'CR1' or 'CR2'"),
    ],
)
def test_what_cannot_be_used_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
